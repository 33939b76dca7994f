"""Seeing a race as a team does: begun and ended by staff; while it is on, this browser changes nothing."""

from __future__ import annotations

import datetime as dt
import logging

from flask import Blueprint, Response, flash, g, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from srs.errors import AccessDenied
from srs.game.access import Action
from srs.server.services import seeing as services
from srs.server.web import seeing
from srs.server.web.assets import is_asset
from srs.server.web.seeing import Seeing, current_seeing
from srs.server.web.shown import duration
from srs.server.web.steps import at_the_end
from srs.server.web.uploads import drain
from srs.server.web.viewer import current_person, looking_at, signed_in, the_server

pages = Blueprint("staff_seeing", __name__, url_prefix="/staff/races/<slug>")
log = logging.getLogger("srs.web")

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
STILL_SERVED = ("staff_seeing.end", "theme.choose")
"""What may be sent while one sees as a team: the end of it, and light or dark, which is this browser's own affair."""


@pages.post("/teams/<int:number>/see-as")
def begin(slug: str, number: int) -> AnyResponse:
    """See the race as a member of this team does."""
    person = signed_in()
    race_title, team_name = services.begin(the_server().store, person, slug, number)
    ends_at = dt.datetime.now(dt.UTC) + services.LASTS
    seeing.remember(Seeing(person.user_id, slug, race_title, number, team_name, ends_at))
    return redirect(url_for("races.home", slug=slug), 303)


@pages.post("/see-as/end")
def end(slug: str) -> AnyResponse:
    """See the race as staff again."""
    signed_in()
    seen = current_seeing()
    if seen is not None and seen.slug == slug:
        with the_server().store.work() as session:
            services.end(session, signed_in(), seen.slug, seen.number)
        seeing.forget()
    else:
        with looking_at(slug, Action.SEE_AS_TEAM):
            pass  # nothing to end, and only staff are told so
    return redirect(url_for("staff_races.overview", slug=slug), 303)


@pages.before_app_request
def _refuse_changes() -> None:
    """While somebody sees as a team, only ending that (or logging out) is served of all that changes something.

    What everybody gets alike, and caches keep, is served without a look at the session.
    """
    if is_asset(request):
        return
    if seeing.has_run_out():
        _say_that_it_ran_out()
    seen = current_seeing()
    if seen is None or request.method in SAFE_METHODS or request.endpoint in STILL_SERVED:
        return
    if request.endpoint == "security.logout":
        person = signed_in()
        at_the_end(lambda session: services.end(session, person, seen.slug, seen.number))
        seeing.forget()
        return
    drain(request)
    raise AccessDenied(
        "staff.read-only",
        f"You see {seen.race_title} as team {seen.number}, read only, so nothing was changed.",
        hint="To change something, end this view first: the button is at the top of the page.",
    )


def _say_that_it_ran_out() -> None:
    ended, person = seeing.forget(), current_person()
    if ended is None or (person is not None and person.user_id != ended.user_id):
        return
    over = f"Your view of {ended.race_title} as team {ended.number}, {ended.team_name}, is over"
    if person is not None and person.is_staff:
        lasted = duration(services.LASTS.total_seconds())
        flash(f"{over}: it ended by itself after {lasted}. You are staff again; Manage begins a new one.", "info")
    else:
        flash(f"{over}, as you are {'staff no more' if person else 'signed out'}.", "info")


@pages.after_app_request
def _log_files(response: Response) -> Response:
    """A file that was opened meanwhile: in the server's log, as no GET writes to the database."""
    if is_asset(request):
        return response
    seen = current_seeing()
    if seen is not None and response.headers.get("Content-Disposition", "").startswith("attachment"):
        who = f"user {seen.user_id} as team {seen.number} of {seen.slug}"
        log.info("%s %s opened %s: %d", g.request_id, who, request.path, response.status_code)
    return response


@pages.app_context_processor
def _banner() -> dict[str, Seeing | None]:
    return {"seeing": current_seeing()}
