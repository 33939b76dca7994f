"""The golden season: the same standings on every commit, and no label that a student can find (G7, G2)."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import zipfile
from collections import deque
from pathlib import Path

import polars as pl
import pytest

from fixtures.clients import Browser
from srs.game.capture_ids import capture_ids
from srs.server.services.access import Person
from srs.server.services.submissions import GRACE_S
from srs.server.store.accounts import User
from srs.server.store.events import events_of_race
from srs.server.store.jobs import PRACTICE
from srs.server.store.matches import matches_of_race
from srs.server.store.notices import notices_of
from srs.server.store.practice import practice_of
from srs.server.store.races import race_by_slug
from srs.server.store.rounds import rounds_of
from srs.server.store.scores import DefenceScore, defence_score_of
from srs.server.store.submissions import submissions_of_race
from srs.server.web.app import create_app
from worlds.demo_season import Played

GOLDEN = Path(__file__).with_name("season.json")


def test_the_standings_are_those_of_every_earlier_commit(demo_season: Played) -> None:
    """G7: six teams, two rounds, every number equal to 1e-9."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert demo_season.result["race"] == golden["race"]
    for round_now, round_then in zip(demo_season.result["rounds"], golden["rounds"], strict=True):
        assert round_now["number"] == round_then["number"]
        for row, expected in zip(round_now["standings"], round_then["standings"], strict=True):
            assert (row["rank"], row["team"]) == (expected["rank"], expected["team"])
            for name in ("utility", "attack", "total"):
                assert row[name] == pytest.approx(expected[name], abs=1e-9, rel=0)


def test_the_season_shows_what_a_visitor_should_see(demo_season: Played) -> None:
    text = demo_season.said
    assert "Plain Strollers sent first_try.csv.zip." in text
    assert "Round 1: 6 of 7 defence files accepted." in text
    assert re.search(r"Tamaraw Trail was refused: .* 42 seconds before your upload began", text)
    assert "Round 2: 6 of 6 attack files accepted." in text
    utilities = [row["utility"] for row in demo_season.result["rounds"][0]["standings"]]
    assert len(set(utilities)) == 6, "defences of different strength cost differently"


def test_everybody_is_told_of_a_phase_when_it_opens(demo_season: Played) -> None:
    """However far the clock of the season jumps from one moment to the next."""
    with demo_season.server.store.read() as session:
        rounds = rounds_of(session, race_by_slug(session, "demo").id)
        told = {
            notice.subject: notice.created_at
            for notice in notices_of(session, demo_season.ada, 100)
            if notice.subject.startswith(("The defence phase", "The attack phase")) or "is over" in notice.subject
        }
    grace = dt.timedelta(seconds=GRACE_S + 1)
    expected = {f"The defence phase of round {one.number} is open": one.defence_opens_at for one in rounds}
    expected |= {f"The attack phase of round {one.number} is open": one.attack_opens_at for one in rounds[:2]}
    expected |= {
        f"Round {one.number} is over: the standings are final": one.attack_closes_at + grace for one in rounds[:2]
    }
    assert told == expected


def test_a_verdict_bears_the_moment_at_which_it_came(demo_season: Played) -> None:
    """Before the clock goes on to what others send: nobody is reminded of what they have sent."""
    with demo_season.server.store.read() as session:
        race = race_by_slug(session, "demo")
        ada = session.get_one(User, demo_season.ada)
        submitted = [one for one in submissions_of_race(session, race.id) if one.user_id == ada.id]
        sent = [one for one in submitted if one.kind != PRACTICE]  # of which nobody is told
        told = [one for one in notices_of(session, ada.id, 100) if re.search(" was (accepted|rejected)$", one.subject)]
        reminders = [one for one in notices_of(session, ada.id, 100) if "waits for your" in one.subject]
        moments = [sorted(each) for each in ([one.received_at for one in sent], [one.created_at for one in told])]
    assert len(sent) == 5
    assert all(0 <= (then - at).total_seconds() < 300 for at, then in zip(*moments, strict=True)), moments
    assert reminders == []


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


def test_no_label_can_be_found_by_a_student(demo_season: Played) -> None:
    """G2: in every page and download no secret of the race, and no capture id but in the test sets."""
    store = demo_season.server.store
    with store.read() as session:
        ada = session.get_one(User, demo_season.ada)
        person = Person(ada.id, ada.email, ada.name, is_staff=False)
        race = race_by_slug(session, "demo")
        secrets = [race.split_secret, race.capture_key]
        secrets += [one.draw_seed for one in rounds_of(session, race.id) if one.drawn_at is None]
        matches = matches_of_race(session, race.id)
        secrets += [match.order_seed for match in matches]
        count = race.rules.split.test_traces
        ids = {int(one) for match in matches for one in capture_ids(race.capture_key, match.first_capture, count)}
        sealed = [match.labels_sha256 for match in matches]
        sealed += [score_of(session, match.defence_id).pool_sha256 for match in matches]
        practice = practice_of(session, race.id)
        assert practice is not None
        sealed.append(practice.labels_sha256)
        events = str([(event.action, event.detail) for event in events_of_race(session, race.id)])
    reached = crawl(Browser(create_app(demo_season.server)).sign_in(person))
    downloads = [path for path in reached if path.endswith(("test.csv.zip", "test.parquet")) and "/rounds/" in path]
    assert len([path for path in downloads if path.endswith(".zip")]) == 6, "Ada's three matches in each of two rounds"
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
    assert not any(str(one) in events for one in sorted(ids)[:200])


def score_of(session, submission_id: int) -> DefenceScore:  # type: ignore[no-untyped-def]
    score = defence_score_of(session, submission_id)
    assert score is not None
    return score
