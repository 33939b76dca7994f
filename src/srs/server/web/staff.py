"""Staff: all races, and making one from a ``race.toml``."""

from __future__ import annotations

import zoneinfo
from collections.abc import Sequence

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from srs.errors import InputError, RulesError
from srs.game.access import Action
from srs.game.race import RaceRules, read_rules
from srs.server.services import races
from srs.server.services.access import require
from srs.server.store import clock
from srs.server.store.races import all_races
from srs.server.store.rounds import rounds_of_races
from srs.server.web.boundaries import doubts
from srs.server.web.downloads import toml_file
from srs.server.web.race_form import JOINING, OVER_ROUNDS, VISIBILITY, RaceForm, answers_of
from srs.server.web.viewer import Timetable, signed_in, the_server

pages = Blueprint("staff", __name__, url_prefix="/staff")

TOML_MAX_BYTES = 65_536


@pages.get("/")
def index() -> str:
    """Every race, and where it is now."""
    person = signed_in()
    with the_server().store.read() as session:
        require(session, person, None, Action.CREATE_RACE)
        known, now = all_races(session), clock.now(session)
        rounds = rounds_of_races(session, [race.id for race in known])
        lines = [(race, Timetable(race.rules, rounds[race.id], now)) for race in known]
        return render_template("staff/races.html", lines=lines, now=now)


@pages.get("/races/new")
def new_race() -> str:
    """A race by form, or by a ``race.toml``."""
    _refuse_others()
    return _new_race(_empty_form())


@pages.post("/races/form")
def fill_in() -> AnyResponse | str | tuple[str, int]:
    """What the form means as a ``race.toml``: its preview, or the form again with every problem at its field.

    With ``change`` it is only shown again, as it was filled in.
    """
    _refuse_others()
    form = RaceForm(answers_of(request.form))
    if request.form.get("change"):
        return _new_race(form)
    toml = form.to_toml()
    try:
        rules = _rules_of(toml)
    except RulesError as error:
        return _new_race(form, told=form.tell(error)), error.status
    answers = [(name, value) for name, value in request.form.items() if name != "csrf_token"]
    return _preview(rules, toml, answers)


@pages.post("/races/preview")
def preview_race() -> AnyResponse | str | tuple[str, int]:
    """Check a ``race.toml``; show what it means, with a button that makes the race, or every problem in it.

    With ``change`` it is only shown again, to be changed.
    """
    _refuse_others()
    toml = _toml()
    if request.form.get("change"):
        return _new_race(_empty_form(), toml=toml)
    try:
        rules = _rules_of(toml)
    except RulesError as error:
        return _new_race(_empty_form(), toml=toml, problems=error.sentence), error.status
    return _preview(rules, toml)


def _rules_of(toml: str) -> RaceRules:
    """The rules in a text; raises ``RulesError`` for what is no race, or for one whose address is taken."""
    rules = read_rules(toml)
    with the_server().store.read() as session:
        is_taken = any(race.slug == rules.slug for race in all_races(session))
    if is_taken:
        sentence = f'there is a race "{rules.slug}" already; choose another name.'
        raise RulesError("race.slug-taken", f"slug: {sentence}", problems=(("slug", sentence),))
    return rules


def _preview(rules: RaceRules, toml: str, answers: Sequence[tuple[str, str]] = ()) -> str:
    """What rules mean, in words; ``answers`` are those of the form, if they come from it."""
    with the_server().store.read() as session:
        now = clock.now(session)
    return render_template(
        "staff/preview_race.html",
        toml=toml,
        rules=rules,
        answers=answers,
        doubts=doubts(rules.rounds, now, rules.timezone),
        visibility=VISIBILITY[rules.visibility],
        joining=JOINING[rules.joining.how],
        over_rounds=OVER_ROUNDS[rules.scoring.over_rounds],
    )


def _empty_form() -> RaceForm:
    """A form with nothing in it but defaults, and the zone of the newest race: the next one will be there, too."""
    with the_server().store.read() as session:
        zones = [race.rules.timezone for race in all_races(session)[:1]]
    return RaceForm(formdata=None, timezone=zones[0] if zones else "")


def _new_race(form: RaceForm, *, told: Sequence[tuple[str, str]] = (), toml: str = "", problems: str = "") -> str:
    zones = sorted(zone for zone in zoneinfo.available_timezones() if "/" in zone and not zone.startswith("Etc/"))
    return render_template("staff/new_race.html", form=form, told=told, toml=toml, problems=problems, zones=zones)


@pages.post("/races/race.toml")
def keep_toml() -> Response:
    """The ``race.toml`` of a preview, as a file to keep."""
    _refuse_others()
    return toml_file(_toml(), "race")


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
