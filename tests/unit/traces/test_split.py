"""Quotas, choices, messages. That the split is fair: tests/properties/test_split.py."""

from __future__ import annotations

import numpy as np
import pytest

from srs.game.race import Split as SplitRules
from srs.traces.defences import read_defence
from srs.traces.report import Report
from srs.traces.split import Split, choose_evenly, share_evenly, split, trace_hashes
from srs.traces.trace_set import TraceSet
from worlds.traffic import HEADER, RULES, defence_csv, trace_rows

SECRET = bytes(range(32))


def traces() -> TraceSet:
    made, _ = read_defence(defence_csv(), RULES, "x")
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("capacity", "total", "shares"),
    [
        ([5, 5, 5], 6, [2, 2, 2]),
        ([5, 5, 5], 7, [2, 2, 3]),
        ([5, 5, 5], 8, [2, 3, 3]),
        ([1, 5, 5], 9, [1, 4, 4]),
        ([1, 2, 9], 12, [1, 2, 9]),
        ([1, 1, 9], 8, [1, 1, 6]),
        ([0, 3, 3], 3, [0, 1, 2]),
        ([4, 4, 4], 0, [0, 0, 0]),
    ],
)
def test_shares_are_as_equal_as_capacities_allow(capacity: list[int], total: int, shares: list[int]) -> None:
    ranks = np.array([2, 1, 0])
    assert share_evenly(np.array(capacity), total, ranks).tolist() == shares


def test_a_choice_is_even_and_its_seed_s() -> None:
    classes = np.array([1, 1, 1, 2, 2, 2, 3, 3, 3, 3])
    chosen = choose_evenly(classes, 7, b"seed")
    assert len(set(chosen.tolist())) == 7
    assert sorted(np.bincount(classes[chosen])[1:].tolist()) == [2, 2, 3]
    assert chosen.tolist() == choose_evenly(classes, 7, b"seed").tolist()
    assert any(chosen.tolist() != choose_evenly(classes, 7, bytes([number])).tolist() for number in range(5))
    assert sorted(choose_evenly(classes, 10, b"seed").tolist()) == list(range(10))
    assert choose_evenly(classes, 10, b"seed").tolist() != list(range(10))
    assert choose_evenly(classes, 0, b"seed").size == 0


def test_hashes_depend_on_secret_class_and_content() -> None:
    made = traces()
    hashes = trace_hashes(made, SECRET)
    assert len({len(value) for value in hashes}) == 1
    assert len(set(hashes)) == len(made)
    assert not set(hashes) & set(trace_hashes(made, SECRET[::-1]))
    elsewhere = TraceSet(
        made.class_of_trace % 3 + 1, made.rep_of_trace, made.starts, made.size, made.time_us, made.duration_s
    )
    assert not set(hashes) & set(trace_hashes(elsewhere, SECRET))


def test_a_guessable_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16 bytes, not 5"):
        trace_hashes(traces(), b"12345")


def test_too_few_fresh_traces_are_told_with_their_number() -> None:
    made = traces()
    hashes = trace_hashes(made, SECRET)
    report = split(made, RULES, SECRET, frozenset(hashes[:9]))
    assert isinstance(report, Report)
    assert str(report.problems[0]) == (
        "9 of 12 traces were published in an earlier round; the test set needs 6 fresh ones, at least one for each "
        "cell: cells 1, 2 have none. Capture new traces; those whose labels are known can only be trained on."
    )
    report = split(made, RULES, SECRET, frozenset(hashes[:4]))
    assert isinstance(report, Report)
    assert "4 of 12 traces were published" in report.problems[0].sentence
    assert "cell: cell 1 has none." in report.problems[0].sentence
    report = split(made, RULES, SECRET, frozenset(hashes[:3] + hashes[4:7]))
    assert isinstance(report, Report)
    assert report.problems[0].sentence.endswith("fresh ones, at least one for each cell.")
    assert isinstance(split(made, RULES, SECRET, frozenset(hashes[:2] + hashes[4:6])), Split)


def test_the_pool_takes_the_smallest_hashes() -> None:
    made = traces()
    hashes = trace_hashes(made, SECRET)
    parts = split(made, RULES, SECRET, frozenset())
    assert isinstance(parts, Split)
    for cell in (1, 2, 3):
        of_cell = [trace for trace in range(12) if made.class_of_trace[trace] == cell]
        by_hash = sorted(of_cell, key=hashes.__getitem__)
        assert [trace for trace in parts.pool if trace in of_cell] == by_hash[:2]
        assert [trace for trace in parts.train if trace in of_cell] == by_hash[2:]


def with_copies() -> TraceSet:
    """In each of three cells: 0 to 3 are one trace, 4 and 5 another."""
    lines = [
        f"{cell},{rep},{size},{time:.6f}"
        for cell in (1, 2, 3)
        for rep in range(6)
        for _, _, size, time in trace_rows(cell, 0 if rep < 4 else 4)
    ]
    made, _ = read_defence("\n".join([HEADER, *lines]).encode(), RULES, "x")
    assert made is not None
    return made


@pytest.mark.parametrize(("in_each", "together"), [(2, {4, 5}), (4, {0, 1, 2, 3})])
def test_copies_stand_on_one_side_where_they_fit(in_each: int, together: set[int]) -> None:
    made = with_copies()
    rules = RULES.model_copy(update={"split": SplitRules(test_traces=6, test_pool=3 * in_each)})
    for number in range(10):
        parts = split(made, rules, bytes([number]) * 32, frozenset())
        assert isinstance(parts, Split)
        for cell in (1, 2, 3):
            of_cell = made.rep_of_trace[parts.pool[made.class_of_trace[parts.pool] == cell]]
            assert set(of_cell.tolist()) == together


@pytest.mark.parametrize("in_each", [1, 3, 5])
def test_one_group_of_copies_is_divided_where_none_fits(in_each: int) -> None:
    made = with_copies()
    rules = RULES.model_copy(update={"split": SplitRules(test_traces=3, test_pool=3 * in_each)})
    parts = split(made, rules, SECRET, frozenset())
    assert isinstance(parts, Split)
    for cell in (1, 2, 3):
        reps = made.rep_of_trace[parts.pool[made.class_of_trace[parts.pool] == cell]].tolist()
        assert len(reps) == in_each
        divided = [0 < len(group & set(reps)) < len(group) for group in ({0, 1, 2, 3}, {4, 5})]
        assert sum(divided) == 1
