"""A round in sentences: numbers in, words out. What may be told, and when, is decided where the facts are gathered."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from srs.judging.meaning import percent, times
from srs.traces.report import counted, plural

CLASSES_TOLD: Final = 3
"""So many classes are named at either end."""

EQUALS_NAMED: Final = 4
"""Up to so many that are equal are named; of more the number is told."""

_SURPRISE_TEAMS_MIN: Final = 4


@dataclass(frozen=True, slots=True)
class Placed:
    """One row of the ranking, with the name that the reader may see."""

    name: str
    rank: int
    utility: float | None
    attack: float
    total: float | None


@dataclass(frozen=True, slots=True)
class Attacked:
    """One attack that counts; ``accuracy`` and ``auc`` in [0, 1]."""

    attacker: str
    defender: str
    accuracy: float
    auc: float


@dataclass(frozen=True, slots=True)
class Defended:
    """One defence of the round, its price, and the attacks on it that guessed right most often: none, one, or equals.

    Of equals the one with the largest ``auc`` comes first.
    """

    name: str
    number: int
    utility: float
    bytes_factor: float
    attacks: int
    strongest: Sequence[Attacked]


@dataclass(frozen=True, slots=True)
class ClassGuessed:
    """How often a class was guessed right, over all attacks of the round, in [0, 1]."""

    name: str
    accuracy: float


@dataclass(frozen=True, slots=True)
class RoundFacts:
    """What a story is told from; every sequence may be empty. ``guess`` is the accuracy of a blind guess."""

    number: int
    placed: Sequence[Placed]
    defended: Sequence[Defended]
    attacks: Sequence[Attacked]
    matches: int
    classes: Sequence[ClassGuessed]
    noun: str
    guess: float


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A few sentences under a heading of a few words."""

    heading: str
    text: str


def standing_so_far(placed: Sequence[Placed], number: int) -> str:
    """Who leads a round that is being played, and why: from what the leaderboard shows anyway."""
    ranked = _with_total(placed)
    if not ranked:
        return f"No team has a total in round {number} yet: a total needs an accepted defence."
    if not any(row.attack for row in placed):
        return f"No attack on round {number} has been judged yet: every total is 0 until then."
    if not ranked[0].total:
        return f"Every total of round {number} is 0 so far: no team with a defence has an attack that counts."
    leaders = _leaders(ranked)
    verb = "leads" if len(leaders) == 1 else "share the lead of"
    return f"{_names(leaders)} {verb} round {number} so far, with {_made_of(leaders, placed)}."


def story(facts: RoundFacts) -> list[Paragraph]:
    """A round that is over, in short paragraphs; what there is no data for is left out."""
    parts: list[tuple[str, Callable[[RoundFacts], Iterator[str]]]] = [
        ("Who won, and why", _winner),
        ("Who defended how", _defences),
        (f"Which {plural(facts.noun)} leaked", _leaks),
        ("The strongest attack", _strongest),
        ("Close and surprising", _surprises),
    ]
    told = ((heading, " ".join(tell(facts))) for heading, tell in parts)
    return [Paragraph(heading, text) for heading, text in told if text]


def _winner(facts: RoundFacts) -> Iterator[str]:
    ranked = _with_total(facts.placed)
    if not ranked:
        yield f"Nobody has a total in round {facts.number}: no team had an accepted defence."
        return
    leaders = _leaders(ranked)
    won = "won" if len(leaders) == 1 else "share the first place of"
    yield f"{_names(leaders)} {won} round {facts.number} with {_made_of(leaders, facts.placed)}."
    followers = ranked[len(leaders) :]
    if followers and len(leaders) == 1:
        second = _leaders(followers)
        yield _why_ahead(leaders[0], second[0]) if len(second) == 1 else _next_equals(leaders[0], second)


def _next_equals(first: Placed, second: Sequence[Placed]) -> str:
    gap = (first.total or 0.0) - (second[0].total or 0.0)
    return f"{_names(second)} came next with the same total, {_points(gap)} behind."


def _why_ahead(first: Placed, second: Placed) -> str:
    gap = (first.total or 0.0) - (second.total or 0.0)
    cheaper = (first.utility or 0.0) - (second.utility or 0.0)
    stronger = first.attack - second.attack
    if cheaper >= 0 and stronger >= 0:
        why = (
            "ahead in both utility and attack"
            if cheaper > 0 and stronger > 0
            else "ahead in one and equal in the other"
        )
    elif cheaper > 0:
        why = f"ahead by the cheaper defence, for {second.name} attacked better ({second.attack:.2f})"
    else:
        why = f"ahead by the stronger attacks, for {second.name} had the cheaper defence (utility {second.utility:.2f})"
    return f"{second.name} came next, {_points(gap)} behind; {first.name} was {why}."


