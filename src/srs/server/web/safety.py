"""What holds for every request: its id, its host, the size of its body, CSRF, and the headers of its answer."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, g, request
from flask_login import current_user
from flask_wtf.csrf import CSRFProtect
from werkzeug.exceptions import LengthRequired, SecurityError
from werkzeug.routing import IntegerConverter

from srs.errors import NotFound
from srs.server.web.viewer import the_server

View = TypeVar("View", bound=Callable[..., Any])

csrf = CSRFProtect()
access_log = logging.getLogger("srs.web.requests")

LONGER_BODIES = dict.fromkeys(
    ("staff.preview_race", "staff.create_race", "staff.keep_toml", "staff.fill_in", "staff_races.add_to_roster"),
    256 * 1024,
)
"""Forms in which people who are signed in may send more than the usual 64 kB: a race.toml, a roster.

Uploads set their own limit, from the race."""

LOOPBACK = ("127.0.0.1", "localhost")
WHOLE_MAX = 2**31 - 1
"""The largest number that an address may hold: what the columns of both databases hold."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
HSTS = "max-age=31536000"


class Whole(IntegerConverter):
    """``<int:...>`` in an address; there is nothing at a larger one."""

    def __init__(self, map_: Any) -> None:
        super().__init__(map_, max=WHOLE_MAX)


def whole(text: str) -> int:
    """A number in a query, such as ``?before=``. Raises ``ValueError`` for what is none, and for a larger one."""
    number = int(text)
    if abs(number) > WHOLE_MAX:
        raise ValueError("no row has such a number")
    return number


def checks_its_own_token(view: View) -> View:
    """Mark a view that reads the CSRF token while it reads the body."""
    csrf.exempt(view)
    return view


def set_up(app: Flask) -> None:
    """Register the hooks; before ``CSRFProtect``, which reads the body, and before the first route with a number."""
    app.url_map.converters["int"] = Whole
    app.before_request(_begin)
    app.after_request(_finish)


def _begin() -> None:
    g.request_id = secrets.token_hex(8)
    g.began_s = time.monotonic()
    _refuse_foreign_port()
    if "\0" in request.path:
        raise NotFound("page.unknown", "There is no such page.")
    if "Transfer-Encoding" in request.headers:
        raise LengthRequired  # browsers always tell it, and who does not could hold a thread with nothing to send
    if request.endpoint in LONGER_BODIES and current_user.is_authenticated:
        request.max_content_length = LONGER_BODIES[request.endpoint]
        request.max_form_memory_size = LONGER_BODIES[request.endpoint]


def _refuse_foreign_port() -> None:
    """Of a ``Host``: its name is checked by ``TRUSTED_HOSTS``, and a wrong port would lead links elsewhere, too.

    On this machine alone every port may be forwarded from another one.
    """
    ours, theirs = urlsplit(the_server().config.base_url), urlsplit(f"//{request.host}")
    if ours.hostname in LOOPBACK:
        return
    usual = 443 if ours.scheme == "https" else 80
    if theirs.port is not None and theirs.port != (ours.port or usual):
        raise SecurityError(f"Host {request.host!r} is not this site.")


def _finish(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if the_server().config.is_https:
        response.headers["Strict-Transport-Security"] = HSTS
    response.headers["X-Request-ID"] = g.request_id
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    # The rule, not the path: paths hold one-time tokens, which do not belong in a log.
    rule = request.url_rule.rule if request.url_rule else "(no route)"
    spent_ms = (time.monotonic() - g.began_s) * 1000
    access_log.info("%s %s %s %d %.0f ms", g.request_id, request.method, rule, response.status_code, spent_ms)
    return response
