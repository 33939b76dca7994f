"""The split: who is trained on and who is tested on, whatever the file looks like."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fixtures.reference import REAL_TRACES, read_packets, reads_real_captures
from fixtures.sizes import record, size
from srs.game.race import Classes, RaceRules, Traces
from srs.game.race import Split as SplitRules
from srs.judging import steps
from srs.judging.defence import Verdict, judge_defence
from srs.judging.task import DefenceTask
from srs.lab.simulate import simulate
from srs.traces.bundles import write_test, write_train
from srs.traces.defences import read_defence
from srs.traces.report import Report
from srs.traces.schema import SIZE, TIME
from srs.traces.split import Split, choose_evenly, split, trace_hashes
from srs.traces.trace_set import TraceSet
from worlds.traffic import RULES, defence_rows, trace_rows

SECRET = b"split-secret-of-thirty-two-bytes"
Packets = tuple[tuple[int, int], ...]


def rules_for(classes: int, pool: int, most: int = 60) -> RaceRules:
    return RULES.model_copy(
        update={
            "classes": Classes(count=classes),
            "traces": Traces(repetitions=(2, most), packets_min=2),
            "split": SplitRules(test_traces=pool, test_pool=pool),
        }
    )


def random_set(rng: np.random.Generator, classes: int, most: int) -> TraceSet:
    """Traces with a few packets each; some are copies of others of their class."""
    counts = rng.integers(2, most + 1, classes)
    total = int(counts.sum())
    kinds = rng.integers(0, total if rng.random() < 0.7 else 5, total)
    lengths = 2 + kinds % 3
    starts = np.concatenate(([0], np.cumsum(lengths)))
    place = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
    kind = np.repeat(kinds, lengths)
    return TraceSet(
        class_of_trace=np.repeat(np.arange(1, classes + 1), counts).astype(np.int32),
        rep_of_trace=np.concatenate([np.arange(count) for count in counts]).astype(np.int32),
        starts=starts,
        size=np.where(place % 2, -1500, 1 + kind).astype(np.int32),
        time_us=place * (1 + kind),
        duration_s=lengths * 1e-6,
    )


def contents(traces: TraceSet, which: np.ndarray) -> list[tuple[int, Packets]]:
    """Class and packets of each of these traces, sorted: what is left without order and numbers."""
    found = []
    for trace in which.tolist():
        packets = slice(*traces.starts[trace : trace + 2])
        pairs = zip(traces.size[packets].tolist(), traces.time_us[packets].tolist(), strict=True)
        found.append((int(traces.class_of_trace[trace]), tuple(pairs)))
    return sorted(found)


def done(
    traces: TraceSet, rules: RaceRules, secret: bytes = SECRET, published: frozenset[bytes] = frozenset()
) -> Split:
    parts = split(traces, rules, secret, published)
    assert isinstance(parts, Split)
    return parts


def test_random_splits_are_fair() -> None:
    """G1: 1 000 random splits; disjoint, exact, every class on both sides, nothing in the files tells them apart."""
    tried = size(150, 1000)
    for number in range(tried):
        rng = np.random.default_rng(number)
        classes = int(rng.integers(2, 12))
        traces = random_set(rng, classes, int(rng.integers(3, 20)))
        counts = np.bincount(traces.class_of_trace)[1:]
        pool_size = int(rng.integers(classes, (counts - 1).sum() + 1))
        parts = done(traces, rules_for(classes, pool_size), rng.bytes(32))
        assert sorted([*parts.train, *parts.pool]) == list(range(len(traces)))
        assert len(parts.pool) == pool_size
        shares = np.bincount(traces.class_of_trace[parts.pool], minlength=classes + 1)[1:]
        assert set(traces.class_of_trace[parts.train]) == set(range(1, classes + 1))
        assert shares.min() >= 1
        # As equal as possible: nobody has two more than another that could have had one more.
        assert all(shares.max() - share <= 1 for share, count in zip(shares, counts, strict=True) if share < count - 1)
        copies_are_together(traces, parts)
        if number % 10 == 0:
            files_tell_nothing(traces, parts, rng)
    record("G1", tried, note="random splits")


def copies_are_together(traces: TraceSet, parts: Split) -> None:
    """At most one group of copies of a class is divided, where none could fill the class's share."""
    for number in set(traces.class_of_trace.tolist()):
        of_class = traces.class_of_trace == number
        train = {tuple(item) for item in contents(traces, parts.train[of_class[parts.train]])}
        pool = {tuple(item) for item in contents(traces, parts.pool[of_class[parts.pool]])}
        assert len(train & pool) <= 1


