"""Files leave here only by the name of a blob, as attachments, with Range and ETag."""

from __future__ import annotations

from flask import Blueprint, Response, request, send_file

from srs.game.access import Action
from srs.game.race import RoundTimes
from srs.game.race_text import write_for_participants
from srs.server.store.disk import told
from srs.server.store.rounds import Round
from srs.server.store.submissions import submission_by_public_id
from srs.server.web.viewer import looking_at, the_server

pages = Blueprint("downloads", __name__)

MEDIA_TYPES = {
    ".zip": "application/zip",
    ".gz": "application/gzip",
    ".zst": "application/zstd",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
}


def send_blob(sha256: str, name: str) -> Response:
    """Send a blob as the attachment ``name``. It never changes, so it may be kept by the browser of who got it."""
    suffix = "." + name.rsplit(".", 1)[-1].lower()
    with told():
        response = send_file(
            the_server().store.blobs.path(sha256),
            mimetype=MEDIA_TYPES.get(suffix, "application/octet-stream"),
            as_attachment=True,
            download_name=bare(name),
            etag=sha256,
            conditional=True,
            max_age=31_536_000,
        )
    response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    response.headers.pop("Last-Modified", None)  # when a blob was stored says when another team sent the same bytes
    return response


def bare(name: str) -> str:
    """A file's name without folders of any system, for those who save it under that name."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1].strip()
    return last if last.strip(".") else "file"


def toml_file(text: str, slug: str) -> Response:
    """A ``race.toml``, as an attachment named after its race."""
    response = Response(text, mimetype="application/toml")
    response.headers.set("Content-Disposition", "attachment", filename=f"{slug}.toml")
    return response


@pages.get("/races/<slug>/rules/race.toml")
def rules_file(slug: str) -> Response:
    """The rules as a file for ``srs check``, with the times of the rounds as they are now."""
    with looking_at(slug, Action.SEE_RULES) as view:
        rounds = tuple(map(_times, view.rounds))
        return toml_file(write_for_participants(view.rules.model_copy(update={"rounds": rounds})), slug)


def _times(one: Round) -> RoundTimes:
    defence = (one.defence_opens_at, one.defence_closes_at)
    return RoundTimes(defence=defence, attack=(one.attack_opens_at, one.attack_closes_at))


@pages.get("/races/<slug>/submissions/<public_id>/file")
def submitted_file(slug: str, public_id: str) -> Response:
    """The exact bytes that were sent: for the team that sent them, and for staff."""
    with looking_at(slug, Action.SEE_RACE) as view:
        submission = submission_by_public_id(view.session, view.race.id, public_id)
        view.require(Action.SEE_SUBMISSION, submission.team)
        sha256, name = submission.sha256, submission.file_name
    return send_blob(sha256, name or request.path.rsplit("/", 1)[-1])
