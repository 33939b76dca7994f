"""Hashing takes long by design, so nothing is hashed inside a transaction: who tries to log in holds nobody up."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from fixtures.accounts import is_signed_in, log_in, mailed_path, set_password
from fixtures.clients import Browser
from srs.server.bootstrap import Server
from srs.server.store import events
from srs.server.store.accounts import User
from srs.server.store.engine import database_now
from worlds.small_race import PASSWORD, People, add_person

EVE = {"name": "Eve", "email": "eve@example.org", "password": PASSWORD, "password_confirm": PASSWORD}
NEW = "another fine password"


@pytest.fixture
def hashed(app: Flask, server: Server, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What has been hashed; while it was, somebody else wrote to the database, and was done before it was."""
    done: list[str] = []

    def write() -> None:
        with server.store.work() as session:
            events.log(session, "meanwhile", "a request of somebody else", database_now(session))

    def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def hash_slowly(*args: Any, **kwargs: Any) -> Any:
            with ThreadPoolExecutor(1) as somebody_else:
                somebody_else.submit(write).result()
            done.append(name)
            return real(*args, **kwargs)

        return hash_slowly

    security = app.extensions["security"]
    for context in (security.pwd_context, security.hashing_context):
        for name in ("hash", "verify"):
            monkeypatch.setattr(context, name, watched(name, getattr(context, name)))
    return done


def test_others_write_while_a_stranger_logs_in(app: Flask, server: Server, people: People, hashed: list[str]) -> None:
    """With an address that has an account, with one that has none, and with one that has no password yet."""
    set_password(app, server, people.ada.user_id)
    for email in (people.ada.email, "nobody@example.org", people.ben.email):
        hashed.clear()
        log_in(app, email, "not the password")
        assert len(hashed) == 1, email


def test_others_write_while_a_password_is_set_or_a_link_is_mailed(
    app: Flask, server: Server, hashed: list[str]
) -> None:
    """Each form of an account, from the registration on; each of them hashes something."""
    browser = Browser(app)

    def send(page: str, form: str = "", **fields: str) -> None:
        hashed.clear()
        answer = browser.submit(browser.page(page), form or page, **fields)
        assert answer.status_code in (200, 302), page
        assert hashed, page

    send("/register", **EVE)
    send("/register", **{**EVE, "email": add_person(server.store, "Quinn").email})
    send("/confirm", email=EVE["email"])
    send(mailed_path(server, EVE["email"]))
    send("/reset", email=EVE["email"])
    send("/reset", email="nobody@example.org")
    send(mailed_path(server, EVE["email"]), password=NEW, password_confirm=NEW)
    send("/login", email=EVE["email"], password=NEW)
    send("/change", password=NEW, new_password=PASSWORD, new_password_confirm=PASSWORD)
    assert is_signed_in(browser)


def test_a_password_that_was_changed_meanwhile_stays(
    app: Flask, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two who open one link to reset a password at once, one sets it; the other is told, and nothing is mixed up."""
    eve = add_person(server.store, "Eve")
    set_password(app, server, eve.user_id)
    browser, other = Browser(app), Browser(app)
    browser.submit(browser.page("/reset"), "/reset", email=eve.email)
    link = mailed_path(server, eve.email)
    pages = [one.page(link) for one in (browser, other)]
    context = app.extensions["security"].pwd_context
    really_hash = context.hash

    def hash_after_the_other(*args: Any, **kwargs: Any) -> str:
        monkeypatch.setattr(context, "hash", really_hash)
        first = other.submit(pages[1], link, password=NEW, password_confirm=NEW)
        assert first.status_code == 302
        return str(really_hash(*args, **kwargs))

    monkeypatch.setattr(context, "hash", hash_after_the_other)
    late = browser.submit(pages[0], link, password="a late password", password_confirm="a late password")
    assert late.status_code == 409
    for tried, works in (("a late password", False), (NEW, True)):
        assert is_signed_in(log_in(app, eve.email, tried)) is works


def test_a_form_that_is_sent_twice_at_once_registers_once(
    app: Flask, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both see the same answer, and one account and one mail come of it."""
    browser, other = Browser(app), Browser(app)
    page, other_page = browser.page("/register"), other.page("/register")
    context = app.extensions["security"].pwd_context
    really_hash = context.hash
    answers = []

    def hash_after_the_other(*args: Any, **kwargs: Any) -> str:
        monkeypatch.setattr(context, "hash", really_hash)
        answers.append(other.submit(other_page, "/register", **{**EVE, "email": "EVE@example.org"}))
        return str(really_hash(*args, **kwargs))

    monkeypatch.setattr(context, "hash", hash_after_the_other)
    answers.append(browser.submit(page, "/register", **EVE))
    assert [(answer.status_code, answer.headers["Location"]) for answer in answers] == [(302, "/login")] * 2
    with server.store.read() as session:
        assert session.query(User).count() == 1
    assert mailed_path(server, "EVE@example.org")
    with pytest.raises(IndexError):
        mailed_path(server, EVE["email"])
