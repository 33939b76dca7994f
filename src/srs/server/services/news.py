"""What people are told when something happens: for each event, whom it concerns, its words and where they lead.

No notice holds a score, a label or anything of another team; those are on pages that show them when they may be seen.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from srs.game.phases import Phase, attack_window
from srs.server.services import notices
from srs.server.services.notices import Telling, tell
from srs.server.services.wording import moment_in_words
from srs.server.store import clock, jobs
from srs.server.store.accounts import User, staff_ids
from srs.server.store.engine import Session
from srs.server.store.jobs import Job
from srs.server.store.matches import Match, matches_of_round
from srs.server.store.races import Race, entrant_ids
from srs.server.store.rounds import Round
from srs.server.store.scores import latest_attacks
from srs.server.store.submissions import ATTACK, DEFENCE, Submission, states_of_round
from srs.server.store.teams import Team, teams_of_race
from srs.traces.report import Problem, Report, counted, listed, plural, quoted, visible

REPORTED_MAX = 3
"""Problems of a rejected file that a notice names; its page has them all."""

COUNTS = {
    DEFENCE: "Of your team's accepted defences the one received last in the phase counts.",
    ATTACK: "In each match your team's accepted attack received last in the phase counts.",
}
BOUNDARIES = {
    "defence_opens_at": "the defence phase of round {} opens",
    "defence_closes_at": "the defence phase of round {} closes",
    "attack_opens_at": "the attack phase of round {} opens",
    "attack_closes_at": "the attack phase of round {} closes",
}


def about_verdict(session: Session, job: Job) -> None:
    """Tell the team that its file was accepted or rejected. Bundles are nobody's, and practice is not told of."""
    submission = job.submission
    if submission is None or submission.kind not in COUNTS:
        return
    race = session.get_one(Race, job.race_id)
    what = f"Your {submission.kind} for round {submission.round.number}"
    is_accepted = job.state == jobs.ACCEPTED
    if is_accepted:
        rest = f"passed every check. {COUNTS[submission.kind]}\n\nIts report is on its page."
    else:
        rest = f"did not pass the checks; it does not count.\n\n{_problems(job)}"
    telling = Telling(
        to=_members(submission.team),
        kind=notices.ACCEPTED if is_accepted else notices.REJECTED,
        key=f"verdict {job.id} {job.attempt}",
        subject=f"{what} was {job.state}",
        body=f"{_file(race, submission)} {rest}",
        path=_submission_path(race, submission),
    )
    tell(session, race, [telling])


def _file(race: Race, submission: Submission) -> str:
    at = moment_in_words(submission.received_at, race.rules.timezone)
    return f'The file "{quoted(submission.file_name)}", which {visible(submission.user.name)} sent at {at},'


def _problems(job: Job) -> str:
    report = Report.from_json(job.report) if job.report else Report()
    shown = [f"- {_where(problem)}{' '.join(str(problem).split())}" for problem in report.problems[:REPORTED_MAX]]
    rest = len(report.problems) + report.omitted - len(shown)
    if rest > 0:
        shown.append(f"- and {counted(rest, 'more problem')}, which its page lists.")
    return "\n".join(["What has to be mended:", *shown]) if shown else "Its page says why."


def _where(problem: Problem) -> str:
    if problem.sentence.startswith("Line "):
        return ""  # it says so itself
    line = f"line {problem.line}" if problem.line else ""
    column = f"column {visible(problem.column)}" if problem.column else ""
    where = ", ".join(filter(None, (line, column)))
    return f"{where}: " if where else ""


def _submission_path(race: Race, submission: Submission) -> str:
    return f"/races/{race.slug}/submissions/{submission.public_id}"


def _members(team: Team) -> list[int]:
    return [member.user_id for member in team.members]


def about_parked(session: Session, parked: Sequence[Job]) -> None:
    """Tell each team whose file could not be judged, and the staff (once an hour for each race)."""
    at = clock.now(session)
    for race_id in sorted({job.race_id for job in parked}):
        race = session.get_one(Race, race_id)
        here = [job for job in parked if job.race_id == race_id]
        for_staff = Telling(
            to=staff_ids(session),
            kind=notices.STAFF,
            key=f"parked {race.id} {at:%Y-%m-%dT%H}",
            subject=f"{counted(len(here), 'job')} parked",
            body=(
                f"Judging failed on our side, again and again: {listed(f'job {job.id}' for job in here)}. Nothing is "
                "lost. The race's page says what went wrong and has a button to try again. If more jobs are parked "
                "within this hour, only the page tells."
            ),
            path=f"/staff/races/{race.slug}",
        )
        sent = [(job, job.submission) for job in here if job.submission and job.submission.kind in COUNTS]
        tell(session, race, [for_staff, *(_about_waiting(race, job, submission) for job, submission in sent)])


