"""What a checker found in one file: values, not exceptions.

A broken rule is a ``Problem``; all of them together are a ``Report``. The page, the API, the command line and
the mail show the same object.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

SHOWN_MAX = 20
QUOTED_MAX = 60
PLACES_MAX = 5


def quoted(text: str | bytes) -> str:
    """The student's own text, fit to be shown: at most 60 characters, nothing that a terminal would obey.

    Bytes that are no UTF-8 and characters without a glyph (controls, bidirectional marks, lone surrogates) are
    shown as escapes; what was cut off is marked by an ellipsis.
    """
    if isinstance(text, bytes):
        text = text[: 4 * QUOTED_MAX + 4].decode("utf-8", "backslashreplace")
    shown = ""
    for character in text[: QUOTED_MAX + 1]:
        shown += visible(character)
        if len(shown) > QUOTED_MAX:
            return shown[: QUOTED_MAX - 1] + "…"
    return shown


def visible(text: str) -> str:
    """The text with every character that has no glyph, or that a terminal would obey, as an escape."""
    return "".join(each if each == " " or unicodedata.category(each)[0] not in "CZ" else _escape(each) for each in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def grouped(number: int) -> str:
    """An integer with its digits in groups of three: 1 234 567."""
    return f"{number:,}".replace(",", " ")


def plural(noun: str) -> str:
    """More than one of it: cells, classes, queries."""
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2:-1] not in tuple("aeiou"):
        return noun[:-1] + "ies"
    return noun + "s"


def counted(number: int, noun: str) -> str:
    """A number and its noun, in the plural where it must be: ``1 trace``, ``1 234 traces``."""
    return f"{grouped(number)} {noun if number == 1 else plural(noun)}"


def in_parts(number: float) -> str:
    """A number of things of which ties can make fractions: ``5 000``, ``2.5``."""
    whole = round(number)
    return grouped(whole) if abs(number - whole) < 0.05 else f"{number:.1f}"


def so_often(number: float) -> str:
    """``once``, ``5 000 times``, ``2.5 times``."""
    many = in_parts(number)
    return "once" if many == "1" else f"{many} times"


def listed(items: Iterable[object], most: int = 10) -> str:
    """``3, 17, 20 and 4 more``: at most ``most`` of the items, the rest counted."""
    everything = [str(item) for item in items]
    rest = len(everything) - most
    return ", ".join(everything[:most]) + (f" and {grouped(rest)} more" if rest > 0 else "")


@dataclasses.dataclass(frozen=True, slots=True)
class Excerpt:
    """At most 80 characters of one line of the file: what stands before the fault, the fault, what follows it.

    ``line`` counts as in ``Problem``. An empty ``marked`` stands for an empty field, or for no field in particular.
    """

    line: int
    before: str
    marked: str
    after: str


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One rule and where the file breaks it.

    ``code`` is stable (``subject.problem``). ``sentence`` says what was found, what is expected and where.
    ``line`` counts from 1 and includes the header (in Parquet: the row, from 1); ``column`` is the column's name.
    Where the same rule is broken in ``more`` further places, ``places`` are the lines of the first of them.
    ``hint`` says what to do where the sentence does not. ``excerpts`` show the file's own lines at the places.
    """

    code: str
    sentence: str
    line: int | None = None
    column: str | None = None
    more: int = 0
    places: tuple[int, ...] = ()
    hint: str = ""
    excerpts: tuple[Excerpt, ...] = ()

    def __str__(self) -> str:
        parts = [self.sentence]
        if self.more:
            where = f": {', '.join(grouped(line) for line in self.places)}" if self.places else ""
            ellipsis = ", …" if 0 < len(self.places) < self.more else ""
            parts.append(f"{counted(self.more, 'more place')}{where}{ellipsis}.")
        if self.hint:
            parts.append(self.hint)
        return " ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; ``message`` is the sentence."""
        values = dataclasses.asdict(self)
        values["message"] = values.pop("sentence")
        values["places"] = list(self.places)
        values["excerpts"] = list(values["excerpts"])
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Problem:
        """The inverse of ``to_json``; reports of the first days have no excerpts."""
        return cls(
            code=values["code"],
            sentence=values["message"],
            line=values["line"],
            column=values["column"],
            more=values["more"],
            places=tuple(values["places"]),
            hint=values["hint"],
            excerpts=tuple(Excerpt(**excerpt) for excerpt in values.get("excerpts", ())),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """Everything found in one file.

    ``problems`` refuse the file, ``warnings`` are told to its sender, ``signals`` to staff only. At most 20 of
    each are kept; ``omitted`` counts the problems beyond.
    """

    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    signals: tuple[Problem, ...] = ()
    omitted: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "omitted", self.omitted + max(0, len(self.problems) - SHOWN_MAX))
        for kind in ("problems", "warnings", "signals"):
            object.__setattr__(self, kind, tuple(getattr(self, kind))[:SHOWN_MAX])

    @property
    def accepted(self) -> bool:
        """Whether no rule is broken."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "accepted": self.accepted,
            "problems": [problem.to_json() for problem in self.problems],
            "warnings": [warning.to_json() for warning in self.warnings],
            "signals": [signal.to_json() for signal in self.signals],
            "omitted": self.omitted,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Report:
        """The inverse of ``to_json``."""
        return cls(
            problems=tuple(map(Problem.from_json, values["problems"])),
            warnings=tuple(map(Problem.from_json, values["warnings"])),
            signals=tuple(map(Problem.from_json, values["signals"])),
            omitted=values["omitted"],
        )
