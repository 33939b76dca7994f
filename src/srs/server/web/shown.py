"""How values are written on pages: moments, sizes, numbers, Markdown."""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Any

import nh3
from flask import Flask
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from srs.server.services.wording import moment_in_words
from srs.server.web.viewer import current_person, the_server
from srs.traces import report

MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
MARKDOWN_TAGS = {
    *("p", "h3", "h4", "h5", "ul", "ol", "li", "em", "strong", "code", "pre", "blockquote", "hr", "br", "a"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
DASH = "–"


def moment(at: dt.datetime | None, timezone: str = "UTC") -> Markup:
    """``<time>`` with the moment in the race's zone and in UTC; a dash for none."""
    if at is None:
        return escape(DASH)
    # Lines break between the two zones, not inside a date.
    parts = moment_in_words(at, timezone).replace(" (", "\n(").split("\n")
    shown = Markup(" ").join(Markup("<span>{}</span>").format(part) for part in parts)
    return Markup('<time datetime="{}">{}</time>').format(f"{at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}", shown)


def size(size_bytes: float) -> str:
    """``16.3 MB``, in powers of 1000; whole bytes below 1 kB."""
    if size_bytes < 1000:
        return f"{size_bytes:.0f} B"
    for unit in ("kB", "MB"):
        size_bytes /= 1000
        if size_bytes < 1000:
            return f"{size_bytes:.1f} {unit}".replace(".0 ", " ")
    return f"{size_bytes / 1000:.1f} GB".replace(".0 ", " ")


def number(value: float | None, decimals: int = 2) -> str:
    """A number with fixed decimals and thin spaces between thousands; a dash for none."""
    if value is None:
        return DASH
    return f"{value:,.{decimals}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def signed(value: float, decimals: int = 2) -> str:
    """A difference, always with its sign."""
    return f"{value:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def duration(seconds: float) -> str:
    """The larger two units of a length of time: ``3 days 4 h``, ``12 min``."""
    minutes = int(max(seconds, 0) // 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} {'day' if days == 1 else 'days'} {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else "less than a minute"


def plural(count: int, one: str, many: str = "") -> str:
    """``1 team``, ``2 teams``, ``2 matches``."""
    return f"{number(count, 0)} {one if count == 1 else many or report.plural(one)}"


def markdown(text: str) -> Markup:
    """A race's description: headings begin below the page's own, links leave without our address, no pictures."""
    html = MARKDOWN.render(text)
    for level in (3, 2, 1):
        html = html.replace(f"<h{level}>", f"<h{level + 2}>").replace(f"</h{level}>", f"</h{level + 2}>")
    clean = nh3.clean(html, tags=MARKDOWN_TAGS, link_rel="noopener noreferrer nofollow")
    return Markup(clean)  # noqa: S704  (what nh3 has cleaned is the one HTML that we do not escape)


def lines(text: str) -> list[str]:
    """The lines of a sentence that lists problems."""
    return [line for line in text.splitlines() if line.strip()]


def set_up(app: Flask) -> None:
    """Register the filters and what every template knows."""
    for show in (moment, size, number, signed, duration, plural, markdown, lines):
        app.jinja_env.filters[show.__name__] = show
    app.jinja_env.globals["fresh_key"] = lambda: secrets.token_urlsafe(18)
    app.jinja_env.globals["DASH"] = escape(DASH)
    app.context_processor(_common)


def _common() -> dict[str, Any]:
    config = the_server().config
    return {"person": current_person(), "is_demo": config.demo, "base_url": config.base_url}
