"""What pages load: style sheets, scripts, pictures. Addressed by content, sent compressed, kept by browsers for a year.

Pages themselves are not compressed: they hold secrets beside words from outside (BREACH).
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Request, Response, current_app, request, send_file
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask_compress import Compress

from srs.errors import NotFound

pages = Blueprint("assets", __name__)

YEAR_S = 365 * 24 * 3600
FOLDERS = {"static", "bootstrap.static"}
"""The endpoints that serve files of a folder; ours and Bootstrap's."""
SETTINGS: dict[str, Any] = {
    "COMPRESS_MIMETYPES": ["text/css", "text/javascript", "application/javascript", "image/svg+xml"],
    "COMPRESS_ALGORITHM": ["br", "gzip"],
}
_DARK = "[data-bs-theme=dark]"
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def is_asset(asked: Request) -> bool:
    """Whether a request is for what pages load, the same for everybody."""
    return asked.endpoint in FOLDERS or asked.blueprint == pages.name


class PageSessions(SecureCookieSessionInterface):
    """Sessions are of pages: what pages load carries none, though Flask-Login has looked at it for every request."""

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Nothing, with an asset: caches keep it, and one that is shared must not keep a session with it."""
        if not is_asset(request):
            super().save_session(app, session, response)


def set_up(app: Flask) -> None:
    """Register compression, and the mark of its content on the address of every asset."""
    Compress(app)
    app.session_interface = PageSessions()
    marks: dict[tuple[str, str], str] = {}

    def mark(endpoint: str, values: dict[str, Any]) -> None:
        name = values.get("filename")
        if endpoint not in FOLDERS or name is None:
            return
        if (endpoint, name) not in marks:
            marks[endpoint, name] = _mark_of(_folder(app, endpoint) / name)
        values.setdefault("v", marks[endpoint, name])

    app.url_defaults(mark)
    app.after_request(_keep)
    theme = app.extensions["srs-automatic-theme"] = automatic_theme(app)
    app.jinja_env.globals["asset_marks"] = {"assets.auto_css": _mark(theme), "assets.htmx_js": _mark_of(_htmx())}


def automatic_theme(app: Flask) -> str:
    """The rules of the dark theme once more, for ``data-bs-theme=auto`` where the system prefers dark."""
    sheets = (
        _folder(app, "bootstrap.static") / "css/bootstrap.min.css",
        _folder(app, "static") / "srs.css",
    )
    rules = []
    for sheet in sheets:
        for selectors, declarations in _RULE.findall(_COMMENT.sub("", sheet.read_text(encoding="utf-8"))):
            dark = [one.strip() for one in selectors.split(",") if _DARK in one]
            if dark:
                rules.append(f"{','.join(dark).replace(_DARK, '[data-bs-theme=auto]')}{{{declarations.strip()}}}")
    return "@media (prefers-color-scheme: dark) {\n" + "\n".join(rules) + "\n}\n"


@pages.get("/assets/auto.css")
def auto_css() -> Response:
    """The dark theme for those whose system asks for it."""
    return Response(current_app.extensions["srs-automatic-theme"], mimetype="text/css")


@pages.get("/assets/htmx.js")
def htmx_js() -> Response:
    """htmx, as installed; pages do without it."""
    path = _htmx()
    if path is None:
        raise NotFound("page.unknown", "This server was installed without htmx.")
    return send_file(path, mimetype="text/javascript", etag=True)


def _keep(response: Response) -> Response:
    is_asset = request.endpoint in FOLDERS or request.blueprint == pages.name
    if is_asset and response.status_code == 200:
        response.direct_passthrough = False
        response.make_sequence()  # compressed in one piece, and the file is closed with the response
        if "v" in request.args:
            response.headers["Cache-Control"] = f"public, max-age={YEAR_S}, immutable"
    return response


def _folder(app: Flask, endpoint: str) -> Path:
    owner = app if endpoint == "static" else app.blueprints["bootstrap"]
    assert owner.static_folder is not None  # noqa: S101
    return Path(owner.static_folder)


@cache
def _htmx() -> Path | None:
    """The file in the package ``django_htmx``, of which nothing else is used (and nothing imported)."""
    found = importlib.util.find_spec("django_htmx")
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / "static/django_htmx/htmx-2.min.js"
    return path if path.is_file() else None


def _mark_of(path: Path | None) -> str:
    return _mark(path.read_text(encoding="utf-8", errors="replace")) if path is not None and path.is_file() else ""


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
