"""Alembic runs this file for each of its commands; the connection comes from ``migrate``."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from srs.server.store.base import UtcDateTime
from srs.server.store.tables import METADATA


def _render(kind: str, item: Any, _autogenerate: Any) -> str | Literal[False]:
    """A revision stands on its own: it names SQLAlchemy's types, never ours of today."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    render_item=_render,
    transactional_ddl=True,  # SQLite too: the engine says BEGIN IMMEDIATE itself
)
context.run_migrations()
