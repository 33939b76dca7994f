"""Charts drawn: hostile text, colours, and room on the disk."""

from __future__ import annotations

import json
import os
import random
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.sizes import size
from srs.judging.curves import CELLS_MAX, curves
from srs.judging.profile import Quartiles
from srs.lab.plots.attack import attack_charts
from srs.lab.plots.chart import Chart, Classes, Column
from srs.lab.plots.standings import ClassOfRound, Scores, Step, class_as_a_whole, way
from srs.lab.plots.trace_set import trace_set_charts
from srs.lab.plots.trade_off import Price, trade_off
from srs.server.web import figures
from srs.server.web.artist import Undrawable
from srs.server.web.looks import PALETTES, dressed, visible
from worlds.pictures import small_profile, svg_tree

HOSTILE = [
    "</text><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "]]><!--",
    "&lt;b&gt; &amp; &#x3c;",
    "{{7*7}} ${7*7} #{7*7}",
    "datum.secret + alert(1)",
    "\u202egnp.exe",
    "a\x00b\x1fc\ufffe\ud800d",
    "@ink",
    "line\nbreak\ttab",
    "名前 🏁 é",
]


def scatter(names: list[str], title: str = "A chart") -> Chart:
    """A chart that shows these names as labels, in its axis and in its words."""
    values = [{"x": place, "y": place, "name": name} for place, name in enumerate(names)]
    x, y = ({"field": field, "type": "quantitative", "title": title} for field in "xy")
    spec = {
        "data": {"values": values},
        "layer": [
            {"mark": {"type": "point", "color": "@series-1"}, "encoding": {"x": x, "y": y}},
            {"mark": "text", "encoding": {"x": x, "y": y, "text": {"field": "name"}}},
        ],
    }
    return Chart("a", title, f"{title} of {len(names)}.", spec, (Column("Name"),), ())


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in svg_tree(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_hostile_text_is_text() -> None:
    """S9: whatever a team is called, in a picture it is letters."""
    title = " and ".join(HOSTILE)
    svg = figures.render(scatter([*HOSTILE, "harmless"], title=title), "dark", "narrow")
    assert {visible(text) for text in [*HOSTILE, title]} <= set(texts(svg))
    root = svg_tree(svg)
    tags = {element.tag.rsplit("}", 1)[-1] for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "rect", "g", "path", "line", "text", "clipPath", "defs"}
    assert root[0].text == visible(title)
    assert not any(name.startswith("on") or name.endswith("href") for element in root.iter() for name in element.attrib)


@settings(max_examples=5)
@given(st.text(max_size=40), st.lists(st.text(max_size=40), max_size=20))
def test_any_text_makes_a_picture_that_can_be_read(title: str, names: list[str]) -> None:
    svg_tree(figures.render(scatter(names, title=title)))


def test_what_nobody_sees_is_left_out() -> None:
    assert visible("a\u202eb\u200fc\x07d\ud800e\ufffef\ue000g") == "abcdefg"
    assert visible("Zoë & 名前 🏁") == "Zoë & 名前 🏁"


def test_a_token_is_a_colour_outside_the_data_only() -> None:
    spec = dressed(scatter(["@ink"]), "light", "wide")
    assert spec["layer"][0]["mark"]["color"] == PALETTES["light"]["@series-1"]
    assert spec["data"]["values"][0]["name"] == "@ink"
    assert '"@' not in json.dumps({**spec, "data": None})


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", PALETTES)
def test_colours_can_be_told_from_the_background(theme: str) -> None:
    """WCAG 2.2 AA: text 4.5 to 1, graphics 3 to 1."""
    palette = PALETTES[theme]
    behind = luminance(palette["@background"])
    least = {"@ink": 4.5, "@muted": 4.5, "@high": 3.0} | {f"@series-{number}": 3.0 for number in range(1, 7)}
    for token, ratio in least.items():
        light, dark = sorted((luminance(palette[token]), behind), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= ratio, token


def test_no_data_comes_from_elsewhere() -> None:
    """A specification cannot make the server fetch anything."""
    chart = scatter(["x"])
    spec = {**chart.spec, "data": {"url": "http://127.0.0.1:1/secret.csv"}}
    with pytest.raises(ValueError, match=r"(?i)url|access|allowed"):
        figures.render(Chart("a", "A", "B.", spec, (), ()))


def test_too_much_is_refused() -> None:
    with pytest.raises(Undrawable):
        figures.render(scatter(["x" * 1000] * 3000))


def test_the_largest_race_can_be_drawn() -> None:
    """A thousand classes with long names, an attack that spreads its guesses; a thousand teams in a hundred rounds."""
    names = Classes("cell", [f"{number} {'🏁' * 90}" for number in range(1, 1001)])
    found = attack_charts(curves(np.full((1000, 1000), 0.001), np.arange(1000) + 1), names)
    of = small_profile(4)
    spread = Quartiles(*([float(number) for number in range(1, 1001)] for _ in range(3)))
    wide = replace(of, classes=list(range(1, 1001)), received=spread, sent=spread, duration_s=spread)
    found += trace_set_charts(wide, names, wide)
    dice = random.Random(1)
    scores = [Scores(dice.uniform(4, 6), dice.uniform(5, 9), dice.uniform(20, 50)) for _ in range(1000)]
    found.append(class_as_a_whole([ClassOfRound(f"Round {number}", scores) for number in range(100)]))
    teams = [Price("🏁" * 40, dice.uniform(4, 6), 1.0, dice.random(), 0.5) for _ in range(1000)]
    found.append(trade_off(teams, 0.001, 5.7))
    found.append(way([Step(f"Round {number}", 1000, scores[0], 1, 1, 1) for number in range(100)]))
    assert len(found) == 13
    large = {chart.name: chart for chart in found if len(json.dumps(chart.spec)) > 20_000}
    del large["duration-by-class"]  # as "volume-by-class"
    for chart in [*large.values()][: size(2, len(large))]:
        svg_tree(figures.render(chart))
    [pairs] = [chart for chart in found if chart.name == "confusion"]
    assert pairs.title.endswith(f"in groups of 20 cells: the {CELLS_MAX} most frequent pairs")


def test_the_older_half_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both bounds: the number of files and their bytes."""
    folder = tmp_path / "figures"
    monkeypatch.setattr(figures, "KEPT_MAX_FILES", 10)
    for number in range(11):
        figures.keep("<svg/>", folder, folder / f"{number:02}.svg")
        then = time.time() - 1000 + number
        os.utime(folder / f"{number:02}.svg", (then, then))
    left = sorted(path.name for path in folder.iterdir())
    assert len(left) < 10
    assert "10.svg" in left
    assert "00.svg" not in left
    monkeypatch.setattr(figures, "KEPT_MAX_BYTES", 20)
    figures.keep("<svg/>", folder, folder / "new.svg")
    assert sorted(path.name for path in folder.iterdir()) == ["09.svg", "10.svg", "new.svg"]
