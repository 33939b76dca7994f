"""A race: its home, its rules, joining it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from srs.game.access import Action
from srs.game.phases import Phase
from srs.judging.meaning import undefended_utility
from srs.server.services import races
from srs.server.services.signals import is_published
from srs.server.services.standings import race_standings
from srs.server.store.jobs import ACCEPTED, PENDING
from srs.server.store.matches import matches_of_attacker
from srs.server.store.races import participation
from srs.server.store.rounds import Round
from srs.server.store.scores import AttackScore, DefenceScore, latest_attacks, latest_defences
from srs.server.store.submissions import ATTACK, DEFENCE, Submission, submissions_of_team
from srs.server.store.teams import Team
from srs.server.web import live, visitors
from srs.server.web.viewer import RaceView, looking_at, signed_in, the_server

pages = Blueprint("races", __name__)

PODIUM = 5
"""So many teams of the standing are on the race's home."""


@pages.get("/races/<slug>")
def home(slug: str) -> Response:
    """Where the race stands and what my team has still to do; the front page and the way in, for others."""
    with looking_at(slug, Action.SEE_RACE) as view:
        person = view.person
        asked = participation(view.session, view.race.id, person.user_id) if person else None
        counting = _counting(view)
        to_do = _still_to_do(view, view.team, counting) if view.team and view.team.excluded_at is None else []
        return live.page(
            "races/home.html",
            {"now": "races/_now.html"} if view.may("SEE_LEADERBOARD") else {},
            beside=("races/_rounds.html",),
            rest=lambda: _podium(view),
            view=view,
            waits_for_approval=asked is not None and asked.approved_at is None,
            has_joined=asked is not None and asked.approved_at is not None,
            to_do=to_do,
            counting=counting,
        )


def _counting(view: RaceView) -> DefenceScore | None:
    """The team's defence that counts in the defence phase that is open."""
    of_round = view.round_in(Phase.DEFENCE)
    if view.team is None or view.phase(of_round) is not Phase.DEFENCE:
        return None
    return latest_defences(view.session, of_round).get(view.team.id)


def _podium(view: RaceView) -> dict[str, Any]:
    """The first teams of the race's standing, and the viewer's; and how many are ranked."""
    every = race_standings(view.session, view.race) if view.may("SEE_LEADERBOARD") else []
    own = view.team.id if view.team else None
    shown = [row for place, row in enumerate(every) if place < PODIUM or row.team.id == own]
    return {"podium": shown, "ranked": len(every)}


def _still_to_do(view: RaceView, team: Team, counting: DefenceScore | None) -> list[str]:
    """What the team can do in the phases that are open, in sentences; empty when there is nothing left."""
    found = []
    for of_round in view.rounds:
        kind = {Phase.DEFENCE: DEFENCE, Phase.ATTACK: ATTACK}.get(view.phase(of_round))
        if kind is None:
            continue
        sent = [one for one in submissions_of_team(view.session, team.id, kind) if one.round_id == of_round.id]
        if kind == DEFENCE:
            found += _about_defences(view, counting, of_round, sent)
        else:
            found += _about_attacks(view, team, of_round, sent)
    return found


def _about_defences(
    view: RaceView, counting: DefenceScore | None, of_round: Round, sent: list[Submission]
) -> list[str]:
    states = [one.job.state for one in sent]
    if ACCEPTED in states:
        if counting and is_published(view.session, view.race, counting):
            return ["Replace the example by a defence of your own: everybody can download it with its labels."]
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
        without_a_defence = undefended_utility(view.rules)
        return render_template("races/rules.html", view=view, without_a_defence=without_a_defence)


@pages.post("/races/<slug>/join")
def join(slug: str) -> AnyResponse:
    """Take part, as the race's rules allow."""
    person = signed_in()
    visitors.count_here("join")
    is_in = races.join(the_server().store, person, slug, request.form.get("code", ""))
    if is_in:
        flash("You are in the race. Now create a team, or ask for an invitation.", "success")
    else:
        flash("Your request was sent to the staff. You can take part as soon as they have approved it.", "info")
    return redirect(url_for("races.home", slug=slug), 303)
