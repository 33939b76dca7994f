"""Parts of a page that look again by themselves: htmx asks for the page and gets the part it shows.

Without JavaScript the page is complete and nothing asks. A part that has not changed is answered with 304.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

HTMX = {
    "includeIndicatorStyles": False,  # they would be an inline style
    "allowEval": False,
    "allowScriptTags": False,
    "selfRequestsOnly": True,
    "historyCacheSize": 0,  # nothing of a page is kept in the browser's storage
    "responseHandling": [
        {"code": "204", "swap": False},
        {"code": "304", "swap": False},
        {"code": "[23]..", "swap": True},
        {"code": "[45]..", "swap": False, "error": True},
    ],
}
JITTER = 0.25
CLOCK = "_clock.html"
PART = "SRS-Part"
"""Names the part in the answer. An answer without it (a log-in page, say) does not belong into the page."""


def set_up(app: Flask) -> None:
    """Register what templates say to make a part live."""
    app.jinja_env.globals["every_s"] = every_s
    app.jinja_env.globals["htmx_config"] = json.dumps(HTMX)


def every_s(seconds: float, person: int) -> str:
    """A trigger of htmx for a look each ``seconds``, a quarter more or less, so that a class does not look at once.

    How much more is the person's (an id): the same in each answer, so that an unchanged part stays unchanged.
    """
    share = int.from_bytes(hashlib.sha256(str(person).encode()).digest()[:4]) / 2**32
    return f"every {seconds * (1 - JITTER + 2 * JITTER * share) * 1000:.0f}ms"


def is_asked_by_script() -> bool:
    """Whether htmx asks, not the browser."""
    return "HX-Request" in request.headers


def go_to(address: str) -> AnyResponse:
    """After a form: send the visitor on; a script is told where to, since it cannot see a redirect."""
    if not is_asked_by_script():
        return redirect(address, 303)
    return Response(status=204, headers={"HX-Redirect": address})


def renewed(response: Response) -> Response:
    """The answer to a script, made to load the whole page anew; to a browser, as it is."""
    if PART in response.headers:
        response.headers["HX-Refresh"] = "true"
    return response


def page(
    template: str,
    parts: dict[str, str],
    *,
    beside: tuple[str, ...] = (),
    rest: Callable[[], dict[str, Any]] = dict,
    **values: Any,
) -> Response:
    """The whole page, or, for htmx, the part whose element asks: ``parts`` names their templates by element id.

    ``rest`` makes the values that the whole page alone shows. ``beside`` are templates of what stands elsewhere on the
    page and tells the same as the parts: it is sent along and put into its place (``hx-swap-oob``, where ``is_part``).
    So is the clock of a race (of a ``view``).
    """
    asked = request.headers.get("HX-Target", "") if is_asked_by_script() else ""
    if asked not in parts:
        response = make_response(render_template(template, **values, **rest()))
        response.vary.add("HX-Request")
        return response
    shown = (parts[asked], *([CLOCK] if "view" in values else []), *beside)
    text = "\n".join(render_template(one, is_part=True, **values) for one in shown)
    response = make_response(text)
    response.headers[PART] = asked
    response.set_etag(hashlib.sha256(text.encode()).hexdigest()[:32])
    response.vary.update(["HX-Request", "HX-Target"])
    response.make_conditional(request)
    return response
