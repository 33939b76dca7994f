"""What defences cost and what attacks learnt of them: a point for each, and the front of the best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from srs.judging.meaning import percent
from srs.lab.plots.chart import SERIES, Chart, Column, Spec, series_scale
from srs.lab.plots.labels import NAME_PIXELS, Labels, Spot, with_halo
from srs.traces.report import counted

NAMED_MAX: Final = 12
"""Up to so many teams have their names beside their points; of more, only those on the front."""

_HALF_MIN: Final = 0.2
"""At least so much utility is shown to either side of the middle."""

_FRONT: Final = ("on the front", "not on it")
_GUESS, _UNDEFENDED = "a blind guess", "undefended"
_GUESS_LEFT, _GUESS_RIGHT = Spot("left", 4, -9), Spot("right", -4, -9)
_UNDEFENDED_SPOTS: Final = [
    Spot(align, dx, -8 - 20 * row) for row in range(12) for align, dx in (("right", -4), ("left", 4))
]


@dataclass(frozen=True, slots=True)
class Price:
    """A defence: its utility (0 to 10, more is cheaper), its bytes as a multiple of undefended traffic's, and the
    strongest attack on it (both in [0, 1], more is worse for it). ``is_own``: the reader's, which is always named.
    """

    name: str
    utility: float
    bytes_factor: float
    accuracy: float
    auc: float
    is_own: bool = False


def front(prices: Iterable[Price]) -> list[Price]:
    """The Pareto front, by rising utility: those than which no other is both as cheap and as well hidden, or better."""
    best: list[Price] = []
    for one in sorted(prices, key=lambda price: (-price.utility, price.accuracy, price.name)):
        level = best and (one.utility, one.accuracy) == (best[-1].utility, best[-1].accuracy)
        if not best or level or one.accuracy < best[-1].accuracy:
            best.append(one)
    return sorted(best, key=lambda price: (price.utility, price.name))


def trade_off(prices: Sequence[Price], guess: float, undefended: float) -> Chart:
    """Every defence by its price and by what the strongest attack on it learnt, with the Pareto front.

    ``guess`` is the accuracy of a blind guess, ``undefended`` the utility of undefended traffic. At least one defence.
    """
    best = front(prices)
    ordered = sorted(prices, key=lambda one: (-one.utility, one.accuracy, one.name))
    lowest, highest = (best[0], best[-1])
    ends = f"{lowest.name} (utility {lowest.utility:.2f}, {percent(lowest.accuracy)})"
    if len(best) > 1:
        ends = f"from {ends} to {highest.name} (utility {highest.utility:.2f}, {percent(highest.accuracy)})"
    alt = (
        f"{counted(len(prices), 'defence')} by utility and by the accuracy of the strongest attack on each. On the "
        f"front, where nobody is both cheaper and better hidden: {len(best)}, {ends}."
    )
    return Chart(
        name="defences",
        title="What the defences cost, and what the strongest attack on each learnt",
        alt=alt,
        spec=_trade_off_view(best, ordered, guess, undefended),
        columns=(
            Column("Team"),
            Column("Utility", 2),
            Column("Bytes, times undefended", 2),
            Column("Strongest attack: accuracy", 4),
            Column("Its ROC-AUC", 4),
            Column("Front"),
        ),
        rows=tuple(
            (one.name, one.utility, one.bytes_factor, one.accuracy, one.auc, "yes" if one in best else "no")
            for one in ordered
        ),
        height=360,
    )


def _trade_off_view(best: Sequence[Price], ordered: Sequence[Price], guess: float, undefended: float) -> Spec:
    utilities = [undefended, *(one.utility for one in ordered)]
    middle, half = (min(utilities) + max(utilities)) / 2, (max(utilities) - min(utilities)) / 2
    half = 1.08 * max(half, _HALF_MIN)
    ends = (middle - half, middle + half)

    def place(utility: float, accuracy: float) -> tuple[float, float]:
        return (utility - ends[0]) / (ends[1] - ends[0]), accuracy

    labels = Labels([place(one.utility, one.accuracy) for one in ordered], guess)
    at_guess = labels.place(_GUESS, (0.0, guess), [_GUESS_LEFT]) or labels.place(_GUESS, (1.0, guess), [_GUESS_RIGHT])
    at_undefended = labels.place(_UNDEFENDED, place(undefended, 0.0), _UNDEFENDED_SPOTS)
    lines = (
        _Line(_GUESS, "accuracy", guess, at_guess or _GUESS_LEFT),
        _Line(_UNDEFENDED, "utility", undefended, at_undefended or _UNDEFENDED_SPOTS[0]),
    )
    on_front = set(best)
    points = [_point(one) | {"kind": _FRONT[one not in on_front]} for one in ordered]
    names = []
    for one in sorted(ordered, key=lambda one: (not one.is_own, one not in on_front)):
        if one.is_own or one in on_front or len(ordered) <= NAMED_MAX:
            spot = labels.place(one.name, place(one.utility, one.accuracy), anyway=one.is_own)
            names += [_point(one) | spot.mark() | {"name": one.name}] if spot else []
    return {"data": {"values": points}, "layer": _trade_off_layers(map(_point, best), names, lines, ends)}


def _point(one: Price) -> dict[str, Any]:
    return {"utility": one.utility, "accuracy": one.accuracy}


@dataclass(frozen=True, slots=True)
class _Line:
    """A dashed line across the picture, and where it says what it is."""

    what: str
    field: str
    value: float
    spot: Spot


def _trade_off_layers(
    on_front: Iterable[dict[str, Any]],
    names: Sequence[dict[str, Any]],
    lines: tuple[_Line, _Line],
    ends: tuple[float, float],
) -> list[dict[str, Any]]:
    x: dict[str, Any] = {"field": "utility", "type": "quantitative", "title": "Utility (further right: cheaper)"}
    x |= {"scale": {"zero": False, "nice": False, "domain": list(ends)}, "axis": {"tickCount": 5}}
    y: dict[str, Any] = {
        "field": "accuracy",
        "type": "quantitative",
        "title": "Strongest attack: right guesses (lower: better)",
    }
    y |= {"scale": {"domain": [0, 1]}, "axis": {"format": ".0%", "tickCount": 5}}
    look = {
        "color": {"field": "kind", "type": "nominal", "scale": series_scale(_FRONT, [SERIES[1], SERIES[0]])},
        "shape": {"field": "kind", "type": "nominal", "scale": series_scale(_FRONT, ["diamond", "circle"])},
    }
    for channel in look.values():
        channel["legend"] = {"title": None}
    across, upright = lines
    step = {"type": "line", "color": SERIES[1], "strokeDash": [4, 3], "strokeWidth": 1.5, "interpolate": "step-before"}
    name = {"type": "text", "limit": NAME_PIXELS, **{part: {"expr": f"datum.{part}"} for part in ("align", "dx", "dy")}}
    named = with_halo(name, {"x": x, "y": y, "text": {"field": "name"}})
    return [
        *_across(across, y, "y", {"x": 0 if across.spot.align == "left" else {"expr": "width"}}),
        *_across(upright, x, "x", {"y": {"expr": "height"}}),
        {"data": {"values": list(on_front)}, "mark": step, "encoding": {"x": x, "y": y, "order": {"field": "utility"}}},
        {"mark": {"type": "point", "size": 80}, "encoding": {"x": x, "y": y, **look}},
        *({"data": {"values": names}, **layer} for layer in named),
    ]


def _across(line: _Line, axis: dict[str, Any], channel: str, begin: dict[str, Any]) -> list[dict[str, Any]]:
    data = {"values": [{line.field: line.value, "what": line.what}]}
    where = {channel: {**axis, "field": line.field}}
    rule = {"mark": {"type": "rule", "strokeDash": [2, 4], "color": "@muted"}, "encoding": where}
    text = {"type": "text", "color": "@muted", **begin, **line.spot.mark()}
    told = with_halo(text, {**where, "text": {"field": "what"}})
    return [{"data": data, **layer} for layer in (rule, *told)]
