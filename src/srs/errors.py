"""Every error that a user can meet, in one tree.

SrsError
├── FileError          422  the file as received cannot be read at all (archive, size, encoding)
├── RulesError         422  a race.toml that is not a race
├── StateError         409  a right request at a wrong moment
│   ├── PhaseClosed    409  ... outside its phase
│   ├── QuotaSpent     429  ... more often than the rules allow
│   ├── TooOften       429  ... more often than anybody needs to
│   └── TooSlow        408  ... begun in time and not ended in time
├── AccessDenied       403  you are known and may not
├── NotFound           404  there is no such thing for you
├── InputError         422  a field of a form or an argument has no acceptable value
└── Unavailable        503  ours, not yours: storage full, database away; try again

A class carries what is stable (``status``, ``title``); an instance carries ``code`` (``subject.problem``)
and one sentence that says what was found, what is expected, where, and what to do. A broken rule inside a
file is not an exception: it is a ``Problem`` in a ``Report`` (``srs.traces.report``).
"""

from __future__ import annotations

import math
from typing import ClassVar


class SrsError(Exception):
    """Base of all errors that are told to a user.

    ``code`` is stable (``subject.problem``), ``sentence`` is one or more plain sentences, ``hint`` says what to
    do where the sentence does not.
    """

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, code: str, sentence: str, *, hint: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.sentence} {self.hint}".strip()


class FileError(SrsError):
    """The file as received cannot be read at all."""

    status = 422
    title = "This file cannot be read"


class RulesError(SrsError):
    """A ``race.toml`` that does not describe a race; ``sentence`` lists every problem found, one a line.

    ``problems`` holds the same as pairs (key, sentence), for a form that tells each beside its field; it is empty
    where the text cannot be read at all.
    """

    status = 422
    title = "These are not the rules of a race"

    def __init__(self, code: str, sentence: str, *, hint: str = "", problems: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(code, sentence, hint=hint)
        self.problems = problems


class StateError(SrsError):
    """A right request at a wrong moment."""

    status = 409
    title = "Not now"


class PhaseClosed(StateError):
    """An upload outside its phase; the sentence names both moments, with zone."""

    title = "This phase is closed"


class QuotaSpent(StateError):
    """More uploads than the rules allow; the sentence says when the next slot opens."""

    status = 429
    title = "No uploads left"


class TooOften(StateError):
    """More tries than anybody needs who means no harm; the sentence says when to try again."""

    status = 429
    title = "Too often"

    def __init__(self, code: str, sentence: str, *, after_s: float, hint: str = "") -> None:
        super().__init__(code, sentence, hint=hint)
        self.after_s = max(1, math.ceil(after_s))
        """Seconds, at least 1, until it may be tried again."""


class TooSlow(StateError):
    """An upload that began in its phase and took too long after it; nothing was stored."""

    status = 408
    title = "Your upload took too long"


class AccessDenied(SrsError):
    """The person is known and may not do this."""

    status = 403
    title = "You may not do this"


class NotFound(SrsError):
    """No such thing, or none that this person may know of."""

    status = 404
    title = "Not found"


class InputError(SrsError):
    """A field of a form or an argument of a command has no acceptable value."""

    status = 422
    title = "Please correct this"


class Unavailable(SrsError):
    """Ours, not the user's; trying again later is right."""

    status = 503
    title = "Not available for a moment"
