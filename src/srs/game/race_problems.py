"""What is wrong with a ``race.toml``, in sentences: which key, what was found, what is expected."""

from __future__ import annotations

import datetime as dt
import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

TOLD_MAX = 100
"""Problems that one answer tells; those after them are counted."""

_QUOTED_MAX = 60
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem at ``key`` (dotted; rounds count from 1).

    ``others`` are the keys that it contradicts, ``path`` is where a faulty key stands in the file.
    """

    key: str
    sentence: str
    others: tuple[str, ...] = ()
    path: tuple[int | str, ...] = ()


def listed(problems: Sequence[Problem]) -> str:
    """The problems, one a line, and how many more there are than are told."""
    lines = [f"{problem.key}: {problem.sentence}" for problem in problems[:TOLD_MAX]]
    if len(problems) > TOLD_MAX:
        lines.append(f"Mend these first; there are {len(problems) - TOLD_MAX} more.")
    return "\n".join(lines)


def faulty_keys(problems: Iterable[Problem]) -> frozenset[str]:
    """The keys of ``problems``, and the list that holds a faulty item."""
    return frozenset(name for problem in problems for name in (problem.key, problem.key.partition("[")[0]))


def concerns(problem: Problem, faulty: Set[str]) -> bool:
    """Whether a key of ``problem``, or the table that holds it, is already known as faulty."""
    return any(key in faulty or key.rpartition(".")[0] in faulty for key in (problem.key, *problem.others))


def dotted(path: Sequence[str | int]) -> str:
    """``("rounds", 0, "attack")`` is ``rounds[1].attack``."""
    parts = [f"[{part + 1}]" if isinstance(part, int) else f".{_bare(part)}" for part in path]
    return "".join(parts).removeprefix(".")


def shown(value: object) -> str:
    """A value as TOML would write it, at most 60 characters of it."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return "a list of tables"
    if isinstance(value, list):
        return _cut(f"[{', '.join(shown(item) for item in value[:_QUOTED_MAX])}]")
    if isinstance(value, str):
        return _cut(json.dumps(value, ensure_ascii=not value.isprintable()))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) >= 10**_QUOTED_MAX:
        return "a number of more than 60 digits"
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


def explain(error: ValidationError, data: Mapping[str, Any], model: type[BaseModel]) -> list[Problem]:
    """One problem for each key that ``model`` refuses in ``data``, in the order of the model.

    What an unknown key was meant to be is searched for the first ``TOLD_MAX`` problems only, for that takes long.
    """
    problems: dict[tuple[str, str], Problem] = {}
    for fault in error.errors(include_url=False, include_input=False):
        path = _key_path(fault["loc"])
        found = _value_at(data, path)
        if fault["type"] == "value_error":
            sentence = str(fault["ctx"]["error"])
        elif fault["type"] == "extra_forbidden":
            sentence = f"unknown key.{_meant(model, path) if len(problems) < TOLD_MAX else ''}"
        elif found is _MISSING:
            sentence = f"missing, expected {_expected(model, path)}."
        else:
            sentence = f"found {shown(found)}, expected {_expected(model, path)}."
        key = dotted(path)
        problems.setdefault((key, sentence), Problem(key, sentence, path=path))
    return list(problems.values())


def without(data: Mapping[str, Any], problems: Iterable[Problem]) -> dict[str, Any]:
    """``data`` less every key that has a problem; one fault in ``rounds`` takes all of them out."""
    faulty = {problem.path[:1] if problem.path[0] == "rounds" else problem.path for problem in problems}
    return {
        key: {name: item for name, item in value.items() if (key, name) not in faulty}
        if isinstance(value, dict)
        else value
        for key, value in data.items()
        if (key,) not in faulty
    }


def _key_path(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The place of a key: what lies inside a value is part of it, but a round is a table of its own."""
    keep = 2 if location[0] == "rounds" else 1
    inside = location[keep : keep + 1]
    return location[:keep] + tuple(part for part in inside if isinstance(part, str))


def _value_at(data: object, path: Sequence[str | int]) -> object:
    for part in path:
        if isinstance(part, int):
            data = data[part] if isinstance(data, list) else _MISSING
        else:
            data = data.get(part, _MISSING) if isinstance(data, dict) else _MISSING
    return data


def _table_at(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel]:
    """The table that holds the last key of ``path``."""
    for part in path[:-1]:
        if isinstance(part, str):
            annotation: Any = model.model_fields[part].annotation
            model = next(iter(get_args(annotation)), annotation)
    return model


def _expected(model: type[BaseModel], path: Sequence[str | int]) -> str:
    last = path[-1]
    if isinstance(last, int):
        return "a table"
    return _table_at(model, path).model_fields[last].description or ""


def _meant(model: type[BaseModel], path: Sequence[str | int]) -> str:
    key = str(path[-1])
    near = difflib.get_close_matches(key, _table_at(model, path).model_fields, n=1)
    if near:
        return f" Did you mean {dotted((*path[:-1], near[0]))}?"
    for section in model.model_fields:
        if key in getattr(_table_at(model, (section, key)), "model_fields", {}):
            return f" Did you mean {section}.{key}?"
    return ""


def _bare(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]{1,60}", key) else _cut(json.dumps(key))


def _cut(text: str) -> str:
    return text if len(text) <= _QUOTED_MAX else text[: _QUOTED_MAX - 3] + "..."
