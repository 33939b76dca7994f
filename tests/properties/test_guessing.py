"""What feedback gives away: uploads of noise, kept where the feedback was good."""

from __future__ import annotations

import numpy as np

from fixtures.sizes import record, size
from srs.game.race import RaceRules
from srs.judging.attack import public_feedback, score_public
from srs.scoring.attack import Floats, Ints, macro_auc

RULES = RaceRules(slug="default", title="Default rules", rounds=())
# An attack phase of a week in each of two rounds, all of it against one test set: more than any race allows.
UPLOADS = RULES.limits.attacks_per_day * 7 * 2


def boosted_guess(rng: np.random.Generator, classes: Ints, is_public: np.ndarray) -> tuple[float, float]:
    """AUC on the public and on the hidden part of the mean of the better half of ``UPLOADS`` random guesses.

    Blum and Hardt, "The Ladder", ICML 2015, section 3: a majority over the guesses that the leaderboard liked.
    """
    shape = classes.size, RULES.classes.count
    told: list[tuple[float, Floats]] = []
    for _ in range(UPLOADS):
        rows = rng.dirichlet(np.ones(shape[1]), shape[0])
        public = score_public(rows[is_public], classes[is_public])
        feedback = public_feedback(public)
        told.append((feedback["auc"] + feedback["accuracy"], rows))
    middle = np.median([liked for liked, _ in told])
    final = np.mean([rows for liked, rows in told if liked > middle] or [rows for _, rows in told], axis=0)
    aucs = [macro_auc(final[part], classes[part]) for part in (is_public, ~is_public)]
    assert aucs[0] is not None
    assert aucs[1] is not None
    return aucs[0], aucs[1]


def test_guessing_with_feedback_gains_nothing_where_it_counts() -> None:
    """G4: a full season's uploads of noise, 20 seeds; mean AUC on the hidden part 0.50 +- 0.02."""
    seeds = size(5, 20)
    traces, public_traces = RULES.split.test_traces, round(RULES.split.test_traces * RULES.split.public_share)
    results = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        classes = np.arange(traces) % RULES.classes.count + 1
        is_public = np.isin(np.arange(traces), rng.choice(traces, public_traces, replace=False))
        results.append(boosted_guess(rng, classes, is_public))
    public, hidden = np.mean(results, axis=0)
    assert public > 0.55, "boosting works where there is feedback, or this test shows nothing"
    assert abs(hidden - 0.5) <= 0.02
    record("G4", seeds * UPLOADS, note=f"uploads of noise; mean AUC public {public:.3f}, hidden {hidden:.3f}")
