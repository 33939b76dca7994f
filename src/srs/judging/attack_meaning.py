"""What the numbers of an attack mean, and what to try next, in sentences: numbers in, words out.

``so_far`` needs the public part alone. Everything else tells of the labels of test traces: nobody may hear it before
the match is over. ``metrics`` are those of ``srs.scoring.attack`` with their ``intervals``, as they were stored.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from srs.game.race import Classes, RaceRules
from srs.judging.curves import Curves
from srs.judging.meaning import percent
from srs.traces.report import counted, grouped, plural, so_often

HINTS_MAX: Final = 2

ClassName = Callable[[int], str]
"""What a class is called, by its number."""

# Mean certainty and accuracy may be so far apart before it is worth a word.
_HONEST: Final = 0.1
# An attack is hardly better than a guess up to so many times its accuracy, if its AUC is below this.
_GUESS_TIMES, _GUESS_AUC, _UPSIDE_DOWN_AUC = 1.5, 0.55, 0.45
# A file that reaches this in one match has its columns and rows in order.
_SOUND_AUC: Final = 0.7
# So sure of everything is a decision and no probability any more.
_DECIDED: Final = 0.99
# The true class is near where it is so often among the first few; these few may be so large a part of all classes.
_NEAR, _FEW_OF_ALL = 0.6, 0.34
_LIKE_THE_HOUSE: Final = 0.02
_LISTED_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of an attack, as it is shown: its name, its value, its interval (or empty), what it says."""

    label: str
    value: str
    explained: str
    interval: str = ""


def so_far(shown: Mapping[str, float], rules: RaceRules) -> list[str]:
    """What may be told of an attack before its round is over: ``auc`` and ``accuracy`` as they are shown."""
    lead = _named_right(shown["accuracy"], rules.classes, "of the public traces")
    return [f"{lead}.", f"Its ROC-AUC there is {shown['auc']:.2f}: 0.5 is a guess, 1 is perfect."]


def attack_meaning(
    metrics: Mapping[str, Any], curves: Curves | None, rules: RaceRules, house: Mapping[str, Any] | None = None
) -> list[str]:
    """What an attack reached, and whether its probabilities can be believed; ``house`` are the metrics to beat."""
    lead = _named_right(metrics["accuracy"], rules.classes, "of the traces")
    if house:
        lead += f", the house's own attack for {percent(house['accuracy'])}"
    auc = f"Its ROC-AUC, which the score is made of, is {metrics['auc']:.3f}: 0.5 is a guess, 1 is perfect."
    return [f"{lead}.", auc, *_certainty(metrics, curves, rules.classes)]


def attack_advice(
    metrics: Mapping[str, Any],
    curves: Curves | None,
    rules: RaceRules,
    class_name: ClassName,
    house: Mapping[str, Any] | None = None,
    elsewhere_auc: float = 0.0,
) -> list[str]:
    """One or two hints at what to try next, by rule; none where there is nothing left to find.

    ``elsewhere_auc`` is the best ROC-AUC that the same file has in another match.
    """
    classes = rules.classes
    if metrics["accuracy"] == 1:
        return []
    if metrics["auc"] < _GUESS_AUC and metrics["accuracy"] <= _GUESS_TIMES / classes.count:
        return [_as_a_guess(metrics, classes, elsewhere_auc)]
    hints = (
        _about_certainty(metrics, curves, classes),
        _about_the_house(metrics, house),
        _about_neighbours(metrics, classes),
        _about_never(metrics, classes),
        _about_confusions(metrics, class_name),
    )
    return list(itertools.islice(filter(None, hints), HINTS_MAX))


def figures(metrics: Mapping[str, Any], rules: RaceRules, class_name: ClassName, decimals: int = 4) -> list[Figure]:
    """Those of the metrics that there are, in words and digits, in a fixed order."""
    found = [
        Figure(label, _shown(name, metrics[name], decimals), explained, _interval(metrics, name))
        for name, label, explained in _explained(rules)
        if name in metrics
    ]
    return [*found, *_ends(metrics, rules.classes, class_name)]


def _named_right(accuracy: float, classes: Classes, where: str) -> str:
    return (
        f"It named the right {classes.singular} for {percent(accuracy)} {where}; a blind guess is right for "
        f"{percent(1 / classes.count)}"
    )


def _certainty(metrics: Mapping[str, Any], curves: Curves | None, classes: Classes) -> Iterator[str]:
    if curves is None:
        return
    sure, right = curves.confidence, metrics["accuracy"]
    average = f"{percent(sure)} sure of its guesses on average, and right in {percent(right)}"
    if sure - right > _HONEST:
        yield f"It is overconfident: {average}."
        even = math.log(classes.count)
        if round(metrics["log_loss"], 2) > round(even, 2):
            yield (
                f"So its log loss, {metrics['log_loss']:.2f}, is worse than the {even:.2f} of the same probability "
                f"for every {classes.singular}: an error made with certainty costs most."
            )
    elif right - sure > _HONEST:
        yield f"It could be surer: it is {average}."
    else:
        yield f"Its probabilities can be believed: it is {average}."


def _as_a_guess(metrics: Mapping[str, Any], classes: Classes, elsewhere_auc: float) -> str:
    if elsewhere_auc >= _SOUND_AUC:
        return (
            f"That is about a blind guess, yet the same file has a ROC-AUC of {elsewhere_auc:.2f} in another match: "
            "the defence here hides what the classifier looks at, or it learnt from the training set of another match."
        )
    checks = (
        f"see whether each row has the capture_id of its own trace, and whether proba_class_1 is {classes.singular} 1"
    )
    if metrics["auc"] < _UPSIDE_DOWN_AUC:
        return f"That is worse than a blind guess, so something is probably exchanged: {checks}."
    how = "no" if metrics["auc"] <= 0.5 else "hardly"
    return f"That is {how} better than a blind guess. Before you look for better features, {checks}."


