"""Defences and attacks: sending one, its state and report, what was sent before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from srs.errors import SrsError, StateError
from srs.game.access import Action
from srs.game.phases import Phase
from srs.judging.attack import public_feedback
from srs.server.services.access import Person
from srs.server.services.standings import is_final
from srs.server.services.submissions import Kind, Upload, known_submission, open_upload, receive
from srs.server.store.jobs import PENDING, waiting_before
from srs.server.store.matches import Match, matches_of_attacker
from srs.server.store.rounds import Round
from srs.server.store.scores import (
    AttackScore,
    attack_scores_of,
    defence_score_of,
    defence_scores_of,
    latest_attacks,
    latest_defences,
)
from srs.server.store.submissions import ATTACK, DEFENCE, submission_by_public_id, submissions_of_team
from srs.server.web.home import examples
from srs.server.web.safety import checks_its_own_token
from srs.server.web.uploads import DRAIN_MAX_BYTES, UploadForm, drain
from srs.server.web.viewer import RaceView, looking_at, signed_in, the_server
from srs.traces.report import Report

pages = Blueprint("submissions", __name__)

METRIC_COLUMNS = (
    ("Received, bytes", "_in_volume", 0),
    ("Sent, bytes", "_out_volume", 0),
    ("Duration, seconds", "_duration", 3),
)
METRIC_NAMES = {
    "traces": "Traces",
    "auc": "ROC-AUC",
    "accuracy": "Accuracy",
    "top_3": "In the first 3",
    "top_5": "In the first 5",
    "top_10": "In the first 10",
    "mean_rank": "Mean rank of the true class",
    "log_loss": "Log loss",
    "bits_leaked": "Bits leaked, at least",
}


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
            examples=examples(),
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
            examples=examples(),
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
    if final:
        return {name: value for name, value in score.final.items() if isinstance(value, int | float)}
    return public_feedback(score.public)


@pages.post("/races/<slug>/defence")
@checks_its_own_token
def send_defence(slug: str) -> AnyResponse:
    """Receive a defence."""
    return _receive_file(slug, "defence")


@pages.post("/races/<slug>/attack")
@checks_its_own_token
def send_attack(slug: str) -> AnyResponse:
    """Receive an attack."""
    return _receive_file(slug, "attack")


def _receive_file(slug: str, kind: Kind) -> AnyResponse:
    try:
        public_id = _receive(signed_in(), slug, kind)
    except (SrsError, CSRFError, RequestEntityTooLarge):
        drain(request)
        raise
    return redirect(url_for("submissions.show", slug=slug, public_id=public_id), 303)


def _receive(person: Person, slug: str, kind: Kind) -> str:
    try:
        upload = open_upload(the_server().store, person, slug, kind)
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
    form.finish()
    return receive(server.store, server.bell, upload, blob, form.file_name, form.fields.get("idempotency_key", ""))


@pages.get("/races/<slug>/submissions/<public_id>")
def show(slug: str, public_id: str) -> str:
    """One submission: its state, its report, its numbers. For its team, and for staff."""
    with looking_at(slug, Action.SEE_RACE) as view:
        submission = submission_by_public_id(view.session, view.race.id, public_id)
        view.require(Action.SEE_SUBMISSION, submission.team)
        final = is_final(view.session, submission.round, view.now)
        attacks = [
            OwnMatch(score.match, score, feedback(score, final=final), score.final if final else {})
            for score in attack_scores_of(view.session, submission.id)
        ]
        return render_template(
            "submissions/show.html",
            view=view,
            submission=submission,
            job=submission.job,
            report=Report.from_json(submission.job.report) if submission.job.report else None,
            metric_columns=METRIC_COLUMNS,
            metric_names=METRIC_NAMES,
            before=waiting_before(view.session, submission.job),
            score=defence_score_of(view.session, submission.id),
            attacks=attacks,
            is_final=final,
            is_waiting=submission.job.state in PENDING,
        )
