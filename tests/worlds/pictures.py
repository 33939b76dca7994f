"""Profiles and curves for tests of pictures, small and the same from the same seed; and pictures read."""

from __future__ import annotations

import functools
from xml.etree import ElementTree as ET

import numpy as np

from srs.game.race import RaceRules
from srs.judging.curves import Curves, curves
from srs.judging.profile import Profile, profile
from srs.traces.defences import read_defence
from srs.traces.trace_set import TraceSet
from worlds.traffic import RULES, as_csv, defence_rows


def trace_set(classes: int = 4, repetitions: int = 4, seed: int = 0, packets: int = 8) -> TraceSet:
    """The traces of ``traffic.defence_rows``."""
    rules = RaceRules.model_validate(
        {
            **RULES.model_dump(),
            "classes": {"count": classes},
            "traces": {"repetitions": [1, 1000]},
            "split": {"test_traces": classes, "test_pool": classes},
        }
    )
    traces, report = read_defence(as_csv(defence_rows(classes, repetitions, seed, packets)), rules, "d.csv")
    assert traces is not None, report
    return traces


@functools.cache
def small_profile(classes: int = 4, seed: int = 0) -> Profile:
    """The profile of such traces."""
    return profile(trace_set(classes, seed=seed))


def guesses(classes: int, traces: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of shape (traces, classes) that know a little, and the true classes; no ties."""
    rng = np.random.default_rng(seed)
    truth = np.arange(traces) % classes + 1
    scores = rng.normal(size=(traces, classes))
    scores[np.arange(traces), truth - 1] += 1.5 * rng.random(traces) + 0.5
    powers = np.exp(scores)
    return powers / powers.sum(axis=1, keepdims=True), truth


@functools.cache
def small_curves(classes: int = 4, traces: int = 24, seed: int = 0) -> Curves:
    """The curves of such an attack."""
    return curves(*guesses(classes, traces, seed))


def svg_tree(text: str) -> ET.Element:
    """The root of a picture, which must be XML."""
    return ET.fromstring(text)  # noqa: S314  (drawn by us)
