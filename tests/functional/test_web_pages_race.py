"""A race of thirty named web pages instead of cells, made so by its ``race.toml`` alone.

At full size it is played over HTTP with a server and its worker; every day in this process.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import polars as pl
import pytest
from flask import Flask

from fixtures.clients import BASE_URL
from fixtures.live import Visitor, running_server, wait_for
from fixtures.sizes import FULL
from srs.game.race import read_rules
from srs.lab import attacks
from srs.lab.simulate import simulate
from srs.server.bell import SilentBell
from srs.server.bootstrap import Server
from srs.server.config import Config
from srs.server.services import races
from srs.server.store.engine import Store
from srs.server.worker.tend import tend_once
from worlds.judged import judge_all
from worlds.small_race import add_person, set_clock

HOUR = dt.timedelta(hours=1)
SUBJECTS = ("Weather", "News", "Maps", "Trains", "Recipes", "Chess")
PARTS = ("home", "search", "about", "archive", "contact")
CONFUSIONS = "The most frequent confusions; a trace with several likeliest guesses is shared among them"
NAMES = [f"{subject}, {part}" for subject in SUBJECTS for part in PARTS]

RULES = f"""
slug = "pages"
title = "Which page was it?"
visibility = "public"
[joining]
how = "open"
[classes]
column = "page"
count = 30
singular = "page"
names = {json.dumps(NAMES)}
[traces]
repetitions = [5, 8]
[split]
test_traces = 60
test_pool = 60
[[rounds]]
defence = [2027-04-13T08:00:00Z, 2027-04-17T18:00:00Z]
attack = [2027-04-18T08:00:00Z, 2027-04-24T18:00:00Z]
"""


@dataclass
class Site:
    """An installation, its people signed in, and what makes it do all that is due."""

    store: Store
    ada: Visitor
    ben: Visitor
    tend: Callable[[], object]

    def verdict(self, person: Visitor, path: str) -> str:
        """What is said of a file that was sent."""
        self.tend()
        return person.verdict(path)


@pytest.fixture
def site(sqlite_config: Config, shared_app: Flask) -> Iterator[Site]:
    store = Store(sqlite_config)
    set_clock(store, read_rules(RULES).rounds[0].defence[0] + HOUR)
    dana, *people = [add_person(store, name, staff=name == "Dana") for name in ("Dana", "Ada", "Ben")]
    races.create_race(store, dana, RULES)
    with over_http(sqlite_config) if FULL else in_process(sqlite_config, store, shared_app) as (visitor, tend):
        visitors = [visitor().sign_in(store, person) for person in people]
        for one, person in zip(visitors, people, strict=True):
            assert one.submit("/races/pages", "/join").status_code == 200
            assert one.submit("/races/pages/team", "/create", name=f"Team of {person.name}").status_code == 200
        yield Site(store, *visitors, tend)
        for one in visitors:
            one.client.close()
    store.close()


Open = tuple[Callable[[], Visitor], Callable[[], object]]
"""How somebody visits an installation, and what makes it do all that is due."""


@contextmanager
def over_http(config: Config) -> Iterator[Open]:
    """A server that does by itself what is due."""
    with running_server(config.data, config.database_url, "", "--web-processes", "1") as base_url:
        yield (lambda: Visitor(base_url)), (lambda: None)


@contextmanager
def in_process(config: Config, store: Store, app: Flask) -> Iterator[Open]:
    """The same pages and the same duties."""
    server = app.extensions["srs"] = Server(config, store, SilentBell())

    def tend() -> None:
        for _ in range(2):  # of a draw, what is judged comes in between
            tend_once(server)
            judge_all(store)

    yield (lambda: Visitor(BASE_URL, httpx.WSGITransport(app))), tend


def defence(start: int, *, without: int = 0) -> bytes:
    """Visits to every page, or to all but one; ``start`` makes them others than anybody else's."""
    table = simulate(30, 6, seed=7, start=start).rename({"cell_id": "page"})
    return zipped(table.filter(pl.col("page") != without))


