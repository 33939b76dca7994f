"""Who is at the other end: the address that limits count, and the accounts that this browser has signed in to."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from flask import Flask, Response, current_app, g, request
from flask_login import user_logged_in
from flask_security import password_reset, user_confirmed
from itsdangerous import BadData, URLSafeTimedSerializer

from srs.server.services import limits
from srs.server.store.accounts import User
from srs.server.web.viewer import the_server

COOKIE = "srs-known"
COOKIE_S = 365 * 24 * 3600
ACCOUNTS_MAX = 8
"""Accounts that one browser is known to: a computer that several people use."""


def address() -> str:
    """Where a request comes from, as limits count it: an IPv4 address, or the /64 that one holder of IPv6 has."""
    try:
        found = ip_address(request.remote_addr or "")
    except ValueError:
        return ""
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or ip_network((int(found), 64), strict=False))


def count_here(form: str) -> None:
    """Count a form that newcomers send, for the address that it comes from. Raises ``TooOften``."""
    limit = limits.from_address(form, the_server().config.hourly_per_address)
    limits.count_now(the_server().store, (limit, address()))


@dataclass(frozen=True)
class KnownBrowser:
    """A browser with a number of its own, and the accounts that it has signed in to, the newest first."""

    number: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    accounts: tuple[str, ...] = ()


def set_up(app: Flask) -> None:
    """Keep in a signed cookie which accounts a browser has signed in to, or shown to be its own by a mailed link."""
    for signal in (user_logged_in, password_reset, user_confirmed):
        signal.connect(_remember, app)
    app.after_request(_keep)


def known_browser(account: User | None) -> str | None:
    """The number of a browser that has signed in to this account since its password was last changed."""
    if account is None:
        return None
    browser = _read()
    return browser.number if known_by(account) in browser.accounts else None


def _remember(_app: Flask, user: User, **_more: Any) -> None:
    g.signed_in_to = known_by(user)


def known_by(account: User) -> str:
    """Another one with every new password; a log-out, which ends every session, does not change it."""
    return hashlib.sha256(f"{account.id} {account.password}".encode()).hexdigest()[:32]


def _keep(response: Response) -> Response:
    account: str | None = g.pop("signed_in_to", None)
    if account is not None:
        browser = _read()
        accounts = [account, *(other for other in browser.accounts if other != account)][:ACCOUNTS_MAX]
        is_https = the_server().config.is_https
        value = _serializer().dumps([browser.number, accounts])
        response.set_cookie(_name(), value, max_age=COOKIE_S, secure=is_https, httponly=True, samesite="Lax")
    return response


def _read() -> KnownBrowser:
    try:
        number, accounts = _serializer().loads(request.cookies.get(_name(), ""), max_age=COOKIE_S)
    except BadData:
        return KnownBrowser()
    return KnownBrowser(number, tuple(accounts))


def _name() -> str:
    return f"__Host-{COOKIE}" if the_server().config.is_https else COOKIE


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="known browser")
