"""What the keys of a ``race.toml`` must be together, each being right by itself."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from srs.game.race_problems import Problem

if TYPE_CHECKING:
    from srs.game.race import RaceRules

ATTACK_TRACES_MAX = 20_000
"""Traces that one file may guess, in all matches of a team: what a judgement can score in half of its time."""
RESERVED_COLUMNS = frozenset({"rep", "direction_size", "timestamp", "capture_id", "team_id"})


def contradictions(rules: RaceRules) -> Iterator[Problem]:
    """Every contradiction between two keys, and what is not available yet."""
    yield from _joining(rules)
    yield from _classes(rules)
    yield from _traces(rules)
    yield from _split(rules)
    if rules.scoring.scheme == "balanced":
        yield Problem("scoring.scheme", '"balanced" is not available yet; write "srs2022".')
    yield from _rounds(rules)


def _joining(rules: RaceRules) -> Iterator[Problem]:
    if rules.joining.how == "code" and not rules.joining.code.strip():
        yield Problem(
            "joining.code",
            "missing, expected the code to join with: joining.how asks for one.",
            ("joining.how",),
        )


def _classes(rules: RaceRules) -> Iterator[Problem]:
    names, count = rules.classes.names, rules.classes.count
    if rules.classes.column in RESERVED_COLUMNS:
        reserved = ", ".join(sorted(RESERVED_COLUMNS))
        yield Problem("classes.column", f"found {rules.classes.column}, expected none of {reserved}.")
    if names and len(names) != count:
        yield Problem(
            "classes.names",
            f"found {len(names)} names, expected {count}, one for each class, or none.",
            ("classes.count",),
        )
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        yield Problem("classes.names", f"found {twice[0]} more than once, expected a name for each class.")


def _traces(rules: RaceRules) -> Iterator[Problem]:
    least, most = rules.traces.repetitions
    if least > most:
        yield Problem("traces.repetitions", f"the least is {least} and the most {most}, expected the smaller first.")
    if rules.traces.accepts != ("traces",):
        yield Problem("traces.accepts", '"code" is not supported yet; write ["traces"].')


def _split(rules: RaceRules) -> Iterator[Problem]:
    test_traces, test_pool, count = rules.split.test_traces, rules.split.test_pool, rules.classes.count
    if test_pool < test_traces:
        yield Problem(
            "split.test_pool",
            f"found {test_pool}, expected at least split.test_traces, {test_traces}.",
            ("split.test_traces",),
        )
    if test_traces < count:
        yield Problem(
            "split.test_traces",
            f"found {test_traces}, expected at least one for each of the {count} classes.",
            ("classes.count",),
        )
    of_an_attack = test_traces * rules.matches.per_team
    if of_an_attack > ATTACK_TRACES_MAX:
        yield Problem(
            "split.test_traces",
            f"found {test_traces} and matches.per_team {rules.matches.per_team}, together {of_an_attack} traces in one "
            f"attack, expected at most {ATTACK_TRACES_MAX}.",
            ("matches.per_team",),
        )
    least = rules.traces.repetitions[0]
    largest_share = -(-test_pool // count)
    if least == 1:
        yield Problem(
            "traces.repetitions",
            "the least is 1, expected at least 2: one trace of each class to test with and one to train on.",
        )
    elif largest_share >= least:
        yield Problem(
            "split.test_pool",
            f"found {test_pool}, which takes {largest_share} traces of a class; a class may have only {least} "
            f"(traces.repetitions) and one must be left to train on: expected at most {count * (least - 1)}.",
            ("classes.count", "traces.repetitions"),
        )


def _rounds(rules: RaceRules) -> Iterator[Problem]:
    if not rules.rounds:
        yield Problem("rounds", "missing, expected one table [[rounds]] for each round.")
    zone = zoneinfo.ZoneInfo(rules.timezone)
    before: tuple[str, dt.datetime] | None = None
    for number, times in enumerate(rules.rounds, start=1):
        for phase in ("defence", "attack"):
            key = f"rounds[{number}].{phase}"
            start, end = getattr(times, phase)
            opens_at, closes_at = _local(start, zone), _local(end, zone)
            if start >= end:
                yield Problem(key, f"closes at {closes_at}, expected later than it opens, {opens_at}.")
            if before is not None and start < before[1]:
                key_before, closed_at = before[0], _local(before[1], zone)
                yield Problem(key, f"opens at {opens_at}, expected not before {key_before} has closed, {closed_at}.")
            before = key, end


def _local(at: dt.datetime, zone: zoneinfo.ZoneInfo) -> str:
    """``2027-04-13 08:00+02:00``: the race's local time, with seconds where there are some."""
    local = at.astimezone(zone)
    return local.isoformat(" ", "auto" if local.second or local.microsecond else "minutes")