def _about_certainty(metrics: Mapping[str, Any], curves: Curves | None, classes: Classes) -> str:
    if curves is None or curves.confidence - metrics["accuracy"] <= _HONEST:
        return ""
    if curves.confidence >= _DECIDED:
        return (
            f"Each row has nearly everything on one {classes.singular}. ROC-AUC rewards a good second guess, too: send "
            "what the classifier believes of each (in scikit-learn predict_proba), not its decision alone."
        )
    return (
        "Make it less sure: take the mean of several classifiers, or fit the temperature of its probabilities on "
        "training traces that it has not seen."
    )


def _about_the_house(metrics: Mapping[str, Any], house: Mapping[str, Any] | None) -> str:
    if not house or metrics["accuracy"] > house["accuracy"] + _LIKE_THE_HOUSE:
        return ""
    return (
        "The house only counts packets and bytes in each direction. Sizes of the first packets, bursts and pauses are "
        "what it does not look at."
    )


def _about_neighbours(metrics: Mapping[str, Any], classes: Classes) -> str:
    few = [count for count in (3, 5, 10) if count <= _FEW_OF_ALL * classes.count and f"top_{count}" in metrics]
    if not few:
        return ""
    near = metrics[f"top_{few[-1]}"]
    if near < _NEAR or metrics["accuracy"] > near / 2:
        return ""
    noun = classes.singular
    return (
        f"The true {noun} is among its {few[-1]} likeliest for {percent(near)} of the traces, but the likeliest for "
        f"only {percent(metrics['accuracy'])}: it finds the neighbourhood. Look for features in which {plural(noun)} "
        "differ that it takes for each other, such as the order and the timing of packets."
    )


def _about_never(metrics: Mapping[str, Any], classes: Classes) -> str:
    never = len(_of_accuracy(metrics, 0.0))
    if not never:
        return ""
    return (
        f"{counted(never, classes.singular)} of {classes.count} {'was' if never == 1 else 'were'} never guessed right. "
        "See what was guessed in their place, and whether the classifier learnt from as many traces of them as of the "
        "others."
    )


def _about_confusions(metrics: Mapping[str, Any], class_name: ClassName) -> str:
    if not metrics.get("confusions"):
        return ""
    most = metrics["confusions"][0]
    return (
        f"Most often {class_name(most['true'])} was taken for {class_name(most['guessed'])} "
        f"({so_often(most['traces'])}): look for what tells these two apart."
    )


def _explained(rules: RaceRules) -> Iterator[tuple[str, str, str]]:
    """The name of each metric, what it is called, and what it says."""
    noun, count = rules.classes.singular, rules.classes.count
    hidden = "; in a match that counts, those outside the public part" if rules.split.public_share < 1 else ""
    yield "traces", "Traces", f"test traces that this is measured on{hidden}"
    yield "accuracy", "Accuracy", f"share of traces whose {noun} it named; a blind guess: {1 / count:.2g}"
    yield (
        "auc",
        "ROC-AUC",
        f"how often a trace of a {noun} gets more probability for it than a trace of another {noun}; a guess: 0.5",
    )
    for first in (3, 5, 10):
        if first < count:
            yield (
                f"top_{first}",
                f"In the first {first}",
                (
                    f"share of traces whose true {noun} is among its {first} likeliest, ties shared; a blind guess: "
                    f"{first / count:.2g}"
                ),
            )
    yield (
        "mean_rank",
        f"Mean rank of the true {noun}",
        f"where it stands in the list, the likeliest first; perfect: 1, a blind guess: {(count + 1) / 2:g}",
    )
    yield (
        "log_loss",
        "Log loss",
        f"how much it doubted the true {noun}; perfect: 0, the same probability for all: {math.log(count):.2f}",
    )
    yield (
        "bits_leaked",
        "Bits leaked, at least",
        f"what one trace tells it of the {noun}; knowing it for certain: {math.log2(count):.2f}",
    )


def _shown(name: str, value: float, decimals: int) -> str:
    if name == "traces":
        return grouped(int(value))
    if name == "bits_leaked" and value <= 0:
        return "0 (nothing shown)"
    return f"{value:.{decimals}f}"


def _interval(metrics: Mapping[str, Any], name: str) -> str:
    """Nothing where no draw of the bootstrap was another: that is no certainty."""
    ends = metrics.get("intervals", {}).get(name)
    if not ends or f"{ends[0]:.4f}" == f"{ends[1]:.4f}":
        return ""
    return f"95 % interval {ends[0]:.4f} to {ends[1]:.4f}"


def _ends(metrics: Mapping[str, Any], classes: Classes, class_name: ClassName) -> Iterator[Figure]:
    """The classes guessed best and worst; where more of them are level than are named, how many.

    No class is named on both sides, so at most half of them on each.
    """
    ends = (("best_classes", "Best guessed", 1.0, "always"), ("worst_classes", "Worst guessed", 0.0, "never"))
    most = min(_LISTED_MAX, classes.count // 2)
    for name, label, end, how in ends:
        level = len(_of_accuracy(metrics, end))
        opposite = _of_accuracy(metrics, 1.0 - end)
        named = [number for number in metrics.get(name, ()) if number not in opposite][:most]
        if level > _LISTED_MAX:
            yield Figure(label, f"{counted(level, classes.singular)} were {how} guessed right", "")
        elif named:
            yield Figure(label, ", ".join(map(class_name, named)), "")


def _of_accuracy(metrics: Mapping[str, Any], accuracy: float) -> Sequence[int]:
    shares = metrics.get("accuracy_per_class", ())
    return [number for number, share in enumerate(shares, start=1) if share == accuracy]
