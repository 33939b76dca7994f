"""The whole database as hashes, to see whether a request changed anything."""

from __future__ import annotations

import hashlib

from sqlalchemy import select

from srs.server.store.engine import Store
from srs.server.store.tables import METADATA


def hashes(store: Store) -> dict[str, str]:
    """A hash of every row of every table."""
    with store.read() as session:
        return {
            table.name: hashlib.sha256(
                repr(sorted(map(repr, session.execute(select(table)).all()))).encode()
            ).hexdigest()
            for table in METADATA.sorted_tables
        }
