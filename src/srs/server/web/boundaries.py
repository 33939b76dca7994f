"""The boundaries of a round as staff plan, see and move them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from srs.errors import InputError
from srs.game.race import YEAR_MAX, YEAR_MIN, RoundTimes
from srs.server.services.rounds import BOUNDARIES, GRACE, DrawCandidate, in_effect, is_movable
from srs.server.services.wording import moment_in_words
from srs.server.store.rounds import Round

NO_TIME_TO_DRAW = (
    "Round {} leaves no time for its draw, which waits two minutes after the end of the defence phase for uploads that "
    "began in time, and then for the files. The attack phase will open that much later; it keeps its full length."
)

NOBODY_TO_PAIR = (
    "As it stands now, round {} would be drawn without a match: a match needs an accepted defence and another team. "
    "Until the draw you can move the end of its defence phase again."
)


@dataclass(frozen=True)
class Boundary:
    """One boundary of a round as it is now."""

    name: str
    at: dt.datetime
    is_late: bool
    """Whether it is later than planned, as the files of the draw were."""
    is_movable: bool
    value: str
    """Its present moment in the race's zone, as a ``datetime-local`` field has it."""

    @property
    def label(self) -> str:
        """``Defence opens``."""
        phase, verb, _at = self.name.split("_")
        return f"{phase.capitalize()} {verb}"


@dataclass(frozen=True)
class RefusedMove:
    """What staff asked for, and why it cannot be."""

    number: int
    boundary: str
    at: str
    reason: str
    sentence: str = ""

    def is_about(self, number: int, boundary: str) -> bool:
        """Whether it was this boundary that could not be moved."""
        return (self.number, self.boundary) == (number, boundary)


def boundaries(of_round: Round, now: dt.datetime, timezone: str) -> list[Boundary]:
    """The four boundaries of a round, as they really are or were."""
    return [_boundary(of_round, name, now, ZoneInfo(timezone)) for name in BOUNDARIES]


def _boundary(of_round: Round, name: str, now: dt.datetime, zone: ZoneInfo) -> Boundary:
    at = in_effect(of_round, name)
    local = at.astimezone(zone).replace(tzinfo=None)
    return Boundary(
        name=name,
        at=at,
        is_late=at != getattr(of_round, name),
        is_movable=is_movable(of_round, name, now),
        value=local.isoformat(timespec="seconds" if local.second else "minutes"),
    )


def leaves_no_time_to_draw(defence_closes_at: dt.datetime, attack_opens_at: dt.datetime) -> bool:
    """Whether an attack phase is planned to open before its draw can be made."""
    return attack_opens_at - defence_closes_at <= GRACE


def warnings(of_round: Round, boundary: str, *, is_earlier: bool, candidates: Sequence[DrawCandidate]) -> list[str]:
    """What a move may do to the draw of a round, in sentences; ``candidates`` are all teams of the race."""
    found = []
    if of_round.drawn_at is None and leaves_no_time_to_draw(of_round.defence_closes_at, of_round.attack_opens_at):
        found.append(NO_TIME_TO_DRAW)
    playing = [one for one in candidates if one.team.excluded_at is None]
    if boundary == "defence_closes_at" and is_earlier and (len(playing) < 2 or not any(one.is_in for one in playing)):
        found.append(NOBODY_TO_PAIR)
    return [sentence.format(of_round.number) for sentence in found]


def doubts(rounds: Sequence[RoundTimes], now: dt.datetime, zone: str) -> list[str]:
    """What may not be meant in the planned rounds (at least one) of a race that is not made yet, in sentences."""
    begins_at, ends_at = rounds[0].defence[0], rounds[-1].attack[1]
    found = []
    if ends_at <= now:
        found.append(f"Every round is over already: the last one ends at {moment_in_words(ends_at, zone)}.")
    elif begins_at <= now:
        found.append(f"Round 1 has begun already, at {moment_in_words(begins_at, zone)}.")
    for number, one in enumerate(rounds, start=1):
        if leaves_no_time_to_draw(one.defence[1], one.attack[0]):
            found.append(NO_TIME_TO_DRAW.format(number))
    return found


def hurried(rounds: Sequence[Round]) -> dict[int, str]:
    """The rounds, by id, that are not drawn yet and leave no time for it; and what comes of that, in a sentence."""
    return {
        one.id: NO_TIME_TO_DRAW.format(one.number)
        for one in rounds
        if one.drawn_at is None and leaves_no_time_to_draw(one.defence_closes_at, one.attack_opens_at)
    }


def local_moment(text: str, zone: ZoneInfo) -> dt.datetime:
    """A moment from a ``datetime-local`` field, in the race's zone; as UTC. Refuses one that does not exist."""
    try:
        local = dt.datetime.fromisoformat(text)
    except ValueError:
        local = None
    if local is None or local.tzinfo is not None:
        raise InputError("round.moment", f"{text[:60]!r} is not a date and time such as 2027-04-17T18:00.")
    if not YEAR_MIN <= local.year <= YEAR_MAX:
        raise InputError(
            "round.moment", f"{text[:60]} is not in the years {YEAR_MIN} to {YEAR_MAX}. Choose another time."
        )
    moment = local.replace(tzinfo=zone).astimezone(dt.UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != local:
        raise InputError(
            "round.moment",
            f"{text[:60]} does not exist in {zone.key}: clocks are put forward then. Choose another time.",
        )
    return moment