def files_tell_nothing(traces: TraceSet, parts: Split, rng: np.random.Generator) -> None:
    """The train file numbers its repetitions anew; the test file has ids only, sorted, its traces whole."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_train(traces, parts.train, "cell_id", folder)
        ids = rng.choice(2**31, len(parts.pool), replace=False)
        pool = traces.select(parts.pool)
        chosen = choose_evenly(pool.class_of_trace, len(ids), rng.bytes(16))
        write_test(pool, chosen, 7, ids.tolist(), folder)
        train = pl.read_parquet(folder / "train.parquet")
        test = pl.read_parquet(folder / "test.parquet")
    assert train.columns == ["cell_id", "rep", SIZE, TIME]
    assert test.columns == ["team_id", "capture_id", SIZE, TIME]
    assert set(test["team_id"]) == {7}
    assert test["capture_id"].is_sorted()
    assert set(test["capture_id"]) == set(ids.tolist())
    per_class = train.group_by("cell_id").agg(pl.col("rep").unique().sort())
    assert all(reps == list(range(len(reps))) for reps in per_class["rep"].to_list())
    assert as_packets(train, ["cell_id", "rep"]) == [packets for _, packets in contents_in_order(traces, parts.train)]
    by_id = chosen[np.argsort(ids)]
    assert as_packets(test, ["capture_id"]) == [packets for _, packets in contents_in_order(pool, by_id)]


def contents_in_order(traces: TraceSet, which: np.ndarray) -> list[tuple[int, Packets]]:
    return [contents(traces, np.array([trace]))[0] for trace in which]


def as_packets(table: pl.DataFrame, keys: list[str]) -> list[Packets]:
    grouped = table.group_by(keys, maintain_order=True).agg(SIZE, TIME)
    return [tuple(zip(sizes, times, strict=True)) for sizes, times in grouped.select(SIZE, TIME).iter_rows()]


@pytest.mark.parametrize("seed", range(size(10, 200)))
def test_order_and_numbers_do_not_matter(seed: int) -> None:
    """Traces interleaved, columns swapped, repetitions renumbered: the same split, the same metrics to the bit."""
    rng = np.random.default_rng(seed)
    rows = defence_rows(repetitions=6, seed=seed) + trace_rows(2, 6, seed) + trace_rows(2, 7, seed)
    table = pl.DataFrame(rows, ["cell_id", "rep", SIZE, TIME], orient="row")
    expected, _ = read_defence(table.write_csv().encode(), RULES, "plain")
    new_numbers = {cell: rng.permutation(100)[:8].tolist() for cell in (1, 2, 3)}
    renumbered = table.with_columns(
        rep=pl.Series([new_numbers[cell][rep] for cell, rep in table.select("cell_id", "rep").iter_rows()])
    )
    shuffled = interleaved(renumbered, rng).select(rng.permutation(table.columns).tolist())
    got, report = read_defence(shuffled.write_csv().encode(), RULES, "shuffled")
    assert report.to_json() == {"accepted": True, "problems": [], "warnings": [], "signals": [], "omitted": 0}
    assert expected is not None
    assert got is not None
    before, after = done(expected, RULES), done(got, RULES)
    for part, other in ((before.train, after.train), (before.pool, after.pool)):
        assert contents_in_order(expected, part) == contents_in_order(got, other)


def interleaved(table: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """The rows of different traces shuffled among each other, each trace's own rows in their order."""
    keys = table.select(pl.struct("cell_id", "rep").rank("dense").alias("trace"))["trace"].to_numpy()
    slots = rng.permutation(keys)
    order = np.empty(len(keys), dtype=np.int64)
    order[np.argsort(slots, kind="stable")] = np.argsort(keys, kind="stable")
    return table[order]


def test_another_secret_is_another_split() -> None:
    traces = random_set(np.random.default_rng(1), 5, 20)
    parts = [done(traces, rules_for(5, 20), bytes([number]) * 32).pool.tolist() for number in range(5)]
    assert len({tuple(part) for part in parts}) == 5


def test_published_traces_are_trained_on() -> None:
    rng = np.random.default_rng(2)
    for _ in range(size(20, 300)):
        traces = random_set(rng, 4, 15)
        rules = rules_for(4, 4)
        hashes = trace_hashes(traces, SECRET)
        stale = frozenset(hashes[trace] for trace in np.flatnonzero(rng.random(len(traces)) < 0.5))
        parts = split(traces, rules, SECRET, stale)
        fresh = {
            number for number, value in zip(traces.class_of_trace.tolist(), hashes, strict=True) if value not in stale
        }
        if isinstance(parts, Report):
            assert fresh != {1, 2, 3, 4}
            assert [problem.code for problem in parts.problems] == ["split.too-few-fresh"]
        else:
            assert fresh == {1, 2, 3, 4}
            assert not stale & {hashes[trace] for trace in parts.pool}


def verdict_of(path: Path, rules: RaceRules, folder: Path) -> tuple[Verdict, dict[str, bytes]]:
    folder.mkdir()
    task = DefenceTask(path=path, name="file.csv", rules=rules, split_secret=SECRET, published=[])
    verdict = judge_defence(task, folder)
    return verdict, {file.name: file.read_bytes() for file in folder.iterdir() if file.name != steps.FILE_NAME}


def judged_the_same(path: Path, rules: RaceRules, folder: Path) -> None:
    """The rows of different traces and the columns shuffled: the verdict and every file are equal to the last bit."""
    shuffled = interleaved(read_packets(path), np.random.default_rng(5)).select(SIZE, TIME, "rep", "cell_id")
    shuffled.write_csv(folder / "shuffled.csv", float_precision=6)
    assert (folder / "shuffled.csv").read_bytes() != path.read_bytes()
    verdict, files = verdict_of(path, rules, folder / "plain")
    other, other_files = verdict_of(folder / "shuffled.csv", rules, folder / "shuffled")
    assert verdict.accepted
    assert (verdict.metrics, verdict.utility) == (other.metrics, other.utility)
    assert sorted(files) == ["pool.npz", "profile.json", "published.bin", "train.csv.zip", "train.parquet"]
    assert files == other_files


def test_a_file_shuffled_is_judged_the_same(tmp_path: Path) -> None:
    simulate(classes=6, repetitions=10, seed=4).write_csv(tmp_path / "plain.csv", float_precision=6)
    judged_the_same(tmp_path / "plain.csv", rules_for(6, 12), tmp_path)


@reads_real_captures
def test_the_real_file_shuffled_is_judged_the_same(tmp_path: Path) -> None:
    judged_the_same(REAL_TRACES, RaceRules(slug="real", title="Real", rounds=()), tmp_path)
