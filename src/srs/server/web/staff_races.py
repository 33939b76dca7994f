"""Staff of a race: what was received, who takes part, and every change that staff may make."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from srs.errors import InputError, StateError
from srs.game.access import Action
from srs.server.services import jobs, races, rounds, teams
from srs.server.services import overview as overviews
from srs.server.services.signals import signals_of
from srs.server.services.wording import boundary_in_words, moment_in_words
from srs.server.store.engine import database_now
from srs.server.store.matches import matches_of_round
from srs.server.store.overview import count_received, queue_of_race, received
from srs.server.store.scores import defence_scores_of
from srs.server.store.submissions import DEFENCE
from srs.server.store.teams import team_by_number
from srs.server.web.audit import AT_MOST, audit_lines
from srs.server.web.boundaries import RefusedMove, boundaries, hurried, local_moment, warnings
from srs.server.web.downloads import toml_file
from srs.server.web.safety import whole
from srs.server.web.timeline import timeline
from srs.server.web.viewer import looking_at, signed_in, the_server

pages = Blueprint("staff_races", __name__, url_prefix="/staff/races/<slug>")

RECEIVED_AT_ONCE = 50


@pages.get("")
def overview(slug: str) -> str:
    """What needs a human; one line for each team, as it stands in a round (``?round=``); the timeline."""
    signed_in()
    return _manage(slug)


def _manage(slug: str, refused: RefusedMove | None = None) -> str:
    with looking_at(slug, Action.STAFF_PAGES) as view:
        asked = request.args.get("round", type=int)
        shown = view.round_of(asked) if asked is not None else view.round
        session, race, queue = view.session, view.race, queue_of_race(view.session, view.race.id)
        signalled = overviews.signalled(session, race)
        lines = overviews.team_lines(session, race, shown, signalled)
        now_lines = lines if shown is view.round else overviews.team_lines(session, race, view.round, signalled)
        return render_template(
            "staff/race.html",
            view=view,
            shown=shown,
            lines=lines,
            teams={line.team.id: line.team for line in lines},
            needs=overviews.needs(session, race, view.round, now_lines, signalled, queue),
            queue=queue,
            machine_now=database_now(session),
            timeline=timeline(view.rounds, view.now),
            boundaries={one.id: boundaries(one, view.now, view.timezone) for one in view.rounds},
            hurried=hurried(view.rounds),
            refused=refused,
        )


@pages.get("/submissions")
def submissions(slug: str) -> str:
    """What was received (of one team: ``?team=``), newest first, with state, file and signals; ``?page=`` from 1."""
    signed_in()
    with looking_at(slug, Action.STAFF_PAGES) as view:
        number, page = request.args.get("team", type=whole), max(request.args.get("page", 1, type=int), 1)
        team = team_by_number(view.session, view.race.id, number) if number is not None else None
        team_id = team.id if team else None
        first = min(page - 1, 10**6) * RECEIVED_AT_ONCE
        shown = received(view.session, view.race.id, team_id, first, RECEIVED_AT_ONCE)
        scores = defence_scores_of(view.session, [one.id for one in shown if one.kind == DEFENCE])
        return render_template(
            "staff/submissions.html",
            view=view,
            team=team,
            page=page,
            pages=-(-count_received(view.session, view.race.id, team_id) // RECEIVED_AT_ONCE),
            received=shown,
            scores=scores,
            signals=signals_of(view.session, view.race, list(scores.values())),
            is_rejected_by_staff=jobs.is_rejected_by_staff,
        )


@pages.post("/submissions/<public_id>/looked-at")
def say_looked_at(slug: str, public_id: str) -> AnyResponse:
    """Take the signals of a defence off the list of what needs a human."""
    overviews.say_looked_at(the_server().store, signed_in(), slug, public_id)
    flash("Noted: these signals need nobody any more.", "success")
    return redirect(url_for("staff_races.overview", slug=slug), 303)


@pages.get("/race.toml")
def toml(slug: str) -> Response:
    """The file of which the race was made."""
    signed_in()
    with looking_at(slug, Action.STAFF_PAGES) as view:
        return toml_file(view.race.toml, slug)


@pages.post("/jobs/<int:job_id>/retry")
def retry(slug: str, job_id: int) -> AnyResponse:
    """Give a parked job another try."""
    server = the_server()
    jobs.retry(server.store, server.bell, signed_in(), slug, job_id)
    flash("The job waits for a worker again.", "success")
    return redirect(url_for("staff_races.overview", slug=slug), 303)


@pages.post("/jobs/<int:job_id>/reject")
def reject(slug: str, job_id: int) -> AnyResponse:
    """Reject a parked file by hand."""
    jobs.reject(the_server().store, signed_in(), slug, job_id, request.form.get("reason", ""))
    flash("The file is rejected, and its team is told. It can still be tried again, among the submissions.", "success")
    return redirect(url_for("staff_races.overview", slug=slug), 303)


@pages.post("/rounds/<int:number>")
def move(slug: str, number: int) -> AnyResponse | tuple[str, int]:
    """Move one boundary of a round; what cannot be is said beside the field, which keeps what was written."""
    person = signed_in()
    with looking_at(slug, Action.MOVE_BOUNDARY) as view:
        zone = view.timezone
    asked = RefusedMove(number, *(request.form.get(name, "") for name in ("boundary", "at", "reason")))
    try:
        at = local_moment(asked.at, ZoneInfo(zone))
        before = rounds.move_boundary(the_server().store, person, slug, number, asked.boundary, at, asked.reason)
    except (InputError, StateError) as error:
        return _manage(slug, replace(asked, sentence=error.sentence)), error.status
    what = boundary_in_words(asked.boundary, number).capitalize()
    moved = f"{what} was moved from {moment_in_words(before, zone)} to {moment_in_words(at, zone)}."
    flash(f"{moved} Everybody in the race is told the new time and the old one.", "success")
    with looking_at(slug, Action.MOVE_BOUNDARY) as view:
        moved_round = view.round_of(number)
        candidates = rounds.preview_draw(view.session, view.race, moved_round)
        for sentence in warnings(moved_round, asked.boundary, is_earlier=at < before, candidates=candidates):
            flash(sentence, "warning")
    return redirect(url_for("staff_races.overview", slug=slug), 303)


@pages.get("/draw")
def draw(slug: str) -> str:
    """Who would be in the draw of a round (``?round=``) now; the pairs only when they are drawn."""
    signed_in()
    with looking_at(slug, Action.PREVIEW_DRAW) as view:
        asked = request.args.get("round", type=int)
        shown = view.round_of(asked) if asked is not None else view.round
        candidates = rounds.preview_draw(view.session, view.race, shown)
        pairs = matches_of_round(view.session, shown.id) if shown.published_at else []
        return render_template("staff/draw.html", view=view, shown=shown, candidates=candidates, pairs=pairs)


@pages.post("/teams/<int:number>/exclude")
def exclude(slug: str, number: int) -> AnyResponse:
    """Take a team out of the race."""
    teams.exclude_team(the_server().store, signed_in(), slug, number, request.form.get("reason", ""))
    flash(f"Team {number} is excluded, and its matches are void.", "success")
    return redirect(url_for("staff_races.overview", slug=slug), 303)


@pages.post("/members/<int:user_id>/approve")
def approve(slug: str, user_id: int) -> AnyResponse:
    """Let somebody in who asked to join."""
    races.approve(the_server().store, signed_in(), slug, user_id)
    flash("Approved.", "success")
    return redirect(url_for("staff_races.overview", slug=slug), 303)


@pages.post("/roster")
def add_to_roster(slug: str) -> AnyResponse:
    """Put addresses on the roster, one a line."""
    emails = request.form.get("emails", "").split()
    added = races.add_to_roster(the_server().store, signed_in(), slug, emails)
    flash(f"{added} new on the roster.", "success")
    return redirect(url_for("staff_races.overview", slug=slug), 303)


@pages.get("/audit")
def audit(slug: str) -> str:
    """Who changed what, when and why."""
    signed_in()
    with looking_at(slug, Action.SEE_AUDIT) as view:
        lines = audit_lines(view.session, view.race)
        return render_template("staff/audit.html", view=view, lines=lines, at_most=AT_MOST)
