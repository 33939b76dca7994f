"""Notices: what I was told, and which kinds I want where."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, flash, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from srs.server.services import notices
from srs.server.store.notices import count_unread, notices_of
from srs.server.web.safety import whole
from srs.server.web.viewer import current_person, signed_in, the_server

pages = Blueprint("notices", __name__, url_prefix="/notices")

SHOWN_AT_ONCE = 30


@pages.get("/")
def index() -> str:
    """What I was told, newest first; ``?before=`` goes on where the last page ended."""
    person = signed_in()
    before_id = request.args.get("before", type=whole)
    with the_server().store.read() as session:
        found = notices_of(session, person.user_id, SHOWN_AT_ONCE + 1, before_id)
        races = {notice.race for notice in found if notice.race}
        return render_template(
            "notices.html",
            notices=found[:SHOWN_AT_ONCE],
            is_first=before_id is None,
            older=found[SHOWN_AT_ONCE - 1].id if len(found) > SHOWN_AT_ONCE else None,
            timezones={race.id: race.rules.timezone for race in races},
        )


@pages.post("/<int:notice_id>/open")
def open_one(notice_id: int) -> AnyResponse:
    """Mark one notice as read, and go where it leads."""
    return redirect(notices.open_notice(the_server().store, signed_in(), notice_id), 303)


@pages.post("/read")
def read_all() -> AnyResponse:
    """Mark all as read."""
    notices.read_all(the_server().store, signed_in())
    return redirect(url_for("notices.index"), 303)


@pages.get("/choices")
def choices() -> str:
    """Which kinds of notices I want in the page, which by mail."""
    person = signed_in()
    with the_server().store.read() as session:
        return render_template("notices_choices.html", choices=notices.choices(session, person))


@pages.post("/choices")
def choose() -> AnyResponse:
    """Keep what I have chosen."""
    form = request.form
    notices.choose(the_server().store, signed_in(), form.getlist("in_page"), form.getlist("by_mail"))
    flash("Your choice is kept.", "success")
    return redirect(url_for("notices.choices"), 303)


def set_up(app: Flask) -> None:
    """Let every template ask how many notices wait to be read."""
    app.context_processor(_for_templates)


def _for_templates() -> dict[str, Any]:
    return {"count_unread_notices": _count_unread}


def _count_unread() -> int:
    """One query at the most in a request, and none for a stranger."""
    person = current_person()
    if person is None:
        return 0
    if "unread_notices" not in g:
        with the_server().store.read() as session:
            g.unread_notices = count_unread(session, person.user_id)
    count: int = g.unread_notices
    return count
