"""Teams: mine, invitations, and every team compared with the class."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from srs.errors import NotFound
from srs.game.access import Action
from srs.lab.plots.chart import Chart
from srs.lab.plots.standings import Scores, Step, way
from srs.server.services import teams
from srs.server.services.sign_in import one_address
from srs.server.services.standings import MatchResult, RoundStandings, Standing, standings_of
from srs.server.store.rounds import Round
from srs.server.store.teams import Team, team_by_number
from srs.server.web import figures, visitors
from srs.server.web.leaderboard import begun_rounds, label_of
from srs.server.web.viewer import looking_at, signed_in, the_server

pages = Blueprint("teams", __name__)


@pages.get("/races/<slug>/team")
def mine(slug: str) -> str:
    """My team: its members, inviting, leaving; or creating one."""
    signed_in()
    with looking_at(slug, Action.SEE_OWN_TEAM) as view:
        locks_at = view.rules.joining.locks_at
        is_locked = locks_at is not None and view.now >= locks_at
        return render_template("teams/mine.html", view=view, locks_at=locks_at, is_locked=is_locked)


@pages.post("/races/<slug>/team/create")
def create(slug: str) -> AnyResponse:
    """Make a team with me in it."""
    number = teams.create_team(the_server().store, signed_in(), slug, request.form.get("name", ""))
    flash(f"Your team is number {number}.", "success")
    return redirect(url_for("teams.mine", slug=slug), 303)


@pages.post("/races/<slug>/team/invite")
def invite(slug: str) -> str:
    """Make an invitation: shown once as a link, and sent where an address is given."""
    person, store = signed_in(), the_server().store
    email = request.form.get("email", "").strip()
    if email:
        email = one_address(email)
    token = teams.invite(store, person, slug, email)
    url = the_server().config.base_url + url_for("teams.invitation", token=token)
    if email:
        race_title, _slug, team_name = teams.describe_invitation(store, token)
        teams.mail_invitation(store, person, email, url, team_name, race_title)
    with looking_at(slug, Action.SEE_OWN_TEAM) as view:
        return render_template("teams/invited.html", view=view, url=url, email=email)


@pages.post("/races/<slug>/team/leave")
def leave(slug: str) -> AnyResponse:
    """Leave my team."""
    teams.leave_team(the_server().store, signed_in(), slug)
    flash("You have left the team.", "info")
    return redirect(url_for("teams.mine", slug=slug), 303)


@pages.get("/invitations/<token>")
def invitation(token: str) -> str:
    """Who invites to what; joining takes a press of the button."""
    signed_in()
    title, slug, team_name = teams.describe_invitation(the_server().store, token)
    return render_template("teams/invitation.html", token=token, title=title, slug=slug, team_name=team_name)


@pages.post("/invitations/<token>")
def accept(token: str) -> AnyResponse:
    """Join the team that invites."""
    person = signed_in()
    visitors.count_here("join-team")
    slug = teams.accept_invitation(the_server().store, person, token)
    flash("Welcome to the team.", "success")
    return redirect(url_for("teams.mine", slug=slug), 303)


@dataclass(frozen=True)
class Compared:
    """A team's numbers of one round beside the medians of the class; ``None`` where there is none."""

    of_round: Round
    is_final: bool
    standing: Standing
    teams: int
    median_utility: float | None
    median_attack: float | None
    median_total: float | None
    against: tuple[MatchResult, ...]
    """The attacks on the team's defence; none of them before the round is final."""


@pages.get("/races/<slug>/teams/<int:number>")
def show(slug: str, number: int) -> str:
    """One team, round by round, compared with the class."""
    with looking_at(slug, Action.SEE_TEAM) as view:
        team = team_by_number(view.session, view.race.id, number)
        by_round = standings_of(view.session, view.race, begun_rounds(view), view.now)
        return render_template(
            "teams/show.html",
            view=view,
            team=team,
            compared=[_compare(one, row) for one in by_round if (row := one.of(team)) is not None],
            way=_way(team, by_round),
            way_url=url_for("teams.way_figure", slug=slug, number=number),
        )


@pages.get("/races/<slug>/teams/<int:number>/way.svg")
def way_figure(slug: str, number: int) -> Response:
    """A team's places through the rounds."""
    with looking_at(slug, Action.SEE_TEAM) as view:
        team = team_by_number(view.session, view.race.id, number)
        chart = _way(team, standings_of(view.session, view.race, begun_rounds(view), view.now))
    if chart is None:
        raise NotFound("figure.none", "There is no such picture of this team yet.")
    return figures.answer(chart, changes=True)


def _compare(one: RoundStandings, row: Standing) -> Compared:
    attacks = [result for other in one.rows for result in other.matches] if one.is_final else []
    return Compared(
        of_round=one.of_round,
        is_final=one.is_final,
        standing=row,
        teams=len(one.rows),
        median_utility=_median(other.utility for other in one.rows),
        median_attack=_median(other.attack for other in one.rows),
        median_total=_median(other.total for other in one.rows),
        against=tuple(result for result in attacks if result.defender.id == row.team.id),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _way(team: Team, by_round: Iterable[RoundStandings]) -> Chart | None:
    """``None`` before the team is in a ranking."""
    steps = [_step(one, row) for one in by_round if (row := one.of(team)) is not None]
    return way(steps) if steps else None


def _step(one: RoundStandings, row: Standing) -> Step:
    utilities = [other.utility for other in one.rows if other.utility is not None]
    attacks = [other.attack or 0.0 for other in one.rows]
    return Step(
        label=label_of(one),
        teams=len(one.rows),
        scores=Scores(row.utility, row.attack, row.total),
        by_total=row.rank,
        by_utility=None if row.utility is None else _place(row.utility, utilities),
        by_attack=_place(row.attack or 0.0, attacks),
    )


def _place(value: float, values: Iterable[float]) -> int:
    return 1 + sum(other > value for other in values)
