"""A ``race.toml`` written from plain values: what a form was told, as the text that ``read_rules`` reads."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence

from srs.game.race import RaceRules

Value = str | bool | int | float | dt.datetime | Sequence["Value"]
Table = Mapping[str, Value]

HEAD = "# Made by the form of the site; docs/race.md explains each key and those left out.\n"
HEAD_FOR_PARTICIPANTS = "# The rules of a race for those who take part: srs check FILE --race with this file.\n"
NOT_SHOWN = "not shown"


def write_for_participants(rules: RaceRules) -> str:
    """The rules as a ``race.toml`` that ``read_rules`` reads.

    Without what only the staff know (the way in), and without the description, which decides nothing and is long.
    """
    values = rules.model_dump(exclude={"description": True, "joining": {"code", "email_domains"}})
    values["joining"] = {key: value for key, value in values["joining"].items() if value is not None}
    if rules.joining.how == "code":
        values["joining"]["code"] = NOT_SHOWN
    return write_rules(values, HEAD_FOR_PARTICIPANTS)


def write_rules(values: Mapping[str, Value | Table | Sequence[Table]], head: str = HEAD) -> str:
    """The text of a ``race.toml`` with these keys, tables and lists of tables; ``tomllib`` reads the same back.

    Keys are bare ones (``a-z``, ``_``). Texts may hold anything but halves of surrogate pairs. ``head`` is a comment.
    """
    plain: list[str] = []
    tables: list[str] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            tables.append(_table(f"[{key}]", value))
        elif _are_tables(value):
            tables += [_table(f"[[{key}]]", one) for one in value]  # type: ignore[union-attr, arg-type]
        else:
            plain.append(f"{key} = {_written(value)}\n")  # type: ignore[arg-type]
    return "\n".join([head + "".join(plain), *tables])


def _are_tables(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], Mapping)


def _table(head: str, table: Table) -> str:
    return "".join([f"{head}\n", *(f"{key} = {_written(value)}\n" for key, value in table.items())])


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, int | float):
        return repr(value)
    return f"[{', '.join(map(_written, value))}]"


def _text(value: str) -> str:
    """One line between quotes, or several between three of them; JSON escapes as TOML does, but for DEL."""
    lines = [json.dumps(line, ensure_ascii=False)[1:-1].replace("\x7f", "\\u007f") for line in value.split("\n")]
    return f'"{lines[0]}"' if len(lines) == 1 else '"""\n' + "\n".join(lines) + '"""'
