"""What the page of a submission tells in words: what counts, what to mend, what the numbers mean, what to try next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from srs.game.phases import Phase
from srs.judging.attack_meaning import Figure, attack_advice, attack_meaning, figures, so_far
from srs.judging.curves import read_curves
from srs.judging.meaning import advice, meaning
from srs.judging.profile import read_profile
from srs.server.services.stories import comparison
from srs.server.store.matches import matches_of_attacker
from srs.server.store.scores import DefenceScore, latest_attacks, latest_defences
from srs.server.store.submissions import ATTACK, DEFENCE, Submission
from srs.server.web.kept import kept
from srs.server.web.viewer import RaceView
from srs.traces.remedies import Group, grouped_problems, may_hide_more
from srs.traces.report import Report


@dataclass(frozen=True)
class Counting:
    """Which file of a team counts in one place, a round or a match; ``None`` where none does.

    ``place`` is that place in words, as in "no attack counts against Onions".
    """

    place: str
    submission: Submission | None


def counting(view: RaceView, submission: Submission) -> list[Counting]:
    """What counts wherever a file of this kind can: a defence in its round, an attack in each match of its team.

    Empty for practice, for an excluded team, and for an attack while there are no matches to be seen.
    """
    of_round, team = submission.round, submission.team
    if team.excluded_at is not None:
        return []
    if submission.kind == DEFENCE:
        defence = latest_defences(view.session, of_round).get(team.id)
        return [Counting(f"in round {of_round.number}", defence.submission if defence else None)]
    if submission.kind != ATTACK or view.phase(of_round) not in (Phase.ATTACK, Phase.CLOSED):
        return []
    attacks = latest_attacks(view.session, of_round.id, team.id)
    return [
        Counting(
            f"against {view.name_of(match.defender)}", attacks[match.id].submission if match.id in attacks else None
        )
        for match in matches_of_attacker(view.session, of_round.id, team.id)
        if match.void_at is None
    ]


@dataclass(frozen=True)
class ToMend:
    """The problems of a rejected file, by kind; ``hides_more`` where more can only be seen once these are mended."""

    groups: tuple[Group, ...]
    warnings: tuple[Group, ...]
    omitted: int
    hides_more: bool


@dataclass(frozen=True)
class Told:
    """What an accepted defence means: sentences, a note on the class, and what to try next."""

    meaning: list[str]
    note: str
    advice: list[str]


def to_mend(report: Report, noun: str) -> ToMend:
    """A report as its page shows it; ``noun`` is the race's word for one class."""
    return ToMend(
        groups=grouped_problems(report.problems, noun),
        warnings=grouped_problems(report.warnings, noun),
        omitted=report.omitted,
        hides_more=may_hide_more(report.problems),
    )


@dataclass(frozen=True)
class ToldAttack:
    """What an attack reached in one match: sentences, what to try next, and every number with what it says."""

    meaning: list[str]
    advice: list[str]
    figures: list[Figure]


def told_attack(
    view: RaceView,
    metrics: Mapping[str, Any],
    curves_sha256: str | None,
    house: Mapping[str, Any] | None = None,
    elsewhere_auc: float = 0.0,
) -> ToldAttack:
    """A match that is over, or a practice: everything. ``house`` are the metrics of the house's own attack on it."""
    curves = kept(curves_sha256, read_curves)
    return ToldAttack(
        attack_meaning(metrics, curves, view.rules, house),
        attack_advice(metrics, curves, view.rules, view.class_name, house, elsewhere_auc),
        figures(metrics, view.rules, view.class_name),
    )


def told_so_far(view: RaceView, shown: Mapping[str, float]) -> ToldAttack:
    """A match that goes on: what the public part says, to two decimals."""
    return ToldAttack(so_far(shown, view.rules), [], figures(shown, view.rules, view.class_name, decimals=2))


def told(view: RaceView, submission: Submission, score: DefenceScore) -> Told:
    """An accepted defence in words, as far as its team may know at this moment."""
    compared = comparison(view.session, view.race, view.rounds, submission, view.now)
    is_own = view.team is not None and view.team.id == submission.team_id
    subject = "Your defence" if is_own else "This defence"
    team = "" if is_own else view.name_of(submission.team)
    sentences = meaning(subject, score.metrics, score.utility, view.rules, compared.medians, team)
    return Told(sentences, compared.note, _advice(view, score))


def _advice(view: RaceView, score: DefenceScore) -> list[str]:
    """None for a defence without a profile: of a fault in what was kept beside a score nobody should hear here."""
    profile = kept(score.profile_sha256, read_profile)
    return advice(profile, score.utility, view.rules) if profile else []
