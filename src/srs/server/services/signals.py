"""Signals: what is unusual about an accepted defence, in words for staff. They change no score; teams never see them.

Some are found when the file is judged and kept with its score; whether it is another team's file, or one that the
house has published, is asked of the database whenever staff look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from srs.server.services.wording import moment_in_words
from srs.server.store.engine import Session
from srs.server.store.practice import Practice, practice_of
from srs.server.store.races import Race
from srs.server.store.scores import DefenceScore
from srs.server.store.twins import Twin, Twins, twins_of
from srs.traces.report import Problem, counted

SAME_FILE, SAME_CAPTURES, PRACTICE_FILE = "file.same", "file.same-captures", "file.practice"


@dataclass(frozen=True)
class Meaning:
    """A kind of signal: what it is called, and what staff should know of it."""

    title: str
    means: str


MEANINGS = {
    "trace.copies": Meaning(
        "Exact copies of traces",
        "Two real captures never agree in every size and microsecond: these traces were duplicated, or made by a "
        "program. Ask the team how it came by them.",
    ),
    "trace.implausible-volume": Meaning(
        "Smaller than any real capture",
        "A query that gets through needs more bytes. Most often a unit was lost (packets or cells for bytes); else the "
        "traces were cut or made up. Ask the team.",
    ),
    "trace.implausible-duration": Meaning(
        "Shorter than any real capture",
        "A query that gets through needs longer. Most often a unit was lost (seconds for milliseconds); else "
        "the traces were cut or made up. Ask the team.",
    ),
    "trace.implausible-product": Meaning(
        "Implausible for a real capture",
        "The defence costs less than the network itself, which is why its utility stands at the cap. Most often a unit "
        "was lost; else the traces were cut or made up. Ask the team.",
    ),
    SAME_FILE: Meaning(
        "The same file as another team's",
        "One of the two teams has it from the other, or both have it from somewhere else. Ask both who captured it.",
    ),
    SAME_CAPTURES: Meaning(
        "The same captures as another team's",
        "The files differ, but as many traces and packets with every metric equal to the last digit are the same "
        "captures, packed or ordered anew. Ask both teams who captured them.",
    ),
    PRACTICE_FILE: Meaning(
        "A file that the house has published",
        "Everybody in the race can download it with its labels, so that its attackers can look the answers up. Often "
        "it was sent to try the site: tell the team to send captures of its own.",
    ),
}
UNKNOWN = Meaning("Something unusual", "Look at the file, and ask the team.")


@dataclass(frozen=True)
class Signal:
    """What is unusual about one defence."""

    code: str
    found: str
    other: str = ""
    """The public id of the defence that it is compared with, or empty."""
    stands_for: int = 1
    """How many signals it tells of, for the many that are the same."""

    @property
    def title(self) -> str:
        """What it is called."""
        return MEANINGS.get(self.code, UNKNOWN).title

    @property
    def means(self) -> str:
        """What it means, and what to ask."""
        return MEANINGS.get(self.code, UNKNOWN).means


def signals_of(session: Session, race: Race, scores: Sequence[DefenceScore]) -> dict[int, list[Signal]]:
    """The signals of several defences of a race: ``{submission_id: [...]}``, without those that have none."""
    if not scores:
        return {}
    practice = practice_of(session, race.id)
    houses = {score.submission_id: _published_as(practice, score) for score in scores}
    # A file that everybody may download is nobody's copy of somebody.
    twins = twins_of(session, race.id, [submission_id for submission_id, name in houses.items() if name is None])
    found, zone = {}, race.rules.timezone
    for score in scores:
        kept = [Signal(problem.code, str(problem)) for problem in map(Problem.from_json, score.signals)]
        name = houses[score.submission_id]
        own = [Signal(PRACTICE_FILE, f"It holds {name} of the race's practice match, trace for trace.")] if name else []
        others = _others(twins[score.submission_id], zone) if score.submission_id in twins else []
        if signals := [*own, *others, *kept]:
            found[score.submission_id] = signals
    return found


def count_signals(signals: Sequence[Signal]) -> int:
    """How many signals these tell of."""
    return sum(signal.stands_for for signal in signals)


def is_published(session: Session, race: Race, score: DefenceScore) -> bool:
    """Whether it is what everybody can download from the practice match, which its team may well be told."""
    return _published_as(practice_of(session, race.id), score) is not None


def _published_as(practice: Practice | None, score: DefenceScore) -> str | None:
    """The name under which the practice match offers the same file or the same captures."""
    for name, entry in practice.files.items() if practice else ():
        if entry["sha256"] == score.submission.sha256 or _holds(score, entry.get("captures")):
            return str(name)
    return None


def _holds(score: DefenceScore, captures: dict[str, Any] | None) -> bool:
    """Metrics are read last: they are large, and loaded for one score at a time."""
    names = ("traces", "packets", "metrics")
    return captures is not None and all(getattr(score, name) == captures.get(name) for name in names)


def _others(twins: Twins, zone: str) -> list[Signal]:
    named = [_about(twin, zone) for twin in twins.named]
    if not twins.more:
        return named
    rest = f"{counted(twins.more, 'more team')} sent the same captures."
    return [*named, Signal(SAME_CAPTURES, rest, stands_for=twins.more)]


def _about(twin: Twin, zone: str) -> Signal:
    same = "Byte for byte the file" if twin.is_same_file else "Trace for trace the captures"
    order = "earlier than this one" if twin.is_earlier else "later than this one"
    at = moment_in_words(twin.received_at, zone)
    sent = f"team {twin.team_number}, {twin.team_name}, sent for round {twin.round_number} at {at}"
    code = SAME_FILE if twin.is_same_file else SAME_CAPTURES
    return Signal(code, f"{same} that {sent}, {order}.", twin.public_id)
