"""Receiving: deadlines, quotas, keys and locks, on SQLite and on PostgreSQL, with threads at a barrier."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from fixtures.sizes import record, size
from srs.errors import AccessDenied, InputError, PhaseClosed, QuotaSpent, SrsError, StateError, TooSlow
from srs.server.bell import SilentBell
from srs.server.services import rounds, submissions, teams
from srs.server.store import clock
from srs.server.store.engine import database_now
from srs.server.store.events import events_of_race
from srs.server.store.jobs import QUEUED
from srs.server.store.submissions import submissions_of_race, submissions_of_team
from srs.server.store.teams import team_of
from worlds.small_race import CLOSES_AT, IN_DEFENCE, SLUG, SmallRace

SECOND = dt.timedelta(seconds=1)
MICROSECOND = dt.timedelta(microseconds=1)


T = TypeVar("T")


def at_a_barrier(count: int, act: Callable[[int], T]) -> list[T]:
    barrier = threading.Barrier(count)

    def wait_and_act(index: int) -> T:
        barrier.wait()
        return act(index)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(wait_and_act, range(count)))


def outcome(act: Callable[[], str]) -> str:
    try:
        return act()
    except SrsError as error:
        return error.code


def test_a_received_file_is_a_row_and_its_job(race: SmallRace) -> None:
    public_id = race.send(race.ada, "defence", b"data", "key-0001", "my file.csv")
    with race.store.read() as session:
        (submission,) = submissions_of_race(session, race.race(session).id)
        assert submission.public_id == public_id
        assert submission.job.state == QUEUED
        assert submission.file_name == "my file.csv"
        assert submission.received_at == IN_DEFENCE
        assert race.store.blobs.path(submission.sha256).read_bytes() == b"data"


def test_only_a_team_of_the_race_may_send(race: SmallRace) -> None:
    for person in (race.nils, race.paul, race.dana):
        with pytest.raises((AccessDenied, StateError)):
            race.send(person, "defence", b"data", "key-0001")


@pytest.mark.parametrize("late", [-MICROSECOND, MICROSECOND * 0, MICROSECOND, SECOND * 42])
def test_the_deadline_itself_is_closed(race: SmallRace, late: dt.timedelta) -> None:
    """T1 at the store: half-open, to the microsecond."""
    race.at(CLOSES_AT + late)
    if late < dt.timedelta(0):
        assert race.send(race.ada, "defence", b"data", "key-0001")
        return
    with pytest.raises(PhaseClosed) as refusal:
        race.send(race.ada, "defence", b"data", "key-0001")
    assert "closed at 2027-04-14 08:00 CEST (06:00 UTC)" in refusal.value.sentence
    if late == SECOND * 42:
        assert "42 seconds before your upload began" in refusal.value.sentence


def test_uploads_across_the_deadline(race: SmallRace) -> None:
    """T2: on the real clock, accepted are exactly those received before the deadline; answer and database agree."""
    with race.store.work() as session:  # a day has room for all of them
        row = race.race(session)
        limits = {"defences_per_day": 1000, "faulty_per_day": 1000}
        row.rules_json = {**row.rules_json, "limits": {**row.rules_json["limits"], **limits}}
    tried = [across_the_deadline(race, f"{repeat:04}") for repeat in range(size(1, 20))]
    record("T2", sum(tried), note="uploads at a barrier, on the real clock, across the deadline")


def across_the_deadline(race: SmallRace, name: str, count: int = 80) -> int:
    """Send ``count`` files from 20 threads around a deadline a moment ahead; returns how many were sent."""
    with race.store.work() as session:
        clock.simulate(session, None)
        begins_at = database_now(session)
        closes_at = begins_at + dt.timedelta(seconds=0.6)
        row = race.round(session)
        row.defence_opens_at, row.defence_closes_at = begins_at - SECOND, closes_at
        row.attack_opens_at, row.attack_closes_at = closes_at + SECOND, closes_at + SECOND * 2
        before = {submission.public_id for submission in submissions_of_race(session, row.race_id)}

    def upload(index: int) -> tuple[str, dt.datetime, dt.datetime]:
        with race.store.read() as session:
            asked_at = database_now(session)
        person = race.ada if index % 2 else race.cleo
        answer = outcome(lambda: race.send(person, "defence", b"data", f"key-{name}-{index:04}"))
        with race.store.read() as session:
            return answer, asked_at, database_now(session)

    threads = 20
    answers = [
        answer
        for answers in at_a_barrier(
            threads, lambda thread: [upload(thread + threads * turn) for turn in range(count // threads)]
        )
        for answer in answers
    ]
    with race.store.read() as session:
        stored = {row.public_id: row for row in submissions_of_race(session, race.race(session).id)}
    accepted = {answer for answer, _, _ in answers if "." not in answer}
    assert set(stored) - before == accepted
    assert all(stored[public_id].received_at < closes_at for public_id in accepted)
    assert all(asked_at < closes_at for answer, asked_at, _ in answers if answer in accepted)
    assert all(done_at >= closes_at for answer, _, done_at in answers if answer == "phase.closed")
    assert {answer for answer, _, _ in answers} <= accepted | {"phase.closed"}
    return len(answers)


def test_a_deadline_moved_while_uploads_are_on_their_way(race: SmallRace) -> None:
    """T6: an upload is judged by the boundary that is committed when it is recorded; the change is audited."""
    race.at(CLOSES_AT - SECOND)
    upload = submissions.open_upload(race.store, race.ada, SLUG, "defence")
    earlier = CLOSES_AT - SECOND * 2
    race.at(CLOSES_AT - SECOND * 10)
    rounds.move_boundary(race.store, race.dana, SLUG, 1, "defence_closes_at", earlier, "the room is needed")
    blob = race.store.blobs.put(b"data")
    with pytest.raises(PhaseClosed):
        submissions.receive(race.store, SilentBell(), upload, blob, "file.csv", "key-0001")
    later = CLOSES_AT + SECOND * 60
    rounds.move_boundary(race.store, race.dana, SLUG, 1, "defence_closes_at", later, "and now it is not")
    assert submissions.receive(race.store, SilentBell(), upload, blob, "file.csv", "key-0001")
    with race.store.read() as session:
        moved = [event for event in events_of_race(session, race.race(session).id) if event.action == "round.moved"]
        assert [event.reason for event in moved] == ["and now it is not", "the room is needed"]


def test_begun_in_time_and_ended_soon_counts_ended_late_does_not(race: SmallRace) -> None:
    """T3 at the store."""
    race.at(CLOSES_AT - SECOND)
    upload = submissions.open_upload(race.store, race.ada, SLUG, "defence")
    blob = race.store.blobs.put(b"data")
    race.at(CLOSES_AT + SECOND * (submissions.GRACE_S + 1))
    with pytest.raises(TooSlow):
        submissions.receive(race.store, SilentBell(), upload, blob, "file.csv", "key-0001")
    race.at(CLOSES_AT + SECOND * (submissions.GRACE_S - 1))
    public_id = submissions.receive(race.store, SilentBell(), upload, blob, "file.csv", "key-0001")
    with race.store.read() as session:
        (submission,) = submissions_of_race(session, race.race(session).id)
        assert (submission.public_id, submission.received_at) == (public_id, CLOSES_AT - SECOND)


def test_an_upload_counts_from_when_it_began(race: SmallRace) -> None:
    """T3: the time since then is this machine's, the moment the database's; a simulated clock stands still."""
    began_s = time.monotonic() - 3600
    race.at(CLOSES_AT - MICROSECOND)
    upload = submissions.open_upload(race.store, race.ada, SLUG, "defence", began_s)
    assert upload.received_at == CLOSES_AT - MICROSECOND
    with race.store.work() as session:
        clock.simulate(session, None)
        earliest_at = database_now(session) - dt.timedelta(seconds=time.monotonic() - began_s)
        moment_at = clock.moment_of(session, began_s)
        latest_at = database_now(session) - dt.timedelta(seconds=3600)
        assert earliest_at - 0.001 * SECOND <= moment_at <= latest_at
        assert clock.moment_of(session, time.monotonic() + 60) <= database_now(session), "nothing begins later than now"


def test_fifty_posts_at_once_and_five_a_day(race: SmallRace) -> None:
    """T7: the daily limit holds under concurrency."""
    tried = size(20, 50)
    answers = at_a_barrier(
        tried, lambda index: outcome(lambda: race.send(race.ada, "defence", b"%d" % index, f"key-{index:04}"))
    )
    accepted = [answer for answer in answers if "." not in answer]
    assert len(accepted) == 5
    assert set(answers) - set(accepted) == {"quota.spent"}
    with race.store.read() as session:
        assert len(submissions_of_race(session, race.race(session).id)) == 5
    record("T7", tried, note="posts at a barrier, five a day")


def test_rejected_files_do_not_count_but_are_capped(race: SmallRace) -> None:
    """T7's second half: files that fail the checks leave the daily limit alone and have a cap of their own."""
    for index in range(20):
        race.send(race.ada, "defence", b"%d" % index, f"key-{index:04}")
        with race.store.work() as session:
            team = team_of(session, race.race(session).id, race.ada.user_id)
            assert team is not None
            for submission in submissions_of_team(session, team.id):
                submission.job.state = "rejected"
    with pytest.raises(QuotaSpent) as refusal:
        race.send(race.ada, "defence", b"one more", "key-more")
    assert "2027-04-14 00:00 CEST" in refusal.value.sentence


