"""Every table of the store: importing this module makes ``METADATA`` complete."""

from srs.server.store import (  # noqa: F401  (imported for the tables that they declare)
    accounts,
    clock,
    events,
    jobs,
    matches,
    notices,
    outbox,
    practice,
    races,
    rounds,
    scores,
    submissions,
    tallies,
    teams,
)
from srs.server.store.base import Base

METADATA = Base.metadata
