"""How often something was done within a window of time: what limits are kept by."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import String, case, delete, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from srs.server.store.base import Base
from srs.server.store.engine import upsert


class Tally(Base):
    """What was counted under one key. A window begins with what is counted first, and the next one after its end."""

    __tablename__ = "tally"
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    counted: Mapped[int]
    ends_at: Mapped[dt.datetime] = mapped_column(index=True)


def count_one(session: Session, key: str, most: int, window: dt.timedelta, now: dt.datetime) -> dt.datetime | None:
    """Count one more, if fewer than ``most`` are counted; the end of the window, or ``None`` where it is full.

    One statement looks and counts: of any number at once exactly ``most`` are counted. Its row is held until the end of
    the transaction, so who counts under several keys does it in an order that everybody keeps.
    """
    statement = upsert(session, Tally).values(key=key, counted=1, ends_at=now + window)
    # A window that ends much later than one that begins now was opened by a clock that was wrong.
    is_over = or_(Tally.ends_at <= now, Tally.ends_at > now + 2 * window)
    ends_at: dt.datetime | None = session.scalar(
        statement.on_conflict_do_update(
            index_elements=[Tally.key],
            set_={
                "counted": case((is_over, 1), else_=Tally.counted + 1),
                "ends_at": case((is_over, statement.excluded.ends_at), else_=Tally.ends_at),
            },
            where=or_(is_over, Tally.counted < most),
        ).returning(Tally.ends_at)
    )
    return ends_at


def count_one_less(session: Session, key: str, ends_at: dt.datetime) -> None:
    """Take one back that was counted in the window that ends then; nothing, if another one has begun."""
    is_same = (Tally.key == key, Tally.ends_at == ends_at)
    change = update(Tally).where(*is_same).values(counted=Tally.counted - 1)
    session.execute(change.execution_options(synchronize_session=False))


def end_of_window(session: Session, key: str) -> dt.datetime | None:
    """When the window of a key ends, or ended; ``None`` where nothing was ever counted."""
    return session.scalar(select(Tally.ends_at).where(Tally.key == key))


def forget_tallies(session: Session, before: dt.datetime) -> None:
    """Delete what has ended by then."""
    is_over = delete(Tally).where(Tally.ends_at <= before)
    session.execute(is_over.execution_options(synchronize_session=False))
