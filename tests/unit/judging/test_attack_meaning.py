"""What the numbers of an attack mean, tested to the word."""

from __future__ import annotations

from typing import Any

import pytest

from srs.game.race import Classes
from srs.judging.attack_meaning import attack_advice, attack_meaning, figures, so_far
from srs.judging.curves import Bin, Curves
from worlds.traffic import RULES

TWENTY = RULES.model_copy(update={"classes": Classes(count=20)})


def class_name(number: int) -> str:
    return f"cell {number}"


def metrics(**changed: Any) -> dict[str, Any]:
    fair = {"traces": 40, "auc": 0.8, "accuracy": 0.4, "top_3": 0.5, "top_5": 0.6, "top_10": 0.8, "mean_rank": 4.0}
    return {**fair, "log_loss": 2.0, "bits_leaked": 1.5, **changed}


def sure(confidence: float) -> Curves:
    """Curves of an attack that is so sure of every guess."""
    one = Bin(tenth=min(int(confidence * 10), 9), traces=40, confidence=confidence, accuracy=0.4)
    empty: dict[str, Any] = {"confusion": [], "roc": None, "sizes": [2] * 20, "accuracy": [0.4] * 20, "ranks": []}
    return Curves(traces=40, classes=20, calibration=[one], calibration_error=0.0, **empty)


def test_while_a_match_goes_on_only_the_public_part_is_told() -> None:
    assert so_far({"auc": 0.87, "accuracy": 0.31}, TWENTY) == [
        "It named the right cell for 31\u00a0% of the public traces; a blind guess is right for 5\u00a0%.",
        "Its ROC-AUC there is 0.87: 0.5 is a guess, 1 is perfect.",
    ]


@pytest.mark.parametrize(
    ("confidence", "log_loss", "last"),
    [
        (
            0.45,
            2.0,
            (
                "Its probabilities can be believed: it is 45\u00a0% sure of its guesses on average, and "
                "right in 40\u00a0%."
            ),
        ),
        (0.2, 2.0, "It could be surer: it is 20\u00a0% sure of its guesses on average, and right in 40\u00a0%."),
        (0.9, 2.0, "It is overconfident: 90\u00a0% sure of its guesses on average, and right in 40\u00a0%."),
        (
            0.9,
            8.0,
            (
                "So its log loss, 8.00, is worse than the 3.00 of the same probability for every cell: an error made "
                "with certainty costs most."
            ),
        ),
    ],
)
def test_whether_its_probabilities_can_be_believed(confidence: float, log_loss: float, last: str) -> None:
    told = attack_meaning(metrics(log_loss=log_loss), sure(confidence), TWENTY, {"accuracy": 0.25})
    assert told[:2] == [
        (
            "It named the right cell for 40\u00a0% of the traces; a blind guess is right for "
            "5\u00a0%, the house's own attack "
            "for 25\u00a0%."
        ),
        "Its ROC-AUC, which the score is made of, is 0.800: 0.5 is a guess, 1 is perfect.",
    ]
    assert told[-1] == last


def test_without_curves_nothing_is_said_of_certainty() -> None:
    assert len(attack_meaning(metrics(), None, TWENTY)) == 2
    assert attack_advice(metrics(), None, TWENTY, class_name) == []


@pytest.mark.parametrize(
    ("changed", "curves", "house", "begins"),
    [
        ({"auc": 0.51, "accuracy": 0.05}, None, None, ["That is hardly better than a blind guess."]),
        ({"auc": 0.3, "accuracy": 0.05}, None, None, ["That is worse than a blind guess"]),
        ({}, sure(1.0), None, ["Each row has nearly everything on one cell."]),
        ({}, sure(0.8), None, ["Make it less sure"]),
        ({}, None, {"accuracy": 0.5}, ["The house only counts packets and bytes"]),
        ({"accuracy": 0.2}, None, None, ["The true cell is among its 5 likeliest for 60\u00a0% of the traces, but"]),
        ({"accuracy_per_class": [0.0] + [0.5] * 19}, None, None, ["1 cell of 20 was never guessed right."]),
        ({"accuracy_per_class": [0.0] * 3 + [0.5] * 17}, None, None, ["3 cells of 20 were never guessed right."]),
        (
            {"confusions": [{"true": 3, "guessed": 4, "traces": 1.5}]},
            None,
            None,
            ["Most often cell 3 was taken for cell 4 (1.5 times)"],
        ),
        ({"accuracy": 0.2}, sure(0.8), {"accuracy": 0.5}, ["Make it less sure", "The house only counts"]),
    ],
)
def test_one_or_two_hints_by_rule(
    changed: dict[str, Any], curves: Curves | None, house: dict[str, Any] | None, begins: list[str]
) -> None:
    hints = attack_advice(metrics(**changed), curves, TWENTY, class_name, house)
    assert len(hints) == len(begins)
    for hint, beginning in zip(hints, begins, strict=True):
        assert hint.startswith(beginning)


def test_a_file_that_does_well_elsewhere_has_its_columns_in_order() -> None:
    guess = metrics(auc=0.51, accuracy=0.05)
    [hint] = attack_advice(guess, None, TWENTY, class_name, elsewhere_auc=0.93)
    assert hint.startswith("That is about a blind guess, yet the same file has a ROC-AUC of 0.93 in another match:")
    assert "capture_id" not in hint
    [hint] = attack_advice(guess, None, TWENTY, class_name, elsewhere_auc=0.6)
    assert "capture_id" in hint


def test_each_number_says_what_it_is() -> None:
    shown = {
        one.label: one
        for one in figures(
            metrics(
                bits_leaked=-5.8,
                accuracy_per_class=[0.0] * 10 + [1.0] * 4 + [0.5] * 6,
                best_classes=[11, 12],
                worst_classes=[1, 2],
                intervals={"auc": [0.75, 0.85], "accuracy": [0.4, 0.4]},
            ),
            TWENTY,
            class_name,
        )
    }
    assert shown["Bits leaked, at least"].value == "0 (nothing shown)"
    assert shown["ROC-AUC"].interval == "95 % interval 0.7500 to 0.8500"
    assert shown["Accuracy"].interval == ""
    assert shown["Accuracy"].explained == "share of traces whose cell it named; a blind guess: 0.05"
    assert shown["Best guessed"].value == "cell 11, cell 12"
    assert shown["Worst guessed"].value == "10 cells were never guessed right"
    assert shown["Traces"].value == "40"
    assert shown["Traces"].explained.endswith("; in a match that counts, those outside the public part")
    assert shown["In the first 3"].explained.endswith("likeliest, ties shared; a blind guess: 0.15")


def test_where_nothing_is_public_all_traces_are_measured() -> None:
    whole = TWENTY.model_copy(update={"split": TWENTY.split.model_copy(update={"public_share": 1.0})})
    assert figures(metrics(), whole, class_name)[0].explained == "test traces that this is measured on"


def test_so_few_classes_that_the_first_ten_are_all() -> None:
    labels = [one.label for one in figures(metrics(), RULES, class_name, decimals=2)]
    assert "In the first 10" not in labels
    assert attack_advice(metrics(accuracy=0.2, auc=0.8), None, RULES, class_name) == []
