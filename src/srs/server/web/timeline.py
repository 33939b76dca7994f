"""A race's rounds on one line, with now: places in per cent of its length, for a drawing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from srs.game.phases import Phase, attack_window, phase_at
from srs.server.store.rounds import Round

MARGIN = 0.03
"""Free room at both ends, as a share of the race's length; a now before or after all rounds is in its middle."""

LABELLED_FROM = 4.0
"""A phase that takes less of the width (per cent) has no room for its letter and number."""


@dataclass(frozen=True)
class Segment:
    """One phase of a round: from ``left``, ``width`` wide, in per cent of the drawing."""

    number: int
    phase: Phase
    left: float
    width: float
    is_now: bool

    @property
    def label(self) -> str:
        """``D1``, ``A1``; empty where there is no room."""
        return f"{self.phase.value[0].upper()}{self.number}" if self.width >= LABELLED_FROM else ""


@dataclass(frozen=True)
class Timeline:
    """Every phase of a race, and where now is; ``told`` says the same in words."""

    segments: list[Segment]
    now_left: float
    told: str


def timeline(rounds: Sequence[Round], now: dt.datetime) -> Timeline:
    """The phases of all rounds (at least one) as they are planned or really were."""
    spans = [
        (one, phase, *span)
        for one in rounds
        for phase, span in (
            (Phase.DEFENCE, (one.defence_opens_at, one.defence_closes_at)),
            (Phase.ATTACK, attack_window(one.times())),
        )
    ]
    begins_at = min(span[2] for span in spans)
    length = max(span[3] for span in spans) - begins_at

    def place(at: dt.datetime) -> float:
        share = min(max((at - begins_at) / length, -MARGIN / 2), 1 + MARGIN / 2)
        return round((share + MARGIN) / (1 + 2 * MARGIN) * 100, 2)

    segments = [
        Segment(
            one.number, phase, place(opens_at), round(place(closes_at) - place(opens_at), 2), _is_now(one, phase, now)
        )
        for one, phase, opens_at, closes_at in spans
    ]
    return Timeline(segments, place(now), _told(rounds, now))


def _is_now(of_round: Round, phase: Phase, now: dt.datetime) -> bool:
    return phase_at(of_round.times(), now) is phase


def _told(rounds: Sequence[Round], now: dt.datetime) -> str:
    phases = {one.number: phase_at(one.times(), now) for one in rounds}
    going_on = [
        f"the {phase} phase of round {number}"
        if phase is not Phase.DRAWING
        else f"between the phases of round {number}"
        for number, phase in phases.items()
        if phase in (Phase.DEFENCE, Phase.DRAWING, Phase.ATTACK)
    ]
    if going_on:
        return f"Now: {', '.join(going_on)}, of {len(rounds)}."
    if all(phase is Phase.CLOSED for phase in phases.values()):
        return "Every round is closed."
    following = next(number for number, phase in phases.items() if phase is Phase.BEFORE)
    return f"Now: before round {following} of {len(rounds)}."
