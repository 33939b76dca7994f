"""The signals of a defence on its own page, for the staff of its race and nobody else."""

from __future__ import annotations

from dataclasses import dataclass

from srs.game.access import Action
from srs.server.services.overview import is_looked_at
from srs.server.services.signals import Signal, signals_of
from srs.server.store.scores import DefenceScore
from srs.server.web.viewer import RaceView


@dataclass(frozen=True)
class Shown:
    """The signals of one defence, and whether somebody has said that all of them were looked at."""

    signals: list[Signal]
    is_looked_at: bool


def signals_shown(view: RaceView, score: DefenceScore | None) -> Shown | None:
    """The signals of a defence (``None`` where it has none); ``None`` for whoever may not review them."""
    if score is None or not view.may(Action.REVIEW_SIGNALS.name):
        return None
    signals = signals_of(view.session, view.race, [score]).get(score.submission_id)
    return Shown(signals, is_looked_at(view.session, view.race, score, signals)) if signals else None
