"""What the clock makes due: openings, reminders, ends; once, and only while it is true. On both databases."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from srs.server.bell import SilentBell
from srs.server.services import notices, rounds, teams
from srs.server.services.reminders import STALE, announce
from srs.server.services.submissions import GRACE_S
from srs.server.store.engine import Store
from srs.server.store.jobs import ACCEPTED, PARKED, REJECTED, Job
from srs.server.store.matches import matches_of_round
from srs.server.store.notices import Announcement
from srs.server.store.scores import AttackScore
from srs.server.store.submissions import submission_by_public_id
from worlds.small_race import PAUSE, SLUG, STARTS_AT, SmallRace, populate, race_toml
from worlds.told import judge, mailed, told

HOUR = dt.timedelta(hours=1)
PHASE = dt.timedelta(days=3)
CLOSES_AT = STARTS_AT + PHASE
ATTACK_OPENS_AT = CLOSES_AT + PAUSE
ATTACK_CLOSES_AT = ATTACK_OPENS_AT + PHASE
GUESSED = {"auc": 0.5, "accuracy": 0.5}
DRAWABLE_AT = CLOSES_AT + dt.timedelta(seconds=GRACE_S + 1)


@pytest.fixture
def world_name() -> str:
    """The race has rules of its own."""
    return "empty"


@pytest.fixture
def race(store: Store) -> SmallRace:
    """One round whose phases are long enough to be reminded a day before they end."""
    return SmallRace(store, populate(store, race_toml(phase=PHASE, rounds=1)))


def at(race: SmallRace, moment: dt.datetime) -> None:
    """Let it be a moment, at which the tender looks twice."""
    race.at(moment)
    for _ in range(2):
        announce(race.store)


def subjects(race: SmallRace, name: str, kind: str = notices.REMINDER) -> list[str]:
    return [notice.subject for notice in told(race.store, getattr(race, name), kind)]


def published(race: SmallRace) -> SmallRace:
    """Both teams have defended, the bundles are ready before the attack phase opens."""
    judge(race, race.ada, ACCEPTED)
    judge(race, race.cleo, ACCEPTED)
    race.at(DRAWABLE_AT)
    rounds.advance(race.store, SilentBell())
    with race.store.work() as session:
        for match in matches_of_round(session, race.round(session).id):
            match.files, match.labels_sha256 = {}, "3" * 64
    rounds.advance(race.store, SilentBell())
    return race


def attack(race: SmallRace, name: str, state: str = ACCEPTED) -> None:
    public_id = race.send(getattr(race, name), "attack", name.encode(), f"key-attack-{name}")
    with race.store.work() as session:
        submission = submission_by_public_id(session, race.race(session).id, public_id)
        submission.job.state = state
        for match in matches_of_round(session, race.round(session).id):
            if match.attacker_id == submission.team_id and state == ACCEPTED:
                score = AttackScore(job_id=submission.job.id, submission_id=submission.id, match_id=match.id)
                score.version, score.public, score.final = "t", GUESSED, GUESSED
                session.add(score)


def test_who_has_no_accepted_defence_is_reminded_a_day_and_an_hour_before(race: SmallRace) -> None:
    judge(race, race.ada, ACCEPTED)
    judge(race, race.cleo, REJECTED)
    at(race, CLOSES_AT - 24 * HOUR - dt.timedelta(seconds=1))
    assert subjects(race, "cleo") == []
    at(race, CLOSES_AT - 24 * HOUR)
    at(race, CLOSES_AT - 5 * HOUR)
    assert len(subjects(race, "cleo")) == 1
    at(race, CLOSES_AT - HOUR)
    at(race, CLOSES_AT - dt.timedelta(seconds=1))
    assert subjects(race, "cleo") == 2 * ["Round 1 waits for your defence, until 2027-04-16 08:00 CEST (06:00 UTC)"]
    assert subjects(race, "ada") == subjects(race, "ben") == subjects(race, "dana") == []
    [last] = told(race.store, race.cleo, notices.REMINDER)[-1:]
    assert (
        "no accepted defence in round 1 yet. The defence phase closes at 2027-04-16 08:00 CEST (06:00 UTC)."
        in last.body
    )
    assert last.path == f"/races/{SLUG}/defence"
    assert len([mail for mail in mailed(race.store, race.cleo) if "waits for your defence" in mail.subject]) == 2


def test_whose_matches_have_no_attack_is_reminded_by_the_real_end_of_the_phase(race: SmallRace) -> None:
    """G8: one is told of one's own missing attacks, by the names that the page shows, and of nobody else's."""
    published(race)
    at(race, ATTACK_OPENS_AT)
    attack(race, "ada")
    at(race, ATTACK_CLOSES_AT - HOUR)
    assert subjects(race, "ada") == []
    [notice] = told(race.store, race.cleo, notices.REMINDER)
    assert "Your team has a match without an accepted attack: Onions." in notice.body
    assert notice.path == f"/races/{SLUG}/attack?round=1"


def test_a_rejected_attack_is_none(race: SmallRace) -> None:
    published(race)
    at(race, ATTACK_OPENS_AT)
    attack(race, "ada", REJECTED)
    at(race, ATTACK_CLOSES_AT - 3 * HOUR)
    assert len(subjects(race, "ada")) == len(subjects(race, "ben")) == 1


def test_a_tender_that_was_down_tells_what_is_still_true(race: SmallRace) -> None:
    """Of the two reminders that were missed the later one is told; after the deadline none is."""
    at(race, CLOSES_AT - HOUR / 2)
    assert len(subjects(race, "ada")) == 1
    assert subjects(race, "ada", notices.PHASE) == ["The defence phase of round 1 is open"]


def test_a_reminder_of_a_deadline_that_has_passed_is_never_sent(race: SmallRace) -> None:
    at(race, CLOSES_AT)
    assert subjects(race, "ada") == []
    assert subjects(race, "ada", notices.PHASE) == []


def test_a_moved_deadline_arms_its_reminders_again(race: SmallRace) -> None:
    at(race, CLOSES_AT - HOUR)
    assert len(subjects(race, "ada")) == 1
    until = CLOSES_AT + HOUR / 2
    rounds.move_boundary(race.store, race.dana, SLUG, 1, "defence_closes_at", until, "the network was down")
    announce(race.store)  # a day before the new deadline is over, too, and says the new time
    at(race, until - HOUR)
    assert subjects(race, "ada") == [
        "Round 1 waits for your defence, until 2027-04-16 08:00 CEST (06:00 UTC)",
        "Round 1 waits for your defence, until 2027-04-16 08:30 CEST (06:30 UTC)",
        "Round 1 waits for your defence, until 2027-04-16 08:30 CEST (06:30 UTC)",
    ]


def test_phases_open_and_rounds_end(race: SmallRace) -> None:
    """Everybody in the race is told, also who has no team; nobody else is."""
    teams.leave_team(race.store, race.ben, SLUG)
    at(race, STARTS_AT)
    published(race)
    at(race, ATTACK_OPENS_AT)
    attack(race, "ada")
    at(race, ATTACK_CLOSES_AT)
    expected = ["The defence phase of round 1 is open", "The attack phase of round 1 is open"]
    assert subjects(race, "ben", notices.PHASE) == expected, "uploads that began in time may still arrive"
    at(race, ATTACK_CLOSES_AT + dt.timedelta(seconds=GRACE_S))
    assert subjects(race, "ben", notices.PHASE) == [*expected, "Round 1 is over: the standings are final"]
    assert subjects(race, "paul", notices.PHASE) == []


def test_a_round_without_a_match_asks_nobody_for_an_attack(race: SmallRace) -> None:
    race.at(DRAWABLE_AT)
    rounds.advance(race.store, SilentBell())
    at(race, ATTACK_OPENS_AT)
    assert "The attack phase of round 1 is open" not in subjects(race, "ada", notices.PHASE)


def test_the_end_waits_for_every_verdict(race: SmallRace) -> None:
    published(race)
    race.at(ATTACK_OPENS_AT)
    attack(race, "ada", "queued")
    at(race, ATTACK_CLOSES_AT + HOUR)
    assert "Round 1 is over: the standings are final" not in subjects(race, "ada", notices.PHASE)
    with race.store.work() as session:
        for job in session.scalars(select(Job).where(Job.state == "queued")):
            job.state = PARKED
    at(race, ATTACK_CLOSES_AT + HOUR)
    assert "Round 1 is over: the standings are final" in subjects(race, "ada", notices.PHASE)


def test_an_old_story_is_not_told(race: SmallRace) -> None:
    published(race)
    at(race, ATTACK_CLOSES_AT + STALE)
    assert subjects(race, "ada", notices.PHASE) == []
    with race.store.read() as session:
        assert [one.key for one in session.scalars(select(Announcement))] == ["final"]


def test_an_excluded_team_is_not_reminded(race: SmallRace) -> None:
    teams.exclude_team(race.store, race.dana, SLUG, 2, "a test")
    at(race, CLOSES_AT - HOUR)
    assert subjects(race, "cleo") == []


def test_many_tenders_tell_once(race: SmallRace) -> None:
    race.at(CLOSES_AT - HOUR)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: announce(race.store), range(6)))
    assert len(subjects(race, "ada")) == 1
    assert len(subjects(race, "ada", notices.PHASE)) == 1


def test_the_trouble_of_one_holds_up_no_other(
    race: SmallRace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What fails is logged, leaves nothing behind, and is told by the next sweep."""
    with race.store.work() as session:
        name = race.race(session).title
        race.race(session).rules_json = {**race.race(session).rules_json, "timezone": "Europe/Nowhere"}
    at(race, CLOSES_AT - HOUR)
    assert subjects(race, "ada") == []
    assert "announcement" in caplog.text
    with race.store.work() as session:
        race.race(session).rules_json = {**race.race(session).rules_json, "timezone": "Europe/Zurich"}
        assert race.race(session).title == name
    announce(race.store)
    assert len(subjects(race, "ada")) == 1
