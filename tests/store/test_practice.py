"""The practice match: made once for each race, attacked without quota, behind and beside all that counts.

A worker judges an accepted and a rejected file; elsewhere judging needs no process of its own.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from faults.plant import small_defence, wait_for
from fixtures.databases import FEWER, make_config
from fixtures.sizes import size
from srs.errors import AccessDenied, InputError, StateError
from srs.server.bell import SilentBell
from srs.server.bootstrap import Server
from srs.server.config import Config
from srs.server.services import races, restoring, storage, submissions, teams
from srs.server.services.jobs import claim_next
from srs.server.services.practice import ask_the_house
from srs.server.services.rounds import advance
from srs.server.services.standings import round_standings
from srs.server.store.engine import Session, Store, database_now
from srs.server.store.jobs import ACCEPTED, HOUSE, PARKED, PRACTICE, QUEUED, REJECTED, Job, waiting_before
from srs.server.store.practice import FILES_KEPT, Practice, PracticeScore, practice_of, practice_scores_of
from srs.server.store.references import referenced_blobs
from srs.server.store.scores import published_before
from srs.server.store.submissions import submission_by_public_id
from srs.server.store.teams import team_of
from srs.server.worker.tend import tend_once
from srs.server.worker.work import Shutdown, work_once
from worlds.judged import judge_all
from worlds.small_race import IN_ATTACK, IN_DEFENCE, SLUG, SmallRace, race_toml

pytestmark = pytest.mark.parametrize("config", FEWER, indirect=True)

DURING = {
    "before the first round": dt.datetime(2027, 4, 1, tzinfo=dt.UTC),
    "in a defence phase": IN_DEFENCE,
    "after the last round": dt.datetime(2027, 6, 1, tzinfo=dt.UTC),
}


@pytest.fixture
def server(config: Config, store: Store) -> Server:
    return Server(config, store, SilentBell())


@pytest.fixture
def ready(server: Server, race: SmallRace) -> SmallRace:
    """The race with its practice match, made when this world was built."""
    return race


def practice(race: SmallRace) -> Practice:
    with race.store.read() as session:
        found = practice_of(session, race.race(session).id)
        assert found is not None
        return found


def example_attack(race: SmallRace) -> bytes:
    return race.store.blobs.path(practice(race).files["example_attack.csv.zip"]["sha256"]).read_bytes()


def attempt(race: SmallRace, key: str = "practice-1", data: bytes | None = None) -> str:
    return race.send(race.ada, "practice", example_attack(race) if data is None else data, key, "mine.csv.zip")


def job_of(session: Session, race: SmallRace, public_id: str) -> Job:
    return submission_by_public_id(session, race.race(session).id, public_id).job


def test_the_house_is_asked_once_for_each_race(server: Server, race: SmallRace) -> None:
    """However many sweepers ask at once, and for a race that was there before."""
    races.create_race(server.store, race.dana, race_toml("other"))
    with ThreadPoolExecutor(8) as pool:
        asked = [
            job for jobs in pool.map(lambda _: ask_the_house(server.store, SilentBell()), range(16)) for job in jobs
        ]
    assert len(asked) == 2
    tend_once(server)
    with server.store.read() as session:
        assert [job.kind for job in session.query(Job)] == [HOUSE, HOUSE]


def test_the_practice_match_is_made(server: Server, ready: SmallRace) -> None:
    made = practice(ready)
    assert {"train.parquet", "test.csv.zip", "example_defence.csv.zip", "example_attack.py"} <= set(made.files)
    assert made.baseline["traces"] == 4
    with server.store.read() as session:
        [job] = session.query(Job)
        assert (job.state, job.team_id, job.attempt) == (ACCEPTED, None, 1)
        assert {made.labels_sha256, *(file["sha256"] for file in made.files.values())} <= referenced_blobs(session)
    assert not work_once(server, "me", Shutdown())


def test_a_house_whose_worker_died_is_done_again(server: Server, race: SmallRace) -> None:
    """The second attempt opens the match; what the first one brings then is thrown away."""
    ask_the_house(server.store, server.bell)
    assert claim_next(server.store, "dies", lease_s=-1.0) is not None
    assert work_once(server, "heir", Shutdown())
    with server.store.read() as session:
        [job] = session.query(Job)
        assert (job.state, job.attempt, job.worker) == (ACCEPTED, 2, "heir")
        assert session.query(Practice).count() == 1
    assert not work_once(server, "heir", Shutdown())


def test_impossible_rules_park_the_house_and_nothing_else(server: Server, race: SmallRace) -> None:
    """Staff read why; the race goes on."""
    impossible = 'packets_min = 4\nsize_max_bytes = 1\nplausibility = "reject"'
    races.create_race(server.store, race.dana, race_toml("odd").replace("packets_min = 4", impossible))
    impatient = replace(server, config=replace(server.config, crashes_max=1))
    tend_once(impatient)
    while work_once(impatient, "me", Shutdown()):
        pass

    def states() -> dict[str, str]:
        with server.store.read() as session:
            return {job.state: job.trouble for job in session.query(Job)}

    wait_for(lambda: tend_once(impatient) or PARKED in states(), 60, "it is parked after the pause that a crash brings")
    assert "No defence of the house satisfies the rules of this race" in states()[PARKED]
    assert states()[ACCEPTED] == ""


@pytest.mark.parametrize("when", DURING)
def test_practice_is_open_in_any_phase(server: Server, ready: SmallRace, when: str) -> None:
    """The example passes as it is, reaches what the page promises, and every number is there at once."""
    ready.at(DURING[when])
    public_id = attempt(ready)
    assert judge_all(server.store)
    with server.store.read() as session:
        job = job_of(session, ready, public_id)
        assert job.state == ACCEPTED
        assert job.submission_id is not None
        score = practice_scores_of(session, [job.submission_id])[job.submission_id]
        assert score.metrics == practice(ready).baseline
        assert score.curves_sha256 in referenced_blobs(session)


def test_a_faulty_practice_attack_is_a_verdict(server: Server, ready: SmallRace) -> None:
    public_id = attempt(ready, data=b"team_id,capture_id\n0,1\n")
    assert work_once(server, "me", Shutdown())
    with server.store.read() as session:
        job = job_of(session, ready, public_id)
        assert job.state == REJECTED
        assert job.report is not None
        assert job.report["problems"]
        assert session.query(PracticeScore).count() == 0


def test_practice_has_no_quota_but_one_waits_at_a_time(server: Server, ready: SmallRace) -> None:
    for number in range(size(6, 8)):  # other files have a quota of 5
        public_id = attempt(ready, f"practice-{number}")
        again = submissions.known_submission(server.store, ready.ada, SLUG, "practice", f"practice-{number}")
        assert again == public_id, "the same form again"
        with pytest.raises(StateError, match="has no verdict yet; one waits at a time") as refused:
            attempt(ready, f"another-{number}")
        assert refused.value.code == "practice.waiting"
        assert refused.value.hint
        judge_all(server.store)
    with server.store.read() as session:
        rules, team = ready.race(session).rules, team_of(session, ready.race(session).id, ready.ada.user_id)
        assert team is not None
        for kind in ("defence", "attack"):
            left = submissions.uploads_left(session, rules, team.id, kind, IN_DEFENCE)
            assert (left.used, left.faulty, left.left) == (0, 0, 5)


def test_posts_at_a_barrier(server: Server, ready: SmallRace) -> None:
    """Two browsers of a team at once: one file waits, the other is refused."""

    def post(number: int) -> str:
        try:
            return attempt(ready, f"practice-{number}")
        except StateError as refused:
            return refused.code

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(post, range(6)))
    assert answers.count("practice.waiting") == 5


def test_who_may_practise(server: Server, race: SmallRace) -> None:
    with pytest.raises(StateError) as early:
        race.send(race.ada, "practice", b"x", "practice-1")
    assert early.value.code == "practice.unready"
    ask_the_house(server.store, server.bell)
    judge_all(server.store)
    for person in (race.nils, race.dana):
        with pytest.raises(AccessDenied):
            race.send(person, "practice", b"x", "practice-1")
    with pytest.raises(InputError, match="idempotency"):
        attempt(race, "short")
    teams.exclude_team(server.store, race.dana, SLUG, 1, "A test.")
    with pytest.raises(StateError):
        attempt(race)


def test_what_counts_goes_first(server: Server, ready: SmallRace) -> None:
    """A practice attack waits for every defence, even a later one, and takes no turn of its team; the house is last."""
    races.create_race(server.store, ready.dana, race_toml("other"))
    ask_the_house(server.store, server.bell)
    attempt(ready)
    for number, person in enumerate((ready.cleo, ready.cleo, ready.ada)):
        ready.send(person, "defence", small_defence(number), f"upload-{number}")
    with server.store.read() as session:
        jobs = [job for job in session.query(Job) if job.id > 1]
        now = database_now(session)
        waiting = {(job.kind, job.team_id): waiting_before(session, job, now, crashes_max=5) for job in jobs}
        assert waiting[HOUSE, None] == 4
        assert waiting[PRACTICE, 1] == 3
    claims = []
    while claim := claim_next(server.store, "me", 60.0):
        with server.store.read() as session:
            claims.append((claim.kind, session.get_one(Job, claim.job_id).team_id))
    assert claims == [("defence", 2), ("defence", 1), ("defence", 2), (PRACTICE, 1), (HOUSE, None)]


def test_a_running_practice_attack_takes_no_turn(server: Server, ready: SmallRace) -> None:
    attempt(ready)
    assert claim_next(server.store, "me", 60.0)
    ready.send(ready.ada, "defence", small_defence(1), "upload-1")
    ready.send(ready.cleo, "defence", small_defence(2), "upload-2")
    claim = claim_next(server.store, "me", 60.0)
    assert claim is not None
    with server.store.read() as session:
        assert session.get_one(Job, claim.job_id).team_id == 1


def test_practice_counts_nowhere(server: Server, ready: SmallRace) -> None:
    """Neither a waiting nor a parked one holds the draw; standings, published traces and the last member stay."""
    attempt(ready)
    with server.store.read() as session:
        before = round_standings(session, ready.race(session), ready.round(session))
    ready.at(IN_ATTACK)
    advance(server.store, server.bell)
    with server.store.read() as session:
        assert ready.round(session).drawn_at is not None
    judge_all(server.store)
    with server.store.read() as session:
        assert published_before(session, ready.race(session).id, 2) == []
        after = round_standings(session, ready.race(session), ready.round(session))
        assert [(row.rank, row.total) for row in after] == [(row.rank, row.total) for row in before]
    teams.leave_team(server.store, ready.ben, SLUG)
    teams.leave_team(server.store, ready.ada, SLUG)


def test_it_survives_backup_and_restore(server: Server, ready: SmallRace, config: Config, tmp_path: Path) -> None:
    attempt(ready)
    assert work_once(server, "me", Shutdown())
    storage.backup(server.store, config, tmp_path / "taken.tar")
    data = tmp_path / "other"
    other = make_config(data, f"sqlite:///{data / 'srs.sqlite'}")
    restoring.restore(other, tmp_path / "taken.tar")
    restored = Store(other)
    with restored.read() as session:
        [made] = session.query(Practice)
        [score] = session.query(PracticeScore)
        assert score.metrics == made.baseline == practice(ready).baseline
        files = [file["sha256"] for file in made.files.values()]
    assert all(restored.blobs.path(sha256).exists() for sha256 in [*files, made.labels_sha256])
    assert zipfile.is_zipfile(restored.blobs.path(made.files["example_attack.csv.zip"]["sha256"]))
    restored.close()


def test_files_of_practice_are_kept_for_the_last_attempts(server: Server, ready: SmallRace) -> None:
    """What has no quota does not fill the disk: the sweep may take file and curves once twenty newer were sent."""
    with zipfile.ZipFile(io.BytesIO(example_attack(ready))) as archive:
        unpacked = archive.read(archive.namelist()[0])
    first = ready.send(ready.ada, "practice", unpacked, "practice-first", "first.csv")
    judge_all(server.store)
    with server.store.read() as session:
        curves = session.query(PracticeScore).one().curves_sha256
        assert curves in referenced_blobs(session)
    counted = ready.send(ready.cleo, "defence", b"counted", "defence-first")
    for number in range(FILES_KEPT):
        _judged(server, ready)
        attempt(ready, f"practice-{number}", f"attempt {number}".encode())
    with server.store.read() as session:
        kept = referenced_blobs(session)
        race_id = ready.race(session).id
        assert submission_by_public_id(session, race_id, first).sha256 not in kept
        assert curves not in kept
        assert submission_by_public_id(session, race_id, counted).sha256 in kept
        for number in range(FILES_KEPT):
            assert hashlib.sha256(f"attempt {number}".encode()).hexdigest() in kept, number


def test_a_parked_practice_attack_keeps_its_file(server: Server, ready: SmallRace) -> None:
    """Staff may let it be tried again, however long ago it was sent."""
    first = attempt(ready, "practice-first", b"first")
    with server.store.work() as session:
        job_of(session, ready, first).state = PARKED
    for number in range(FILES_KEPT):
        attempt(ready, f"practice-{number}", f"attempt {number}".encode())
        _judged(server, ready)
    with server.store.read() as session:
        assert submission_by_public_id(session, ready.race(session).id, first).sha256 in referenced_blobs(session)


def _judged(server: Server, race: SmallRace) -> None:
    """Give every waiting practice attack its verdict."""
    with server.store.work() as session:
        for job in session.query(Job).where(Job.kind == PRACTICE, Job.state == QUEUED):
            job.state = REJECTED
