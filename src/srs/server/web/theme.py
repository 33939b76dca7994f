"""Light or dark: as the system says, unless the visitor has chosen."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from srs.errors import InputError
from srs.server.web.error_pages import path_of_referrer
from srs.server.web.viewer import the_server

pages = Blueprint("theme", __name__)

THEMES = {"auto": "As the system", "light": "Light", "dark": "Dark"}
COOKIE = "srs-theme"
YEAR_S = 365 * 24 * 3600


def set_up(app: Flask) -> None:
    """Let every template know the theme."""
    app.context_processor(_known)


def current_theme() -> str:
    """``auto``, ``light`` or ``dark``."""
    chosen = request.cookies.get(COOKIE, "auto")
    return chosen if chosen in THEMES else "auto"


def _known() -> dict[str, Any]:
    return {"theme": current_theme(), "themes": THEMES}


@pages.post("/theme")
def choose() -> AnyResponse:
    """Keep the visitor's choice in a cookie, and go back to the page it was made on."""
    theme = request.form.get("theme", "")
    if theme not in THEMES:
        raise InputError("theme.unknown", f"There is no such theme; there are {', '.join(THEMES)}.")
    response = redirect(path_of_referrer(), 303)
    is_https = urlsplit(the_server().config.base_url).scheme == "https"
    response.set_cookie(COOKIE, theme, max_age=YEAR_S, secure=is_https, httponly=True, samesite="Lax")
    return response
