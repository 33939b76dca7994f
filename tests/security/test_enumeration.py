"""S22: registering, resetting, confirming and logging in answer alike, whoever has an account."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask_security import hash_password
from jinja2 import Environment
from passlib.context import CryptContext
from werkzeug.test import TestResponse

from fixtures.clients import Browser
from srs.server.bootstrap import Server
from srs.server.store.accounts import User, user_by_email
from srs.server.store.engine import Store
from srs.server.store.outbox import OutboxMail
from srs.server.store.tallies import Tally
from worlds.small_race import PASSWORD, People

UNKNOWN = "nobody@example.org"
KNOWN = ("ada@example.org", "ADA@example.org", " ada@example.org", "ada@EXAMPLE.org")
PRIVILEGED = "dana@example.org"
DISABLED = "zoe@example.org"
LOOK_ALIKE = "ad\u0430@example.org"  # the last letter is Cyrillic


def send(app: Flask, path: str, email: str, **more: str) -> tuple[int, str, str]:
    """What a stranger sees: status, address and text of the answer, less the address that was typed."""
    browser = Browser(app)
    response = browser.submit(browser.page(path), path, email=email, **more)
    first = (response.status_code, response.headers.get("Location", ""))
    if response.status_code in (302, 303):
        response = browser.get(response.headers["Location"])
    return (*first, words(response, email))


def words(response: TestResponse, email: str) -> str:
    """The page, less what differs in each request."""
    text = response.get_data(as_text=True)
    text = re.sub(r'value="[^"]*"', "", text)
    return text.replace(email, "EMAIL").replace(email.strip(), "EMAIL").replace(email.strip().lower(), "EMAIL")


@pytest.fixture
def accounts(app: Flask, server: Server, people: People) -> People:
    """Everybody has a password."""
    with app.app_context(), server.store.work() as session:
        hashed = hash_password(PASSWORD)
        for user in session.query(User):
            user.password = hashed
    return people


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/register", {"name": "Eve", "password": "a password of Eve", "password_confirm": "a password of Eve"}),
        ("/reset", {}),
        ("/confirm", {}),
        ("/login", {"password": "not the password"}),
    ],
)
def test_answers_are_alike(app: Flask, server: Server, accounts: People, path: str, fields: dict[str, str]) -> None:
    """S22: known, unknown, privileged, disabled and look-alike addresses."""
    for email in (*KNOWN, PRIVILEGED, DISABLED, LOOK_ALIKE):
        with server.store.work() as session:
            session.query(Tally).delete()  # some of these are one account, which would be tried too often
        expected = send(app, path, re.sub(r"[^\s@]+@", f"new{secrets.token_hex(4)}@", email), **fields)
        found = send(app, path, email, **fields)
        assert (found[0], found[1]) == (expected[0], expected[1]), email
        assert _same(found[2], expected[2]), email


def _same(found: str, expected: str) -> bool:
    """Equal but for how the typed address is written back (its normal form)."""
    written = re.compile(r"\S*EMAIL\S*|\S+@\S+", re.IGNORECASE)
    return written.sub("EMAIL", found) == written.sub("EMAIL", expected)


def test_who_is_known_hears_it_by_mail(app: Flask, server: Server, accounts: People) -> None:
    """S22: the holder of an address is told, nobody else; no second account comes of it."""
    fields = {"name": "Eve", "password": "a password of Eve", "password_confirm": "a password of Eve"}
    for email in ("ada@example.org", "ADA@example.org", UNKNOWN):
        send(app, "/register", email, **fields)
    send(app, "/reset", "nobody-else@example.org")
    with server.store.read() as session:
        mails = [(mail.recipient, mail.body) for mail in session.query(OutboxMail) if mail.notice_path is None]
        assert session.query(User).filter(User.name == "Eve").count() == 1
        assert user_by_email(session, "ada@example.org").name == "Ada"  # type: ignore[union-attr]
    assert sorted(recipient for recipient, _ in mails) == ["ada@example.org", "ada@example.org", UNKNOWN]
    assert all("has an account already" in body for recipient, body in mails if recipient != UNKNOWN)
    assert all("confirm" in body for recipient, body in mails if recipient == UNKNOWN)


def test_nobody_can_be_looked_up(app: Flask, accounts: People) -> None:
    """S22: no page takes an address and tells a name; addresses of others are shown to staff only."""
    ada = Browser(app)
    ada.submit(ada.page("/login"), "/login", email="ada@example.org", password=PASSWORD)
    for path in ("", "/team", "/teams/1", "/teams/2", "/leaderboard", "/defence"):
        text = ada.get(f"/races/small{path}").get_data(as_text=True)
        assert not set(re.findall(r"[\w.]+@[\w.]+", text)) - {"ada@example.org"}, path


@pytest.mark.parametrize("path", ["/reset", "/confirm"])
def test_the_same_work_is_done_for_everybody(
    app: Flask, server: Server, accounts: People, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """S22: the time of an answer tells nothing: as many hashes, mails that are made, transactions and statements."""
    made: dict[str, list[str]] = {}
    with server.store.work() as session:
        session.query(User).filter_by(email="ben@example.org").one().confirmed_at = None
    for email in ("ben@example.org", "ada@example.org", DISABLED, UNKNOWN):
        done = made[email] = []
        with monkeypatch.context() as watch:
            for owner, name in ((CryptContext, "hash"), (Environment, "get_template"), (Store, "work")):
                watch.setattr(owner, name, noted(getattr(owner, name), name, done))
            send(app, path, email)
    assert made[UNKNOWN].count("hash") == 1
    with server.store.read() as session:
        mailed = {mail.recipient for mail in session.query(OutboxMail) if mail.notice_path is None}
    assert UNKNOWN not in mailed
    assert ("ada@example.org" if path == "/reset" else "ben@example.org") in mailed
    assert {email: done == made[UNKNOWN] for email, done in made.items()} == dict.fromkeys(made, True), made


def noted(call: Callable[..., Any], name: str, done: list[str]) -> Callable[..., Any]:
    """The same, and a word for each call."""

    def calling(*arguments: Any, **named: Any) -> Any:
        done.append(name)
        return call(*arguments, **named)

    return calling
