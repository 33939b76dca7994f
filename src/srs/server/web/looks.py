"""How charts look: the colours of each theme, the measures of each size, and what all charts share."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from srs.lab.plots.chart import Chart

VEGA_LITE: Final = "6.4"
NUMBERS: Final = {"decimal": ".", "thousands": "\N{NARROW NO-BREAK SPACE}", "grouping": [3], "currency": ["", ""]}
"""Written as in the tables of the pages."""

PADDING: Final = {"left": 20, "right": 10, "top": 8, "bottom": 8}
"""Pixels around a chart. To the left names have room in a font that is wider than the one they are measured in."""

WIDTHS: Final = {"wide": 540, "narrow": 350}
"""Pixels: half a row of the page, and a phone. The text in a chart has the same size in both."""

# After Okabe and Ito, "Color Universal Design" (2008); each at least 3:1 against its background, text at least 4.5:1.
PALETTES: Final[Mapping[str, Mapping[str, str]]] = {
    "light": {
        "@ink": "#1b2733",
        "@muted": "#56616c",
        "@grid": "#e1e5ea",
        "@background": "#ffffff",
        "@series-1": "#0072b2",
        "@series-2": "#c75000",
        "@series-3": "#00805c",
        "@series-4": "#a8487f",
        "@series-5": "#8a6200",
        "@series-6": "#5b5fc7",
        "@low": "#eef4f9",
        "@high": "#004d7a",
    },
    "dark": {
        "@ink": "#e9edf1",
        "@muted": "#a9b3bd",
        "@grid": "#3a424b",
        "@background": "#111a24",
        "@series-1": "#56b4e9",
        "@series-2": "#f0883e",
        "@series-3": "#2dc79a",
        "@series-4": "#e08dbb",
        "@series-5": "#e6c34a",
        "@series-6": "#a3a6f5",
        "@low": "#232b35",
        "@high": "#8fd0ff",
    },
}
FONT: Final = "Helvetica, Arial, Liberation Sans, sans-serif"

_UNSEEN = ("Cc", "Cs", "Co", "Cn")
_REORDERING = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_AXIS: Final = {
    "labelColor": "@muted",
    "titleColor": "@ink",
    "labelFontSize": 12,
    "titleFontSize": 12,
    "titleFontWeight": "normal",
    "labelPadding": 4,
    "gridColor": "@grid",
    "domainColor": "@muted",
    "tickColor": "@muted",
    "tickSize": 4,
    "labelOverlap": "greedy",
    "labelSeparation": 6,
}
CONFIG: Final = {
    "font": FONT,
    "aria": False,  # whoever listens reads the words and the table beside the picture
    "axis": _AXIS,
    # Beside the axis a long title would be cut off, and nobody likes to read it upright.
    "axisY": {
        "titleAngle": 0,
        "titleAlign": "left",
        "titleAnchor": "end",
        "titleBaseline": "bottom",
        "titleY": -8,
        "domain": False,
        "ticks": False,
    },
    "axisX": {"grid": False},
    "legend": {
        "labelColor": "@ink",
        "titleColor": "@ink",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "orient": "top",
        "offset": 24,  # clear of the title of the axis
        "symbolOpacity": 1,
        "symbolSize": 80,
        "labelLimit": 150,
        "columnPadding": 20,
    },
    "view": {"stroke": None},
    "text": {"fontSize": 12, "color": "@ink", "font": FONT},
    "line": {"strokeWidth": 2},
    "point": {"filled": True, "size": 45, "opacity": 1},
}


def visible(text: str) -> str:
    """The text without characters that XML forbids, nobody sees, or that turn the direction of others around."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(one for one in text if one not in _REORDERING and unicodedata.category(one) not in _UNSEEN)


def dressed(chart: Chart, theme: str, size: str) -> dict[str, Any]:
    """The whole specification: the chart's, in the colours of a theme, with the measures of a size."""
    palette = PALETTES[theme]
    spec = {
        "$schema": f"https://vega.github.io/schema/vega-lite/v{VEGA_LITE}.json",
        "width": WIDTHS[size],
        "height": chart.height,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": PADDING,
        "background": "@background",
        "config": CONFIG,
        **chart.spec,
    }
    dressed: dict[str, Any] = _painted(spec, palette)
    return dressed


def _painted(part: Any, palette: Mapping[str, str]) -> Any:
    """Every token replaced, but for the data, and every text made visible."""
    if isinstance(part, str):
        return visible(palette.get(part, part))
    if isinstance(part, Mapping):
        return {name: _painted(value, {} if name in ("data", "datasets") else palette) for name, value in part.items()}
    if isinstance(part, list | tuple):
        return [_painted(value, palette) for value in part]
    return part
