"""What a worker needs to judge a submission or to prepare a match's files, and what becomes of the outcome.

The worker's child sees paths and rules only. Files that it made are stored before the transaction that refers
to them; a result that comes too late leaves orphans, which the storage sweep removes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from srs.game.capture_ids import capture_ids
from srs.judging.attack import AttackVerdict
from srs.judging.bundle import Bundle
from srs.judging.curves import write_curves
from srs.judging.defence import Verdict
from srs.judging.task import AttackTask, BundleTask, DefenceTask, HouseTask, MatchLabels, Task
from srs.lab.house import VERSION, House
from srs.scoring.schemes import scheme
from srs.server.services.jobs import Claim, finish
from srs.server.store.blobs import Blob
from srs.server.store.engine import Session, Store, database_now
from srs.server.store.jobs import ACCEPTED, BUNDLE, HOUSE, PRACTICE, REJECTED, Job
from srs.server.store.matches import Match, matches_of_attacker
from srs.server.store.practice import Practice, PracticeScore, practice_of
from srs.server.store.races import Race
from srs.server.store.scores import AttackScore, DefenceScore, defence_score_of, published_before
from srs.server.store.submissions import DEFENCE, Submission
from srs.traces.report import Report
from srs.traces.schema import HOUSE_TEAM


def load_task(store: Store, claim: Claim) -> Task:
    """Everything that the judgement of a claimed job reads."""
    with store.read() as session:
        job = session.get_one(Job, claim.job_id)
        race = session.get_one(Race, job.race_id)
        if job.kind == BUNDLE:
            return _bundle_task(store, session, race, _match(job))
        if job.kind == HOUSE:
            return _house_task(race)
        submission = _submission(job)
        if job.kind == DEFENCE:
            return _defence_task(store, session, race, submission)
        labels = _practice_labels if job.kind == PRACTICE else _match_labels
        return AttackTask(
            path=store.blobs.path(submission.sha256),
            name=submission.file_name,
            rules=race.rules,
            matches=labels(store, session, submission),
        )


def _submission(job: Job) -> Submission:
    assert job.submission is not None, "an evaluation has a submission"  # noqa: S101
    return job.submission


def _match(job: Job) -> Match:
    assert job.match is not None, "a bundle has a match"  # noqa: S101
    return job.match


def _defence_task(store: Store, session: Session, race: Race, submission: Submission) -> DefenceTask:
    published = published_before(session, race.id, submission.round.number)
    return DefenceTask(
        path=store.blobs.path(submission.sha256),
        name=submission.file_name,
        rules=race.rules,
        split_secret=race.split_secret,
        published=[store.blobs.path(sha256) for sha256 in published],
    )


def _match_labels(store: Store, session: Session, submission: Submission) -> list[MatchLabels]:
    matches = matches_of_attacker(session, submission.round_id, submission.team_id)
    return [
        MatchLabels(team_id=match.defender.number, labels=store.blobs.path(match.labels_sha256))
        for match in matches
        if match.labels_sha256  # void matches, too: a file must not lose its verdict to them
    ]


def _practice_labels(store: Store, session: Session, submission: Submission) -> list[MatchLabels]:
    practice = practice_of(session, submission.race_id)
    assert practice is not None, "who practises has something to practise on"  # noqa: S101
    return [MatchLabels(team_id=HOUSE_TEAM, labels=store.blobs.path(practice.labels_sha256))]


def _house_task(race: Race) -> HouseTask:
    """The same whenever it is asked for. Its secrets are its own: who has seen through it knows no more of the race."""
    key, capture_key = (
        hashlib.blake2b(of, key=race.capture_key, person=b"srs.house", digest_size=32).digest()
        for of in (b"traffic", b"captures")
    )
    rules = race.rules
    ids = capture_ids(capture_key, 0, rules.split.test_traces).tolist()
    return HouseTask(rules=rules, race=race.slug, key=key, capture_ids=ids)


def _bundle_task(store: Store, session: Session, race: Race, match: Match) -> BundleTask:
    score = _score_of(session, match)
    rules = race.rules
    return BundleTask(
        pool=store.blobs.path(score.pool_sha256),
        rules=rules,
        race=race.slug,
        round_number=match.round.number,
        team_id=match.defender.number,
        order_seed=match.order_seed,
        capture_ids=capture_ids(race.capture_key, match.first_capture, rules.split.test_traces).tolist(),
        train_files=score.files,
    )


def _score_of(session: Session, match: Match) -> DefenceScore:
    score = defence_score_of(session, match.defence_id)
    assert score is not None, "a drawn defence has a score"  # noqa: S101
    return score


def finish_defence(store: Store, claim: Claim, verdict: Verdict, folder: Path) -> bool:
    """Publish the verdict on a defence; ``False`` if it came too late."""
    if not verdict.accepted:
        return finish(store, claim, REJECTED, _for_the_team(verdict.report), _nothing_more)
    blobs = _adopt(store, folder, [*verdict.files.values(), verdict.pool, verdict.published, verdict.profile])

    def write(session: Session, job: Job) -> None:
        submission = _submission(job)
        rules = session.get_one(Race, job.race_id).rules
        session.add(
            DefenceScore(
                job_id=job.id,
                submission_id=submission.id,
                version=scheme(rules.scoring.scheme).version,
                utility=verdict.utility,
                implausible=verdict.implausible,
                traces=verdict.traces,
                packets=verdict.packets,
                metrics=verdict.metrics,
                signals=[signal.to_json() for signal in verdict.report.signals],
                files=_file_table({name: blobs[path] for name, path in verdict.files.items()}),
                pool_sha256=blobs[verdict.pool].sha256,
                published_sha256=blobs[verdict.published].sha256,
                profile_sha256=blobs[verdict.profile].sha256,
            )
        )

    return finish(store, claim, ACCEPTED, _for_the_team(verdict.report), write, blobs.values())


def finish_attack(store: Store, claim: Claim, verdict: AttackVerdict) -> bool:
    """Publish the verdict on an attack, one score for each match in it; ``False`` if it came too late."""
    if not verdict.accepted:
        return finish(store, claim, REJECTED, _for_the_team(verdict.report), _nothing_more)

    curves = {number: store.blobs.put(write_curves(scores.curves)) for number, scores in verdict.matches.items()}

    def write(session: Session, job: Job) -> None:
        submission = _submission(job)
        rules = session.get_one(Race, job.race_id).rules
        matches = matches_of_attacker(session, submission.round_id, submission.team_id)
        number_to_match = {match.defender.number: match for match in matches}
        for number, scores in verdict.matches.items():
            session.add(
                AttackScore(
                    job_id=job.id,
                    submission_id=submission.id,
                    match_id=number_to_match[number].id,
                    version=scheme(rules.scoring.scheme).version,
                    public=scores.public,
                    final=scores.final,
                    curves_sha256=curves[number].sha256,
                )
            )

    return finish(store, claim, ACCEPTED, _for_the_team(verdict.report), write, curves.values())


def finish_practice(store: Store, claim: Claim, verdict: AttackVerdict) -> bool:
    """Publish the verdict on a practice attack, every metric of it; ``False`` if it came too late."""
    if not verdict.accepted:
        return finish(store, claim, REJECTED, _for_the_team(verdict.report), _nothing_more)
    scores = verdict.matches[HOUSE_TEAM]
    curves = store.blobs.put(write_curves(scores.curves))

    def write(session: Session, job: Job) -> None:
        session.add(
            PracticeScore(
                job_id=job.id,
                submission_id=_submission(job).id,
                version=scheme(session.get_one(Race, job.race_id).rules.scoring.scheme).version,
                metrics=scores.final,
                curves_sha256=curves.sha256,
            )
        )

    return finish(store, claim, ACCEPTED, _for_the_team(verdict.report), write, [curves])


def finish_house(store: Store, claim: Claim, house: House, folder: Path) -> bool:
    """Open the practice match of a race; ``False`` if it came too late."""
    blobs = _adopt(store, folder, [*house.files.values(), house.labels])
    files = _file_table({name: blobs[path] for name, path in house.files.items()})

    def write(session: Session, job: Job) -> None:
        session.add(
            Practice(
                race_id=job.race_id,
                version=VERSION,
                files={name: {**entry, "captures": house.captures.get(name)} for name, entry in files.items()},
                labels_sha256=blobs[house.labels].sha256,
                utility=house.utility,
                baseline=house.baseline,
                made_at=database_now(session),
            )
        )

    return finish(store, claim, ACCEPTED, None, write, blobs.values())


def finish_bundle(store: Store, claim: Claim, bundle: Bundle, folder: Path) -> bool:
    """Publish the files of a match to its attacker; ``False`` if they came too late."""
    blobs = _adopt(store, folder, [*bundle.files.values(), bundle.labels])

    def write(session: Session, job: Job) -> None:
        match = _match(job)
        files = _file_table({name: blobs[path] for name, path in bundle.files.items()})
        match.files = {**_score_of(session, match).files, **files}
        match.labels_sha256 = blobs[bundle.labels].sha256

    return finish(store, claim, ACCEPTED, None, write, blobs.values())


def reject(store: Store, claim: Claim, report: Report) -> bool:
    """The verdict on a file that could not be judged, by its own fault; ``False`` if it came too late."""
    return finish(store, claim, REJECTED, report.to_json(), _nothing_more)


def _for_the_team(report: Report) -> dict[str, Any]:
    """The report without what only staff should see (they find it with the score)."""
    return replace(report, signals=()).to_json()


def _nothing_more(session: Session, job: Job) -> None:
    """A rejection writes no score."""


def _adopt(store: Store, folder: Path, names: list[str]) -> dict[str, Blob]:
    return {name: store.blobs.adopt(folder / name) for name in names}


def _file_table(files: Mapping[str, Blob]) -> dict[str, Any]:
    return {name: {"sha256": blob.sha256, "size_bytes": blob.size_bytes} for name, blob in files.items()}
