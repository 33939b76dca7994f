"""The installation that a command works on: that of the ``SRS_*`` variables, with this version's tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from srs.server.bootstrap import Server, open_server
from srs.server.config import Config
from srs.server.store.migrations import migrate


@contextmanager
def opened(config: Config) -> Iterator[Server]:
    """The migrated installation, until the end of the block."""
    migrate(config)
    server = open_server(config)
    try:
        yield server
    finally:
        server.close()