def _about_waiting(race: Race, job: Job, submission: Submission) -> Telling:
    return Telling(
        to=_members(submission.team),
        kind=notices.REJECTED,
        key=f"parked {job.id} {job.attempt}",
        subject=f"Your {submission.kind} for round {submission.round.number} could not be judged yet",
        body=(
            f"{_file(race, submission)} could not be judged: something failed on our side. Nothing is lost, and the "
            "staff have been told; they will try again. You need not send it again, though you may."
        ),
        path=_submission_path(race, submission),
    )


def about_draw(session: Session, race: Race, drawn: Round) -> None:
    """Tell every team that takes part that its matches can be attacked; never whom, which its page shows in time."""
    by_attacker: dict[int, list[Match]] = {}
    for match in matches_of_round(session, drawn.id):
        if match.void_at is None:
            by_attacker.setdefault(match.attacker_id, []).append(match)
    teams = [team for team in teams_of_race(session, race.id) if team.excluded_at is None]
    tell(session, race, [_about_matches(race, drawn, team, len(by_attacker.get(team.id, ()))) for team in teams])


def _about_matches(race: Race, drawn: Round, team: Team, matches: int) -> Telling:
    opens_at, closes_at = attack_window(drawn.times())
    timezone = race.rules.timezone
    if matches:
        subject = f"Round {drawn.number} is drawn: your matches are ready"
        body = (
            f"Your team attacks {counted(matches, 'defence')} in round {drawn.number}. The attack phase opens at "
            f"{moment_in_words(opens_at, timezone)} and closes at {moment_in_words(closes_at, timezone)}.\n\n"
            "From then on you find the files of your matches on the attack page, where you also upload your attack. "
            "A match without an accepted attack counts 0."
        )
    else:
        subject = f"Round {drawn.number} is drawn: you have no match"
        body = f"There is no accepted defence of another team for you to attack in round {drawn.number}."
    return Telling(
        to=_members(team),
        kind=notices.DRAW,
        key=f"draw {drawn.id}",
        subject=subject,
        body=body,
        path=_phase_path(race, drawn, Phase.ATTACK),
    )


def _phase_path(race: Race, of_round: Round, phase: Phase) -> str:
    return f"/races/{race.slug}/" + (DEFENCE if phase is Phase.DEFENCE else f"{ATTACK}?round={of_round.number}")


def about_open_phase(session: Session, race: Race, of_round: Round, phase: Phase, closes_at: dt.datetime) -> None:
    """Tell everybody in the race that a phase has opened."""
    closes = f"It closes at {moment_in_words(closes_at, race.rules.timezone)}."
    what_to_do = {
        Phase.DEFENCE: "Upload your team's defence before then; you may send several, the last accepted one counts.",
        Phase.ATTACK: "Upload your team's attack before then; a match without an accepted attack counts 0.",
    }[phase]
    telling = Telling(
        to=entrant_ids(session, race.id),
        kind=notices.PHASE,
        key=f"open {of_round.id} {phase}",
        subject=f"The {phase} phase of round {of_round.number} is open",
        body=f"{closes} {what_to_do}",
        path=_phase_path(race, of_round, phase),
    )
    tell(session, race, [telling])


def about_final(session: Session, race: Race, over: Round) -> None:
    """Tell everybody in the race that a round is over and its standings are final."""
    telling = Telling(
        to=entrant_ids(session, race.id),
        kind=notices.PHASE,
        key=f"final {over.id}",
        subject=f"Round {over.number} is over: the standings are final",
        body="The leaderboard shows the final standings; your team's page and the reports of its "
        "attacks show everything now.",
        path=f"/races/{race.slug}/rounds/{over.number}",
    )
    tell(session, race, [telling])


def about_moved_boundary(
    session: Session, race: Race, moved: Round, boundary: str, before: dt.datetime, at: dt.datetime
) -> None:
    """Tell everybody in the race that staff have moved a boundary from ``before`` to ``at``."""
    timezone = race.rules.timezone
    sentence = BOUNDARIES[boundary].format(moved.number)
    telling = Telling(
        to=entrant_ids(session, race.id),
        kind=notices.PHASE,
        key=f"moved {moved.id} {boundary} {clock.now(session):%Y-%m-%dT%H:%M:%S.%f} {at:%Y-%m-%dT%H:%M:%S}",
        subject=f"New time: {sentence} at {moment_in_words(at, timezone)}",
        body=f"The staff have moved it: {sentence} at {moment_in_words(at, timezone)}. "
        f"It was to be {moment_in_words(before, timezone)}.",
        path=f"/races/{race.slug}",
    )
    tell(session, race, [telling])


