"""G2: no secret of a race can be found by a student: not on a page, not in a download, by whatever name."""

from __future__ import annotations

import io
import re
import zipfile
from collections import deque
from dataclasses import dataclass

import polars as pl
import pytest

from fixtures.clients import Browser
from fixtures.sizes import FULL
from srs.game.capture_ids import capture_ids
from srs.server.bootstrap import Server
from srs.server.services.access import Person
from srs.server.store.accounts import User
from srs.server.store.engine import Session
from srs.server.store.events import events_of_race
from srs.server.store.matches import matches_of_race
from srs.server.store.practice import practice_of
from srs.server.store.races import race_by_slug
from srs.server.store.rounds import rounds_of
from srs.server.store.scores import DefenceScore, defence_score_of
from srs.server.web.app import create_app
from worlds.demo_season import Played as DemoSeason
from worlds.played_round import Played
from worlds.small_race import People

MATCHES = 6
"""Ada's: three in each of two rounds, in either race."""


@dataclass(frozen=True)
class Visit:
    """A played race, and Ada, who takes part in it."""

    server: Server
    slug: str
    ada: Person


def test_nothing_in_a_race_of_four_teams(server: Server, big_race: tuple[People, Played]) -> None:
    """In the second of their rounds."""
    people, _ = big_race
    assert_nothing_is_found(Visit(server, people.slug, people.ada))


@pytest.mark.skipif(not FULL, reason="every day the race of four teams is searched, and the demo only begun")
def test_nothing_in_the_demo(demo_season: DemoSeason) -> None:
    """Its season, played to its end."""
    with demo_season.server.store.read() as session:
        ada = session.get_one(User, demo_season.ada)
    assert_nothing_is_found(Visit(demo_season.server, "demo", Person(ada.id, ada.email, ada.name, is_staff=False)))


def assert_nothing_is_found(visit: Visit) -> None:
    """In all that is reached by links no secret, no sealed file, and no capture id but in the test sets."""
    with visit.server.store.read() as session:
        one = race_by_slug(session, visit.slug)
        secrets = [one.split_secret, one.capture_key]
        secrets += [each.draw_seed for each in rounds_of(session, one.id) if each.drawn_at is None]
        matches = matches_of_race(session, one.id)
        secrets += [match.order_seed for match in matches]
        count = one.rules.split.test_traces
        ids = {int(each) for match in matches for each in capture_ids(one.capture_key, match.first_capture, count)}
        sealed = [match.labels_sha256 for match in matches]
        sealed += [score_of(session, match.defence_id).pool_sha256 for match in matches]
        practice = practice_of(session, one.id)
        assert practice is not None
        sealed.append(practice.labels_sha256)
        events = str([(event.action, event.detail) for event in events_of_race(session, one.id)])
    reached = crawl(Browser(create_app(visit.server)).sign_in(visit.ada))
    downloads = [path for path in reached if path.endswith(("test.csv.zip", "test.parquet")) and "/rounds/" in path]
    assert len([path for path in downloads if path.endswith(".zip")]) == MATCHES
    for path, body in reached.items():
        content = unpacked(path, body)
        for secret in secrets:
            assert secret not in content, path
            assert secret.hex().encode() not in content, path
        for sha256 in sealed:
            assert str(sha256).encode() not in content, path
        if path not in downloads and "/submissions/" not in path:
            numbers = {int(number) for number in re.findall(rb"(?<![\d.])\d{6,10}(?![\d.])", content)}
            assert not numbers & ids, f"{path} names a capture id"
    for path in downloads:
        if path.endswith(".zip"):
            table = pl.read_csv(unpacked(path, reached[path]))
            assert table.columns == ["team_id", "capture_id", "direction_size", "timestamp"]
            assert set(table["capture_id"]) <= ids
    assert not any(str(each) in events for each in sorted(ids)[:200])


def crawl(browser: Browser) -> dict[str, bytes]:
    """Everything that a person can reach by links from the home page: ``{path: body}``."""
    found: dict[str, bytes] = {}
    waiting = deque(["/"])
    while waiting:
        path = waiting.popleft()
        if path in found:
            continue
        answer = browser.get(path)
        found[path] = answer.get_data()
        if answer.mimetype == "text/html":
            links = re.findall(r'(?:href|src|action)="(/[^"#]*)', answer.get_data(as_text=True))
            waiting.extend(link.replace("&amp;", "&") for link in links if "/logout" not in link)
        elif answer.status_code in (301, 302, 303):
            waiting.append(answer.headers["Location"])
    return found


def unpacked(name: str, body: bytes) -> bytes:
    if not name.endswith(".zip"):
        return body
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return b"".join(archive.read(member) for member in archive.namelist())


def score_of(session: Session, submission_id: int) -> DefenceScore:
    score = defence_score_of(session, submission_id)
    assert score is not None
    return score
