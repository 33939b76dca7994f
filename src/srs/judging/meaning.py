"""What the numbers of a defence mean, and what to try next, in sentences: numbers in, words out."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from srs.game.race import RaceRules, Undefended
from srs.judging.profile import Profile, Quartiles
from srs.scoring.schemes import scheme
from srs.traces.report import grouped, plural

OTHERS_MIN: Final = 3
"""So many other teams need an accepted defence before a median of the class is told: fewer would tell one team's."""

_PERCENT: Final = "\N{NO-BREAK SPACE}%"

# A normal distribution's interquartile range in standard deviations.
_IQR_OF_SPREAD: Final = 1.349
# Between these the spread between classes and the one within them are much the same.
_HIDDEN_BELOW, _TOLD_ABOVE = 0.5, 2.0
_CHEAP_POINTS, _DEAR_POINTS = 0.1, 0.8
_MUCH: Final = 1.2
# In ``srs2022`` nothing that rivals reach is taken off a total: it is added to theirs.
_WHY_DEFEND: Final = (
    "What a defence costs lowers the total of its own team; what it leaks raises the totals of the teams that are "
    "drawn against it."
)


@dataclass(frozen=True, slots=True)
class Costs:
    """A defence's medians as multiples of undefended traffic's; ``bytes`` is of both directions together."""

    received: float
    sent: float
    bytes: float
    duration: float


@dataclass(frozen=True, slots=True)
class ClassMedians:
    """The median team of one round, of ``teams`` with an accepted defence; ``place`` is the own one's by utility."""

    round_number: int
    teams: int
    costs: Costs
    utility: float
    place: int | None = None


def costs(metrics: Mapping[str, float], undefended: Undefended) -> Costs:
    """How many times the undefended medians these are; ``metrics`` are the utility metrics."""
    received, sent = metrics["median_in_volume"], metrics["median_out_volume"]
    return Costs(
        received=received / undefended.received_bytes,
        sent=sent / undefended.sent_bytes,
        bytes=(received + sent) / (undefended.received_bytes + undefended.sent_bytes),
        duration=metrics["median_duration"] / undefended.duration_s,
    )


def undefended_utility(rules: RaceRules) -> float:
    """The utility that undefended traffic would have in a race."""
    undefended = rules.undefended
    medians = (undefended.received_bytes, undefended.sent_bytes, undefended.duration_s)
    names = ("median_in_volume", "median_out_volume", "median_duration")
    return scheme(rules.scoring.scheme).utility(dict(zip(names, medians, strict=True)))[0]


def percent(share: float) -> str:
    """``43 %``; what is nearly all or nearly nothing is not rounded to it."""
    if 0 < share <= 0.005:
        return f"less than 1{_PERCENT}"
    if 0.995 <= share < 1:
        return f"over 99{_PERCENT}"
    return f"{100 * share:.0f}{_PERCENT}"


def meaning(
    subject: str,
    metrics: Mapping[str, float],
    utility: float,
    rules: RaceRules,
    medians: ClassMedians | None = None,
    team: str = "",
) -> list[str]:
    """What a defence costs, against undefended traffic and (where it may be told) against the class.

    ``subject`` begins the sentences: "Your defence". ``team`` is whose it is, where that is not the reader's.
    """
    own = costs(metrics, rules.undefended)
    volume = f"{subject} carries {_many(own.bytes, 'undefended traffic')} (both directions together)"
    lasts = f"A trace lasts {_long(own.duration)} without a defence"
    if medians:
        volume += f"; in round {medians.round_number} the median team's carries {times(medians.costs.bytes)}"
        lasts += f"; with the median team {times(medians.costs.duration)}"
    return [f"{volume}.", f"{lasts}.", *_about_utility(utility, own, rules, medians, team), _WHY_DEFEND]


def times(factor: float) -> str:
    """``2.1 times``, ``14 times``, ``less than a tenth``."""
    if factor < 0.05:
        return "less than a tenth"
    return f"{grouped(round(factor))} times" if factor >= 9.95 else f"{factor:.1f} times"


