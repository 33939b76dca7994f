"""The draw: the small cases that must be right, and its verification from the published seed."""

from __future__ import annotations

import hashlib
import hmac
import os
import subprocess
import sys
from collections import Counter

import pytest

from srs.game.draw import Pair, commit, draw

SEED = bytes(range(32))


def test_the_commitment_is_the_hash_of_the_seed() -> None:
    assert commit(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_two_teams_attack_each_other() -> None:
    assert draw([4, 9], [4, 9], 3, SEED) == [Pair(4, 9), Pair(9, 4)]


def test_a_single_defence_is_attacked_by_everybody_but_its_owner() -> None:
    assert draw([2], [1, 2, 3], 3, SEED) == [(1, 2), (3, 2)]
    assert draw([2], [2], 3, SEED) == []


def test_without_defences_or_attackers_there_are_no_matches() -> None:
    assert draw([], [1, 2], 3, SEED) == []
    assert draw([1, 2], [], 3, SEED) == []
    assert draw([], [], 3, SEED) == []


def test_few_defences_lower_the_number_of_matches() -> None:
    """Three defences: their owners attack the two others, a team without one attacks all three."""
    pairs = draw([1, 2, 3], [1, 2, 3, 4], 5, SEED)
    assert Counter(pair.attacker for pair in pairs) == {1: 2, 2: 2, 3: 2, 4: 3}
    assert Counter(pair.defender for pair in pairs) == {1: 3, 2: 3, 3: 3}


def test_a_defence_whose_team_does_not_attack_is_attacked_as_often() -> None:
    pairs = draw([1, 2, 50], [1, 2], 1, SEED)
    assert len(pairs) == 2
    assert max(Counter(pair.defender for pair in pairs).values()) == 1


def test_repeats_stay_out_while_they_can_and_are_used_when_they_must() -> None:
    teams = range(1, 8)
    seen: set[tuple[int, int]] = set()
    for number, repeats in enumerate([0, 0, 0, 14]):
        pairs = draw(teams, teams, 2, SEED + bytes([number]), seen)
        # There are six others: three rounds of two, and then everything repeats.
        assert len(seen & set(pairs)) == repeats
        seen |= set(pairs)


def test_a_forced_repeat_displaces_as_few_others_as_possible() -> None:
    """Team 1 has met everybody: its two matches repeat, and no other does."""
    teams = range(1, 8)
    seen = {(1, other) for other in teams}
    pairs = draw(teams, teams, 2, SEED, seen)
    assert [pair.attacker for pair in pairs if pair in seen] == [1, 1]


def test_the_right_to_one_attacker_more_can_change_hands() -> None:
    """Team 4 must attack 1 and 2; then 5 must take 1 as well, for the two others would be repeats."""
    seen = [(4, 1), (5, 2), (5, 4)]
    pairs = draw([1, 2, 4], [4, 5], 2, b"conv", seen)
    assert len(set(seen) & set(pairs)) == 2
    assert sorted(Counter(pair.defender for pair in pairs).values()) == [1, 1, 2]


def test_repeats_may_be_allowed() -> None:
    seen = set(draw([1, 2, 3], [1, 2, 3], 1, SEED))
    assert draw([1, 2, 3], [1, 2, 3], 1, SEED, seen, avoid_repeats=False) == sorted(seen)


def test_pairs_of_teams_that_are_not_in_the_draw_do_not_matter() -> None:
    seen = [(7, 1), (1, 7), (1, 1), (8, 9)]
    assert draw([1, 2, 3], [1, 2, 3], 1, SEED, seen) == draw([1, 2, 3], [1, 2, 3], 1, SEED)


def test_a_team_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        draw([1, 1], [1, 2], 1, SEED)
    with pytest.raises(ValueError, match="twice"):
        draw([1, 2], [2, 2], 1, SEED)


def test_a_draw_can_be_repeated_in_another_process_with_another_hash_seed() -> None:
    code = (
        f"from srs.game.draw import draw; print([tuple(p) for p in draw(range(40), range(50), 3, {SEED!r}, [(0, 1)])])"
    )
    for hash_seed in ("0", "1234"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
        assert printed.stdout.decode().strip() == str(
            [tuple(pair) for pair in draw(range(40), range(50), 3, SEED, [(0, 1)])]
        )


def test_a_round_drawn_by_the_documented_steps_is_the_same() -> None:
    """The first turn by hand, as ``docs/race.md`` describes it: 5 teams, one match each."""
    words = [
        int.from_bytes(hmac.new(SEED, counter.to_bytes(8, "big"), hashlib.sha256).digest()[at : at + 8], "big")
        for counter in range(4)
        for at in range(0, 32, 8)
    ]
    assert all(word < 2**64 // 5 * 5 for word in words)  # none is passed over for these bounds
    words.reverse()

    def shuffled(items: list[int]) -> list[int]:
        for last in range(len(items) - 1, 0, -1):
            other = words.pop() % (last + 1)
            items[last], items[other] = items[other], items[last]
        return items

    places, attackers = shuffled([1, 2, 3, 4, 5]), shuffled([1, 2, 3, 4, 5])
    free, by_hand = list(places), []
    for attacker in attackers:
        start = words.pop() % len(free)
        walk = [team for team in free[start:] + free[:start] if team != attacker]
        assert walk, "choose another seed: here the last attacker is left with its own defence"
        by_hand.append((attacker, walk[0]))
        free.remove(walk[0])
    assert sorted(by_hand) == draw([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], 1, SEED)
