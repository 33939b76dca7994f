"""The front page, the examples of a demo, and the answer to operators who ask whether we live."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, render_template, send_from_directory

from srs.errors import NotFound
from srs.server.store import clock
from srs.server.store.races import Race, all_races, races_of
from srs.server.web.viewer import current_person, the_server

pages = Blueprint("home", __name__)


@pages.get("/")
def index() -> str:
    """What this is, for strangers; one's races, for people."""
    person = current_person()
    with the_server().store.read() as session:
        mine = races_of(session, person.user_id) if person else []
        is_mine = {race.id for race in mine}
        others = [race for race in all_races(session) if race.id not in is_mine and _is_shown(race, person is not None)]
        return render_template("home.html", mine=mine, others=others)


def _is_shown(race: Race, is_known: bool) -> bool:
    return is_known or race.visibility == "public"


@pages.get("/health")
def health() -> Response:
    """200 when the database answers; otherwise ``Unavailable`` (503)."""
    with the_server().store.read() as session:
        clock.now(session)
        all_races(session)
    return Response("ok\n", mimetype="text/plain")


def examples() -> list[str]:
    """The names of the example files of a demo."""
    folder = _examples_folder()
    return sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def _examples_folder() -> Path:
    return the_server().config.data / "examples"


@pages.get("/examples/<name>")
def example(name: str) -> Response:
    """One example file of a demo, as an attachment."""
    if not the_server().config.demo or name not in examples():
        raise NotFound("example.unknown", "There is no such example.")
    return send_from_directory(_examples_folder(), name, as_attachment=True, max_age=0)
