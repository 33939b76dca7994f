"""A race: its home, its rules, joining it."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from srs.game.access import Action
from srs.game.phases import Phase
from srs.server.services import races
from srs.server.services.standings import Standing, race_standings
from srs.server.store.jobs import ACCEPTED, PENDING
from srs.server.store.matches import matches_of_attacker
from srs.server.store.races import participation
from srs.server.store.rounds import Round
from srs.server.store.scores import AttackScore, latest_attacks
from srs.server.store.submissions import ATTACK, DEFENCE, Submission, submissions_of_team
from srs.server.store.teams import Team
from srs.server.web.viewer import RaceView, looking_at, signed_in, the_server

pages = Blueprint("races", __name__)


@pages.get("/races/<slug>")
def home(slug: str) -> str:
    """Where the race stands and what my team has still to do; the front page and the way in, for others."""
    with looking_at(slug, Action.SEE_RACE) as view:
        person = view.person
        asked = participation(view.session, view.race.id, person.user_id) if person else None
        to_do = _still_to_do(view, view.team, view.round) if view.team else []
        return render_template(
            "races/home.html",
            view=view,
            waits_for_approval=asked is not None and asked.approved_at is None,
            has_joined=asked is not None and asked.approved_at is not None,
            to_do=to_do,
            overall=_overall(view),
        )


def _overall(view: RaceView) -> list[Standing]:
    return race_standings(view.session, view.race) if view.may("SEE_LEADERBOARD") else []


def _still_to_do(view: RaceView, team: Team, of_round: Round) -> list[str]:
    """What the team can do in the present phase, in sentences; empty when there is nothing left."""
    sent = [one for one in submissions_of_team(view.session, team.id) if one.round_id == of_round.id]
    phase = view.phase(of_round)
    if phase is Phase.DEFENCE:
        return _about_defences([one for one in sent if one.kind == DEFENCE], of_round)
    if phase is Phase.ATTACK:
        return _about_attacks(view, team, of_round, [one for one in sent if one.kind == ATTACK])
    return []


def _about_defences(sent: list[Submission], of_round: Round) -> list[str]:
    states = [one.job.state for one in sent]
    if ACCEPTED in states:
        return []
    if any(state in PENDING for state in states):
        return ["Your defence is being judged: look at its report when it is there."]
    if sent:
        return ["Upload a defence that passes the checks: none of those sent so far does."]
    return [f"Upload a defence for round {of_round.number}: your team has none yet."]


def _about_attacks(view: RaceView, team: Team, of_round: Round, sent: list[Submission]) -> list[str]:
    if any(one.job.state in PENDING for one in sent):
        return ["Your attack is being judged: look at its report when it is there."]
    scores: dict[int, AttackScore] = latest_attacks(view.session, of_round.id, team.id)
    mine = matches_of_attacker(view.session, of_round.id, team.id)
    missing = [match for match in mine if match.void_at is None and match.id not in scores]
    if not missing:
        return []
    names = ", ".join(view.name_of(match.defender) for match in missing)
    return [f"Upload an attack on {names}: a match without one counts 0."]


@pages.get("/races/<slug>/rules")
def rules(slug: str) -> str:
    """Every rule of the race, in words."""
    with looking_at(slug, Action.SEE_RULES) as view:
        return render_template("races/rules.html", view=view)


@pages.post("/races/<slug>/join")
def join(slug: str) -> AnyResponse:
    """Take part, as the race's rules allow."""
    is_in = races.join(the_server().store, signed_in(), slug, request.form.get("code", ""))
    if is_in:
        flash("You are in the race. Now create a team, or ask for an invitation.", "success")
    else:
        flash("Your request was sent to the staff. You can take part as soon as they have approved it.", "info")
    return redirect(url_for("races.home", slug=slug), 303)
