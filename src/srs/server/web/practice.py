"""The practice match of a race: its files, attacking it, and what my team has reached."""

from __future__ import annotations

from flask import Blueprint, Response, render_template
from werkzeug.wrappers import Response as AnyResponse

from srs.errors import NotFound
from srs.game.access import Action
from srs.server.store.jobs import PARKED, PRACTICE
from srs.server.store.practice import FILES_KEPT, house_job_of, practice_of, practice_scores_of
from srs.server.store.submissions import submissions_of_team
from srs.server.web.downloads import send_blob
from srs.server.web.safety import checks_its_own_token
from srs.server.web.submissions import receive_file
from srs.server.web.viewer import looking_at, signed_in

pages = Blueprint("practice", __name__)

MATCH = {
    "train.csv.zip": "traces of the house, each with what was visited, to learn from",
    "train.parquet": "the same",
    "test.csv.zip": "traces to guess",
    "test.parquet": "the same",
    "README.md": "the columns, in words",
    "manifest.json": "the SHA-256 of each file",
}
EXAMPLES = {
    "example_defence.csv.zip": "a defence that is accepted as it is: send it in a defence phase",
    "example_attack.csv.zip": "the house's own attack on the practice match, accepted as it is: send it below",
    "example_attack.py": "a program that makes a better one from the files of any match: to read, to run and to beat",
}


@pages.get("/races/<slug>/practice")
def show(slug: str) -> str:
    """What there is to practise on, how to send an attack on it, and my team's attempts."""
    signed_in()
    with looking_at(slug, Action.SEE_PRACTICE) as view:
        practice = practice_of(view.session, view.race.id)
        house = house_job_of(view.session, view.race.id)
        sent = submissions_of_team(view.session, view.team.id, PRACTICE, FILES_KEPT) if view.team else []
        return render_template(
            "practice/show.html",
            view=view,
            practice=practice,
            is_parked=house is not None and house.state == PARKED,
            match=MATCH,
            examples=EXAMPLES,
            sent=sent,
            sent_max=FILES_KEPT,
            scores=practice_scores_of(view.session, [one.id for one in sent]),
        )


@pages.post("/races/<slug>/practice")
@checks_its_own_token
def send(slug: str) -> AnyResponse:
    """Receive a practice attack."""
    return receive_file(slug, PRACTICE)


@pages.get("/races/<slug>/practice/<name>")
def file(slug: str, name: str) -> Response:
    """One file of the practice match, or an example."""
    signed_in()
    with looking_at(slug, Action.SEE_PRACTICE) as view:
        practice = practice_of(view.session, view.race.id)
        entry = practice.files.get(name) if practice else None
        if entry is None:
            raise NotFound("practice.file", "There is no such file in the practice match.")
    return send_blob(entry["sha256"], name)