def _made_of(leaders: Sequence[Placed], placed: Sequence[Placed]) -> str:
    """A total and its two factors, each with its place among the teams; the total alone where the leaders differ."""
    one = leaders[0]
    if any((other.utility, other.attack) != (one.utility, one.attack) for other in leaders):
        return f"a total of {one.total:.2f} each"
    utilities = [row.utility for row in placed if row.utility is not None]
    attacks = [row.attack for row in placed]
    utility = one.utility or 0.0
    return (
        f"a total of {one.total:.2f}: a utility of {utility:.2f} ({_place(utility, utilities)}) times an attack of "
        f"{one.attack:.2f} ({_place(one.attack, attacks)})"
    )


def _place(value: float, values: Sequence[float]) -> str:
    place = 1 + sum(other > value for other in values)
    best = "the best, shared" if values.count(value) > 1 else "the best"
    return best if place == 1 else f"place {place} of {len(values)}"


def _defences(facts: RoundFacts) -> Iterator[str]:
    defended = sorted(facts.defended, key=lambda one: (-one.utility, one.number))
    if not defended:
        return
    cheapest = [one for one in defended if one.utility == defended[0].utility]
    dearest = [one for one in defended if one.utility == defended[-1].utility]
    if len(defended) == 1:
        yield f"Only {defended[0].name} defended: {_price(defended[0])}."
    elif len(cheapest) == len(defended):
        yield f"{counted(len(defended), 'team')} defended, all with a utility of {defended[0].utility:.2f}."
    else:
        yield (
            f"{counted(len(defended), 'team')} defended. The cheapest "
            f"{'defence was' if len(cheapest) == 1 else 'defences were'} {_that_of(cheapest)}, "
            f"the most expensive {_that_of(dearest)}."
        )
    yield from _held(facts, _by_strongest(defended))


def _that_of(equals: Sequence[Defended]) -> str:
    if len(equals) == 1:
        return f"that of {equals[0].name} ({_price(equals[0])})"
    return f"those of {_listed(equals)} (utility {equals[0].utility:.2f} each)"


def _held(facts: RoundFacts, held: Sequence[Defended]) -> Iterator[str]:
    """Which defence told its strongest attacker least, and which most; ``held`` in this order."""
    if len(held) < 2:
        return
    right = f"named the right {facts.noun} for"
    share, most = percent(_learnt(held[0])), percent(_learnt(held[-1]))
    if share == most:
        yield f"All held alike: the strongest attack on each {right} {share} of the test traces."
        return
    best = [one for one in held if _learnt(one) == _learnt(held[0])]
    worst = [one for one in held if _learnt(one) == _learnt(held[-1])]
    if len(best) == 1:
        by = _listed(best[0].strongest)
        attack = "attack on it, by" if len(best[0].strongest) == 1 else "attacks on it, by"
        yield f"{best[0].name} held best: the strongest {attack} {by}, {right} {share} of the test traces."
    else:
        yield f"{_listed(best)} held best: the strongest attack on each {right} {share} of the test traces."
    if len(worst) == 1:
        yield f"{worst[0].name} held least: {_listed(worst[0].strongest)} reached {most}."
    else:
        yield f"{_listed(worst)} held least: the strongest attack on each reached {most}."


def _price(one: Defended) -> str:
    bytes_ = "about as many bytes as" if 0.95 <= one.bytes_factor < 1.05 else f"{times(one.bytes_factor)} the bytes of"
    return f"utility {one.utility:.2f}, {bytes_} undefended traffic"


def _leaks(facts: RoundFacts) -> Iterator[str]:
    ordered = sorted(facts.classes, key=lambda one: -one.accuracy)
    if len(ordered) < 2:
        return
    if ordered[0].accuracy == ordered[-1].accuracy:
        yield (
            f"Over all attacks together, every {facts.noun} was guessed right alike: {percent(ordered[0].accuracy)}. A "
            f"blind guess is right for {percent(facts.guess)}."
        )
        return
    most, least = _named(ordered), _named(ordered[::-1])
    nouns = facts.noun if len(most) == 1 else plural(facts.noun)
    yield (
        f"Over all attacks together, the {nouns} guessed right most often: {_shares(most, ordered, facts.noun)}. Best "
        f"hidden: {_shares(least, ordered[::-1], facts.noun)}. A blind guess is right for {percent(facts.guess)}."
    )


