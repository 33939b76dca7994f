"""One turn of a worker, with real children: every ending of a judgement and what becomes of the job."""

from __future__ import annotations

import datetime as dt
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from faults.plant import all_jobs, audit_lines, small_defence, wait_for
from fixtures.commands import ABORTS
from fixtures.databases import FEWER
from fixtures.sizes import FULL
from srs.judging.ended import FAULTS
from srs.judging.profile import read_profile
from srs.server.bell import SilentBell
from srs.server.bootstrap import JUDGE, Server, open_server
from srs.server.config import Config
from srs.server.services.jobs import claim_next, give_back
from srs.server.store.engine import Store, database_now
from srs.server.store.jobs import BUNDLE, Job
from srs.server.store.matches import Match, matches_of_race
from srs.server.store.outbox import enqueue
from srs.server.store.references import referenced_blobs
from srs.server.store.scores import attack_scores_of, defence_score_of
from srs.server.store.teams import team_of
from srs.server.worker import work
from srs.server.worker.folders import folder_of
from srs.server.worker.tend import clean_up, tend_once, tend_until
from srs.server.worker.work import Shutdown, work_once, work_until
from worlds.judged import judge_all
from worlds.small_race import SmallRace

pytestmark = pytest.mark.parametrize("config", FEWER, indirect=True)

CONFINED = """
from srs.server.worker import landlock
from srs.server.worker.confine import confine
landlock.version = lambda: 0
confine()
"""
"""As on a kernel without Landlock: nothing that a child may do there is believed here."""


@pytest.fixture
def server(config: Config, store: Store) -> Server:
    return Server(replace(config, lease_s=3.0), store, SilentBell())


def judged_by(server: Server, script: str) -> Server:
    """The same installation with another child."""
    return replace(server, judge=(sys.executable, "-I", "-c", CONFINED + script))


def send(race: SmallRace, data: bytes | None = None) -> None:
    race.send(race.ada, "defence", small_defence(1) if data is None else data, f"key-{time.monotonic_ns()}")


def test_an_honest_file_is_accepted_and_published(server: Server, race: SmallRace) -> None:
    send(race)
    assert work_once(server, "me", Shutdown())
    assert not work_once(server, "me", Shutdown())
    [job] = all_jobs(server.store)
    assert (job.state, job.crashes, job.worker) == ("accepted", 1, "me")
    with server.store.read() as session:
        assert job.submission_id is not None
        score = defence_score_of(session, job.submission_id)
        assert score is not None
        assert 0 < score.utility <= 10
        for sha256 in (score.pool_sha256, score.published_sha256, *(file["sha256"] for file in score.files.values())):
            assert server.store.blobs.path(sha256).exists()
        assert score.profile_sha256 is not None
        profile = read_profile(server.store.blobs.path(score.profile_sha256).read_bytes())
        assert profile.traces == score.traces
        assert score.profile_sha256 in referenced_blobs(session)
    assert list((server.config.data / "work").iterdir()) == []


def test_a_file_that_breaks_rules_is_a_verdict(server: Server, race: SmallRace) -> None:
    send(race, b"cell_id,rep,direction_size,timestamp\n1,1,0,0\n")
    work_once(server, "me", Shutdown())
    [job] = all_jobs(server.store)
    assert job.state == "rejected"
    assert job.report is not None
    assert job.report["problems"]


def test_f8_a_killed_judgement_is_reported_as_too_costly(server: Server, race: SmallRace) -> None:
    """F8: memory beyond the limit is a verdict, ``trace.too-costly``, and no crash."""
    send(race)
    work_once(judged_by(server, "kept = []\nwhile True: kept.append(bytearray(b'x') * (64 << 20))"), "me", Shutdown())
    [job] = all_jobs(server.store)
    assert job.state == "rejected"
    assert job.report is not None
    [problem] = job.report["problems"]
    assert problem["code"] == "trace.too-costly"
    assert "of memory" in problem["message"]


ACCEPTED_WITH = """
import json
verdict = {"accepted": True, "report": {}, "pool": "sealed", "published": "sealed", "profile": "profile"}
open("result.json", "w").write(json.dumps(verdict))
open("sealed", "w").write("x")
"""
"""A child that accepts, and then leaves a profile that is none."""