def zipped(table: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("traces.csv", table.write_csv(float_precision=6))
    return file.getvalue()


def checked(person: Visitor, folder: Path, data: bytes) -> subprocess.CompletedProcess[str]:
    """What ``srs check defence FILE --race race.toml`` says, with the rules that the site offers."""
    offered = person.page("/races/pages/rules").find("a", string="pages.toml")
    assert offered is not None
    (folder / "race.toml").write_bytes(person.client.get(str(offered["href"])).content)
    (folder / "defence.csv.zip").write_bytes(data)
    command = [str(Path(sys.executable).with_name("srs")), "check", "defence", "defence.csv.zip", "--race", "race.toml"]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


def text_of(person: Visitor, path: str) -> str:
    return " ".join(person.page(path).get_text(" ").split())


def downloaded(person: Visitor, name: str) -> bytes:
    """A file of the only match, through its link on the attack page."""
    links = [str(link["href"]) for link in person.page("/races/pages/attack").select(".files a")]
    [link] = [link for link in links if link.endswith(f"/{name}")]
    answer = person.client.get(link)
    assert answer.status_code == 200
    return answer.content


def guesses(person: Visitor) -> bytes:
    train, test = (pl.read_parquet(io.BytesIO(downloaded(person, f"{name}.parquet"))) for name in ("train", "test"))
    assert train.columns[:2] == ["page", "rep"]
    return zipped(attacks.predict(train, test, "neighbours", 1, classes=30, class_column="page"))


def rules_speak_of_pages(person: Visitor) -> None:
    rules = text_of(person, "/races/pages/rules")
    assert "There are 30 pages." in rules
    assert "Columns page , rep , direction_size and timestamp" in rules
    assert "cell" not in rules


def a_missing_page_is_named(site: Site, folder: Path) -> None:
    """By the server and by ``srs check`` alike."""
    person = site.ada
    incomplete = defence(0, without=8)
    sentence = f"No traces for page 8 ({NAMES[7]})."
    path = person.send("pages", "defence", incomplete, "incomplete.csv.zip")
    assert site.verdict(person, path) == "rejected"
    assert sentence in text_of(person, path)
    verdict = checked(person, folder, incomplete)
    assert verdict.returncode == 1
    assert sentence in " ".join(verdict.stdout.split())


def the_readme_speaks_of_pages(person: Visitor) -> None:
    readme = downloaded(person, "README.md").decode()
    assert "| `page` | train | the page, 1 to 30 |" in readme
    assert "cell" not in readme


def an_attack_names_the_pages_it_confused(person: Visitor, path: str) -> None:
    page = person.page(path)
    caption = page.find("caption", string=CONFUSIONS)
    assert caption is not None
    confusions = [cell.text for cell in caption.parent.find_all("td")]
    assert confusions
    assert set(confusions[0::3] + confusions[1::3]) <= set(NAMES)
    worst = page.find("th", string="Worst guessed")
    assert worst is not None
    assert (
        any(name in worst.find_next("td").text for name in NAMES) or "never guessed right" in worst.find_next("td").text
    )


def accepted(site: Site, sent: dict[Visitor, str]) -> bool:
    return {site.verdict(person, path) for person, path in sent.items()} == {"accepted"}


def test_two_teams_from_upload_to_final_standings(site: Site, tmp_path: Path) -> None:
    """Pages are named where classes are; ``srs check`` accepts what the server accepts."""
    rules_speak_of_pages(site.ada)
    a_missing_page_is_named(site, tmp_path)
    files = {site.ada: defence(0), site.ben: defence(100)}
    assert accepted(
        site, {person: person.send("pages", "defence", data, "pages.zip") for person, data in files.items()}
    )
    verdict = checked(site.ada, tmp_path, files[site.ada])
    assert verdict.returncode == 0, verdict.stdout

    times = read_rules(RULES).rounds[0]
    set_clock(site.store, times.attack[0] + HOUR)
    site.tend()
    wait_for(lambda: site.ada.page("/races/pages/attack").select_one(".files a") and "drawn")
    the_readme_speaks_of_pages(site.ada)
    attacks_sent = {person: person.send("pages", "attack", guesses(person), "guesses.zip") for person in files}
    assert accepted(site, attacks_sent)

    set_clock(site.store, times.attack[1] + 2 * HOUR)  # the phase opened an hour late and keeps its full length
    for person, path in attacks_sent.items():
        an_attack_names_the_pages_it_confused(person, path)
    assert "Round 1, final" in site.ada.page("/races/pages/rounds/1").get_text(" ")
    rows = site.ada.standings("pages", 1)
    assert [row[0] for row in rows] == ["1", "2"]
    assert {row[1].removesuffix(" (yours)") for row in rows} == {"Team of Ada", "Team of Ben"}
    assert all(float(row[3]) > 6 for row in rows), "an attack with an AUC hardly better than chance"
