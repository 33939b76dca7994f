"""The house: it makes a practice match for a race, and files to begin with that pass under the race's rules.

Its traffic is simulated, shaped until it satisfies whatever the rules ask of a trace, and lightly defended (FRONT with
few dummies): a guess by volume is far better than chance, a classifier of bursts and times far better than that,
and neither is always right. Needs numpy and polars only, so every server can do it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from srs.errors import InputError
from srs.game.race import RaceRules
from srs.judging.attack import judge_predictions
from srs.judging.bundle import prepare_bundle
from srs.judging.defence import Verdict, check_defence, judge_defence
from srs.judging.key import read_key
from srs.judging.task import BundleTask, DefenceTask, HouseTask
from srs.lab.defences import Defence, front, full_packets
from srs.lab.features import Floats, counts, packets
from srs.lab.simulate import simulate
from srs.traces.bundles import describe_file
from srs.traces.report import Report
from srs.traces.schema import CAPTURE, HOUSE_TEAM, REP, SIZE, TEAM, TIME
from srs.traces.writers import write_csv_zip, write_parquet

VERSION: Final = "house-1"
TRAIN: Final = "train.csv.zip"
EXAMPLE_DEFENCE, EXAMPLE_ATTACK, SCRIPT = "example_defence.csv.zip", "example_attack.csv.zip", "example_attack.py"

# What practice needs, where the rules leave room: more traces and packets would only be longer downloads.
_TRACES: Final = 2500
_TEST_TRACES: Final = 1000
_PACKETS: Final = 1_500_000
# Bytes of a packet in a CSV file, as it is and zipped, with room for the dummies and for long class numbers.
_CSV_BYTES, _ZIPPED_BYTES = 60, 20
# So many traces are shaped at once: enough that it pays, and not much in memory.
_AT_ONCE: Final = 1000
_DURATION_SHARE: Final = 0.95
_LAP_PAUSE_S: Final = 1.0
_TRACE: Final = ("cell_id", REP)


@dataclass(frozen=True)
class House:
    """What the house has made, as plain values: names of files in the folder of the judgement.

    ``files`` are those to hand out, ``labels`` the sealed key. ``utility`` is that of the house's defence,
    ``baseline`` every metric of ``EXAMPLE_ATTACK`` (``srs.scoring``), which is there to be beaten.
    """

    files: dict[str, str]
    labels: str
    utility: float
    baseline: dict[str, Any] = field(default_factory=dict)
    captures: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What the captures in those ``files`` that would be accepted as a defence are known by (``Verdict.captures``)."""


def make_house(task: HouseTask, folder: Path) -> House:
    """Make the practice match that a task of the server names; its files are written into ``folder``.

    Raises ``InputError`` where the rules are such that no simulated traffic satisfies them.
    """
    rules = _for_practice(task.rules)
    seed = int.from_bytes(task.key[:8], "big")
    house = folder / "house.parquet"
    write_parquet(house_traffic(rules, seed, _light_front), house)
    verdict = judge_defence(
        DefenceTask(path=house, name=house.name, rules=rules, split_secret=task.key, published=[]), folder
    )
    _must_pass("defence", verdict.accepted, verdict.report)
    house.unlink()
    bundle = prepare_bundle(_bundle_task(task, rules, verdict, folder), folder)
    example = _write_example_defence(rules, seed, folder)
    trained = check_defence(folder / TRAIN, TRAIN, rules)
    shutil.copyfile(Path(__file__).with_name(SCRIPT), folder / SCRIPT)
    guesses = guess(_read(folder, "train"), _read(folder, "test"), rules)
    write_csv_zip(guesses, folder / EXAMPLE_ATTACK)
    judged = judge_predictions(
        folder / EXAMPLE_ATTACK, EXAMPLE_ATTACK, rules, [read_key(HOUSE_TEAM, folder / bundle.labels)]
    )
    _must_pass("attack", judged.accepted, judged.report)
    examples = {name: name for name in (EXAMPLE_DEFENCE, EXAMPLE_ATTACK, SCRIPT)}
    files = {**verdict.files, **bundle.files, **examples}
    known = {EXAMPLE_DEFENCE: example.captures, TRAIN: trained.captures if trained.accepted else {}}
    return House(files, bundle.labels, verdict.utility, judged.matches[HOUSE_TEAM].final, known)


