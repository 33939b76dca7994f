"""What a ``race.toml`` may be made of, seen before it is parsed: reading any text of its size takes bounded work.

``tomllib`` takes time with the square of the parts of a dotted key, and stack with each open bracket.
"""

from __future__ import annotations

import re

from srs.errors import RulesError

OPEN_MAX = 16
"""Brackets open at one time; a race needs three, as in ``rounds = [{defence = [``."""
PARTS_MAX = 16
"""Parts of an overlong key that are read; a key of a race has two at most, as in ``classes.count``."""

_PART = r"""(?:[A-Za-z0-9_-]+|"(?!"")(?:[^"\\\n]|\\[^\n])*"|'(?!'')[^'\n]*')"""
_DOT = r"[ \t]*\.[ \t]*"
_TOKEN = re.compile(
    rf"""
    \#[^\n]* | "{{3}}(?:[^"\\]|\\.|"(?!""))*"{{3,5}} | '{{3}}(?:[^']|'(?!''))*'{{3,5}}
    | (?P<kept>(?:{_PART}{_DOT}){{{PARTS_MAX - 1}}}) (?P<end>{_PART} (?:{_DOT}{_PART}){{4,}})
    | {_PART} (?:{_DOT}{_PART})*
    | (?P<opening>[\[{{]) | (?P<closing>[\]}}])
    | ["'].*  # closed nowhere: tomllib gets no further
    """,
    re.VERBOSE | re.DOTALL,
)
_LONG_NUMBER = re.compile("-?[0-9][0-9_]{639}")  # Python reads shorter ones, whatever it is set to


def bounded(text: str) -> str:
    """``text`` with one part in place of the many that end an overlong key; either way such a key is unknown.

    That part is one that no other key has, and as long as what it stands for: places stay what they were.
    Raises ``RulesError`` where brackets are nested too deep.
    """
    open_now = 0
    pieces: list[str] = []
    done = 0
    for token in _TOKEN.finditer(text):
        if token["kept"]:
            own = f'"{token.start()}"'.ljust(len(token["end"]))
            pieces += text[done : token.start()], token["kept"], own
            done = token.end()
        elif token["closing"]:
            open_now -= 1
        elif token["opening"]:
            open_now += 1
            if open_now > OPEN_MAX:
                sentence = (
                    f"Line {_line(text, token)} is nested too deep: {open_now} brackets are open, expected at most "
                    f"{OPEN_MAX}; close some of them, a race needs three."
                )
                raise RulesError("rules.invalid", sentence)
    return "".join((*pieces, text[done:]))


def line_of_long_number(text: str) -> int:
    """The line of the first number that has too many digits for Python; there is one."""
    return next(_line(text, token) for token in _TOKEN.finditer(text) if _LONG_NUMBER.match(token[0]))


def _line(text: str, token: re.Match[str]) -> int:
    return text.count("\n", 0, token.start()) + 1