def test_one_key_is_one_submission(race: SmallRace) -> None:
    """R10: the same idempotency key from twenty threads makes one submission and twenty equal answers."""
    answers = at_a_barrier(20, lambda _: race.send(race.ada, "defence", b"same", "one-key-for-all"))
    assert len(set(answers)) == 1
    with race.store.read() as session:
        assert len(submissions_of_race(session, race.race(session).id)) == 1
    record("R10", 20, note="one idempotency key from 20 threads")


def test_keys_of_two_teams_do_not_meet(race: SmallRace) -> None:
    first = race.send(race.ada, "defence", b"a", "the-same-key")
    assert race.send(race.cleo, "defence", b"b", "the-same-key") != first


def test_a_key_must_be_a_key(race: SmallRace) -> None:
    with pytest.raises(InputError):
        race.send(race.ada, "defence", b"a", "short")


def test_before_the_phase_the_opening_is_named(race: SmallRace) -> None:
    with pytest.raises(PhaseClosed) as refusal:
        race.send(race.ada, "attack", b"a", "key-0001")
    assert "opens at 2027-04-14 09:00 CEST (07:00 UTC)" in refusal.value.sentence


def test_the_clock_is_the_simulated_one_until_it_is_let_go(race: SmallRace) -> None:
    with race.store.read() as session:
        assert clock.now(session) == IN_DEFENCE
    with race.store.work() as session:
        clock.simulate(session, None)
        assert abs(clock.now(session) - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)


