"""Where names stand beside points: no name covers another, a point, or what else is written there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

WIDTH, HEIGHT = 300.0, 280.0
"""About what the narrow picture leaves between its axes, in pixels; in the wide one there is more room."""

NAME_PIXELS: Final = 130
"""A longer name is cut off."""

# For the widest of the usual fonts at 12 pixels.
_CHARACTER, _LINE, _POINT = 7.0, 14.0, 10.0


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a text stands: it begins (``align`` left) or ends (right) ``dx`` and ``dy`` pixels off its place."""

    align: str
    dx: float
    dy: float

    def mark(self) -> dict[str, Any]:
        """As fields of a datum, or as properties of a text mark."""
        return {"align": self.align, "dx": self.dx, "dy": self.dy}


_LEFT = (Spot("left", 2, -14), Spot("left", 2, 14), Spot("left", 9, 0))
_RIGHT = (Spot("right", -2, -14), Spot("right", -2, 14), Spot("right", -9, 0))


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    right: float
    bottom: float
    top: float

    def covers(self, other: _Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.bottom < other.top and other.bottom < self.top
        )


class Labels:
    """The texts of one plot, placed one after the other, clear of its ``points`` and of its ``line``, a height.

    Places go from 0 to 1, to the right and upwards.
    """

    def __init__(self, points: Sequence[tuple[float, float]], line: float) -> None:
        self._taken = [_around(x * WIDTH, y * HEIGHT) for x, y in points]
        self._taken.append(_Box(0, WIDTH, line * HEIGHT - 1, line * HEIGHT + 1))

    def place(
        self, text: str, at: tuple[float, float], spots: Sequence[Spot] = (), *, anyway: bool = False
    ) -> Spot | None:
        """The first of the spots (by default those around a point) where the text covers nothing; then it is taken.

        ``anyway``: where there is none, the first of them inside the plot.
        """
        x, y = at
        tried = spots or ((*_LEFT, *_RIGHT) if x < 0.5 else (*_RIGHT, *_LEFT))
        boxes = [(spot, _box(text, x * WIDTH, y * HEIGHT, spot)) for spot in tried]
        inside = [(spot, box) for spot, box in boxes if _is_inside(box)]
        free = [(spot, box) for spot, box in inside if not any(box.covers(other) for other in self._taken)]
        spot, box = next(iter(free or (inside or boxes if anyway else ())), (None, None))
        if box is not None:
            self._taken.append(box)
        return spot


def _is_inside(box: _Box) -> bool:
    # The highest may stand across the upper edge, not above it.
    return box.left >= -_POINT and box.right <= WIDTH + _POINT and box.bottom >= 0 and box.top <= HEIGHT + _LINE


def _around(x: float, y: float) -> _Box:
    return _Box(x - _POINT / 2, x + _POINT / 2, y - _POINT / 2, y + _POINT / 2)


def _box(text: str, x: float, y: float, spot: Spot) -> _Box:
    width = min(_CHARACTER * len(text), NAME_PIXELS)
    begin = x + spot.dx - (0.0 if spot.align == "left" else width)
    middle = y - spot.dy  # the axis goes up, pixels go down
    return _Box(begin, begin + width, middle - _LINE / 2, middle + _LINE / 2)


def with_halo(text: dict[str, Any], encoding: dict[str, Any]) -> list[dict[str, Any]]:
    """The layers of a text mark that can be read on top of lines."""
    halo = {**text, "color": "@background", "stroke": "@background", "strokeWidth": 3, "strokeJoin": "round"}
    return [{"mark": mark, "encoding": encoding} for mark in (halo, text)]