def _is_same(factor: float) -> bool:
    return 0.95 <= factor < 1.05


def _many(factor: float, than: str) -> str:
    if _is_same(factor):
        return f"about as many bytes as {than}"
    return f"{times(factor)} {'of ' if factor < 0.05 else ''}the bytes of {than}"


def _long(factor: float) -> str:
    return f"{'about' if _is_same(factor) else times(factor)} as long as"


def _about_utility(
    utility: float, own: Costs, rules: RaceRules, medians: ClassMedians | None, team: str
) -> Iterator[str]:
    without = undefended_utility(rules)
    lost = without - utility
    price = "this defence costs no points."
    if lost >= 0.005:
        price = (
            f"the defence costs {lost:.2f} points of utility. As the total is utility times attack, an attack of 9 "
            f"would earn {9 * lost:.1f} points less."
        )
    yield f"That makes a utility of {utility:.2f} out of 10, where undefended traffic has {without:.2f}: {price}"
    if lost >= 0.005:
        yield from _dearest(own)
    if medians:
        whose = f"{team}: place" if team else "yours is in place"
        place = f"; {whose} {medians.place} of {medians.teams}" if medians.place else ""
        yield f"The median utility of round {medians.round_number} is {medians.utility:.2f}{place}."


def _dearest(own: Costs) -> Iterator[str]:
    """In ``srs2022`` the three medians are multiplied, so their factors cost alike, however many bytes they are."""
    factors = {
        "the bytes received by the client": own.received,
        "the bytes sent by the client": own.sent,
        "the time": own.duration,
    }
    what, largest = max(factors.items(), key=lambda item: item[1])
    if largest >= _MUCH and largest > math.sqrt(math.prod(max(factor, 1.0) for factor in factors.values())):
        yield (
            f"Most of that is {what}: {times(largest)} the undefended median. Utility multiplies the medians of "
            "received bytes, sent bytes and time, so doubling any of the three costs the same."
        )


def advice(profile: Profile, utility: float, rules: RaceRules) -> list[str]:
    """One or two plain hints at what to try next, from how far the classes of a trace set lie apart."""
    spreads = {
        "The volume received": _spread(profile.received),
        "The volume sent": _spread(profile.sent),
        "The duration": _spread(profile.duration_s),
    }
    what, most = max(spreads.items(), key=lambda item: item[1])
    noun, nouns = rules.classes.singular, plural(rules.classes.singular)
    hints = [_about_spread(what, most, noun, nouns)]
    lost = undefended_utility(rules) - utility
    if most >= _HIDDEN_BELOW and lost < _CHEAP_POINTS:
        hints.append("The defence costs next to nothing, so there is room to spend some traffic on hiding this.")
    elif most >= _HIDDEN_BELOW and lost > _DEAR_POINTS:
        hints.append(
            f"The defence is expensive and still lets this through: pad where {nouns} differ instead of adding "
            "the same amount everywhere."
        )
    return hints


def _about_spread(what: str, spread: float, noun: str, nouns: str) -> str:
    if spread < _HIDDEN_BELOW:
        return (
            f"Volumes and durations hardly differ between {nouns}: their sums tell an attacker little. What is left to "
            "learn from is the order, the size and the timing of single packets."
        )
    if spread < _TOLD_ABOVE:
        return (
            f"{what} differs between {nouns} about as much as between traces of one {noun}: some of it can still be "
            "told. More overlap would come from padding to fewer different totals."
        )
    how = f"{times(spread)} as much between them as" if spread < 1000 else "far more between them than"
    return (
        f"{what} still tells {nouns} apart: it differs {how} within one {noun}. An attacker who only adds up bytes or "
        "seconds can use that. Padding every trace up to one of a few totals would hide it."
    )


def _spread(values: Quartiles) -> float:
    """Standard deviation of the classes' medians in units of the typical one within a class; 0: all alike."""
    between = statistics.pstdev(values.median)
    within = statistics.median(high - low for low, high in zip(values.low, values.high, strict=True)) / _IQR_OF_SPREAD
    if between == 0:
        return 0.0
    return between / within if within > 0 else math.inf
