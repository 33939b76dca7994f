"""The golden season: the demo, played by real workers, has the same standings on every commit (G7)."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

import pytest

from fixtures.sizes import FULL
from srs.server.services.submissions import GRACE_S
from srs.server.store.accounts import User
from srs.server.store.jobs import PRACTICE
from srs.server.store.notices import notices_of
from srs.server.store.races import race_by_slug
from srs.server.store.rounds import rounds_of
from srs.server.store.submissions import submissions_of_race
from worlds.demo_season import Played

pytestmark = pytest.mark.skipif(not FULL, reason="every day the stored season is played, and the demo only begun")
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
