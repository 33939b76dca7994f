"""The pictures of a submission: on its page, each with its table, and as SVG; who may see them, and when."""

from __future__ import annotations

import os
import re
from threading import Event
from urllib.parse import urlsplit

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from werkzeug.test import TestResponse

from fixtures.clients import Browser
from fixtures.tables import hashes
from srs.judging.curves import write_curves
from srs.server.bootstrap import Server
from srs.server.store.practice import PracticeScore
from srs.server.store.races import race_by_slug
from srs.server.store.references import referenced_blobs
from srs.server.store.scores import AttackScore, DefenceScore
from srs.server.store.submissions import submission_by_public_id
from srs.server.web import easel, figures
from srs.server.web.artist import Undrawable
from srs.server.web.looks import PALETTES, WIDTHS
from worlds.pictures import small_curves, small_profile, svg_tree
from worlds.played_round import Played
from worlds.small_race import AFTER_ROUND, IN_ATTACK, People, set_clock

DEFENCE_CHARTS = ["volume-by-class", "duration-by-class", "cumulative", "packets"]
ATTACK_CHARTS = ["accuracy-by-class", "true-rank", "confusion", "roc", "calibration"]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def ada(app: Flask, server: Server, people: People, played: Played) -> Browser:
    return Browser(app).sign_in(people.ada)


@pytest.fixture
def cleo(app: Flask, server: Server, people: People, played: Played) -> Browser:
    return Browser(app).sign_in(people.cleo)


def page_of(public_id: str) -> str:
    return f"/races/small/submissions/{public_id}"


def names_on(page: BeautifulSoup) -> list[str]:
    return [str(figure["id"]).removeprefix("figure-") for figure in page.select("figure.figure-with-table")]


def test_a_defence_in_pictures(ada: Browser, played: Played) -> None:
    """Each figure has words, a size, a table with a caption and scopes, and its SVG."""
    page = ada.page(page_of(played.defences[1]))
    assert names_on(page) == DEFENCE_CHARTS
    for figure in page.select("figure.figure-with-table"):
        image = figure.find("img")
        assert image is not None
        assert str(image["alt"]).endswith(".")
        assert (image["width"], image["loading"]) == (str(WIDTHS["wide"]), "lazy")
        table = figure.select_one("details table")
        assert table is not None
        assert table.caption is not None
        assert table.select("thead th[scope=col]")
        assert table.select("tbody th[scope=row]")
        drawn = svg_tree(ada.get(str(image["src"])).get_data(as_text=True))
        assert (drawn.get("width"), drawn.get("height")) == (image["width"], image["height"])


def test_the_table_has_the_numbers_of_the_profile(ada: Browser, played: Played) -> None:
    table = ada.page(page_of(played.defences[1])).select_one("#figure-volume-by-class table")
    assert table is not None
    shown = {row.th.text: row.td.text for row in table.select("tbody tr") if row.th and row.td}
    profile = small_profile()
    assert shown == {
        f"cell {number}": f"{median / 1000:.1f}"
        for number, median in zip(profile.classes, profile.received.median, strict=True)
    }


def test_before_and_now(server: Server, ada: Browser, played: Played) -> None:
    """A later defence of the same team is compared with the earlier one; the earlier one with none."""
    with server.store.work() as session:
        race = race_by_slug(session, "small")
        first, of_cleo = (submission_by_public_id(session, race.id, played.defences[number]) for number in (1, 2))
        # Cleo's defence becomes one that team 1 had sent before.
        of_cleo.team_id, of_cleo.received_at = first.team_id, first.received_at.replace(year=2026)
    assert "before-and-after" in names_on(ada.page(page_of(played.defences[1])))
    assert "before-and-after" not in names_on(ada.page(page_of(played.defences[2])))
    assert ada.get(f"{page_of(played.defences[1])}/figures/before-and-after.svg").status_code == 200


def test_a_defence_scored_before_there_were_pictures_has_none(server: Server, ada: Browser, played: Played) -> None:
    with server.store.work() as session:
        for score in session.query(DefenceScore):
            score.profile_sha256 = None
    assert names_on(ada.page(page_of(played.defences[1]))) == []
    assert ada.get(f"{page_of(played.defences[1])}/figures/packets.svg").status_code == 404


@pytest.mark.parametrize("content", [None, b"{}", b"\xff"])
def test_a_profile_that_cannot_be_read_takes_only_the_pictures(
    server: Server, ada: Browser, played: Played, content: bytes | None
) -> None:
    sha256 = server.store.blobs.put(content).sha256 if content else "0" * 64
    with server.store.work() as session:
        for score in session.query(DefenceScore):
            score.profile_sha256 = sha256
    assert names_on(ada.page(page_of(played.defences[1]))) == []
    assert ada.get(f"{page_of(played.defences[1])}/figures/packets.svg").status_code == 404


