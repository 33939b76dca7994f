"""People: their accounts, the staff role, and one-time sign-in links."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Column, ForeignKey, Integer, String, Table, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from srs.server.store.base import Base

STAFF = "staff"

role_of_user = Table(
    "role_of_user",
    Base.metadata,
    Column("user_id", Integer, ForeignKey("user.id"), primary_key=True),
    Column("role_id", Integer, ForeignKey("role.id"), primary_key=True),
)


class Role(Base):
    """What an account may do beyond taking part; the only one is ``staff``."""

    __tablename__ = "role"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    permissions: Mapped[list[Any] | None]


class User(Base):
    """An account, with the columns that Flask-Security asks for."""

    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    name: Mapped[str] = mapped_column(String(80), default="")
    password: Mapped[str | None] = mapped_column(String(255))
    active: Mapped[bool] = mapped_column(default=True)
    fs_uniquifier: Mapped[str] = mapped_column(String(64), unique=True)
    confirmed_at: Mapped[dt.datetime | None]
    create_datetime: Mapped[dt.datetime | None]
    update_datetime: Mapped[dt.datetime | None]
    signed_in_at: Mapped[dt.datetime | None]
    """When its owner last signed in, by the race's clock; staff see it of the members of a team."""
    # A new password makes a new uniquifier, so what was decided about an account by its old password is not written.
    __mapper_args__ = {"version_id_col": fs_uniquifier, "version_id_generator": False}  # noqa: RUF012  (SQLAlchemy's)
    roles: Mapped[list[Role]] = relationship(secondary=role_of_user, lazy="selectin")

    @property
    def is_staff(self) -> bool:
        """Whether this account has the staff role."""
        return any(role.name == STAFF for role in self.roles)


class SignInLink(Base):
    """A link that signs one account in, once; only its hash is kept."""

    __tablename__ = "sign_in_link"
    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    expires_at: Mapped[dt.datetime]
    used_at: Mapped[dt.datetime | None]
    user: Mapped[User] = relationship()


def user_by_email(session: Session, email: str) -> User | None:
    """The account of an address, whatever its case."""
    return session.scalar(select(User).where(func.lower(User.email) == email.strip().lower()))


def new_uniquifier() -> str:
    """What the sessions of an account are known by: with another one, all of them are over."""
    return secrets.token_hex(32)


def end_sessions(session: Session, user_id: int, uniquifier: str) -> None:
    """End the sessions of an account that are known by this; nothing, if they have ended meanwhile."""
    of_account = update(User).where(User.id == user_id, User.fs_uniquifier == uniquifier)
    session.execute(of_account.values(fs_uniquifier=new_uniquifier()))


def all_users(session: Session) -> Sequence[User]:
    """Every account, by its address."""
    return session.scalars(select(User).order_by(User.email)).all()


def staff_role(session: Session) -> Role:
    """The staff role, made when it is first asked for."""
    role = session.scalar(select(Role).where(Role.name == STAFF))
    if role is None:
        role = Role(name=STAFF, permissions=None)
        session.add(role)
        session.flush()
    return role


def staff_ids(session: Session) -> list[int]:
    """The accounts with the staff role."""
    return list(session.scalars(select(User.id).join(User.roles).where(Role.name == STAFF).order_by(User.id)))


def mail_addresses(session: Session, user_ids: Collection[int]) -> dict[int, str]:
    """Where mail reaches people: ``{user_id: address}``, open accounts only."""
    query = select(User.id, User.email).where(User.id.in_(user_ids), User.active)
    return {user_id: email for user_id, email in session.execute(query)}  # noqa: C416  (rows are no pairs to mypy)


def sign_in_link(session: Session, token_hash: str) -> SignInLink | None:
    """The link of a token's hash; locked, so that it is used once."""
    return session.scalar(select(SignInLink).where(SignInLink.token_hash == token_hash).with_for_update(key_share=True))


def unused_links(session: Session, user_id: int) -> Sequence[SignInLink]:
    """The links of an account that nobody has used."""
    query = select(SignInLink).where(SignInLink.user_id == user_id, SignInLink.used_at.is_(None))
    return session.scalars(query.with_for_update(key_share=True)).all()
