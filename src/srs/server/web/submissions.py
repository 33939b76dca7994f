"""Defences and attacks: sending one, its state and report, what was sent before."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, render_template, request, url_for
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from srs.errors import SrsError, StateError, Unavailable
from srs.game.access import Action
from srs.game.phases import Phase
from srs.judging.attack import public_feedback
from srs.server.services.access import Person
from srs.server.services.signals import is_published
from srs.server.services.standings import is_final
from srs.server.services.storage import forget_blob
from srs.server.services.submissions import Kind, Upload, known_submission, open_upload, receive
from srs.server.store.engine import database_now
from srs.server.store.jobs import PENDING, QUEUED, Job, waiting_before
from srs.server.store.matches import Match, matches_of_attacker
from srs.server.store.practice import practice_of, practice_scores_of
from srs.server.store.rounds import Round
from srs.server.store.scores import (
    AttackScore,
    attack_scores_of,
    defence_score_of,
    defence_scores_of,
    latest_attacks,
    latest_defences,
)
from srs.server.store.submissions import ATTACK, DEFENCE, Submission, submission_by_public_id, submissions_of_team
from srs.server.web import live, reports
from srs.server.web.arrivals import BEGAN_S
from srs.server.web.safety import checks_its_own_token
from srs.server.web.staff_signals import signals_shown
from srs.server.web.submission_figures import figures_of
from srs.server.web.uploads import DRAIN_MAX_BYTES, UploadForm, drain
from srs.server.web.viewer import RaceView, looking_at, signed_in, the_server
from srs.traces.report import Report

pages = Blueprint("submissions", __name__)

METRIC_COLUMNS = (
    ("Received, bytes", "_in_volume", 0),
    ("Sent, bytes", "_out_volume", 0),
    ("Duration, seconds", "_duration", 3),
)


@pages.get("/races/<slug>/defence")
def defence(slug: str) -> str:
    """Send a defence; what was sent before."""
    signed_in()
    with looking_at(slug, Action.SEE_OWN_TEAM) as view:
        sent = submissions_of_team(view.session, view.team.id, DEFENCE) if view.team else []
        counting = {score.submission_id for one in view.rounds for score in latest_defences(view.session, one).values()}
        return render_template(
            "submissions/defence.html",
            view=view,
            sent=sent,
            scores=defence_scores_of(view.session, [one.id for one in sent]),
            counting=counting,
            practice=practice_of(view.session, view.race.id),
        )


@dataclass(frozen=True)
class OwnMatch:
    """One of my matches with what I may know of my attack in it."""

    match: Match
    score: AttackScore | None
    shown: dict[str, float]
    final: dict[str, Any] = field(default_factory=dict)
    """Every metric, lists too; empty until the round is final."""


@pages.get("/races/<slug>/attack")
def attack(slug: str) -> str:
    """My matches of a round (``?round=``), their files, and sending an attack; what was sent before."""
    signed_in()
    with looking_at(slug, Action.SEE_OWN_TEAM) as view:
        asked = request.args.get("round", type=int)
        shown = view.round_of(asked) if asked is not None else view.round
        sent = submissions_of_team(view.session, view.team.id, ATTACK) if view.team else []
        return render_template(
            "submissions/attack.html",
            view=view,
            shown=shown,
            is_final=is_final(view.session, shown, view.now),
            matches=_own_matches(view, shown),
            sent=sent,
            practice=practice_of(view.session, view.race.id),
        )


def _own_matches(view: RaceView, of_round: Round) -> list[OwnMatch]:
    """Nothing of a draw is shown before its bundles are published."""
    if view.team is None or view.phase(of_round) not in (Phase.ATTACK, Phase.CLOSED):
        return []
    scores = latest_attacks(view.session, of_round.id, view.team.id)
    final = is_final(view.session, of_round, view.now)
    matches = matches_of_attacker(view.session, of_round.id, view.team.id)
    return [
        OwnMatch(match, scores.get(match.id), feedback(scores[match.id], final=final) if match.id in scores else {})
        for match in matches
    ]


def feedback(score: AttackScore, *, final: bool) -> dict[str, float]:
    """AUC and accuracy of the public part, rounded, while a round is open; every number when it is final."""
    return numbers(score.final) if final else public_feedback(score.public)


def numbers(metrics: dict[str, Any]) -> dict[str, float]:
    """Those of the metrics of an attack that are one number each."""
    return {name: value for name, value in metrics.items() if isinstance(value, int | float)}


@pages.post("/races/<slug>/defence")
@checks_its_own_token
def send_defence(slug: str) -> AnyResponse:
    """Receive a defence."""
    return receive_file(slug, "defence")


@pages.post("/races/<slug>/attack")
@checks_its_own_token
def send_attack(slug: str) -> AnyResponse:
    """Receive an attack."""
    return receive_file(slug, "attack")


def receive_file(slug: str, kind: Kind) -> AnyResponse:
    """Receive the file of an upload form, and lead to its submission.

    What a stranger sends is not read; the connection ends with the refusal.
    """
    person = signed_in()
    try:
        public_id = _receive(person, slug, kind)
    except (SrsError, CSRFError, RequestEntityTooLarge):
        drain(request)
        raise
    return live.go_to(url_for("submissions.show", slug=slug, public_id=public_id))


def _receive(person: Person, slug: str, kind: Kind) -> str:
    try:
        upload = open_upload(the_server().store, person, slug, kind, request.environ[BEGAN_S])
    except StateError:
        public_id = _sent_before(person, slug, kind)
        if public_id is None:
            raise
        drain(request)
        return public_id
    return _store(upload)


def _sent_before(person: Person, slug: str, kind: Kind) -> str | None:
    """What this form has sent already: an answer that got lost is found again, even when it is too late for more."""
    form = UploadForm(request, DRAIN_MAX_BYTES)
    form.open_file()
    form.check_token()
    return known_submission(the_server().store, person, slug, kind, form.fields.get("idempotency_key", ""))


def _store(upload: Upload) -> str:
    server = the_server()
    form = UploadForm(request, upload.upload_max_bytes)
    form.open_file()
    form.check_token()
    blob = server.store.blobs.receive(form.read, upload.upload_max_bytes)
    stored_at = server.store.blobs.clock()
    try:
        form.finish()
        return receive(server.store, server.bell, upload, blob, form.file_name, form.fields.get("idempotency_key", ""))
    except SrsError:
        with suppress(Unavailable):  # then the next sweep finds it
            forget_blob(server.store, blob.sha256, stored_at)
        raise


@pages.get("/races/<slug>/submissions/<public_id>")
def show(slug: str, public_id: str) -> Response:
    """One submission: its state, its report, its numbers. For its team, and for staff."""
    with looking_at(slug, Action.SEE_RACE) as view:
        submission = submission_by_public_id(view.session, view.race.id, public_id)
        view.require(Action.SEE_SUBMISSION, submission.team)
        final = is_final(view.session, submission.round, view.now)
        attacks = [
            OwnMatch(score.match, score, feedback(score, final=final), score.final if final else {})
            for score in attack_scores_of(view.session, submission.id)
        ]
        report = Report.from_json(submission.job.report) if submission.job.report else None
        score = defence_score_of(view.session, submission.id)
        return live.page(
            "submissions/show.html",
            {"judgement": "submissions/_judgement.html"},
            view=view,
            submission=submission,
            job=submission.job,
            report=report,
            counting=reports.counting(view, submission),
            list_url=_list_url(view, submission),
            may_send_another=_may_send_another(view, submission),
            found=reports.to_mend(report, view.rules.classes.singular) if report else None,
            told=reports.told(view, submission, score) if score else None,
            metric_columns=METRIC_COLUMNS,
            before=_before(view, submission.job),
            score=score,
            signals_shown=signals_shown(view, score),
            figures=figures_of(view, submission),
            attacks=[(own, _told_attack(view, own, attacks)) for own in attacks],
            practice=_practised(view, submission),
            is_final=final,
            is_published=score is not None and is_published(view.session, view.race, score),
            is_waiting=submission.job.state in PENDING,
        )


def _before(view: RaceView, job: Job) -> int:
    """How many jobs are taken before this one; none where it waits no longer."""
    if job.state != QUEUED:
        return 0
    return waiting_before(view.session, job, database_now(view.session), the_server().config.crashes_max)


def _list_url(view: RaceView, submission: Submission) -> str:
    """The page on which such files are sent, with what was sent before; for staff, everybody's."""
    if view.person is not None and view.person.is_staff:
        return url_for("staff_races.submissions", slug=view.slug)
    if submission.kind == ATTACK:
        return url_for("submissions.attack", slug=view.slug, round=submission.round.number)
    return url_for("submissions.defence" if submission.kind == DEFENCE else "practice.show", slug=view.slug)


