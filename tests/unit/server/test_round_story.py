"""A round in sentences, to the word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from srs.server.services.round_story import (
    Attacked,
    ClassGuessed,
    Defended,
    Placed,
    RoundFacts,
    percent,
    standing_so_far,
    story,
)

ADA = Placed("Ada", 1, 5.0, 9.0, 45.0)
BEN = Placed("Ben", 2, 5.5, 8.0, 44.0)
CLEO = Placed("Cleo", 3, 4.5, 8.9, 40.05)
DAN = Placed("Dan", 4, 5.7, 7.0, 39.9)
EVE = Placed("Eve", 5, None, 9.5, None)


def defence(name: str, number: int, utility: float, factor: float, accuracy: float | None) -> Defended:
    strongest = () if accuracy is None else (Attacked("Eve", name, accuracy, 0.9),)
    return Defended(name, number, utility, factor, 0 if accuracy is None else 2, strongest)


DEFENDED = (
    defence("Ada", 1, 5.0, 2.1, 0.23),
    defence("Ben", 2, 5.5, 1.3, 0.5),
    defence("Cleo", 3, 4.5, 3.04, 0.97),
    defence("Dan", 4, 5.7, 1.0, 0.999),
)
CLASSES = tuple(ClassGuessed(f"cell {number}", number / 10) for number in range(1, 9))
FACTS = RoundFacts(
    number=1,
    placed=(ADA, BEN, CLEO, DAN, EVE),
    defended=DEFENDED,
    attacks=(Attacked("Ben", "Dan", 0.999, 0.99996), Attacked("Eve", "Ada", 0.23, 0.8)),
    matches=5,
    classes=CLASSES,
    noun="cell",
    guess=0.01,
)


def told(facts: RoundFacts) -> dict[str, str]:
    return {part.heading: part.text for part in story(facts)}


def test_a_whole_story() -> None:
    assert told(FACTS) == {
        "Who won, and why": (
            "Ada won round 1 with a total of 45.00: a utility of 5.00 (place 3 of 4) times an attack of 9.00 "
            "(place 2 of 5). Ben came next, 1.00 points behind; Ada was ahead by the stronger attacks, for Ben "
            "had the cheaper defence (utility 5.50)."
        ),
        "Who defended how": (
            "4 teams defended. The cheapest defence was that of Dan (utility 5.70, about as many bytes as undefended "
            "traffic), the most expensive that of Cleo (utility 4.50, 3.0 times the bytes of undefended "
            "traffic). Ada held best: the strongest attack on it, by Eve, named the right cell for 23\u00a0% of the "
            "test traces. Dan held least: Eve reached over 99\u00a0%."
        ),
        "Which cells leaked": (
            "Over all attacks together, the cells guessed right most often: cell 8 (80\u00a0%), "
            "cell 7 (70\u00a0%), cell 6 "
            "(60\u00a0%). Best hidden: cell 1 (10\u00a0%), cell 2 (20\u00a0%), cell 3 (30\u00a0%). "
            "A blind guess is right for 1\u00a0%."
        ),
        "The strongest attack": (
            "Ben against Dan: the right cell for over 99\u00a0% of the test traces, ROC-AUC 0.999 (a blind guess has "
            "1\u00a0% and 0.5). 3 matches of 5 had no accepted attack and counted 0: predictions sent in time would "
            "have earned points."
        ),
        "Close and surprising": (
            "The closest finish: 0.15 points between Cleo and Dan (places 3 and 4). The most expensive defence, "
            "that of Cleo, did not pay: 2 of 3 others held better."
        ),
    }


def test_nothing_happened() -> None:
    facts = RoundFacts(2, (), (), (), 0, (), "page", 0.1)
    assert told(facts) == {"Who won, and why": "Nobody has a total in round 2: no team had an accepted defence."}
    assert told(replace(facts, placed=(EVE,), matches=3))["The strongest attack"] == (
        "Each of the 3 matches was without an accepted attack and counted 0."
    )
    assert told(replace(facts, placed=(EVE,), matches=1))["The strongest attack"] == (
        "The only match was without an accepted attack and counted 0."
    )


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (Placed("A", 1, 5.0, 9.0, 45.0), Placed("B", 2, 4.0, 8.0, 32.0), "ahead in both utility and attack"),
        (Placed("A", 1, 5.0, 9.0, 45.0), Placed("B", 2, 5.0, 8.0, 40.0), "ahead in one and equal in the other"),
        (
            Placed("A", 1, 5.0, 8.0, 40.0),
            Placed("B", 2, 4.0, 9.0, 36.0),
            "ahead by the cheaper defence, for B attacked better (9.00)",
        ),
    ],
)
def test_why_the_winner_is_ahead(first: Placed, second: Placed, why: str) -> None:
    won = told(replace(FACTS, placed=(first, second)))["Who won, and why"]
    assert won.endswith(f"; A was {why}.")


def test_ties() -> None:
    tied = (Placed("A", 1, 5.0, 9.0, 45.0), Placed("B", 1, 5.0, 9.0, 45.0), Placed("C", 3, 5.0, 8.9999, 44.9995))
    text = told(replace(FACTS, placed=tied, defended=()))
    assert text["Who won, and why"] == (
        "A and B share the first place of round 1 with a total of 45.00: a utility of 5.00 (the best, shared) times "
        "an attack of 9.00 (the best, shared)."
    )
    assert text["Close and surprising"] == "A and B share place 1 with the same total."
    near = (Placed("A", 1, 5.0, 9.0, 45.0), *tied[2:], Placed("D", 4, 5.0, 8.0, 40.0))
    assert "less than 0.01 points between A and C" in told(replace(FACTS, placed=near))["Close and surprising"]


def test_leaders_of_the_same_total_need_not_be_alike() -> None:
    """What is said of all of them is true of each."""
    tied = (Placed("A", 1, 4.0, 9.0, 36.0), Placed("B", 1, 6.0, 6.0, 36.0), Placed("C", 3, 5.0, 5.0, 25.0))
    won = told(replace(FACTS, placed=tied))["Who won, and why"]
    assert won == "A and B share the first place of round 1 with a total of 36.00 each."
    assert standing_so_far(tied, 1) == "A and B share the lead of round 1 so far, with a total of 36.00 each."


def test_where_all_are_alike_nobody_is_best() -> None:
    """As when every team sends the example: no cheapest, no best held, no class that leaked, no strongest attack."""
    names = ("Ada", "Ben", "Cleo", "Dan")
    same = tuple(defence(name, number, 5.0, 2.0, 1.0) for number, name in enumerate(names, start=1))
    classes = tuple(ClassGuessed(f"cell {number}", 1.0) for number in range(1, 5))
    attacks = (Attacked("Ben", "Dan", 1.0, 1.0), Attacked("Eve", "Ada", 1.0, 1.0), Attacked("Dan", "Ada", 1.0, 1.0))
    text = told(replace(FACTS, defended=same, classes=classes, attacks=attacks, matches=3))
    assert text["Who defended how"] == (
        "4 teams defended, all with a utility of 5.00. All held alike: the strongest attack on each named the right "
        "cell for 100\u00a0% of the test traces."
    )
    assert text["Which cells leaked"] == (
        "Over all attacks together, every cell was guessed right alike: 100\u00a0%. A blind guess "
        "is right for 1\u00a0%."
    )
    assert text["The strongest attack"].startswith(
        "Ben against Dan, Eve against Ada and Dan against Ada, equally: the right cell for "
        "100\u00a0% of the test traces, "
    )
    assert "A surprise" not in text["Close and surprising"]
    assert "did not pay" not in text["Close and surprising"]


def test_equals_at_an_end_are_told_together() -> None:
    """Two are cheapest, two held best, two held least, each attacked by equals; four cells are at the top."""
    by_two = (Attacked("Eve", "Dan", 0.75, 1.0), Attacked("Ada", "Dan", 0.75, 0.99))
    pairs = [
        defence("Ada", 1, 5.0, 2.1, 0.25),
        defence("Ben", 2, 5.5, 1.3, 0.25),
        replace(defence("Dan", 4, 5.5, 1.0, None), strongest=by_two),
        defence("Cleo", 3, 4.0, 3.0, 0.75),
    ]
    classes = [ClassGuessed(f"cell {number}", 1.0 if number < 5 else number / 10) for number in range(1, 9)]
    text = told(replace(FACTS, defended=pairs, classes=classes))
    assert text["Who defended how"] == (
        "4 teams defended. The cheapest defences were those of Ben and Dan (utility 5.50 each), the most expensive "
        "that of Cleo (utility 4.00, 3.0 times the bytes of undefended traffic). Ada and Ben held best: the "
        "strongest attack on each named the right cell for 25\u00a0% of the test traces. Cleo and Dan held least: the "
        "strongest attack on each reached 75\u00a0%."
    )
    assert (
        "the cells guessed right most often: 4 cells alike (100\u00a0%). Best hidden: cell 5 (50\u00a0%), cell 6"
        in (text["Which cells leaked"])
    )
    one = [pairs[0], replace(pairs[2], utility=5.4)]
    assert told(replace(FACTS, defended=one))["Who defended how"].endswith(
        "Dan held least: Eve and Ada reached 75\u00a0%."
    )
    best = [replace(pairs[2], utility=5.4), replace(pairs[3], strongest=(Attacked("Ben", "Cleo", 0.8, 1.0),))]
    assert (
        "Dan held best: the strongest attacks on it, by Eve and Ada, named the right cell for 75\u00a0%"
        in (told(replace(FACTS, defended=best))["Who defended how"])
    )


def test_of_many_equals_the_number_is_told() -> None:
    many = [Placed(f"T{number}", 2, 5.0, 5.0, 25.0) for number in range(5)]
    attacks = [Attacked(f"T{number}", "Ada", 1.0, 1.0) for number in range(5)]
    defended = [defence(f"T{number}", number, 5.0, 2.0, 0.5) for number in range(5)]
    text = told(replace(FACTS, placed=(ADA, *many), attacks=attacks, defended=(DEFENDED[0], *defended)))
    assert text["Who won, and why"].endswith("5 teams came next with the same total, 20.00 points behind.")
    assert text["The strongest attack"].startswith("5 of 5 attacks, equally: the right cell for 100\u00a0% of the test")
    assert "5 teams held least: the strongest attack on each reached 50\u00a0%." in text["Who defended how"]
    assert text["Close and surprising"].startswith("5 teams share place 2 with the same total.")


def test_who_holds_as_well_does_not_hold_better() -> None:
    """The dearest defence is last only by the number of its team."""
    dearest = defence("Zoe", 9, 4.0, 5.0, 0.5)
    others = tuple(defence(name, number, 5.0 + number, 2.0, 0.5) for number, name in enumerate("ABC", start=1))
    assert "did not pay" not in told(replace(FACTS, defended=(*others, dearest)))["Close and surprising"]


def test_a_cheap_defence_that_held_best_is_a_surprise() -> None:
    cheap = (defence("Zoe", 5, 5.8, 1.0, 0.1), *DEFENDED)
    assert (
        "A surprise: Zoe held best with one of the cheaper defences (utility 5.80)."
        in told(replace(FACTS, defended=cheap))["Close and surprising"]
    )


def test_one_defence_and_one_that_nobody_attacked() -> None:
    alone = told(replace(FACTS, defended=(defence("Ada", 1, 5.0, 0.5, None),)))["Who defended how"]
    assert alone == "Only Ada defended: utility 5.00, 0.5 times the bytes of undefended traffic."
    two = told(replace(FACTS, defended=(DEFENDED[0], defence("Zoe", 5, 4.9, 2.0, None))))["Who defended how"]
    assert "held best" not in two


def test_two_classes_are_one_at_either_end() -> None:
    facts = replace(FACTS, classes=CLASSES[:2], noun="class", guess=0.5)
    assert told(facts)["Which classes leaked"] == (
        "Over all attacks together, the class guessed right most often: cell 2 (20\u00a0%). Best hidden: cell 1 "
        "(10\u00a0%). A blind guess is right for 50\u00a0%."
    )
    assert "Which classes leaked" not in told(replace(facts, classes=CLASSES[:1]))


def test_every_match_attacked_and_a_perfect_attack() -> None:
    facts = replace(FACTS, attacks=(Attacked("Ben", "Dan", 1.0, 1.0),), matches=1)
    assert told(facts)["The strongest attack"] == (
        "Ben against Dan: the right cell for 100\u00a0% of the test traces, ROC-AUC 1.000 (a blind "
        "guess has 1\u00a0% and 0.5)."
    )


def test_of_defences_alike_none_is_a_surprise() -> None:
    alike = [replace(one, utility=5.0) for one in DEFENDED]
    assert "surprise" not in told(replace(FACTS, defended=alike))["Close and surprising"]


@pytest.mark.parametrize(
    ("placed", "sentence"),
    [
        (
            (ADA, BEN),
            (
                "Ada leads round 3 so far, with a total of 45.00: a utility of 5.00 (place 2 of 2) times an attack "
                "of 9.00 (the best)."
            ),
        ),
        ((EVE,), "No team has a total in round 3 yet: a total needs an accepted defence."),
        ((), "No team has a total in round 3 yet: a total needs an accepted defence."),
        ((Placed("A", 1, 5.0, 0.0, 0.0),), "No attack on round 3 has been judged yet: every total is 0 until then."),
        (
            (Placed("A", 1, 5.0, 0.0, 0.0), Placed("B", 2, None, 9.0, None)),
            "Every total of round 3 is 0 so far: no team with a defence has an attack that counts.",
        ),
        (
            (Placed("A", 1, 5.0, 2.0, 10.0), Placed("B", 1, 5.0, 2.0, 10.0), Placed("C", 1, 5.0, 2.0, 10.0)),
            (
                "A, B and C share the lead of round 3 so far, with a total of 10.00: a utility of 5.00 (the best, "
                "shared) times an attack of 2.00 (the best, shared)."
            ),
        ),
    ],
)
def test_a_round_that_is_being_played(placed: tuple[Placed, ...], sentence: str) -> None:
    assert standing_so_far(placed, 3) == sentence


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.0, "0\u00a0%"),
        (0.001, "less than 1\u00a0%"),
        (0.434, "43\u00a0%"),
        (0.996, "over 99\u00a0%"),
        (1.0, "100\u00a0%"),
    ],
)
def test_percent(share: float, words: str) -> None:
    assert percent(share) == words
