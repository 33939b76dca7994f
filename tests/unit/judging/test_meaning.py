"""What the numbers of a defence mean, to the word."""

from __future__ import annotations

import pytest

from srs.game.race import RaceRules, Undefended
from srs.judging.meaning import ClassMedians, Costs, advice, costs, meaning, times, undefended_utility
from srs.judging.profile import Profile, Quartiles
from srs.scoring.schemes import srs2022_utility

WHY = (
    "What a defence costs lowers the total of its own team; what it leaks raises the totals of the teams that are "
    "drawn against it."
)
RULES = RaceRules(
    slug="any",
    title="Any",
    rounds=(),
    undefended=Undefended(received_bytes=400_000, sent_bytes=100_000, duration_s=10),
)


def metrics(received: float, sent: float, duration: float) -> dict[str, float]:
    return {"median_in_volume": received, "median_out_volume": sent, "median_duration": duration}


def told(received: float, sent: float, duration: float, medians: ClassMedians | None = None) -> list[str]:
    values = metrics(received, sent, duration)
    return meaning("Your defence", values, srs2022_utility(values)[0], RULES, medians)


def test_costs_are_multiples_of_the_undefended_medians() -> None:
    assert costs(metrics(800_000, 250_000, 15), RULES.undefended) == Costs(2.0, 2.5, 2.1, 1.5)


def test_the_published_reference_has_the_published_utility() -> None:
    """SecretStroll's real captures have a utility of 5.7299."""
    assert undefended_utility(RaceRules(slug="any", title="Any", rounds=())) == pytest.approx(5.7299, abs=1e-4)


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (0.0, "less than a tenth"),
        (0.5, "0.5 times"),
        (2.14, "2.1 times"),
        (9.96, "10 times"),
        (1234.5, "1\u00a0234 times"),
    ],
)
def test_factors(factor: float, words: str) -> None:
    assert times(factor).replace("\u00a0", " ") == words.replace("\u00a0", " ")


def test_a_defence_against_reference_and_class() -> None:
    medians = ClassMedians(round_number=1, teams=6, costs=Costs(1.2, 1.4, 1.3, 1.0), utility=5.2, place=4)
    assert told(800_000, 250_000, 15, medians) == [
        (
            "Your defence carries 2.1 times the bytes of undefended traffic (both directions together); "
            "in round 1 the median team's carries 1.3 times."
        ),
        "A trace lasts 1.5 times as long as without a defence; with the median team 1.0 times.",
        (
            "That makes a utility of 5.13 out of 10, where undefended traffic has 5.52: the defence costs 0.39 points "
            "of utility. As the total is utility times attack, an attack of 9 would earn 3.5 points less."
        ),
        "The median utility of round 1 is 5.20; yours is in place 4 of 6.",
        WHY,
    ]


def test_without_a_class_nothing_is_said_of_it() -> None:
    first, second, third, why = told(400_000, 102_000, 10)
    assert first == "Your defence carries about as many bytes as undefended traffic (both directions together)."
    assert second == "A trace lasts about as long as without a defence."
    assert third.endswith("where undefended traffic has 5.52: this defence costs no points.")
    assert why == WHY


def test_what_costs_most_is_named() -> None:
    *_, last, _ = told(400_000, 800_000, 10)
    assert last == (
        "Most of that is the bytes sent by the client: 8.0 times the undefended median. Utility multiplies the medians "
        "of received bytes, sent bytes and time, so doubling any of the three costs the same."
    )
    assert "Most of that is the time: 3.0 times" in told(440_000, 110_000, 30)[-2]


def test_what_costs_nothing_is_not_taken_apart() -> None:
    """The sentence would speak of a price that there is not; and it follows the price, not the median of the class."""
    assert not any("Most of that" in sentence for sentence in told(600_000, 50_000, 10))
    medians = ClassMedians(2, 4, Costs(1.0, 1.0, 1.0, 1.0), 5.5)
    price, most, median, _ = told(400_000, 800_000, 10, medians)[2:]
    assert "the defence costs" in price
    assert most.startswith("Most of that is the bytes sent by the client")
    assert median.startswith("The median utility")


def test_hardly_any_traffic() -> None:
    medians = ClassMedians(2, 4, Costs(1.0, 1.0, 1.0, 0.01), 5.5)
    first, second, _, last, _ = told(4_000, 1_000, 0.1, medians)
    assert "carries less than a tenth of the bytes of undefended traffic" in first
    assert first.endswith("; in round 2 the median team's carries 1.0 times.")
    assert second == (
        "A trace lasts less than a tenth as long as without a defence; with the median team less than a tenth."
    )
    assert last == "The median utility of round 2 is 5.50."


def profile(received: Quartiles, other: Quartiles) -> Profile:
    nothing = Quartiles([], [], [])
    return Profile(8, [1, 2], received, other, other, [], nothing, nothing, [])


ALIKE = Quartiles([90, 90], [100, 100], [110, 110])
FAR = Quartiles([90, 990], [100, 1000], [110, 1010])
NEAR = Quartiles([80, 130], [100, 150], [120, 170])
EXACT = Quartiles([100, 200], [100, 200], [100, 200])


def test_classes_that_volumes_tell_apart() -> None:
    """Half the distance of two medians is their standard deviation: 450; within a class it is 20 / 1.349."""
    assert round(450 / (20 / 1.349)) == 30
    told = (
        "The volume received still tells cells apart: it differs 30 times as much between them as within one cell. "
        "An attacker who only adds up bytes or seconds can use that. Padding every trace up to one of a few totals "
        "would hide it."
    )
    cheap = "The defence costs next to nothing, so there is room to spend some traffic on hiding this."
    dear = (
        "The defence is expensive and still lets this through: pad where cells differ instead of adding the same "
        "amount everywhere."
    )
    assert advice(profile(FAR, ALIKE), 5.5, RULES) == [told, cheap]
    assert advice(profile(FAR, ALIKE), 5.0, RULES) == [told]
    assert advice(profile(FAR, ALIKE), 4.5, RULES) == [told, dear]
    assert "differs far more between them than within one cell" in advice(profile(EXACT, ALIKE), 5.0, RULES)[0]


def test_classes_that_overlap_or_are_alike() -> None:
    [some] = advice(profile(ALIKE, NEAR), 5.0, RULES)
    assert some.startswith(
        "The volume sent differs between cells about as much as between traces of one cell: some of it"
    )
    [none] = advice(profile(ALIKE, ALIKE), 4.0, RULES)
    assert none.startswith("Volumes and durations hardly differ between cells")
