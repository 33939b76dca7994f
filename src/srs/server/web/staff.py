"""Staff: all races, and making one from a ``race.toml``."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from srs.errors import InputError, RulesError
from srs.game.access import Action
from srs.game.race import read_rules
from srs.server.services import races
from srs.server.services.access import require
from srs.server.store.races import all_races
from srs.server.web.viewer import signed_in, the_server

pages = Blueprint("staff", __name__, url_prefix="/staff")

TOML_MAX_BYTES = 65_536


@pages.get("/")
def index() -> str:
    """Every race."""
    person = signed_in()
    with the_server().store.read() as session:
        require(session, person, None, Action.CREATE_RACE)
        return render_template("staff/races.html", races=all_races(session))


@pages.get("/races/new")
def new_race() -> str:
    """A form for a ``race.toml``."""
    _refuse_others()
    return render_template("staff/new_race.html", toml="", problems="")


@pages.post("/races/preview")
def preview_race() -> AnyResponse | str | tuple[str, int]:
    """Check a ``race.toml``; show what it means, with a button that makes the race, or every problem in it."""
    _refuse_others()
    toml = _toml()
    try:
        rules = read_rules(toml)
    except RulesError as error:
        return render_template("staff/new_race.html", toml=toml, problems=error.sentence), error.status
    return render_template("staff/preview_race.html", toml=toml, rules=rules)


@pages.post("/races/new")
def create_race() -> AnyResponse:
    """Make the race that was previewed."""
    _refuse_others()
    slug = races.create_race(the_server().store, signed_in(), _toml())
    flash("The race was created.", "success")
    return redirect(url_for("staff_races.overview", slug=slug), 303)


def _refuse_others() -> None:
    person = signed_in()
    with the_server().store.read() as session:
        require(session, person, None, Action.CREATE_RACE)


def _toml() -> str:
    """The file if one was chosen, the text field otherwise."""
    chosen = request.files.get("file")
    data = chosen.read(TOML_MAX_BYTES + 1) if chosen is not None and chosen.filename else b""
    if not data:
        return request.form.get("toml", "")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("rules.encoding", "The file is not a text in UTF-8.") from error