def remind(session: Session, race: Race, of_round: Round, phase: Phase, closes_at: dt.datetime, hours: int) -> None:
    """Remind the members of every team that has nothing accepted in an open phase."""
    lacking = _without_defence if phase is Phase.DEFENCE else _without_attacks
    closes = moment_in_words(closes_at, race.rules.timezone)
    tellings = [
        Telling(
            to=_members(team),
            kind=notices.REMINDER,
            key=f"reminder {of_round.id} {phase} {closes_at.isoformat()} {hours}",
            subject=f"Round {of_round.number} waits for your {phase}, until {closes}",
            body=f"{what} The {phase} phase closes at {closes}.\n\n{todo} A file that still waits for its verdict is "
            "not counted here: look at its page.",
            path=_phase_path(race, of_round, phase),
        )
        for team, what, todo in lacking(session, race, of_round)
    ]
    tell(session, race, tellings)


def _without_defence(session: Session, race: Race, of_round: Round) -> Iterable[tuple[Team, str, str]]:
    accepted = states_of_round(session, of_round.id, DEFENCE).get(jobs.ACCEPTED, set())
    what = f"Your team has no accepted defence in round {of_round.number} yet."
    todo = "Upload one that passes the checks: without it your team is not in the draw as a defender and has no total."
    for team in teams_of_race(session, race.id):
        if team.excluded_at is None and team.id not in accepted:
            yield team, what, todo


def _without_attacks(session: Session, race: Race, of_round: Round) -> Iterable[tuple[Team, str, str]]:
    attacked = latest_attacks(session, of_round.id)
    missing: dict[int, list[str]] = {}
    for match in matches_of_round(session, of_round.id):
        if match.void_at is None and match.id not in attacked:
            name = visible(match.defender.shown_name(race.rules.joining.anonymous))
            missing.setdefault(match.attacker_id, []).append(name)
    todo = "Upload an attack on them: a match without an accepted attack counts 0."
    for team in teams_of_race(session, race.id):
        if team.excluded_at is None and team.id in missing:
            names = missing[team.id]
            matches = "a match" if len(names) == 1 else f"{len(names)} {plural('match')}"
            yield team, f"Your team has {matches} without an accepted attack: {listed(names)}.", todo


def about_request(session: Session, race: Race, name: str) -> None:
    """Tell the staff that somebody asks to join (once an hour for each race)."""
    telling = Telling(
        to=staff_ids(session),
        kind=notices.STAFF,
        key=f"asked {race.id} {clock.now(session):%Y-%m-%dT%H}",
        subject="Somebody asks to join",
        body=f"{visible(name)} asks to join the race and waits for your approval. If others ask within this hour, only "
        "the race's page tells.",
        path=f"/staff/races/{race.slug}",
    )
    tell(session, race, [telling])


def about_approval(session: Session, race: Race, user_id: int) -> None:
    """Tell somebody who asked to join that they may."""
    telling = Telling(
        to=[user_id],
        kind=notices.TEAM,
        key=f"approved {race.id}",
        subject="You are in the race",
        body="The staff have approved your request. Now create a team, or accept an invitation.",
        path=f"/races/{race.slug}/team",
    )
    tell(session, race, [telling])


def about_member(session: Session, race: Race, team: Team, user_id: int, *, has_joined: bool) -> None:
    """Tell the others of a team that somebody has joined or left it."""
    name = visible(session.get_one(User, user_id).name)
    verb = "joined" if has_joined else "left"
    telling = Telling(
        to=[member for member in _members(team) if member != user_id],
        kind=notices.TEAM,
        key=f"{verb} {team.id} {user_id} {clock.now(session):%Y-%m-%dT%H:%M:%S.%f}",
        subject=f"{name} has {verb} your team",
        body=f"{name} has {verb} the team {visible(team.name)}.",
        path=f"/races/{race.slug}/team",
    )
    tell(session, race, [telling])


def about_exclusion(session: Session, race: Race, team: Team) -> None:
    """Tell a team that staff have taken it out of the race."""
    telling = Telling(
        to=_members(team),
        kind=notices.TEAM,
        key=f"excluded {team.id}",
        subject="Your team was excluded from the race",
        body=f"The staff have excluded the team {visible(team.name)}: {visible(team.exclusion_reason)}\n\nIt is no "
        "longer in draws and standings, and its matches are void. Ask the staff if you think that this is wrong.",
        path=f"/races/{race.slug}/team",
    )
    tell(session, race, [telling])
