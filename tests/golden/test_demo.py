"""``srs-server demo`` as a visitor meets it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import httpx
import pytest

from fixtures.live import Visitor, wait_for
from fixtures.sizes import FULL
from worlds.demo_season import COMMAND, Demo, environ

REQUEST = re.compile(r"(GET|POST) \S+ \d{3} \d+ ms")
GOLDEN = Path(__file__).with_name("season.json")


def test_a_visitor_signs_in_and_sees_the_season_fill_in(demo: Demo) -> None:
    assert set(demo.links) == {"Ada", "Nils", "Dana"}
    wait_for(lambda: answers(demo.address) and "yes")
    visitors = {name: Visitor(demo.address) for name in demo.links}
    for name, link in demo.links.items():
        visitors[name].submit(link, link)
        assert name in visitors[name].page("/races/demo").get_text()
    for said in ("first_try.csv.zip", "rejected", "defence_round_1.csv.zip", "accepted"):
        wait_for(lambda said=said: said in visitors["Ada"].page("/races/demo/defence").get_text() and "shown")
    ada, link = visitors["Ada"], demo.links["Ada"]
    assert "Log in" in ada.submit("/account", "/logout").text
    assert "Log out" in ada.submit(link, link).text, "the link on the screen signs in again"
    assert "POST /sign-in/<token> 303" in demo.requests
    assert not REQUEST.search(demo.said), "the links stay on the screen"
    for visitor in visitors.values():
        visitor.client.close()


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.skipif(not FULL, reason="every day the stored season is played")
def test_headless(tmp_path: Path) -> None:
    """The standings as JSON on standard output, equal to the golden ones to the last byte."""
    ended = subprocess.run(
        [COMMAND, "demo", "--headless"], capture_output=True, env=environ(tmp_path), timeout=600, check=False
    )
    assert ended.returncode == 0
    assert ended.stdout.decode().strip() == json.dumps(json.loads(GOLDEN.read_text(encoding="utf-8")))
