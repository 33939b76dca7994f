"""Charts of an attack on one test set, from its curves (``srs.judging.curves``); nobody sees them before its end."""

from __future__ import annotations

import math
from typing import Any, Final

from srs.judging.curves import Confused, Curves, Roc
from srs.judging.meaning import percent
from srs.lab.plots.by_class import NAMED_MAX, Marks, Scale, Told, by_class
from srs.lab.plots.chart import BAND, DASHES, SERIES, SHAPES, Chart, Classes, Column, Spec, series_scale, share_in_words
from srs.traces.report import counted, in_parts, so_often

RANKS_SHOWN: Final = 10
PAIRS_MAX: Final = 2500
"""Up to so many pairs of a true and a guessed class have a mark each; of more, groups of classes have."""

GROUPS: Final = 50
_RIGHT_WRONG: Final = ("right", "wrong")
_PERCENT: Final = {"format": ".0%", "tickCount": 5}
_SIDE: Final = 440


def attack_charts(curves: Curves, classes: Classes) -> list[Chart]:
    """Every chart of an attack; where all traces are of one class there is no ROC curve."""
    return [
        accuracy_by_class(curves, classes),
        true_rank(curves, classes),
        confusion(curves, classes),
        *([roc(curves.roc)] if curves.roc else []),
        calibration(curves),
    ]


def accuracy_by_class(curves: Curves, classes: Classes) -> Chart:
    """The share of each class's traces that the attack guessed; the classes without a trace are left out."""
    known = [(number, share) for number, share in enumerate(curves.accuracy, 1) if share is not None]
    numbers, shares = [number for number, _ in known], [share for _, share in known]
    sizes = [curves.sizes[number - 1] for number in numbers]
    all_right, all_wrong = (sum(share == end for share in shares) for end in (1.0, 0.0))
    overall = _accuracy(curves)
    alt = (
        f"{share_in_words(overall)} of {counted(curves.traces, 'trace')} are guessed "
        f"(by chance, {share_in_words(1 / curves.classes)}); of "
        f"{counted(len(known), classes.noun)}, {all_right} always and {all_wrong} never."
    )
    columns = (Column("Accuracy", 3), Column("Traces", 0))
    told = Told("accuracy-by-class", f"Accuracy by {classes.noun}", alt, columns, list(zip(shares, sizes, strict=True)))
    guess = 1 / curves.classes
    lines = ((overall, f"all: {overall:.1%}"), (guess, f"a blind guess: {guess:.1%}"))
    scale = Scale("share of the traces guessed", ".0%", (0, 1.06), (0, 0.25, 0.5, 0.75, 1), lines=lines)
    return by_class(told, scale, [Marks("accuracy", shares)], numbers, classes)


def _accuracy(curves: Curves) -> float:
    pairs = zip(curves.accuracy, curves.sizes, strict=True)
    return math.fsum(share * size for share, size in pairs if share is not None) / curves.traces


