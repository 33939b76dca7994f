"""What the keys of a ``race.toml`` must be together, each being right by itself."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from typing import TYPE_CHECKING

from srs.game.race_problems import Problem

if TYPE_CHECKING:
    from srs.game.race import RaceRules

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
            'missing, expected the code to join with, as joining.how is "code".',
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
            f"found {len(names)} names, expected {count}, one for each class, or [].",
            ("classes.count",),
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        yield Problem("classes.names", f"found {twice[0]} more than once, expected a name for each class.")


def _traces(rules: RaceRules) -> Iterator[Problem]:
    least, most = rules.traces.repetitions
    if least > most:
        yield Problem("traces.repetitions", f"found [{least}, {most}], expected the smaller number first.")
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
    least = rules.traces.repetitions[0]
    largest_share = -(-test_pool // count)
    if largest_share >= least:
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
    before: tuple[str, object] | None = None
    for number, times in enumerate(rules.rounds, start=1):
        for phase in ("defence", "attack"):
            key = f"rounds[{number}].{phase}"
            opens_at, closes_at = (at.astimezone(zone).isoformat() for at in getattr(times, phase))
            start, end = getattr(times, phase)
            if start >= end:
                yield Problem(key, f"found [{opens_at}, {closes_at}], expected that it opens before it closes.")
            if before is not None and start < before[1]:
                yield Problem(key, f"opens at {opens_at}, expected not before {before[0]} has closed.")
            before = key, end