def test_one_key_does_not_swallow_another_file(race: SmallRace) -> None:
    race.send(race.ada, "defence", b"first", "one-key-two-files")
    with pytest.raises(InputError) as refusal:
        race.send(race.ada, "defence", b"second", "one-key-two-files")
    assert refusal.value.code == "upload.key-used"


def test_who_missed_the_answer_finds_it_even_after_the_close(race: SmallRace) -> None:
    public_id = race.send(race.ada, "defence", b"data", "key-0001")
    race.at(CLOSES_AT + SECOND)
    assert submissions.known_submission(race.store, race.ben, SLUG, "defence", "key-0001") == public_id
    for person in (race.cleo, race.nils, race.paul):
        assert submissions.known_submission(race.store, person, SLUG, "defence", "key-0001") is None


@pytest.mark.parametrize("name", ["\0.csv", "\ud800.csv", "x" * 1000, ""])
def test_any_file_name_can_be_stored(race: SmallRace, name: str) -> None:
    assert race.send(race.ada, "defence", b"data", "key-0001", name)


def test_who_left_the_team_meanwhile_sends_nothing_for_it(race: SmallRace) -> None:
    upload = submissions.open_upload(race.store, race.ben, SLUG, "defence")
    teams.leave_team(race.store, race.ben, SLUG)
    with pytest.raises(StateError) as refusal:
        submissions.receive(race.store, SilentBell(), upload, race.store.blobs.put(b"x"), "f", "key-0001")
    assert refusal.value.code == "team.left"
