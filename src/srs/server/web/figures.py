"""Charts as SVG: drawn once for each theme and size, kept on disk, sent with an ETag.

Drawing runs in a child of the process (``artist``), behind the requests (``easel``). A picture that is late says so in
its place; where one cannot be drawn, a sentence stands there that leads to the table below it. What is kept lies below
``<data>/figures`` under the SHA-256 of all that decides how it looks; it can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from flask import Flask, Response, request

from srs.errors import InputError
from srs.lab.plots.chart import Chart
from srs.server.web.artist import ARTIST, Late, Undrawable
from srs.server.web.easel import Easel
from srs.server.web.looks import CONFIG, FONT, NUMBERS, PADDING, PALETTES, VEGA_LITE, WIDTHS, dressed, visible
from srs.server.web.viewer import the_server

RETRY_AFTER_S: Final = 300
"""A picture that could not be drawn is not tried again for so long."""

KEPT_MAX_FILES: Final = 4000
KEPT_MAX_BYTES: Final = 200_000_000
MAX_AGE_S: Final = 300
_ROOT_TAG = re.compile(r"<svg\b[^>]*>")
_log = logging.getLogger("srs.web")

EASEL: Final = Easel()
"""That of this process."""


class Instead(NamedTuple):
    """What is answered where there is no picture."""

    status: int
    retry_after_s: int
    lines: tuple[str, ...]


# Not 503: nothing is wrong with the page, and a browser's console would say so.
LATE: Final = Instead(202, 3, ("This picture is being drawn.", "Load the page again in a moment."))
FAILED: Final = Instead(
    503, RETRY_AFTER_S, ("This picture cannot be drawn at the moment.", "Its numbers are in the table below.")
)


def set_up(app: Flask) -> None:
    """Let the template of a figure know how wide it is."""
    app.jinja_env.globals["FIGURE_WIDTHS"] = WIDTHS


def answer(chart: Chart, *, changes: bool = False) -> Response:
    """The chart as the request asks for it: ``?theme=light|dark`` and ``?size=wide|narrow``.

    One that ``changes`` while a round is played is asked for each time, so that it tells the same as its table.
    """
    theme = _one_of("theme", PALETTES)
    size = _one_of("size", WIDTHS)
    key = key_of(chart, theme, size)
    try:
        svg = _kept(chart, theme, size, key)
    except Late:
        return _instead(LATE, chart, theme, size)
    except (Undrawable, ValueError):
        return _instead(FAILED, chart, theme, size)
    response = Response(svg, mimetype="image/svg+xml")
    response.headers["Cache-Control"] = "private, no-cache" if changes else f"private, max-age={MAX_AGE_S}"
    response.set_etag(key)
    response.make_conditional(request)
    return response


def _one_of(name: str, known: Mapping[str, object]) -> str:
    value = request.args.get(name) or next(iter(known))
    if value not in known:
        raise InputError(f"figure.{name}", f"There is no {name} {value[:60]!r}; choose one of {', '.join(known)}.")
    return value


def render(chart: Chart, theme: str = "light", size: str = "wide") -> str:
    """Draw a chart: SVG without script, style or reference to anything outside it.

    Raises as ``Artist.draw`` does.
    """
    svg = ARTIST.draw(dressed(chart, theme, size))
    return _ROOT_TAG.sub(lambda tag: tag[0] + _told(chart), svg, count=1)


def _told(chart: Chart) -> str:
    return f"<title>{escape(visible(chart.title))}</title><desc>{escape(visible(chart.alt))}</desc>"


def _instead(instead: Instead, chart: Chart, theme: str, size: str) -> Response:
    """What stands in the place of a picture; browsers show it whatever the status is."""
    palette, width = PALETTES[theme], WIDTHS[size]
    lines = "".join(
        f'<text x="{width / 2}" y="{60 + 20 * place}" text-anchor="middle" font-family="{FONT}" font-size="14" '
        f'fill="{palette["@ink"]}">{line}</text>'
        for place, line in enumerate(instead.lines)
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{chart.height}">{_told(chart)}'
        f'<rect width="100%" height="100%" fill="{palette["@background"]}"/>{lines}</svg>'
    )
    response = Response(svg, instead.status, mimetype="image/svg+xml")
    response.headers |= {"Cache-Control": "no-store", "Retry-After": str(instead.retry_after_s)}
    return response


def key_of(chart: Chart, theme: str, size: str) -> str:
    """The SHA-256 of all that decides how the picture looks."""
    look = [VEGA_LITE, NUMBERS, CONFIG, PADDING, PALETTES[theme], WIDTHS[size]]
    parts = [look, chart.title, chart.alt, chart.height, chart.spec]
    text = json.dumps(parts, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _kept(chart: Chart, theme: str, size: str, key: str) -> str:
    """The picture from the disk, or drawn and put there; without room on the disk it is drawn each time.

    Raises ``Undrawable`` at once for one that could not be drawn a moment ago: others are waiting to be drawn.
    """
    folder = the_server().config.data / "figures"
    with suppress(OSError):
        return (folder / f"{key}.svg").read_text(encoding="utf-8")
    with suppress(OSError):
        if time.time() - (folder / f"{key}.failed").stat().st_mtime < RETRY_AFTER_S:
            raise Undrawable
    return EASEL.drawn(key, partial(_draw_and_keep, chart, theme, size, folder / key))


def _draw_and_keep(chart: Chart, theme: str, size: str, path: Path) -> str:
    """Draw a picture and put it beside ``path``, or there the mark of one that cannot be drawn."""
    try:
        svg = render(chart, theme, size)
    except (Undrawable, ValueError) as error:
        _log.error("the picture %r cannot be drawn; not tried again for %d s: %r", chart.name, RETRY_AFTER_S, error)
        with suppress(OSError):
            keep("", path.parent, path.with_suffix(".failed"))
        raise
    with suppress(OSError):
        keep(svg, path.parent, path.with_suffix(".svg"))
    return svg


def keep(svg: str, folder: Path, path: Path) -> None:
    """Put a picture into the folder of pictures, all of it or nothing; where there are too many, the oldest go."""
    folder.mkdir(parents=True, exist_ok=True)
    _make_room(folder)
    descriptor, name = tempfile.mkstemp(dir=folder, suffix=".part")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(svg)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def _make_room(folder: Path) -> None:
    """Where there is too much, the older half goes (another process may be at it, too)."""
    files = [(entry.stat(), entry.path) for entry in os.scandir(folder)]
    if len(files) < KEPT_MAX_FILES and sum(status.st_size for status, _ in files) < KEPT_MAX_BYTES:
        return
    files.sort(key=lambda file: file[0].st_mtime)
    for _, name in files[: len(files) // 2 + 1]:
        Path(name).unlink(missing_ok=True)
