"""The audit log in words: who did what, for each action that is written down."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from srs.server.services.wording import boundary_in_words, moment_in_words
from srs.server.store.engine import Session
from srs.server.store.events import Event, events_of_race
from srs.server.store.overview import jobs_named, names_of, plain_teams
from srs.server.store.races import Race
from srs.server.web.shown import plural

SITE = "The site"
"""Who did what nobody was signed in for: what is due by the clock, what workers do, an operator's command."""

AT_MOST = 500
"""Lines on the page."""


@dataclass(frozen=True)
class Line:
    """One line of the log: the event, and what it says."""

    event: Event
    told: str


@dataclass(frozen=True)
class Names:
    """What the events of a race speak of by number."""

    zone: str
    teams: Mapping[int, str]
    """By number."""
    people: Mapping[int, str]
    jobs: Mapping[int, str]

    def team(self, subject: str) -> str:
        """``team 4, Quiet Maps``, of ``team 4``."""
        number = subject.rpartition(" ")[2]
        name = self.teams.get(int(number)) if number.isdecimal() else None
        return f"{subject}, {name}" if name else subject

    def job(self, subject: str) -> str:
        """``job 12 (defence of team 4)``, of ``job 12``."""
        number = subject.rpartition(" ")[2]
        what = self.jobs.get(int(number)) if number.isdecimal() else None
        return f"{subject} ({what})" if what else subject

    def moment(self, iso: str) -> str:
        """A moment of an event's detail, in the race's zone."""
        return moment_in_words(dt.datetime.fromisoformat(iso), self.zone)


def audit_lines(session: Session, race: Race) -> list[Line]:
    """The newest lines of a race's audit log, newest first."""
    log = events_of_race(session, race.id, AT_MOST)
    details = [event.detail for event in log if event.detail]
    names = Names(
        zone=race.rules.timezone,
        teams={team.number: team.name for team in plain_teams(session, race.id)},
        people=names_of(session, [detail["user_id"] for detail in details if "user_id" in detail]),
        jobs=_jobs(session, race, log),
    )
    return [Line(event, in_words(event, names)) for event in log]


def _jobs(session: Session, race: Race, log: list[Event]) -> dict[int, str]:
    numbers = {team.id: team.number for team in plain_teams(session, race.id)}
    job_ids = {int(event.subject.removeprefix("job ")) for event in log if event.subject.startswith("job ")}
    return {
        job_id: f"{kind} of team {numbers[team_id]}" if team_id in numbers else f"{kind} of the race"
        for job_id, kind, team_id in jobs_named(session, race.id, sorted(job_ids))
    }


def in_words(event: Event, names: Names) -> str:
    """What an event says, with its reason; one without words of its own, or without its detail, as it is written."""
    who = event.user.name if event.user else SITE
    told = f"did {event.action}, {event.subject}"
    with suppress(KeyError, ValueError):
        told = SENTENCES[event.action](event.subject, event.detail or {}, names)
    return f"{who} {told}: {event.reason}" if event.reason else f"{who} {told}."


Told = Callable[[str, Mapping[str, Any], Names], str]


def _moved(subject: str, detail: Mapping[str, Any], names: Names) -> str:
    what = boundary_in_words(detail["boundary"], int(subject.rpartition(" ")[2]))
    return f"moved {what} from {names.moment(detail['from'])} to {names.moment(detail['to'])}"


def _drawn(subject: str, detail: Mapping[str, Any], _names: Names) -> str:
    attackers, defences = plural(len(detail["attackers"]), "attacker"), plural(len(detail["defenders"]), "defence")
    return f"drew {subject}: {attackers}, {defences}"


def _looked_at(_subject: str, detail: Mapping[str, Any], names: Names) -> str:
    return f"looked at the signals of a defence of {names.team('team {}'.format(detail['team']))}"


def _parked(subject: str, detail: Mapping[str, Any], names: Names) -> str:
    return f"parked {names.job(subject)} after {plural(detail['crashes'], 'crash', 'crashes')}"


def _late(subject: str, _detail: Mapping[str, Any], names: Names) -> str:
    return f"left the late result of an earlier attempt at {names.job(subject)} aside"


def _approved(_subject: str, detail: Mapping[str, Any], names: Names) -> str:
    return f"let {names.people.get(detail['user_id'], 'somebody')} into the race"


def _added(_subject: str, detail: Mapping[str, Any], _names: Names) -> str:
    return f"put {plural(detail['count'], 'address', 'addresses')} on the roster"


SENTENCES: dict[str, Told] = {
    "race.created": lambda _subject, _detail, _names: "made the race",
    "roster.added": _added,
    "join.approved": _approved,
    "team.excluded": lambda subject, _detail, names: f"excluded {names.team(subject)}",
    "round.moved": _moved,
    "round.drawn": _drawn,
    "round.published": lambda subject, _detail, _names: f"published the matches of {subject}, whose files are ready",
    "job.parked": _parked,
    "job.retried": lambda subject, _detail, names: f"gave {names.job(subject)} another try",
    "job.rejected": lambda subject, _detail, names: f"rejected {names.job(subject)} by hand",
    "job.late": _late,
    "seeing.begun": lambda subject, _detail, names: f"began to see the race as {names.team(subject)}",
    "seeing.ended": lambda subject, _detail, names: f"ended seeing the race as {names.team(subject)}",
    "signals.looked-at": _looked_at,
}
"""What follows the name of who did it, for every action of the log."""