def test_an_attack_in_pictures_when_its_round_is_over(
    server: Server, ada: Browser, people: People, app: Flask, played: Played
) -> None:
    """Curves tell the labels: before the close nobody sees them, not the team and not staff."""
    dana = Browser(app).sign_in(people.dana)
    path = f"{page_of(played.attacks[1])}/figures/2/confusion.svg"
    for browser in (ada, dana):
        assert browser.get(path).status_code == 404
        assert names_on(browser.page(page_of(played.attacks[1]))) == []
    set_clock(server.store, AFTER_ROUND)
    for browser in (ada, dana):
        assert browser.get(path).status_code == 200
        assert names_on(browser.page(page_of(played.attacks[1]))) == ATTACK_CHARTS
    set_clock(server.store, IN_ATTACK)
    assert ada.get(path).status_code == 404


def test_pictures_of_another_team_do_not_exist(server: Server, ada: Browser, cleo: Browser, played: Played) -> None:
    set_clock(server.store, AFTER_ROUND)
    paths = [f"{page_of(played.defences[2])}/figures/packets.svg", f"{page_of(played.attacks[2])}/figures/1/roc.svg"]
    for path in paths:
        assert (cleo.get(path).status_code, ada.get(path).status_code) == (200, 404)


@pytest.mark.parametrize(
    "end", ["figures/nothing.svg", "figures/2/packets.svg", "figures/roc.svg", "figures/x%2Fy.svg"]
)
def test_there_is_no_such_picture(ada: Browser, played: Played, end: str) -> None:
    assert ada.get(f"{page_of(played.defences[1])}/{end}").status_code == 404


def test_what_pictures_are_drawn_from_is_kept(server: Server, played: Played) -> None:
    """The sweep of blobs and the backup know that a row names them."""
    with server.store.read() as session:
        named = {score.profile_sha256 for score in session.query(DefenceScore)}
        named |= {score.curves_sha256 for score in session.query(AttackScore)}
        assert len(named) == 2
        assert named <= referenced_blobs(session)


def test_an_attack_has_pictures_of_its_own_matches_only(server: Server, ada: Browser, played: Played) -> None:
    set_clock(server.store, AFTER_ROUND)
    for end in ("figures/1/roc.svg", "figures/99/roc.svg", "figures/roc.svg", "figures/2/packets.svg"):
        assert ada.get(f"{page_of(played.attacks[1])}/{end}").status_code == 404
    assert names_on(ada.page(f"{page_of(played.attacks[1])}?match=99")) == ATTACK_CHARTS


def test_a_practice_attack_in_pictures_at_once(server: Server, ada: Browser, played: Played) -> None:
    """Nothing of it counts, so nothing of it is secret; when its curves are swept, the numbers stay."""
    curves = server.store.blobs.put(write_curves(small_curves(seed=2)))
    with server.store.work() as session:
        submission = submission_by_public_id(session, race_by_slug(session, "small").id, played.attacks[1])
        submission.kind = "practice"
        session.add(
            PracticeScore(
                job_id=submission.job.id,
                submission_id=submission.id,
                version="1",
                metrics={"auc": 0.9, "accuracy": 0.5, "log_loss": 1.0},
                curves_sha256=curves.sha256,
            )
        )
    assert names_on(ada.page(page_of(played.attacks[1]))) == ATTACK_CHARTS
    assert ada.get(f"{page_of(played.attacks[1])}/figures/roc.svg").status_code == 200
    assert ada.get(f"{page_of(played.attacks[1])}/figures/2/roc.svg").status_code == 404
    server.store.blobs.path(curves.sha256).unlink()
    page = ada.page(page_of(played.attacks[1]))
    assert names_on(page) == []
    assert "0.9000" in page.text
    assert ada.get(f"{page_of(played.attacks[1])}/figures/roc.svg").status_code == 404


def words_in(response: TestResponse) -> list[str | None]:
    return [one.text for one in svg_tree(response.get_data(as_text=True)).iter(f"{SVG}text")]


