"""Staff of a race: what was received, who takes part, and every change that staff may make."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from srs.errors import InputError
from srs.game.access import Action
from srs.server.services import jobs, races, rounds, teams
from srs.server.store.events import events_of_race
from srs.server.store.jobs import parked_jobs
from srs.server.store.matches import matches_of_round
from srs.server.store.races import waiting_for_approval
from srs.server.store.scores import defence_scores_of
from srs.server.store.submissions import DEFENCE, submissions_of_race
from srs.server.store.teams import teams_of_race
from srs.server.web.viewer import looking_at, signed_in, the_server

pages = Blueprint("staff_races", __name__, url_prefix="/staff/races/<slug>")

BOUNDARIES = {
    "defence_opens_at": "defence opens",
    "defence_closes_at": "defence closes",
    "attack_opens_at": "attack opens",
    "attack_closes_at": "attack closes",
}


@pages.get("")
def overview(slug: str) -> str:
    """Rounds, teams, who asks to join, parked work."""
    signed_in()
    with looking_at(slug, Action.STAFF_PAGES) as view:
        return render_template(
            "staff/race.html",
            view=view,
            teams=teams_of_race(view.session, view.race.id),
            asking=waiting_for_approval(view.session, view.race.id),
            parked=parked_jobs(view.session, view.race.id),
            boundaries=BOUNDARIES,
        )


@pages.get("/submissions")
def submissions(slug: str) -> str:
    """Everything that was received, with state, file and report."""
    signed_in()
    with looking_at(slug, Action.STAFF_PAGES) as view:
        received = submissions_of_race(view.session, view.race.id)
        scores = defence_scores_of(view.session, [one.id for one in received if one.kind == DEFENCE])
        return render_template("staff/submissions.html", view=view, received=received, scores=scores)


@pages.post("/jobs/<int:job_id>/retry")
def retry(slug: str, job_id: int) -> AnyResponse:
    """Give a parked job another try."""
    server = the_server()
    jobs.retry(server.store, server.bell, signed_in(), slug, job_id)
    flash("The job waits for a worker again.", "success")
    return redirect(url_for("staff_races.overview", slug=slug), 303)


@pages.post("/rounds/<int:number>")
def move(slug: str, number: int) -> AnyResponse:
    """Move one boundary of a round."""
    person = signed_in()
    with looking_at(slug, Action.MOVE_BOUNDARY) as view:
        zone = ZoneInfo(view.timezone)
    at = _local_moment(request.form.get("at", ""), zone)
    boundary, reason = request.form.get("boundary", ""), request.form.get("reason", "")
    rounds.move_boundary(the_server().store, person, slug, number, boundary, at, reason)
    flash("The boundary was moved.", "success")
    return redirect(url_for("staff_races.overview", slug=slug), 303)


def _local_moment(text: str, zone: ZoneInfo) -> dt.datetime:
    """A moment from a ``datetime-local`` field, in the race's zone; as UTC. Refuses one that does not exist."""
    try:
        local = dt.datetime.fromisoformat(text)
    except ValueError:
        local = None
    if local is None or local.tzinfo is not None:
        raise InputError("round.moment", f"{text[:60]!r} is not a date and time such as 2027-04-17T18:00.")
    moment = local.replace(tzinfo=zone).astimezone(dt.UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != local:
        raise InputError("round.moment", f"{text[:60]} does not exist in {zone.key}: clocks are put forward then.")
    return moment


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
        return render_template("staff/audit.html", view=view, events=events_of_race(view.session, view.race.id))