@pytest.mark.parametrize(
    ("script", "seen"),
    [
        ("raise RuntimeError('what staff must know')", "what staff must know"),
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL"),
        ("pass", "'result.json' is missing"),
        ("open('result.json', 'w').write('{}')", "validation error"),
        ("import os; os.symlink('/etc/passwd', 'result.json')", "not a plain file"),
        ("import os; os.mkfifo('result.json')", "not a plain file"),
        ("open('result.json', 'wb').truncate((64 << 20) + 1)", "has 67108865 bytes"),
        (ACCEPTED_WITH + "open('profile', 'w').write('{}')", "validation errors for Profile"),
        (ACCEPTED_WITH + "open('profile', 'wb').truncate((1 << 20) + 1)", "has 1048577 bytes"),
    ],
)
def test_a_crash_is_given_back_with_its_last_words(server: Server, race: SmallRace, script: str, seen: str) -> None:
    send(race)
    assert work_once(judged_by(server, script), "me", Shutdown())
    [job] = all_jobs(server.store)
    assert (job.state, job.crashes) == ("queued", 1)
    assert seen in job.trouble


def test_a_file_that_ends_its_reader_is_a_verdict(server: Server, race: SmallRace) -> None:
    """At the first turn, and no crash of ours: never a parked job, never a draw that waits for it."""
    send(race, ABORTS.read_bytes())
    assert work_once(server, "me", Shutdown())
    [job] = all_jobs(server.store)
    assert job.state == "rejected"
    assert job.report is not None
    [problem] = job.report["problems"]
    assert problem["code"] == "file.damaged"
    assert problem["message"] == "The file is damaged: reading it ended the program that reads it (SIGABRT)."


FALLS_ONCE = """
import os, pathlib
mark = pathlib.Path("{mark}")
if not mark.exists():
    mark.touch()
    os.kill(os.getpid(), {signal})
os.execv({python!r}, {command!r})
"""


@pytest.mark.parametrize("fault", sorted(FAULTS) if FULL else [signal.SIGSEGV])
def test_a_child_that_falls_once_is_chance(server: Server, race: SmallRace, tmp_path: Path, fault: int) -> None:
    """A second child, in a folder of its own, judges the file in the same turn."""
    script = FALLS_ONCE.format(mark=tmp_path / "mark", signal=int(fault), python=JUDGE[0], command=JUDGE)
    send(race)
    assert work_once(replace(server, judge=(sys.executable, "-I", "-c", script)), "me", Shutdown())
    [job] = all_jobs(server.store)
    assert (job.state, job.crashes) == ("accepted", 1)
    assert (tmp_path / "mark").exists()


RESULT = """
import json, os
open("pool.npz", "w").close()
open("published.bin", "w").close()
report = {"problems": [], "warnings": [], "signals": [], "omitted": 0}
result = {"accepted": True, "report": report, "files": {"train.csv.zip": NAME}}
result |= {"pool": "pool.npz", "published": "published.bin"}
json.dump(result, open("result.json", "w"))
"""


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../../secret_key", "passwd", "hard", "folder", "", "\0"],
)
def test_a_child_cannot_hand_back_files_of_others(server: Server, race: SmallRace, name: str) -> None:
    """What a taken-over child names is published to its attackers: only its own plain files may be."""
    (server.config.data / "secret_key").write_text("the secret")
    links = "import os; os.symlink('/etc/passwd', 'passwd'); os.mkdir('folder'); os.link('../../secret_key', 'hard')\n"
    send(race)
    work_once(judged_by(server, links + RESULT.replace("NAME", repr(name))), "me", Shutdown())
    [job] = all_jobs(server.store)
    assert job.state == "queued"
    assert "ValueError" in job.trouble


