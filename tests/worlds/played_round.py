"""A played round, written into the store as the pipeline would leave it, for tests of what is shown.

Times are those of the small race: round 1 is drawn, its attack phase open for an hour.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from srs.judging.curves import write_curves
from srs.judging.profile import write_profile
from srs.server.bell import SilentBell
from srs.server.services.access import Person
from srs.server.services.submissions import Kind, open_upload, receive
from srs.server.store import clock
from srs.server.store.engine import Session, Store
from srs.server.store.jobs import ACCEPTED, Job
from srs.server.store.matches import Match
from srs.server.store.practice import Practice
from srs.server.store.races import Race, race_by_slug
from srs.server.store.rounds import round_by_number
from srs.server.store.scores import AttackScore, DefenceScore
from srs.server.store.submissions import Submission, submission_by_public_id
from srs.server.store.teams import team_by_number
from srs.traces.report import Report
from worlds.pictures import small_curves, small_profile
from worlds.small_race import IN_ATTACK, IN_DEFENCE, People, set_clock

METRICS = {
    f"{what}_{of}": value
    for of, value in (("in_volume", 400_000.0), ("out_volume", 20_000.0), ("duration", 12.5))
    for what in ("max", "min", "mean", "median")
}
FINAL: dict[str, Any] = {"auc": 0.912345, "accuracy": 0.654321, "top_3": 0.8, "mean_rank": 3.25, "traces": 3}
FINAL |= {
    "intervals": {"auc": [0.85, 0.95], "accuracy": [0.5, 0.75]},
    "best_classes": [2],
    "worst_classes": [3],
    "confusions": [{"true": 3, "guessed": 4, "traces": 1.5}],
}


@dataclass(frozen=True)
class Played:
    """What a played round leaves: the public ids of the submissions, by team number."""

    defences: dict[int, str]
    attacks: dict[int, str]


def send(store: Store, person: Person, slug: str, kind: Kind, content: bytes, name: str = "file.csv") -> str:
    """Receive a file as the pages do; its public id."""
    upload = open_upload(store, person, slug, kind)
    blob = store.blobs.put(content)
    return receive(store, SilentBell(), upload, blob, name, f"key-of-{person.name}-{blob.sha256[:16]}")


def set_state(store: Store, slug: str, public_id: str, state: str, report: Report | None = None) -> int:
    """Give a submission's job a state and a report; the id of the job."""
    with store.work() as session:
        job = _submission(session, slug, public_id).job
        job.state, job.report = state, report.to_json() if report else None
        return job.id


def _submission(session: Session, slug: str, public_id: str) -> Submission:
    return submission_by_public_id(session, race_by_slug(session, slug).id, public_id)


def play(store: Store, people: People) -> Played:
    """The house makes a practice match; both teams defend, are drawn against each other, and attack."""
    make_practice(store, people.slug)
    set_clock(store, IN_DEFENCE)
    captains = {1: people.ada, 2: people.cleo}
    defences = {
        number: send(store, captain, people.slug, "defence", b"defence %d" % number, "defence.csv")
        for number, captain in captains.items()
    }
    for number, public_id in defences.items():
        accept_defence(store, people.slug, public_id, utility=4.0 + number)
    _draw(store, people.slug, defences)
    set_clock(store, IN_ATTACK)
    attacks = {
        number: send(store, captain, people.slug, "attack", b"attack %d" % number, "attack.csv")
        for number, captain in captains.items()
    }
    for public_id in attacks.values():
        accept_attack(store, people.slug, public_id)
    return Played(defences, attacks)


def make_practice(store: Store, slug: str) -> None:
    """A practice match as the house leaves it; its files hold a few words."""
    names = ("train.csv.zip", "train.parquet", "test.csv.zip", "test.parquet", "README.md", "manifest.json")
    examples = ("example_defence.csv.zip", "example_attack.csv.zip", "example_attack.py")
    blobs = {name: store.blobs.put(f"{name} of the house ".encode() * 100) for name in (*names, *examples)}
    with store.work() as session:
        session.add(
            Practice(
                race_id=race_by_slug(session, slug).id,
                version="house-1",
                files={name: {"sha256": blob.sha256, "size_bytes": blob.size_bytes} for name, blob in blobs.items()},
                labels_sha256=store.blobs.put(b"labels of the house").sha256,
                utility=5.5,
                baseline=FINAL,
                made_at=clock.now(session),
            )
        )


def accept_defence(store: Store, slug: str, public_id: str, utility: float) -> None:
    """The verdict on a defence: accepted, and drawn if the draw is yet to come."""
    set_state(store, slug, public_id, ACCEPTED, Report())
    train = store.blobs.put(f"train of {public_id}".encode() * 200)
    entry = {"sha256": train.sha256, "size_bytes": train.size_bytes}
    with store.work() as session:
        submission = _submission(session, slug, public_id)
        session.add(
            DefenceScore(
                job_id=submission.job.id,
                submission_id=submission.id,
                version="1",
                utility=utility,
                implausible=False,
                is_drawn=True,
                traces=16,
                packets=1600,
                metrics=METRICS,
                signals=[],
                files={"train.csv.zip": entry, "train.parquet": entry},
                pool_sha256=train.sha256,
                published_sha256=train.sha256,
                profile_sha256=store.blobs.put(write_profile(small_profile())).sha256,
            )
        )


def _draw(store: Store, slug: str, defences: dict[int, str]) -> None:
    with store.work() as session:
        race = race_by_slug(session, slug)
        drawn = round_by_number(session, race.id, 1)
        drawn.drawn_at = drawn.published_at = drawn.defence_closes_at + dt.timedelta(minutes=5)
        for attacker, defender in ((1, 2), (2, 1)):
            session.add(_match(store, session, race, drawn.id, attacker, defender, defences[defender]))


def _match(
    store: Store, session: Session, race: Race, round_id: int, attacker: int, defender: int, defence: str
) -> Match:
    blobs = {
        name: store.blobs.put(f"{name} of {attacker} against {defender} ".encode() * 100)
        for name in ("train.csv.zip", "test.csv.zip", "train.parquet", "test.parquet", "manifest.json", "README.md")
    }
    return Match(
        race_id=race.id,
        round_id=round_id,
        attacker_id=team_by_number(session, race.id, attacker).id,
        defender_id=team_by_number(session, race.id, defender).id,
        defence_id=submission_by_public_id(session, race.id, defence).id,
        order_seed=bytes(32),
        first_capture=0,
        files={name: {"sha256": blob.sha256, "size_bytes": blob.size_bytes} for name, blob in blobs.items()},
        labels_sha256=store.blobs.put(f"labels {attacker} {defender}".encode()).sha256,
    )


def accept_attack(store: Store, slug: str, public_id: str) -> None:
    """The verdict on an attack of a team in its only match: accepted."""
    set_state(store, slug, public_id, ACCEPTED, Report())
    with store.work() as session:
        submission = _submission(session, slug, public_id)
        [match] = [one for one in session.query(Match) if one.attacker_id == submission.team_id]
        session.add(
            AttackScore(
                job_id=submission.job.id,
                submission_id=submission.id,
                match_id=match.id,
                version="1",
                public={"auc": 0.876543, "accuracy": 0.5678},
                final=FINAL,
                curves_sha256=store.blobs.put(write_curves(small_curves())).sha256,
            )
        )


def jobs_by_state(store: Store) -> dict[str, int]:
    """How many jobs there are in each state."""
    with store.read() as session:
        states = [job.state for job in session.query(Job)]
    return {state: states.count(state) for state in set(states)}