def true_rank(curves: Curves, classes: Classes) -> Chart:
    """Where the true class stands among all, by the attack's probabilities; 1 is a right guess."""
    first, rest = curves.ranks[:RANKS_SHOWN], curves.ranks[RANKS_SHOWN:]
    groups = [(str(rank), traces) for rank, traces in enumerate(first, 1)]
    if rest:
        last = len(curves.ranks)
        groups.append((f"{RANKS_SHOWN + 1}–{last}" if last > RANKS_SHOWN + 1 else str(last), math.fsum(rest)))
    shares = [traces / curves.traces for _, traces in groups]
    rows = [
        (rank, traces, share, math.fsum(shares[: place + 1]))
        for place, ((rank, traces), share) in enumerate(zip(groups, shares, strict=True))
    ]
    values = [
        {"rank": rank, "place": place, "share": share, "text": f"{share:.0%}" if share >= 0.005 else ""}
        for place, (rank, _, share, _) in enumerate(rows)
    ]
    among = min(5, len(first))
    where = {
        "x": {
            "field": "rank",
            "type": "ordinal",
            "sort": {"field": "place"},
            "title": f"rank of the true {classes.noun} in the attack's list",
            "axis": {"labelAngle": 0, "ticks": False},
        },
        "y": {"field": "share", "type": "quantitative", "title": "share of the traces", "axis": _PERCENT},
    }
    where["y"]["scale"] = {"domain": [0, 1.12 * max(shares)], "nice": False}
    return Chart(
        name="true-rank",
        title=f"Rank of the true {classes.noun}",
        alt=(
            f"The true {classes.noun} is the attack's first guess for {share_in_words(shares[0])} of the traces and "
            f"among its first {among} for {share_in_words(math.fsum(shares[:among]))}."
        ),
        spec={
            "data": {"values": values},
            "layer": [
                {"mark": {"type": "bar", "color": "@series-1"}, "encoding": where},
                {"mark": {"type": "text", "dy": -8}, "encoding": {**where, "text": {"field": "text"}}},
            ],
        },
        columns=(Column("Rank"), Column("Traces", 2), Column("Share", 3), Column("Share so far", 3)),
        rows=tuple(rows),
        height=300,
    )


def confusion(curves: Curves, classes: Classes) -> Chart:
    """What was taken for what: a mark for each pair of a true and a guessed class, as large as it is frequent.

    Where there are very many pairs, neighbouring classes share a mark.
    """
    step = 1 if len(curves.confusion) <= PAIRS_MAX else math.ceil(curves.classes / GROUPS)
    marks = _pair_marks(curves, step)
    if curves.classes <= NAMED_MAX:
        names = {"true": "true name", "guessed": "guessed name"}
        # A mark of no size for each class keeps the diagonal straight where a class was never guessed.
        marks += [_pair_mark(number, number, 0.0, is_right=True) for number in range(1, curves.classes + 1)]
        marks = [mark | {names[end]: classes.name(mark[end]) for end in names} for mark in marks]
    wrong = sorted(
        (one for one in curves.confusion if one.true != one.guessed),
        key=lambda one: (-one.traces, one.true, one.guessed),
    )
    groups = f", in groups of {step} {classes.nouns}" if step > 1 else ""
    if math.fsum(one.traces for one in curves.confusion) < 0.999 * curves.traces:
        groups += f": the {len(curves.confusion)} most frequent pairs"
    return Chart(
        name="confusion",
        title=f"Which {classes.noun} was taken for which{groups}",
        alt=_confusion_in_words(curves, wrong, classes),
        spec={
            "data": {"values": marks},
            "mark": {"type": "point", "opacity": 0.85},
            "encoding": _pair_channels(curves.classes, classes, max(mark["traces"] for mark in marks), step),
        },
        columns=(Column(f"True {classes.noun}"), Column("Guessed"), Column("Traces", 2)),
        rows=tuple((classes.name(one.true), classes.name(one.guessed), one.traces) for one in wrong),
        height=_SIDE + 40,
    )


