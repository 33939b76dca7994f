"""Accounts as an operator sees to them: who there is, who is staff, whose account is closed.

Each change is a line of the audit log, and ends the sessions of the person: what they may do has changed.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from srs.errors import NotFound, StateError
from srs.server.services.sign_in import make_sign_in_link
from srs.server.store import clock, events
from srs.server.store.accounts import STAFF, User, all_users, new_uniquifier, staff_role, unused_links, user_by_email
from srs.server.store.engine import Session, Store, database_now


@dataclass(frozen=True)
class Account:
    """What an operator is told of an account."""

    email: str
    name: str
    is_staff: bool
    is_open: bool
    signed_in_at: dt.datetime | None
    """By the race's clock; ``None`` before the first time."""


def all_accounts(store: Store) -> list[Account]:
    """Every account, by its address."""
    with store.read() as session:
        return [
            Account(user.email, user.name, user.is_staff, user.active, user.signed_in_at) for user in all_users(session)
        ]


def set_staff(store: Store, email: str, *, is_staff: bool) -> bool:
    """Give the staff role, or take it back; whether it changed. Raises ``NotFound`` for an address of nobody."""
    with store.work() as session:
        user = _user(session, email)
        if user.is_staff == is_staff:
            return False
        if is_staff:
            user.roles.append(staff_role(session))
        else:
            user.roles = [role for role in user.roles if role.name != STAFF]
        _note(session, "staff.given" if is_staff else "staff.taken", user)
        return True


def set_open(store: Store, email: str, *, is_open: bool) -> bool:
    """Close an account, with the sign-in links that it still had, or open it again; whether it changed.

    Raises ``NotFound`` for an address of nobody.
    """
    with store.work() as session:
        user = _user(session, email)
        if user.active == is_open:
            return False
        user.active = is_open
        for link in [] if is_open else unused_links(session, user.id):
            link.used_at = database_now(session)
        _note(session, "account.opened" if is_open else "account.closed", user)
        return True


def sign_in_link(store: Store, email: str) -> str:
    """A token that signs a person in, once. Raises ``NotFound`` for an address of nobody, ``StateError`` if closed."""
    with store.read() as session:
        user = _user(session, email)
    if not user.active:
        raise StateError("account.closed", f"The account of {user.email} is closed, and no link would sign it in.")
    return make_sign_in_link(store, user.id)


def _user(session: Session, email: str) -> User:
    user = user_by_email(session, email)
    if user is None:
        raise NotFound("account.unknown", f"Nobody here has the address {email[:254]!r}.")
    return user


def _note(session: Session, action: str, user: User) -> None:
    user.fs_uniquifier = new_uniquifier()
    events.log(session, action, f"account {user.id}", clock.now(session), detail={"email": user.email})
