"""Volumes, hashes and selections of traces."""

from __future__ import annotations

import dataclasses

import numpy as np

from srs.traces.defences import read_defence
from srs.traces.trace_set import TraceSet
from worlds.traffic import RULES, defence_csv


def three_traces() -> TraceSet:
    return TraceSet(
        class_of_trace=np.array([1, 1, 2], np.int32),
        rep_of_trace=np.array([0, 4, 2], np.int32),
        starts=np.array([0, 2, 3, 6]),
        size=np.array([576, -1500, -40, 65535, 65535, -1], np.int32),
        time_us=np.array([0, 10, 0, 0, 5, 9]),
        duration_s=np.array([1e-5, 0.0, 9e-6]),
    )


def test_volumes_are_of_each_direction() -> None:
    traces = three_traces()
    assert traces.volume_out.tolist() == [576, 0, 131070]
    assert traces.volume_in.tolist() == [1500, 40, 1]
    assert (len(traces), traces.packets) == (3, 6)


def test_a_volume_may_exceed_32_bits() -> None:
    size = np.full(70_000, -65535, np.int32)
    traces = TraceSet(
        np.array([1], np.int32), np.array([0], np.int32), np.array([0, 70_000]), size, np.arange(70_000), np.ones(1)
    )
    assert traces.volume_in.tolist() == [70_000 * 65_535]


def test_a_selection_keeps_its_order_and_whole_traces() -> None:
    chosen = three_traces().select(np.array([2, 0]))
    assert chosen.class_of_trace.tolist() == [2, 1]
    assert chosen.rep_of_trace.tolist() == [2, 0]
    assert chosen.starts.tolist() == [0, 3, 5]
    assert chosen.size.tolist() == [65535, 65535, -1, 576, -1500]
    assert chosen.time_us.tolist() == [0, 5, 9, 0, 10]
    assert chosen.duration_s.tolist() == [9e-6, 1e-5]
    assert len(three_traces().select(np.array([], np.intp)).starts) == 1


def test_hashes_are_of_sizes_and_times_only() -> None:
    traces, _ = read_defence(defence_csv(), RULES, "x")
    assert traces is not None
    hashes = traces.content_hashes
    assert len(set(hashes)) == 12
    renamed = dataclasses.replace(traces, rep_of_trace=traces.rep_of_trace[::-1], class_of_trace=traces.rep_of_trace)
    assert renamed.content_hashes == hashes
    assert traces.select(np.array([5, 1])).content_hashes == [hashes[5], hashes[1]]
    later = dataclasses.replace(traces, time_us=traces.time_us + (np.arange(traces.packets) == 3))
    larger = dataclasses.replace(traces, size=traces.size + (np.arange(traces.packets) == 3).astype(np.int32))
    assert [one == other for one, other in zip(later.content_hashes, hashes, strict=True)] == [False] + [True] * 11
    assert [one == other for one, other in zip(larger.content_hashes, hashes, strict=True)] == [False] + [True] * 11
