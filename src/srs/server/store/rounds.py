"""Rounds: their boundaries (which staff may move), their draw, their end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from sqlalchemy import ForeignKey, LargeBinary, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from srs.errors import NotFound
from srs.game import phases
from srs.server.store.base import HELD, Base
from srs.server.store.races import Race


class Round(Base):
    """One round of a race."""

    __tablename__ = "round"
    __table_args__ = (UniqueConstraint("race_id", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    race_id: Mapped[int] = mapped_column(ForeignKey("race.id"))
    number: Mapped[int]
    defence_opens_at: Mapped[dt.datetime]
    defence_closes_at: Mapped[dt.datetime]
    attack_opens_at: Mapped[dt.datetime]
    attack_closes_at: Mapped[dt.datetime]
    draw_seed: Mapped[bytes] = mapped_column(LargeBinary)
    """Secret until the draw, public after it."""
    draw_commitment: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the seed, public from the race's creation."""
    drawn_at: Mapped[dt.datetime | None]
    published_at: Mapped[dt.datetime | None]
    """When the bundles of all matches were ready and the attack phase could open."""

    def times(self) -> phases.Round:
        """The round as the rules of the game see it."""
        return phases.Round(
            number=self.number,
            defence_opens_at=self.defence_opens_at,
            defence_closes_at=self.defence_closes_at,
            attack_opens_at=self.attack_opens_at,
            attack_closes_at=self.attack_closes_at,
            published_at=self.published_at,
        )


def rounds_of(session: Session, race_id: int) -> list[Round]:
    """The rounds of a race by number."""
    return list(session.scalars(select(Round).where(Round.race_id == race_id).order_by(Round.number)))


def rounds_of_races(session: Session, race_ids: Iterable[int]) -> dict[int, list[Round]]:
    """The rounds of several races by number: ``{race_id: [...]}``."""
    rounds: dict[int, list[Round]] = {}
    for one in session.scalars(select(Round).where(Round.race_id.in_(list(race_ids))).order_by(Round.number)):
        rounds.setdefault(one.race_id, []).append(one)
    return rounds


def round_by_number(session: Session, race_id: int, number: int, *, lock: bool = False) -> Round:
    """One round of a race; ``NotFound`` otherwise."""
    query = select(Round).where(Round.race_id == race_id, Round.number == number)
    found = session.scalar(query.with_for_update(key_share=True) if lock else query)
    if found is None:
        raise NotFound("round.unknown", f"There is no round {number} in this race.")
    return found


def race_of_round(session: Session, round_id: int, *, lock: bool = False) -> Race:
    """The race of a round. Whoever locks both locks the race first."""
    query = select(Race).join(Round, Round.race_id == Race.id).where(Round.id == round_id)
    return session.scalars(query.with_for_update(of=Race, key_share=True) if lock else query).one()


def lock_round(session: Session, round_id: int) -> Round:
    """One round as it is now, its row held until the end of the transaction."""
    return session.get_one(Round, round_id, with_for_update=HELD, populate_existing=True)


def undrawn_rounds(session: Session, now: dt.datetime) -> list[Round]:
    """Rounds whose defence phase has closed and that have no draw yet."""
    query = select(Round).where(Round.defence_closes_at <= now, Round.drawn_at.is_(None))
    return list(session.scalars(query.order_by(Round.id)))


def unpublished_rounds(session: Session) -> list[Round]:
    """Rounds that are drawn and whose bundles are not all ready."""
    query = select(Round).where(Round.drawn_at.is_not(None), Round.published_at.is_(None))
    return list(session.scalars(query.order_by(Round.id)))
