"""Every table as JSON lines and back, the same on each database, so that a backup of one restores into another."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from sqlalchemy import Column, LargeBinary, Table, func, insert, inspect, select, text
from sqlalchemy.orm import Session

from srs.server.store.base import UtcDateTime
from srs.server.store.engine import Store
from srs.server.store.tables import METADATA

ROWS_AT_ONCE = 500


@contextmanager
def snapshot(store: Store) -> Iterator[Session]:
    """A session that sees one moment of the database, whatever is written meanwhile."""
    is_postgres = store.engine.dialect.name == "postgresql"
    options = {"isolation_level": "REPEATABLE READ"} if is_postgres else {}
    with store.engine.connect().execution_options(**options) as connection, Session(connection) as session:
        yield session  # SQLite in WAL mode: a transaction that reads sees the moment of its first statement


def tables() -> list[Table]:
    """Every table, each after those that it refers to."""
    return METADATA.sorted_tables


def tables_in(session: Session) -> list[Table]:
    """Those of them that this database has: at an earlier revision not all."""
    there = inspect(session.connection()).get_table_names()
    return [table for table in tables() if table.name in there]


def is_empty(session: Session) -> bool:
    """Whether no table has a row."""
    return all(session.scalar(select(func.count()).select_from(table)) == 0 for table in tables())


def dump_table(session: Session, table: Table) -> Iterator[str]:
    """One JSON object a row, in the order of the primary key."""
    rows = session.execute(select(table).order_by(*table.primary_key.columns).execution_options(yield_per=ROWS_AT_ONCE))
    to_json = {column.name: _to_json(column) for column in table.columns}
    for row in rows.mappings():
        values = {name: None if row[name] is None else convert(row[name]) for name, convert in to_json.items()}
        yield json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def load_table(session: Session, table: Table, lines: Iterable[str]) -> int:
    """Insert the rows of ``dump_table``; returns how many. Raises ``ValueError`` or ``KeyError`` for other lines."""
    count = 0
    from_json = {column.name: _from_json(column) for column in table.columns}
    rows = map(json.loads, lines)
    while some := list(islice(rows, ROWS_AT_ONCE)):
        values = [
            {name: None if row[name] is None else convert(row[name]) for name, convert in from_json.items()}
            for row in some
        ]
        session.execute(insert(table), values)
        count += len(values)
    _continue_numbering(session, table)
    return count


def _to_json(column: Column[Any]) -> Callable[[Any], Any]:
    if isinstance(column.type, UtcDateTime):
        return lambda value: value.isoformat()
    if isinstance(column.type, LargeBinary):
        return lambda value: base64.b64encode(value).decode("ascii")
    return lambda value: value


def _from_json(column: Column[Any]) -> Callable[[Any], Any]:
    if isinstance(column.type, UtcDateTime):
        return dt.datetime.fromisoformat
    if isinstance(column.type, LargeBinary):
        return base64.b64decode
    return lambda value: value


def _continue_numbering(session: Session, table: Table) -> None:
    """PostgreSQL numbers rows by a sequence, which knows nothing of rows that came with their numbers."""
    if session.get_bind().dialect.name == "postgresql" and "id" in table.columns:
        last = session.scalar(select(func.max(table.columns["id"])))
        if last is not None:
            statement = text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :last)")
            session.execute(statement, {"name": f'"{table.name}"', "last": last})
