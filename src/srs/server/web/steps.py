"""What a request decides is kept as steps, which one short writing transaction takes before the answer leaves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from flask import Flask, Response, g

from srs.server.store.engine import Session
from srs.server.web.viewer import the_server

Step = Callable[[Session], object]


class DoneMeanwhile(Exception):
    """Raised by a step: since this request looked, somebody has done the same; it writes nothing, its answer stays."""


def set_up(app: Flask) -> None:
    """Take the steps of each request before its answer leaves."""
    app.after_request(_take)


def at_the_end(step: Step) -> None:
    """Do this with all the others of this request or with none of them; not at all if its answer is an error."""
    g.setdefault("steps", []).append(step)


def _take(response: Response) -> Response:
    steps: list[Step] = g.pop("steps", [])
    if steps and response.status_code < 400:
        with suppress(DoneMeanwhile), the_server().store.work() as session:
            for step in steps:
                step(session)
    return response
