"""The race's clock: the database's own, unless a demo or a test has set a simulated one for this database."""

from __future__ import annotations

import datetime as dt
import time

from sqlalchemy import delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from srs.server.store.base import Base
from srs.server.store.engine import database_now


class SimulatedClock(Base):
    """At most one row: the moment that a simulated clock shows."""

    __tablename__ = "simulated_clock"
    id: Mapped[int] = mapped_column(primary_key=True)
    shows_at: Mapped[dt.datetime]


def now(session: Session) -> dt.datetime:
    """The moment as the race sees it. Read it once for each request or job. Leases use ``database_now``."""
    simulated = session.get(SimulatedClock, 1)
    return simulated.shows_at if simulated else database_now(session)


def moment_of(session: Session, began_s: float) -> dt.datetime:
    """What the race's clock showed when ``time.monotonic()`` of this process showed ``began_s``.

    Only the time since then is taken from this machine, so its own clock may be wrong. A simulated clock stands still.
    """
    simulated = session.get(SimulatedClock, 1)
    if simulated:
        return simulated.shows_at
    # Read before the database is asked: a busy process may hear the answer late, and nothing may seem to have begun
    # before it did.
    elapsed_s = time.monotonic() - began_s
    return database_now(session) - dt.timedelta(seconds=max(0.0, elapsed_s))


def simulate(session: Session, shows_at: dt.datetime | None) -> None:
    """Set the race's clock to a moment, or (``None``) let it follow the database's clock again."""
    session.execute(delete(SimulatedClock))
    session.expire_all()
    if shows_at is not None:
        session.add(SimulatedClock(id=1, shows_at=shows_at))
    session.flush()
