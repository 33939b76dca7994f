"""One page for everything that can go wrong: status, title, sentence, hint, request id; never a trace or a path."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, InternalServerError, SecurityError

from srs.errors import SrsError, TooOften, Unavailable
from srs.server.web.live import is_asked_by_script

log = logging.getLogger("srs.web")

SENTENCES = {
    400: ("The request was not understood", "Your browser sent something that this page does not expect."),
    403: ("You may not do this", "This is not open to you."),
    404: ("Not found", "There is no page at this address, or none that you may see."),
    405: ("Not like this", "This address does not take this kind of request."),
    408: ("Your request took too long", "It did not arrive in time, and nothing was stored."),
    411: ("The request was not understood", "Its length must be told before it is sent."),
    413: ("Too much was sent", "The form or the file is larger than this page accepts; nothing was stored."),
    415: ("The request was not understood", "This page takes forms only."),
    416: ("Not that part", "The file is shorter than the part that was asked for."),
    429: ("Too many requests", "Please wait a little."),
    500: ("Something went wrong", "It is our fault, and it has been recorded."),
    503: ("Not available for a moment", "Please try again in a minute."),
}
STALE_FORM = "This form was too old or did not come from this site, so nothing was changed."
RETRY_AFTER_S = 30


def set_up(app: Flask) -> None:
    """Register the handlers."""
    app.register_error_handler(SrsError, _srs_error)
    app.register_error_handler(CSRFError, _stale_form)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def _srs_error(error: SrsError) -> Response:
    if error.status >= 500:
        log.warning("%s %s: %s (%s)", _request_id(), error.code, error.sentence, error.__cause__)
    if isinstance(error, Unavailable):
        _forget_who_looks()
    response = _page(error.status, error.title, error.sentence, error.hint, error.code)
    if isinstance(error, Unavailable | TooOften):
        response.headers["Retry-After"] = str(error.after_s if isinstance(error, TooOften) else RETRY_AFTER_S)
    return response


def _forget_who_looks() -> None:
    # The page that tells of an outage is a stranger's: to know more the database would be asked again.
    g._login_user = current_app.login_manager.anonymous_user()  # type: ignore[attr-defined]  # noqa: SLF001  (it has no other name)


def _stale_form(_error: CSRFError) -> Response:
    hint = "Go back, load the page again and send it once more."
    return _page(400, "Please send this form again", STALE_FORM, hint, "form.stale")


def _http_error(error: HTTPException) -> Response:
    if error.response is not None:
        return make_response(error.response)  # a redirect raised by a view
    if isinstance(error, InternalServerError) and isinstance(error.original_exception, SrsError):
        return _srs_error(error.original_exception)  # raised after the view, such as at the end of a transaction
    if isinstance(error, SecurityError):
        # Nothing has an address under a host that is not ours, so there is no page either.
        return Response("This server has another name.\n", 400, mimetype="text/plain")
    code = error.code or 500
    title, sentence = SENTENCES.get(code, SENTENCES[500 if code >= 500 else 400])
    response = _page(code, title, sentence)
    for name, value in error.get_headers(request.environ):
        if name.lower() in ("allow", "retry-after", "content-range"):
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    log.error("%s unexpected", _request_id(), exc_info=error)
    title, sentence = SENTENCES[500]
    return _page(500, title, sentence, "If it happens again, tell the staff the number below.")


def _page(status: int, title: str, sentence: str, hint: str = "", code: str = "") -> Response:
    if is_asked_by_script():
        return Response(f"{sentence} {hint}".strip() + "\n", status, mimetype="text/plain")
    page = render_template(
        "error.html",
        status=status,
        title=title,
        sentence=sentence,
        hint=hint,
        code=code,
        request_id=_request_id(),
        back=path_of_referrer(),
    )
    return make_response(page, status)


def _request_id() -> str:
    return str(g.get("request_id", "-"))


def path_of_referrer() -> str:
    """The page of this site that the request came from, as a path with its query; ``/`` when there is none.

    The answer to a form can stand at an address that only takes forms: then the nearest page above it.
    """
    try:
        origin = urlsplit(request.referrer or "")
        is_ours = origin.netloc == request.host
    except (ValueError, HTTPException):  # no URL, or not our host
        return "/"
    path = origin.path if is_ours else ""
    if not path.startswith("/") or path.startswith("//"):
        return "/"
    if _is_page(path):
        return f"{path}?{origin.query}" if origin.query else path
    above = (path.rsplit("/", parts)[0] for parts in range(1, path.count("/")))
    return next(filter(_is_page, above), "/")


def _is_page(path: str) -> bool:
    """Whether a GET leads there; where another rule takes forms at this path, what stood there was their answer."""
    get, post = _rule(path, "GET"), _rule(path, "POST")
    return get is not None and post in (None, get)


def _rule(path: str, method: str) -> str | None:
    try:
        rule, _ = current_app.url_map.bind("").match(path, method=method, return_rule=True)
    except HTTPException:
        return None
    return rule.rule