def house_traffic(rules: RaceRules, seed: int, defend: Defence, start: int = 0) -> pl.DataFrame:
    """A defended trace set as a defence file of this race has it: class, ``rep``, size, time (seconds).

    ``seed`` decides what each class is like; ``start`` is the number of the first capture session, so that calls with
    sessions apart give other captures of the same classes.
    """
    least, most = rules.traces.repetitions
    repetitions = min(most, max(least, _TRACES // rules.classes.count))
    longest = _packets_most(rules) // (rules.classes.count * repetitions)
    at_once = max(1, _AT_ONCE // rules.classes.count)
    parts = [
        _sessions(rules, seed, range(first, min(first + at_once, start + repetitions)), longest, defend)
        for first in range(start, start + repetitions, at_once)
    ]
    traces = pl.concat(parts).with_columns(pl.col(REP) - start).sort(*_TRACE, maintain_order=True)
    return traces.rename({"cell_id": rules.classes.column})


def guess(train: pl.DataFrame, test: pl.DataFrame, rules: RaceRules) -> pl.DataFrame:
    """The cheapest honest attack, as a file of predictions: the class whose mean is nearest in packets and bytes.

    Counts are compared by their logarithms, in units of their deviation over the training set; a chance falls with
    the square of the distance, as of normal distributions of one width.
    """
    column, count = rules.classes.column, rules.classes.count
    known, unknown = packets(train, (column, REP)), packets(test, (TEAM, CAPTURE))
    learned, asked = np.log1p(counts(known)), np.log1p(counts(unknown))
    centre, width = learned.mean(axis=0), learned.std(axis=0) + 1e-9
    learned, asked = (learned - centre) / width, (asked - centre) / width
    class_of_trace = known.keys[column].to_numpy()
    means = np.array([learned[class_of_trace == number].mean(axis=0) for number in range(1, count + 1)])
    within = float(np.mean((learned - means[class_of_trace - 1]) ** 2)) + 1e-9
    names = [f"proba_class_{number}" for number in range(1, count + 1)]
    return unknown.keys.hstack(pl.DataFrame(_chances(asked, means, within), schema=names))


def _chances(asked: Floats, means: Floats, within: float) -> Floats:
    """The chance of each class by distance from its mean; shape (traces, classes), rows sum to 1."""
    squares = (asked**2).sum(axis=1)[:, np.newaxis] - 2 * asked @ means.T + (means**2).sum(axis=1)
    weights: Floats = np.exp((squares.min(axis=1, keepdims=True) - squares) / (2 * within))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def _light_front(traces: pl.DataFrame, seed: int) -> pl.DataFrame:
    return front(traces, seed, sent_most=40, received_most=160)


def _packets_most(rules: RaceRules) -> int:
    """How many packets a file may have, to be neither too large as sent nor as unpacked."""
    megabytes = rules.traces.upload_max_mb / _ZIPPED_BYTES, rules.traces.unpacked_max_mb / _CSV_BYTES
    return min(_PACKETS, int(min(megabytes) * 1_000_000))


def _sessions(rules: RaceRules, seed: int, numbers: range, longest: int, defend: Defence) -> pl.DataFrame:
    """Some visits to each class, shaped by the rules, then defended; columns as ``simulate`` has them."""
    least = rules.traces.packets_min
    traces = simulate(rules.classes.count, len(numbers), seed=seed, start=numbers.start)
    traces = _lengthened(traces.filter(pl.int_range(pl.len()).over(_TRACE) < max(longest, least)), least)
    scale = pl.min_horizontal(1.0, _DURATION_SHARE * rules.traces.duration_max_s / pl.col(TIME).max().over(_TRACE))
    defended = defend(traces.with_columns((pl.col(TIME) * scale).round(6)), seed + numbers.start)
    size = pl.col(SIZE).cast(pl.Int32)
    return defended.select(
        *_TRACE, (size.abs().clip(upper_bound=rules.traces.size_max_bytes) * size.sign()).cast(pl.Int32), TIME
    )


def _lengthened(traces: pl.DataFrame, packets_min: int) -> pl.DataFrame:
    """Visit again, a second later and as often as it takes, where a visit is too short for the race."""
    laps = (packets_min / pl.len().over(_TRACE)).ceil().cast(pl.Int64)
    if traces.select(laps.max()).item() == 1:
        return traces
    again = traces.with_columns(lap=pl.int_ranges(0, laps), ends=pl.col(TIME).max().over(_TRACE)).explode("lap")
    shifted = again.with_columns(pl.col(TIME) + pl.col("lap") * (pl.col("ends") + _LAP_PAUSE_S))
    return shifted.drop("lap", "ends").sort(*_TRACE, TIME, maintain_order=True)


def _for_practice(rules: RaceRules) -> RaceRules:
    """In practice nothing is kept back, and the test set is no larger than what a thousand attempts need."""
    most = max(_TEST_TRACES, rules.classes.count)
    few = {name: min(most, getattr(rules.split, name)) for name in ("test_traces", "test_pool")}
    return rules.model_copy(update={"split": rules.split.model_copy(update={**few, "public_share": 1.0})})


def _bundle_task(task: HouseTask, rules: RaceRules, verdict: Verdict, folder: Path) -> BundleTask:
    return BundleTask(
        pool=folder / verdict.pool,
        rules=rules,
        race=task.race,
        round_number=None,
        team_id=HOUSE_TEAM,
        order_seed=task.key,
        capture_ids=task.capture_ids[: rules.split.test_traces],
        train_files={name: describe_file(folder / path) for name, path in verdict.files.items()},
    )


def _write_example_defence(rules: RaceRules, seed: int, folder: Path) -> Verdict:
    """A defence that is accepted: later captures of the same classes, every packet padded to full size."""
    path = folder / EXAMPLE_DEFENCE
    write_csv_zip(house_traffic(rules, seed, full_packets, start=rules.traces.repetitions[1]), path)
    verdict = check_defence(path, path.name, rules)
    _must_pass("example defence", verdict.accepted, verdict.report)
    return verdict


def _read(folder: Path, stem: str) -> pl.DataFrame:
    return pl.read_parquet(folder / f"{stem}.parquet")


def _must_pass(what: str, accepted: bool, report: Report) -> None:
    if not accepted:
        raise InputError(
            "house.rules", f"No {what} of the house satisfies the rules of this race: {report.problems[0]}"
        )
