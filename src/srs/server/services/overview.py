"""A race as its staff see it at a glance: one line for each team, and what waits for a human."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from srs.errors import NotFound, StateError
from srs.game.access import Action
from srs.game.phases import Phase, attack_window, phase_at
from srs.server.services.access import Person, require
from srs.server.services.rounds import GRACE, PARKED_HOLDS
from srs.server.services.signals import Signal, count_signals, signals_of
from srs.server.services.wording import moment_in_words
from srs.server.store import clock, events, overview
from srs.server.store.engine import Session, Store, database_now
from srs.server.store.jobs import ACCEPTED, PARKED, PENDING, REJECTED, Job, parked_jobs
from srs.server.store.overview import LOOKED_AT, Member, Queue
from srs.server.store.races import Participation, Race, race_by_slug, waiting_for_approval
from srs.server.store.rounds import Round
from srs.server.store.scores import DefenceScore, defence_score_of, latest_defences
from srs.server.store.submissions import DEFENCE, Submission, states_of_round, submission_by_public_id
from srs.server.store.teams import Team

SOON = dt.timedelta(hours=24)
"""So long before the end of a defence phase a team without an accepted defence is something to look after."""

LONG_WAIT = dt.timedelta(minutes=10)
"""A job that waits longer while nothing runs tells of workers that are away."""

NONE = "none"


@dataclass(frozen=True)
class TeamLine:
    """One team in one round."""

    team: Team
    members: list[Member]
    defence: str
    """``accepted``, ``queued``, ``parked``, ``rejected`` or ``none``: the best that it has in this round."""
    score: DefenceScore | None
    """Of the defence that counts."""
    attacked: int
    matches: int
    uploaded_at: dt.datetime | None
    signed_in_at: dt.datetime | None
    """When any of its members last signed in."""
    signals: list[Signal]
    """Of the defence that counts."""


@dataclass(frozen=True)
class Signalled:
    """A defence with signals."""

    submission: Submission
    signals: list[Signal]


def signalled(session: Session, race: Race) -> list[Signalled]:
    """The defences with signals among those that count, of every round, the latest first."""
    counting = overview.counting_defences(session, race.id)
    signals = signals_of(session, race, counting)
    return [Signalled(one.submission, signals[one.submission_id]) for one in counting if one.submission_id in signals]


def team_lines(session: Session, race: Race, of_round: Round, signalled: list[Signalled]) -> list[TeamLine]:
    """Every team of a race by number, excluded ones too, as it stands in one round."""
    members = overview.members_of_teams(session, race.id)
    defences = latest_defences(session, of_round)
    states = states_of_round(session, of_round.id, DEFENCE)
    attacks = overview.attacked_matches(session, of_round.id)
    uploads = overview.last_uploads(session, race.id)
    signals = {one.submission.id: one.signals for one in signalled}
    lines = []
    for team in overview.plain_teams(session, race.id):
        people = members.get(team.id, [])
        attacked, matches = attacks.get(team.id, (0, 0))
        score = defences.get(team.id)
        lines.append(
            TeamLine(
                team=team,
                members=people,
                defence=ACCEPTED if team.id in defences else _state(team, states),
                score=score,
                attacked=attacked,
                matches=matches,
                uploaded_at=uploads.get(team.id),
                signed_in_at=max((one.signed_in_at for one in people if one.signed_in_at), default=None),
                signals=signals.get(score.submission_id, []) if score else [],
            )
        )
    return lines


def _state(team: Team, states: Mapping[str, set[int]]) -> str:
    if any(team.id in states.get(state, ()) for state in PENDING):
        return PENDING[0]
    return next((state for state in (PARKED, REJECTED) if team.id in states.get(state, ())), NONE)


@dataclass(frozen=True)
class Needs:
    """What waits for a human. All of it empty: nothing does."""

    parked: list[Job]
    asking: list[Participation]
    undefended: list[Team]
    """Teams without an accepted defence, in the last day of a defence phase."""
    signalled: list[Signalled]
    """Those that nobody has looked at yet."""
    draw: str
    """Why the draw or the attack phase of the round is late, in a sentence."""
    stalled: str
    """Since when work waits that no worker takes, in a sentence."""

    def __bool__(self) -> bool:
        return bool(self.parked or self.asking or self.undefended or self.signalled or self.draw or self.stalled)


def needs(
    session: Session, race: Race, of_round: Round, lines: list[TeamLine], signalled: list[Signalled], queue: Queue
) -> Needs:
    """What staff should do now in a race, seen from its present round and the lines of its teams there."""
    moment = clock.now(session)
    playing = [line for line in lines if line.team.excluded_at is None and line.members]
    done = overview.looked_at(session, race.id) if signalled else {}
    return Needs(
        parked=parked_jobs(session, race.id),
        asking=waiting_for_approval(session, race.id),
        undefended=[line.team for line in playing if line.score is None] if _ends_soon(of_round, moment) else [],
        signalled=[
            one
            for one in signalled
            if one.submission.team.excluded_at is None
            and count_signals(one.signals) > done.get(one.submission.public_id, 0)
        ],
        draw=_late_draw(session, race, of_round, lines, moment),
        stalled=_stalled(queue, database_now(session)),
    )


def _ends_soon(of_round: Round, moment: dt.datetime) -> bool:
    is_open = phase_at(of_round.times(), moment) is Phase.DEFENCE
    return is_open and of_round.defence_closes_at - moment <= SOON


def _late_draw(session: Session, race: Race, of_round: Round, lines: list[TeamLine], moment: dt.datetime) -> str:
    number, zone = of_round.number, race.rules.timezone
    if of_round.drawn_at is None:
        return _held_draw(session, of_round, moment, zone) if moment >= of_round.defence_closes_at + GRACE else ""
    if of_round.published_at is None and moment >= of_round.attack_opens_at:
        unready = overview.unready_bundles(session, of_round.id)
        return (
            f"The attack phase of round {number} was to open at {moment_in_words(of_round.attack_opens_at, zone)}; "
            f"the files of {unready} {'match' if unready == 1 else 'matches'} are still being prepared. "
            "It keeps its full length."
        )
    if not any(line.matches for line in lines) and moment < attack_window(of_round.times())[1]:
        return f"Round {number} was drawn without a match: there were fewer than two teams to pair, or no defence."
    return ""


def _held_draw(session: Session, of_round: Round, moment: dt.datetime, zone: str) -> str:
    states = states_of_round(session, of_round.id, DEFENCE)
    waiting = len(set().union(*(states.get(state, set()) for state in PENDING)))
    since = (
        f"The draw of round {of_round.number} has been due since {moment_in_words(of_round.defence_closes_at, zone)}"
    )
    if waiting:
        return f"{since}: it waits for the verdicts of {waiting} {'team' if waiting == 1 else 'teams'}."
    until = of_round.defence_closes_at + PARKED_HOLDS
    if PARKED in states and moment < until:
        return f"{since}: a parked defence holds it until {moment_in_words(until, zone)}; try its job again before."
    return f"{since} and nothing holds it: if this stays, the part of the server that watches the clock is not running."


def _stalled(queue: Queue, moment: dt.datetime) -> str:
    if queue.oldest_at is None or queue.running or moment - queue.oldest_at < LONG_WAIT:
        return ""
    minutes = int((moment - queue.oldest_at).total_seconds() // 60)
    return (
        f"The oldest waiting job has waited {minutes} minutes and no worker is at work on this race. "
        "Ask the operator whether the workers run."
    )


def is_looked_at(session: Session, race: Race, score: DefenceScore, signals: list[Signal]) -> bool:
    """Whether staff have said that the signals of a defence need nobody, all of those that it has now."""
    return count_signals(signals) <= overview.looked_at(session, race.id).get(score.submission.public_id, 0)


def say_looked_at(store: Store, person: Person, slug: str, public_id: str) -> None:
    """Write down that the signals of a defence need nobody any more."""
    with store.work() as session:
        race = race_by_slug(session, slug, lock=True)
        require(session, person, race, Action.REVIEW_SIGNALS)
        submission = submission_by_public_id(session, race.id, public_id)
        score = defence_score_of(session, submission.id)
        signals = signals_of(session, race, [score]).get(submission.id, []) if score else []
        if score is None or not signals:
            raise NotFound("signals.none", "This submission has no signals.")
        if is_looked_at(session, race, score, signals):
            raise StateError("signals.looked-at", "Somebody has looked at these signals already.")
        events.log(
            session,
            LOOKED_AT,
            f"submission {public_id}",
            clock.now(session),
            race_id=race.id,
            user_id=person.user_id or None,
            detail={"team": submission.team.number, "signals": count_signals(signals)},
        )
