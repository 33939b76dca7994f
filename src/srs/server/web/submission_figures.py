"""The charts of one submission: of a defence its traces, of an attack one match of it, once that is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request, url_for

from srs.errors import NotFound
from srs.game.access import Action
from srs.judging.curves import read_curves
from srs.judging.profile import read_profile
from srs.lab.plots.attack import attack_charts
from srs.lab.plots.chart import Chart, Classes
from srs.lab.plots.trace_set import trace_set_charts
from srs.server.services.standings import is_final
from srs.server.store.practice import practice_scores_of
from srs.server.store.scores import attack_scores_of, defence_before, defence_score_of
from srs.server.store.submissions import ATTACK, DEFENCE, Submission, submission_by_public_id
from srs.server.web.figures import answer
from srs.server.web.kept import kept
from srs.server.web.viewer import RaceView, looking_at

pages = Blueprint("submission_figures", __name__)


@dataclass(frozen=True)
class Figures:
    """The charts that a page shows; of an attack, those against the team ``defender``."""

    charts: Sequence[Chart]
    slug: str
    public_id: str
    defender: int | None = None

    def url(self, chart: Chart) -> str:
        """Where the picture of a chart is."""
        values: dict[str, Any] = {"slug": self.slug, "public_id": self.public_id, "name": chart.name}
        if self.defender is None:
            return url_for("submission_figures.figure", **values)
        return url_for("submission_figures.figure_against", defender=self.defender, **values)


@pages.get("/races/<slug>/submissions/<public_id>/figures/<name>.svg")
def figure(slug: str, public_id: str, name: str) -> Response:
    """One chart of a defence or of a practice attack."""
    return _answer(slug, public_id, name, None)


@pages.get("/races/<slug>/submissions/<public_id>/figures/<int:defender>/<name>.svg")
def figure_against(slug: str, public_id: str, defender: int, name: str) -> Response:
    """One chart of an attack in its match against the team ``defender``, when the round is final."""
    return _answer(slug, public_id, name, defender)


def _answer(slug: str, public_id: str, name: str, defender: int | None) -> Response:
    with looking_at(slug, Action.SEE_RACE) as view:
        submission = submission_by_public_id(view.session, view.race.id, public_id)
        view.require(Action.SEE_SUBMISSION, submission.team)
        charts = {chart.name: chart for chart in _charts(view, submission, defender)}
    if name not in charts:
        raise NotFound("figure.unknown", "There is no such picture, or not yet.")
    return answer(charts[name])


def figures_of(view: RaceView, submission: Submission) -> Figures:
    """The charts for the page of a submission; of an attack in the match ``?match=``, or in its first."""
    defender = None
    if submission.kind == ATTACK:
        numbers = [score.match.defender.number for score in attack_scores_of(view.session, submission.id)]
        asked = request.args.get("match", type=int)
        defender = asked if asked in numbers else next(iter(numbers), 0)
    return Figures(_charts(view, submission, defender), view.slug, submission.public_id, defender)


def classes_of(view: RaceView) -> Classes:
    """What charts call the classes of a race."""
    count = view.rules.classes.count
    return Classes(view.rules.classes.singular, [view.class_name(number) for number in range(1, count + 1)])


def _charts(view: RaceView, submission: Submission, defender: int | None) -> Sequence[Chart]:
    if submission.kind == DEFENCE:
        return _defence_charts(view, submission) if defender is None else ()
    if submission.kind == ATTACK:
        return _attack_charts(view, _final_curves(view, submission, defender))
    practice = practice_scores_of(view.session, [submission.id]).get(submission.id)
    return _attack_charts(view, practice.curves_sha256 if practice and defender is None else None)


def _defence_charts(view: RaceView, submission: Submission) -> Sequence[Chart]:
    score = defence_score_of(view.session, submission.id)
    profile = kept(score.profile_sha256 if score else None, read_profile)
    if profile is None:
        return ()
    earlier = defence_before(view.session, submission)
    return trace_set_charts(profile, classes_of(view), kept(earlier.profile_sha256 if earlier else None, read_profile))


def _final_curves(view: RaceView, submission: Submission, defender: int | None) -> str | None:
    """They tell the labels of the test traces, so nobody sees them before the round is final."""
    if not is_final(view.session, submission.round, view.now):
        return None
    scores = attack_scores_of(view.session, submission.id)
    return next((score.curves_sha256 for score in scores if score.match.defender.number == defender), None)


def _attack_charts(view: RaceView, curves_sha256: str | None) -> Sequence[Chart]:
    curves = kept(curves_sha256, read_curves)
    return attack_charts(curves, classes_of(view)) if curves else ()
