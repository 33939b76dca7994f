"""Attacks: classifiers that turn a bundle's training and test traces into predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from srs.lab.features import Floats, Packets, counts, counts_and_first_sizes, fingerprint, packets, raw_sizes


class Recipe(NamedTuple):
    """What is computed from a trace, and what learns from it (a scikit-learn classifier made from a seed)."""

    features: Callable[[Packets], Floats]
    classifier: Callable[[int], Any]


# scikit-learn takes seconds to import: only whoever trains waits for it.


def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(260, random_state=seed)


def _trees(seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(300, random_state=seed)


def _neighbours(_: int) -> Any:
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), KNeighborsClassifier(5, weights="distance"))


def _bayes(_: int) -> Any:
    from sklearn.naive_bayes import GaussianNB

    return GaussianNB(var_smoothing=1e-3)


KINDS: Final[Mapping[str, Recipe]] = {
    "forest": Recipe(raw_sizes, _forest),
    "trees": Recipe(fingerprint, _trees),
    "neighbours": Recipe(counts, _neighbours),
    "bayes": Recipe(counts_and_first_sizes, _bayes),
}


def predict(
    train: pl.DataFrame,
    test: pl.DataFrame,
    kind: str,
    seed: int,
    *,
    classes: int,
    class_column: str = "cell_id",
) -> pl.DataFrame:
    """Learn from ``train`` (class, ``rep``, packets), guess for ``test`` (``team_id, capture_id``, packets).

    ``kind`` is one of ``KINDS``. Returns ``team_id, capture_id, proba_class_1 .. proba_class_<classes>``, one
    row for each test trace; a class that ``train`` lacks gets 0.
    """
    recipe = KINDS[kind]
    known = packets(train, (class_column, "rep"))
    unknown = packets(test, ("team_id", "capture_id"))
    model = recipe.classifier(seed)
    model.fit(recipe.features(known), known.keys[class_column].to_numpy())
    chances = np.zeros((unknown.keys.height, classes))
    chances[:, model.classes_.astype(np.int64) - 1] = model.predict_proba(recipe.features(unknown))
    names = [f"proba_class_{number}" for number in range(1, classes + 1)]
    return unknown.keys.hstack(pl.DataFrame(chances, schema=names))


def write_predictions(predictions: pl.DataFrame, path: Path) -> None:
    """A CSV file that an SRS server takes, with six decimals."""
    predictions.write_csv(path, float_precision=6)
