"""Accounts made by an operator, and links that sign one account in, once."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets

from email_validator import EmailNotValidError, validate_email

from srs.errors import InputError, NotFound
from srs.server.store import clock
from srs.server.store.accounts import SignInLink, User, new_uniquifier, sign_in_link, staff_role, user_by_email
from srs.server.store.engine import Store, database_now
from srs.traces.report import quoted

NAME_MAX_CHARACTERS = 80


def one_address(text: str) -> str:
    """An e-mail address (RFC 5321), and no more than one. Raises ``InputError`` otherwise."""
    try:
        return validate_email(text.strip(), check_deliverability=False, strict=True).normalized
    except EmailNotValidError:
        raise InputError("user.email", f"{quoted(text[:60])} is not one e-mail address.") from None


def token_hash(token: str) -> str:
    """What is kept of a token: its SHA-256 (tokens have 256 random bits, so no salt is needed)."""
    return hashlib.sha256(token.encode()).hexdigest()


def add_user(store: Store, email: str, name: str = "", *, staff: bool = False) -> int:
    """Make a confirmed account without a password, or give an existing one the staff role; return its id."""
    email = one_address(email).lower()
    with store.work() as session:
        user = user_by_email(session, email)
        if user is None:
            moment = database_now(session)
            user = User(
                email=email,
                name=name.strip()[:NAME_MAX_CHARACTERS] or email.split("@")[0],
                fs_uniquifier=new_uniquifier(),
                confirmed_at=moment,
                create_datetime=moment,
            )
            session.add(user)
        if staff and not user.is_staff:
            user.roles.append(staff_role(session))
        session.flush()
        return user.id


def make_sign_in_link(store: Store, user_id: int, hours: float = 24.0) -> str:
    """A fresh token for ``/sign-in/<token>``; it works once, within ``hours``."""
    token = secrets.token_urlsafe(32)
    with store.work() as session:
        expires_at = database_now(session) + dt.timedelta(hours=hours)
        session.add(SignInLink(token_hash=token_hash(token), user_id=user_id, expires_at=expires_at))
    return token


def use_sign_in_link(store: Store, token: str, *, again: bool = False) -> int:
    """The account that a token signs in; ``NotFound`` for an unknown, used or expired one.

    ``again`` lets a used one sign in, too: in a demo people log out and come back.
    """
    with store.work() as session:
        link = sign_in_link(session, token_hash(token))
        moment = database_now(session)
        is_used = link is not None and link.used_at is not None and not again
        if link is None or is_used or link.expires_at <= moment or not link.user.active:
            raise NotFound(
                "sign-in.link", "This sign-in link has been used or has expired.", hint="Sign in with your password."
            )
        link.used_at = moment
        link.user.signed_in_at = clock.now(session)
        return link.user_id