def _named(ordered: Sequence[ClassGuessed]) -> list[ClassGuessed]:
    """The first classes, without any that is equal to the first that is left out."""
    told = min(CLASSES_TOLD, len(ordered) // 2)
    return [one for one in ordered[:told] if one.accuracy != ordered[told].accuracy]


def _shares(named: Sequence[ClassGuessed], ordered: Sequence[ClassGuessed], noun: str) -> str:
    if named:
        return ", ".join(f"{one.name} ({percent(one.accuracy)})" for one in named)
    equals = sum(one.accuracy == ordered[0].accuracy for one in ordered)
    return f"{counted(equals, noun)} alike ({percent(ordered[0].accuracy)})"


def _strongest(facts: RoundFacts) -> Iterator[str]:
    if not facts.matches:
        return
    if not facts.attacks:
        which = "The only match" if facts.matches == 1 else f"Each of the {facts.matches} matches"
        yield f"{which} was without an accepted attack and counted 0."
        return
    best = max(facts.attacks, key=lambda one: (one.accuracy, one.auc))
    equals = [one for one in facts.attacks if (one.accuracy, one.auc) == (best.accuracy, best.auc)]
    pairs = [f"{one.attacker} against {one.defender}" for one in equals]
    who = _enumerated(pairs) if len(pairs) <= EQUALS_NAMED else f"{len(pairs)} of {len(facts.attacks)} attacks"
    yield (
        f"{who}{', equally' if len(pairs) > 1 else ''}: the right {facts.noun} for {percent(best.accuracy)} of the "
        f"test traces, ROC-AUC {_auc(best.auc)} (a blind guess has {percent(facts.guess)} and 0.5)."
    )
    missed = facts.matches - len(facts.attacks)
    if missed:
        yield (
            f"{counted(missed, 'match')} of {facts.matches} had no accepted attack and counted 0: predictions sent in "
            "time would have earned points."
        )


def _surprises(facts: RoundFacts) -> Iterator[str]:
    ranked = _with_total(facts.placed)
    groups = [list(group) for _, group in itertools.groupby(ranked, key=lambda row: row.total)]
    shared = [group for group in groups if len(group) > 1]
    for group in shared:
        yield f"{_names(group)} share place {group[0].rank} with the same total."
    if not shared and len(ranked) >= 3:
        first, second = min(
            itertools.pairwise(ranked), key=lambda pair: (pair[0].total or 0.0) - (pair[1].total or 0.0)
        )
        gap = (first.total or 0.0) - (second.total or 0.0)
        places = f"places {first.rank} and {second.rank}"
        yield f"The closest finish: {_points(gap)} between {first.name} and {second.name} ({places})."
    yield from _unexpected(_by_strongest(facts.defended))


def _unexpected(held: Sequence[Defended]) -> Iterator[str]:
    """Price and protection that do not go together; ``held`` begins with what held best."""
    if len(held) < _SURPRISE_TEAMS_MIN:
        return
    utilities = sorted((one.utility for one in held), reverse=True)
    best, dearest = held[0], min(held, key=lambda one: one.utility)
    is_alone = _learnt(best) < _learnt(held[1])
    if is_alone and best.utility >= utilities[(len(held) - 1) // 2] and best.utility > utilities[-1]:
        yield f"A surprise: {best.name} held best with one of the cheaper defences (utility {best.utility:.2f})."
    better = sum(_learnt(one) < _learnt(dearest) for one in held)
    if better >= len(held) / 2 and dearest.utility < utilities[-2]:
        yield (
            f"The most expensive defence, that of {dearest.name}, did not pay: {better} of {len(held) - 1} others held "
            "better."
        )


def _with_total(placed: Sequence[Placed]) -> list[Placed]:
    return [row for row in placed if row.total is not None]


def _leaders(ranked: Sequence[Placed]) -> list[Placed]:
    return [row for row in ranked if row.rank == ranked[0].rank]


def _names(placed: Sequence[Placed]) -> str:
    return _who([row.name for row in placed])


def _listed(several: Sequence[Defended] | Sequence[Attacked]) -> str:
    return _who([one.name if isinstance(one, Defended) else one.attacker for one in several])


def _who(names: Sequence[str]) -> str:
    """Teams that are equal: none of them is told as the one."""
    return _enumerated(names) if len(names) <= EQUALS_NAMED else counted(len(names), "team")


def _enumerated(texts: Sequence[str]) -> str:
    *others, last = texts
    return f"{', '.join(others)} and {last}" if others else last


def _by_strongest(defended: Sequence[Defended]) -> list[Defended]:
    """Those that were attacked, from the one that told its strongest attacker least."""
    return sorted((one for one in defended if one.strongest), key=lambda one: (_learnt(one), one.number))


def _learnt(one: Defended) -> float:
    """How often the strongest attack on a defence guessed right."""
    return one.strongest[0].accuracy


def _auc(auc: float) -> str:
    """Three decimals, and never rounded up to a perfect 1."""
    return f"{math.floor(auc * 1000) / 1000:.3f}"


def _points(gap: float) -> str:
    return f"{gap:.2f} points" if gap >= 0.005 else "less than 0.01 points"
