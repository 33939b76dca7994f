"""The profile of a trace set, against the same numbers computed plainly."""

from __future__ import annotations

import numpy as np
import pytest

from srs.judging.profile import (
    EXAMPLE_PACKETS_MAX,
    EXAMPLES,
    GRID_POINTS,
    Quartiles,
    profile,
    read_profile,
    write_profile,
)
from srs.traces.trace_set import TraceSet
from worlds.pictures import trace_set


def as_array(of: Quartiles) -> np.ndarray:
    return np.array([of.low, of.median, of.high])


def moved_until(traces: TraceSet, second: float) -> tuple[list[int], list[int]]:
    """Bytes received and sent by each trace until then, packet by packet."""
    received, sent = [], []
    for begin, end in zip(traces.starts[:-1], traces.starts[1:], strict=True):
        so_far = traces.size[begin:end][traces.time_us[begin:end] / 1e6 <= second + 1e-9]
        received.append(int(-so_far[so_far < 0].sum()))
        sent.append(int(so_far[so_far > 0].sum()))
    return received, sent


def test_quartiles_of_each_class() -> None:
    traces = trace_set(classes=3, repetitions=7, packets=30)
    found = profile(traces)
    assert (found.traces, found.classes) == (21, [1, 2, 3])
    for values, of, decimals in (
        (traces.volume_in, found.received, 0),
        (traces.volume_out, found.sent, 0),
        (traces.duration_s, found.duration_s, 3),
    ):
        expected = [np.quantile(values[traces.class_of_trace == one], [0.25, 0.5, 0.75]) for one in (1, 2, 3)]
        assert np.allclose(as_array(of).T, expected, rtol=0, atol=0.5 * 10.0**-decimals + 1e-9)


def test_volume_over_time() -> None:
    traces = trace_set(classes=3, repetitions=5, packets=25)
    found = profile(traces)
    assert len(found.grid_s) == GRID_POINTS
    assert found.grid_s[0] == 0
    assert found.grid_s[-1] == pytest.approx(np.quantile(traces.duration_s, 0.95), abs=1e-6)
    for place in (0, 1, 17, 40, GRID_POINTS - 1):
        received, sent = moved_until(traces, found.grid_s[place])
        for values, of in ((received, found.grid_received), (sent, found.grid_sent)):
            assert as_array(of)[:, place] == pytest.approx(np.quantile(values, [0.25, 0.5, 0.75]), abs=0.51)


def test_of_many_traces_a_thousand_make_the_curves() -> None:
    """The quartiles of each moment stay where they are, within the noise of a sample."""
    traces = trace_set(classes=3, repetitions=600, packets=6)
    found = profile(traces)
    assert found.traces == 1800
    received, _ = moved_until(traces, found.grid_s[30])
    assert as_array(found.grid_received)[:, 30] == pytest.approx(np.quantile(received, [0.25, 0.5, 0.75]), rel=0.1)
    assert profile(traces) == found


def test_examples_are_typical_traces_of_different_classes() -> None:
    traces = trace_set(classes=12, repetitions=5, packets=1000)
    found = profile(traces)
    assert [one.class_number for one in found.examples] == [1, 3, 5, 8, 10, 12]
    assert len(found.examples) == EXAMPLES
    for one in found.examples:
        assert (one.packets, len(one.time_s), len(one.size_bytes)) == (1000, EXAMPLE_PACKETS_MAX, EXAMPLE_PACKETS_MAX)
        volumes = traces.volume_in[traces.class_of_trace == one.class_number]
        assert one.received_bytes in volumes
        assert abs(one.received_bytes - np.median(volumes)) == np.abs(volumes - np.median(volumes)).min()
        assert one.time_s == sorted(one.time_s)
        assert one.time_s[0] == 0


def test_every_packet_of_a_short_trace_is_kept() -> None:
    found = profile(trace_set(classes=2, packets=9))
    assert [len(one.time_s) for one in found.examples] == [9, 9]
    for one in found.examples:
        assert sum(size for size in one.size_bytes if size > 0) == one.sent_bytes


def test_it_is_small_and_survives_json() -> None:
    """100 classes, and 300 packets of each example, within 60 kB."""
    found = profile(trace_set(classes=100, repetitions=4, packets=400))
    data = write_profile(found)
    assert len(data) < 60_000
    assert read_profile(data) == found


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"traces": 1e999}'])
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="validation error"):
        read_profile(data)


def test_a_number_that_is_none_is_refused() -> None:
    data = write_profile(profile(trace_set(classes=2)))
    assert b'"grid_s":[0.0' in data
    with pytest.raises(ValueError, match="finite"):
        read_profile(data.replace(b'"grid_s":[0.0', b'"grid_s":[NaN', 1))