def _pair_marks(curves: Curves, step: int) -> list[dict[str, Any]]:
    """The traces of each pair of groups of ``step`` classes, at the middle of the groups, the right ones apart."""
    traces: dict[tuple[int, int, bool], float] = {}
    for one in curves.confusion:
        pair = ((one.true - 1) // step, (one.guessed - 1) // step, one.true == one.guessed)
        traces[pair] = traces.get(pair, 0.0) + one.traces

    def middle(group: int) -> float:
        first, last = group * step + 1, min((group + 1) * step, curves.classes)
        return (first + last) / 2 if step > 1 else first

    return [
        _pair_mark(middle(true), middle(guessed), count, is_right=is_right)
        for (true, guessed, is_right), count in traces.items()
    ]


def _pair_mark(true: float, guessed: float, traces: float, *, is_right: bool) -> dict[str, Any]:
    return {"true": true, "guessed": guessed, "traces": traces, "series": _RIGHT_WRONG[not is_right]}


def _pair_channels(count: int, classes: Classes, most: float, step: int) -> dict[str, Any]:
    channels = _pair_axes(count, classes)
    for channel, range_ in (("color", SERIES), ("shape", SHAPES)):
        scale = series_scale(_RIGHT_WRONG, range_)
        channels[channel] = {"field": "series", "type": "nominal", "scale": scale, "legend": {"title": None}}
    largest = min(400.0, max(60.0, (320 * step / count) ** 2))
    scale = {"domain": [0, most], "range": [0, largest]}
    return {**channels, "size": {"field": "traces", "type": "quantitative", "scale": scale, "legend": None}}


def _pair_axes(count: int, classes: Classes) -> dict[str, Any]:
    """Guessed classes to the right, true ones downwards: by name where they are few, by number otherwise."""
    titles = {"guessed": f"guessed {classes.noun}", "true": f"true {classes.noun}"}
    if count > NAMED_MAX:
        domain = {"domain": [0.3, count + 0.7], "nice": False, "zero": False}
        axis: dict[str, Any] = {"grid": True, "tickMinStep": 1, "tickCount": 10, "format": "d"}
        x, y = (
            {"field": field, "type": "quantitative", "title": title, "scale": domain, "axis": axis}
            for field, title in titles.items()
        )
        return {"x": x, "y": {**y, "scale": {**domain, "reverse": True}}}
    axis = {"grid": True, "ticks": False, "labelOverlap": False}
    x, y = (
        {"field": f"{field} name", "type": "nominal", "title": title, "sort": {"field": field, "op": "min"}}
        for field, title in titles.items()
    )
    return {
        "x": {**x, "axis": {**axis, "labelAngle": -60, "labelLimit": 80, "titlePadding": 16}},
        "y": {**y, "axis": {**axis, "labelLimit": 110}},
    }


def _confusion_in_words(curves: Curves, wrong: list[Confused], classes: Classes) -> str:
    if not wrong:
        return f"Every one of {counted(curves.traces, 'trace')} is on the diagonal: guessed right."
    first = wrong[0]
    errors = (1 - _accuracy(curves)) * curves.traces
    return (
        f"{in_parts(errors)} of {counted(curves.traces, 'trace')} lie off the diagonal; most often "
        f"{classes.name(first.true)} was taken for {classes.name(first.guessed)} ({so_often(first.traces)})."
    )


def roc(curve: Roc) -> Chart:
    """The ROC curve as the score counts it (macro), with its 95 % band, and over all pairs (micro)."""
    labels = [f"mean of the classes (AUC {curve.macro_auc:.3f})", f"all pairs (AUC {curve.micro_auc:.3f})", "a guess"]
    lines = zip(labels, (curve.macro, curve.micro, curve.fpr), strict=True)
    values = [
        {"fpr": fpr, "tpr": tpr, "series": label}
        for label, rates in lines
        for fpr, tpr in zip(curve.fpr, rates, strict=True)
    ]
    band = [
        {"fpr": fpr, "low": low, "high": high} for fpr, low, high in zip(curve.fpr, curve.low, curve.high, strict=True)
    ]
    fpr = {"field": "fpr", "type": "quantitative", "title": "false positive rate", "axis": {**_PERCENT, "grid": True}}
    tpr = {"type": "quantitative", "title": "true positive rate", "axis": _PERCENT}
    look: dict[str, Any] = {
        channel: {
            "field": "series",
            "type": "nominal",
            "scale": series_scale(labels, range_),
            "legend": {"title": None, "columns": 1, "labelLimit": 300, "symbolSize": 300},
        }
        for channel, range_ in (("color", (SERIES[0], SERIES[1], "@muted")), ("strokeDash", DASHES))
    }
    at = next(index for index, rate in enumerate(curve.fpr) if rate >= 0.1 - 1e-9)
    return Chart(
        name="roc",
        title="ROC curve, with its 95 % band",
        alt=(
            f"The area under the mean curve of the classes is {curve.macro_auc:.3f}, under that of all pairs "
            f"{curve.micro_auc:.3f}. At a false positive rate of {percent(curve.fpr[at])} the true positive "
            f"rate is {share_in_words(curve.macro[at])} "
            f"(95 % band {share_in_words(curve.low[at])} to {share_in_words(curve.high[at])})."
        ),
        spec={
            "layer": [
                {
                    "data": {"values": band},
                    "mark": {**BAND, "fill": SERIES[0], "stroke": SERIES[0]},
                    "encoding": {"x": fpr, "y": {**tpr, "field": "low"}, "y2": {"field": "high"}},
                },
                {
                    "data": {"values": values},
                    "mark": {"type": "line"},
                    "encoding": {"x": fpr, "y": {**tpr, "field": "tpr"}, **look},
                },
            ]
        },
        columns=(
            Column("False positive rate", 3),
            Column("Mean of the classes", 3),
            Column("Lower end of its band", 3),
            Column("Upper end", 3),
            Column("All pairs", 3),
        ),
        rows=tuple(zip(curve.fpr, curve.macro, curve.low, curve.high, curve.micro, strict=True)),
        height=_SIDE,
    )


def calibration(curves: Curves) -> Chart:
    """How often guesses of some certainty are right; on the diagonal, as often as the attack believes."""
    labels = ("how often it was right", "share of all traces", "perfect calibration")
    spec = _reliability(curves, labels)
    return Chart(
        name="calibration",
        title="Calibration: how sure, and how often right",
        alt=(
            f"The attack is {share_in_words(curves.confidence)} sure of its guesses on average and right in "
            f"{share_in_words(_accuracy(curves))}; "
            f"the expected calibration error is {curves.calibration_error:.3f} (0 is best)."
        ),
        spec=spec,
        columns=(Column("How sure"), Column("On average", 3), Column("How often right", 3), Column("Traces", 0)),
        rows=tuple(
            (f"{one.tenth * 10} to {one.tenth * 10 + 10} %", one.confidence, one.accuracy, one.traces)
            for one in curves.calibration
        ),
        height=_SIDE,
    )


def _reliability(curves: Curves, labels: tuple[str, str, str]) -> Spec:
    right, share, ideal = labels
    values = [{"confidence": one.confidence, "accuracy": one.accuracy, "series": right} for one in curves.calibration]
    bars = [
        {
            "from": one.tenth / 10 + 0.005,
            "to": one.tenth / 10 + 0.095,
            "accuracy": one.traces / curves.traces,
            "series": share,
        }
        for one in curves.calibration
    ]
    diagonal = [{"confidence": end, "accuracy": end, "series": ideal} for end in (0, 1)]
    ends = {"scale": {"domain": [0, 1]}, "axis": {**_PERCENT, "grid": True}, "type": "quantitative"}
    colour = {
        "field": "series",
        "type": "nominal",
        "scale": series_scale(labels, (SERIES[0], SERIES[4], "@muted")),
        "legend": {"title": None, "columns": 1, "symbolType": "square", "labelLimit": 250},
    }
    x = {"field": "confidence", "title": "how sure the attack was of its guess", **ends}
    where = {"x": x, "y": {"field": "accuracy", "title": "share", **ends}, "color": colour}
    from_to = {**where, "x": {**x, "field": "from"}, "x2": {"field": "to"}, "y2": {"datum": 0}}
    layers = (
        (bars, {"type": "bar", "opacity": 0.8}, from_to),
        (diagonal, {"type": "line", "strokeDash": [2, 2]}, where),
        (values, {"type": "line"}, where),
        (values, {"type": "point", "size": 80}, where),
    )
    return {"layer": [{"data": {"values": rows}, "mark": mark, "encoding": on} for rows, mark, on in layers]}