def test_a_picture_that_is_late_says_so_and_is_there_at_a_later_look(
    server: Server, ada: Browser, played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine the drawing goes on behind the request that could not wait for it; nobody refuses it."""
    go, draw = Event(), figures.ARTIST.draw

    def draw_slowly(spec: dict[str, object]) -> str:
        assert go.wait(600)
        return draw(spec)

    monkeypatch.setattr(figures.ARTIST, "draw", draw_slowly)
    path = f"{page_of(played.defences[1])}/figures/cumulative.svg"
    with monkeypatch.context() as hurry:
        hurry.setattr(easel, "WAIT_MAX_S", 0)
        response = ada.get(path)
    assert (response.status_code, response.mimetype) == (202, "image/svg+xml")
    assert (response.headers["Cache-Control"], response.headers["Retry-After"]) == ("no-store", "3")
    assert words_in(response) == ["This picture is being drawn.", "Load the page again in a moment."]
    go.set()
    assert ada.get(path).status_code == 200
    assert {file.suffix for file in (server.config.data / "figures").iterdir()} == {".svg"}


@pytest.mark.parametrize("error", [Undrawable, ValueError])
def test_a_picture_that_cannot_be_drawn_leads_to_its_table(
    server: Server, ada: Browser, played: Played, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """A sentence in its place, the table as ever; for a while nobody tries again."""
    tried = []

    def fail(spec: object) -> str:
        tried.append(spec)
        raise error

    monkeypatch.setattr(figures.ARTIST, "draw", fail)
    path = f"{page_of(played.defences[1])}/figures/cumulative.svg"
    for _ in range(2):
        response = ada.get(f"{path}?theme=dark&size=narrow")
        assert (response.status_code, response.mimetype) == (503, "image/svg+xml")
        assert response.headers["Cache-Control"] == "no-store"
        assert words_in(response) == [
            "This picture cannot be drawn at the moment.",
            "Its numbers are in the table below.",
        ]
    assert len(tried) == 1
    assert ada.page(page_of(played.defences[1])).select("#figure-cumulative tbody tr")
    monkeypatch.undo()
    [failure] = (server.config.data / "figures").glob("*.failed")
    os.utime(failure, (0, 0))
    assert ada.get(f"{path}?theme=dark&size=narrow").status_code == 200


def test_light_and_dark_wide_and_narrow(ada: Browser, played: Played) -> None:
    """Each theme has its own colours, each size its own width; the page names all four."""
    path = f"{page_of(played.defences[1])}/figures/cumulative.svg"
    page = ada.page(page_of(played.defences[1]))
    offered = {str(source["srcset"]) for source in page.select("#figure-cumulative source")}
    offered |= {str(image["src"]) for image in page.select("#figure-cumulative img")}
    assert offered == {f"{path}?theme={theme}&size={size}" for theme in PALETTES for size in WIDTHS}
    for theme, palette in PALETTES.items():
        for size, width in WIDTHS.items():
            svg = ada.get(f"{path}?theme={theme}&size={size}").get_data(as_text=True)
            assert svg_tree(svg).get("width") == str(width)
            colours = set(re.findall(r"#[0-9a-f]{6}", svg))
            assert {palette["@series-1"], palette["@series-2"], palette["@background"]} <= colours
            assert colours <= set(palette.values())
    for query, name in (("theme=pink", "pink"), ("size=huge", "huge")):
        response = ada.get(f"{path}?{query}")
        assert response.status_code == 422
        assert name in response.get_data(as_text=True)


def test_a_chosen_theme_needs_no_other(ada: Browser, played: Played) -> None:
    ada.client.set_cookie("srs-theme", "dark", domain="127.0.0.1")
    page = ada.page(page_of(played.defences[1]))
    offered = [str(one.get("srcset") or one.get("src")) for one in page.select("#figure-packets picture *")]
    assert offered
    assert all("theme=dark" in one for one in offered)


def test_a_picture_is_drawn_once_and_sent_once(server: Server, ada: Browser, played: Played) -> None:
    """ETag and 304; looking changes no row; what is kept is the picture."""
    path = f"{page_of(played.defences[1])}/figures/packets.svg?theme=dark"
    before = hashes(server.store)
    first = ada.get(path)
    assert first.mimetype == "image/svg+xml"
    assert first.headers["Cache-Control"].startswith("private")
    assert "unsafe" not in first.headers["Content-Security-Policy"]
    again = ada.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    packed = ada.get(path, headers={"Accept-Encoding": "gzip"})
    asked = {"Accept-Encoding": "gzip", "If-None-Match": packed.headers["ETag"]}
    assert ada.get(path, headers=asked).status_code == 304
    assert ada.get(path.replace("dark", "light")).headers["ETag"] != first.headers["ETag"]
    kept = list((server.config.data / "figures").iterdir())
    assert first.data in [file.read_bytes() for file in kept]
    assert {file.suffix for file in kept} == {".svg"}
    assert hashes(server.store) == before


def test_every_picture_is_plain_svg(server: Server, ada: Browser, played: Played) -> None:
    """No script, no style, no foreign content, no handler, no address of anything outside."""
    set_clock(server.store, AFTER_ROUND)
    paths = [f"{page_of(played.defences[1])}/figures/{name}.svg" for name in DEFENCE_CHARTS]
    paths += [f"{page_of(played.attacks[1])}/figures/2/{name}.svg" for name in ATTACK_CHARTS]
    for path in paths:
        response = ada.get(path)
        assert response.status_code == 200, path
        root = svg_tree(response.get_data(as_text=True))
        title, told = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
        assert title is not None
        assert told is not None
        assert (told.text or "").endswith(".")
        for element in root.iter():
            assert element.tag.removeprefix(SVG) not in ("script", "style", "foreignObject", "image", "a", "use"), path
            for name, value in element.attrib.items():
                assert not name.startswith("on"), (path, name)
                assert name != "style", path
                assert not urlsplit(value).scheme, (path, value)