@pytest.fixture
def drawn(server: Server, race: SmallRace) -> SmallRace:
    """Ada is to attack Cleo's defence; the bundle of that match waits to be prepared."""
    race.send(race.cleo, "defence", small_defence(2), "cleo-defends")
    judge_all(server.store)
    with server.store.work() as session:
        [defence] = all_jobs(server.store)
        ada = team_of(session, defence.race_id, race.ada.user_id)
        assert ada is not None
        match = Match(
            race_id=defence.race_id,
            round_id=race.round(session).id,
            attacker_id=ada.id,
            defender_id=defence.team_id,
            defence_id=defence.submission_id,
            order_seed=b"x" * 32,
            first_capture=0,
        )
        queued_at = database_now(session)
        session.add(Job(kind=BUNDLE, race_id=defence.race_id, team_id=ada.id, match=match, queued_at=queued_at))
    return race


def test_a_bundle_is_prepared(server: Server, drawn: SmallRace) -> None:
    work_once(server, "me", Shutdown())
    assert [job.state for job in all_jobs(server.store)] == ["accepted", "accepted"]
    with server.store.read() as session:
        [match] = matches_of_race(session, drawn.race(session).id)
        assert match.labels_sha256 is not None
        assert match.files is not None
        for file in match.files.values():
            assert server.store.blobs.path(file["sha256"]).stat().st_size == file["size_bytes"]


def test_a_bundle_that_costs_too_much_is_no_verdict(server: Server, drawn: SmallRace) -> None:
    """Nobody uploaded it, so there is nobody to reject: it is a crash for staff to see."""
    work_once(judged_by(server, "import sys; print('no memory'); sys.exit(75)"), "me", Shutdown())
    job = all_jobs(server.store)[-1]
    assert (job.kind, job.state, job.trouble) == (BUNDLE, "queued", "no memory\n")


def test_an_attack_is_scored(server: Server, drawn: SmallRace) -> None:
    judge_all(server.store)
    with server.store.work() as session:
        [match] = matches_of_race(session, drawn.race(session).id)
        now_round = drawn.round(session)
        now_round.drawn_at = now_round.published_at = now_round.attack_opens_at
        test_file = server.store.blobs.path((match.files or {})["test.parquet"]["sha256"])
        number = match.defender.number
        drawn_at = now_round.attack_opens_at
    drawn.at(drawn_at + dt.timedelta(hours=1))
    ids = pl.read_parquet(test_file)["capture_id"].unique().to_list()
    rows = ["team_id,capture_id,proba_class_1,proba_class_2,proba_class_3,proba_class_4"]
    rows += [f"{number},{capture_id},0.4,0.2,0.2,0.2" for capture_id in ids]
    drawn.send(drawn.ada, "attack", "\n".join(rows).encode(), "ada-attacks")
    work_once(server, "me", Shutdown())
    job = all_jobs(server.store)[-1]
    assert (job.kind, job.state) == ("attack", "accepted"), job.report
    with server.store.read() as session:
        assert job.submission_id is not None
        [score] = attack_scores_of(session, job.submission_id)
        assert score.final["auc"] == 0.5


def test_a_worker_that_ends_gives_its_job_back_uncounted(server: Server, race: SmallRace) -> None:
    send(race)
    shutdown = Shutdown()
    slow = judged_by(server, "import time; time.sleep(120)")
    worker = threading.Thread(target=work_once, args=(slow, "me", shutdown))
    worker.start()
    wait_for(lambda: all_jobs(server.store)[0].attempt, 60, "it judges")
    shutdown.overdue.set()
    worker.join(60)
    assert not worker.is_alive()
    [job] = all_jobs(server.store)
    assert (job.state, job.crashes, job.lease_until) == ("queued", 0, None)
    assert audit_lines(server.store, "job.late") == 0


def test_a_lease_is_kept_while_the_child_works(server: Server, race: SmallRace) -> None:
    send(race)
    until_told = "import os, time\nwhile not os.path.exists('end'): time.sleep(0.05)\nraise SystemExit(1)"
    worker = threading.Thread(target=work_once, args=(judged_by(server, until_told), "me", Shutdown()))
    worker.start()
    wait_for(lambda: all_jobs(server.store)[0].attempt, 60, "it judges")
    claims, first_lease_ends = [], time.monotonic() + server.config.lease_s
    while time.monotonic() < first_lease_ends:
        claims.append(claim_next(server.store, "thief", 1.0))
        time.sleep(0.1)
    claims.append(claim_next(server.store, "thief", 1.0))
    [folder] = (server.config.data / "work").iterdir()
    (folder / "end").touch()
    worker.join(60)
    assert not worker.is_alive()
    assert [claim for claim in claims if claim] == []
    assert all_jobs(server.store)[0].attempt == 1


