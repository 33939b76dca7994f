"""What a first visit costs in bytes on the wire: the page and everything that it loads, compressed as it is sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from fixtures.chromium import PersonAtScreen
from fixtures.databases import Templates
from fixtures.site import served
from fixtures.sizes import FULL, record
from worlds.big_race import populate_big

FIRST_VIEW_MAX_BYTES = 300_000
TEAMS = 8


def transferred(browser: Browser, base_url: str, path: str) -> int:
    """Bytes received for a page and its subresources by a browser that has never been here."""
    screen = PersonAtScreen(browser, base_url)
    wire = screen.context.new_cdp_session(screen.page)
    wire.send("Network.enable")
    sizes: list[float] = []
    wire.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    screen.page.goto(path, wait_until="networkidle")
    screen.context.close()
    assert len(sizes) > 3, "style sheets and scripts belong to it"
    return round(sum(sizes))


@pytest.fixture
def weights(browser: Browser, tmp_path: Path, sqlite_templates: Templates) -> dict[str, int]:
    """Bytes by path."""
    with served(tmp_path / "data", sqlite_templates.of("empty" if FULL else "big_race")) as site:
        if FULL:
            people, _ = populate_big(site.store, TEAMS, cells=12, repetitions=8)
        else:
            people = site.people
        race = f"/races/{people.slug}"
        paths = ("/", race, f"{race}/leaderboard", f"{race}/rounds/1")
        return {path: transferred(browser, site.base_url, path) for path in paths}


def test_a_first_view_is_light(weights: dict[str, int]) -> None:
    for path, size_bytes in weights.items():
        record("view", 1, note=f"{path}: {size_bytes / 1000:.0f} kB on the wire")
    assert {path: size for path, size in weights.items() if size > FIRST_VIEW_MAX_BYTES} == {}
