"""The declarative base, and the one type for moments: aware UTC in, aware UTC out."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from sqlalchemy import JSON, DateTime, Dialect, MetaData
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

CONVENTION = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


HELD = {"key_share": True}
"""For ``with_for_update``: hold a row, yet let others insert rows that refer to it.

A plain ``FOR UPDATE`` on PostgreSQL also blocks the foreign keys of every insert, and two such holders can wait
for each other.
"""


class UtcDateTime(TypeDecorator[dt.datetime]):
    """A moment. Refuses naive datetimes, returns aware UTC on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:  # noqa: ARG002
        """To the database: UTC. Raises ``TypeError`` for a naive moment."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError("naive datetime: attach a zone before it reaches the database")
        return value.astimezone(dt.UTC)

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:  # noqa: ARG002
        """From the database: aware UTC (SQLite gives back naive UTC)."""
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


class Base(DeclarativeBase):
    """Base of every table."""

    metadata = MetaData(naming_convention=CONVENTION)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        dt.datetime: UtcDateTime,
        dict[str, Any]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
    }