def test_a_job_that_was_taken_away_ends_the_child(server: Server, race: SmallRace) -> None:
    """R8: the late one is stopped, and the audit log says that it was late."""
    send(race)
    slow = judged_by(server, "import time; time.sleep(120)")
    worker = threading.Thread(target=work_once, args=(slow, "late", Shutdown()))
    worker.start()
    wait_for(lambda: all_jobs(server.store)[0].attempt, 60, "it judges")
    with server.store.work() as session:
        job = session.merge(all_jobs(server.store)[0])
        job.attempt += 1
        job.worker = "thief"
    worker.join(60)
    assert not worker.is_alive()
    assert audit_lines(server.store, "job.late") == 1
    assert all_jobs(server.store)[0].worker == "thief"


def test_a_shutdown_takes_no_new_job(server: Server, race: SmallRace) -> None:
    send(race)
    shutdown = Shutdown()
    shutdown.ask()
    shutdown.ask()
    assert not work_once(server, "me", shutdown)
    work_until(server, "me", shutdown)
    assert all_jobs(server.store)[0].attempt == 0


def test_a_worker_works_off_what_comes_until_it_is_asked_to_end(server: Server, race: SmallRace) -> None:
    shutdown = Shutdown()
    worker = threading.Thread(target=work_until, args=(server, "me", shutdown))
    worker.start()
    for number in range(2):
        send(race, small_defence(number))
    wait_for(lambda: [job.state for job in all_jobs(server.store)] == ["accepted", "accepted"], 60, "all is judged")
    shutdown.ask()
    worker.join(60)
    assert not worker.is_alive()


def test_a_worker_waits_for_a_database_that_is_away(
    config: Config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(work, "TROUBLE_S", 0.05)
    away = replace(config, database_url="postgresql+psycopg://127.0.0.1:1/nothing")
    server = open_server(away)
    shutdown = Shutdown()
    worker = threading.Thread(target=work_until, args=(server, "me", shutdown))
    worker.start()
    wait_for(lambda: caplog.text.count("no work for a moment") >= 3, 60, "it tries again and again")
    assert worker.is_alive()
    shutdown.ask()
    worker.join(60)
    assert not worker.is_alive()
    server.close()


def test_the_trouble_of_one_duty_keeps_no_other_from_being_done(
    server: Server, race: SmallRace, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A bell that breaks its promise ends the sweep; mail goes out all the same."""

    class Broken(SilentBell):
        def ring_again(self, job_ids: object) -> None:
            raise RuntimeError("cracked")

    with server.store.work() as session:
        enqueue(session, "key", "new@example.org", "Subject", "Body", database_now(session))
    send(race)
    tend_once(replace(server, bell=Broken()))
    assert "cracked" in caplog.text
    assert "new@example.org" in capsys.readouterr().err


def test_the_tender_cleans_up_when_it_begins_and_ends_when_asked(server: Server, race: SmallRace) -> None:
    left = server.config.data / "work" / "left-by-a-killed-worker"
    young = server.config.data / "work" / "under-way"
    for folder in (left, young):
        (folder / "inner").mkdir(parents=True)
    os.utime(left, (0, 0))
    asked = threading.Event()
    tender = threading.Thread(target=tend_until, args=(server, asked))
    tender.start()
    wait_for(lambda: not left.exists(), 60, "it is removed")
    asked.set()
    tender.join(60)
    assert not tender.is_alive()
    clean_up(server)
    assert young.exists()


def test_the_folder_of_a_running_judgement_stays_however_old_it_is(server: Server, race: SmallRace) -> None:
    """A machine may have slept for hours in the middle of one; its attempt counts until another one has begun."""
    send(race)
    claim = claim_next(server.store, "me", 60)
    assert claim is not None
    with folder_of(claim, server.config.data) as folder:
        os.utime(folder, (0, 0))
        clean_up(server)
        assert folder.exists()
        give_back(server.store, claim, "", crashed=False)
        clean_up(server)
        assert not folder.exists()
