"""Seasons whose standings are known: a stored one on both databases, and the demo's, played by real workers."""

from installations import (  # noqa: F401
    config,
    postgres_config,
    postgres_template,
    sqlite_config,
    sqlite_template,
    store,
)
from played import played  # noqa: F401
from servers import postgres  # noqa: F401