def _may_send_another(view: RaceView, submission: Submission) -> bool:
    """Whether its team, which is the viewer's, can send another file in its place now."""
    if view.team is None or view.team.id != submission.team_id:
        return False
    wanted = {DEFENCE: Phase.DEFENCE, ATTACK: Phase.ATTACK}.get(submission.kind)
    return wanted is None or view.phase(submission.round) is wanted


@dataclass(frozen=True)
class Practised:
    """What a practice attack reached: every metric, and the same in words beside the house's own attack."""

    metrics: dict[str, Any]
    told: reports.ToldAttack


def _practised(view: RaceView, submission: Submission) -> Practised | None:
    score = practice_scores_of(view.session, [submission.id]).get(submission.id)
    if score is None:
        return None
    practice = practice_of(view.session, view.race.id)
    house = practice.baseline if practice else None
    return Practised(score.metrics, reports.told_attack(view, score.metrics, score.curves_sha256, house))


def _told_attack(view: RaceView, own: OwnMatch, of_file: Sequence[OwnMatch]) -> reports.ToldAttack | None:
    """In words what the viewer may know of an attack in one match, which is one of those of its file."""
    if own.score is None:
        return None
    if own.final:
        elsewhere_auc = max((one.final["auc"] for one in of_file if one is not own and one.final), default=0.0)
        return reports.told_attack(view, own.final, own.score.curves_sha256, elsewhere_auc=elsewhere_auc)
    return reports.told_so_far(view, own.shown)
