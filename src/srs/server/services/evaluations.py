"""What a worker needs to judge a submission or to prepare a bundle, and what becomes of the outcome.

The worker's child sees paths and rules only. Files that it made are stored before the transaction that refers
to them; a result that comes too late leaves orphans, which the storage sweep removes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from srs.game.capture_ids import capture_ids
from srs.judging.attack import AttackVerdict
from srs.judging.bundle import Bundle
from srs.judging.defence import Verdict
from srs.judging.task import AttackTask, BundleTask, DefenceTask, MatchLabels, Task
from srs.scoring.schemes import scheme
from srs.server.services.jobs import Claim, finish
from srs.server.store.blobs import Blob
from srs.server.store.engine import Session, Store
from srs.server.store.jobs import ACCEPTED, BUNDLE, REJECTED, Job
from srs.server.store.matches import Match, matches_of_attacker
from srs.server.store.races import Race
from srs.server.store.scores import AttackScore, DefenceScore, defence_score_of, published_before
from srs.server.store.submissions import DEFENCE, Submission
from srs.traces.report import Problem, Report


def load_task(store: Store, claim: Claim) -> Task:
    """Everything that the judgement of a claimed job reads."""
    with store.read() as session:
        job = session.get_one(Job, claim.job_id)
        race = session.get_one(Race, job.race_id)
        if job.kind == BUNDLE:
            return _bundle_task(store, session, race, _match(job))
        submission = _submission(job)
        if job.kind == DEFENCE:
            return _defence_task(store, session, race, submission)
        return _attack_task(store, session, race, submission)


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


def _attack_task(store: Store, session: Session, race: Race, submission: Submission) -> AttackTask:
    matches = matches_of_attacker(session, submission.round_id, submission.team_id)
    return AttackTask(
        path=store.blobs.path(submission.sha256),
        name=submission.file_name,
        rules=race.rules,
        matches=[
            MatchLabels(team_id=match.defender.number, labels=store.blobs.path(match.labels_sha256))
            for match in matches
            if match.labels_sha256  # void matches, too: a file must not lose its verdict to them
        ],
    )


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
    blobs = _adopt(store, folder, [*verdict.files.values(), verdict.pool, verdict.published])

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
            )
        )

    return finish(store, claim, ACCEPTED, _for_the_team(verdict.report), write)


def finish_attack(store: Store, claim: Claim, verdict: AttackVerdict) -> bool:
    """Publish the verdict on an attack, one score for each match in it; ``False`` if it came too late."""
    if not verdict.accepted:
        return finish(store, claim, REJECTED, _for_the_team(verdict.report), _nothing_more)

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
                )
            )

    return finish(store, claim, ACCEPTED, _for_the_team(verdict.report), write)


def finish_bundle(store: Store, claim: Claim, bundle: Bundle, folder: Path) -> bool:
    """Publish the files of a match to its attacker; ``False`` if they came too late."""
    blobs = _adopt(store, folder, [*bundle.files.values(), bundle.labels])

    def write(session: Session, job: Job) -> None:
        match = _match(job)
        files = _file_table({name: blobs[path] for name, path in bundle.files.items()})
        match.files = {**_score_of(session, match).files, **files}
        match.labels_sha256 = blobs[bundle.labels].sha256

    return finish(store, claim, ACCEPTED, None, write)


def reject_too_costly(store: Store, claim: Claim, sentence: str) -> bool:
    """The verdict on a file whose judgement took more memory or time than any honest file needs."""
    report = Report(problems=(Problem("trace.too-costly", sentence),))
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
