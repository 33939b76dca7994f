"""S4: how long somebody is signed in, and that it ends."""

from __future__ import annotations

import datetime as dt
import time

import pytest
from flask import Flask

from fixtures.clients import BASE_URL, Browser
from fixtures.live import PASSWORD
from srs.server.bootstrap import Server
from srs.server.store.accounts import User
from worlds.small_race import People


def is_signed_in(browser: Browser) -> bool:
    return browser.get("/account").status_code == 200


def test_who_logs_out_is_out_everywhere(app: Flask, people: People) -> None:
    """In another browser, and where somebody has copied the cookie; nobody else is."""
    here, there, ben = (Browser(app).sign_in(person) for person in (people.ada, people.ada, people.ben))
    copied = here.client.get_cookie("srs", domain="127.0.0.1")
    assert copied is not None
    assert here.submit(here.page("/"), "/logout").status_code == 302
    thief = Browser(app)
    thief.client.set_cookie("srs", copied.value, domain="127.0.0.1")
    assert [is_signed_in(browser) for browser in (here, there, thief, ben)] == [False, False, False, True]
    assert is_signed_in(there.sign_in(people.ada)), "and may come back"


@pytest.mark.parametrize(("days", "is_kept"), [(13, True), (15, False)])
def test_a_session_lasts_two_weeks(app: Flask, people: People, days: int, is_kept: bool) -> None:
    """Also one that was copied: the server looks at its age."""
    browser = Browser(app)
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    signer = serializer.signer
    then = int(time.time() - dt.timedelta(days=days).total_seconds())
    aged = type("Aged", (signer,), {"get_timestamp": lambda _self: then})
    serializer.signer = aged
    known = {"_user_id": _uniquifier(app, people), "_fresh": True}
    browser.client.set_cookie("srs", serializer.dumps(known), domain="127.0.0.1")
    assert is_signed_in(browser) == is_kept


def _uniquifier(app: Flask, people: People) -> str:
    fresh = Browser(app).sign_in(people.ada)
    with fresh.client.session_transaction(base_url=BASE_URL) as kept:
        return str(kept["_user_id"])


def test_no_cookie_outlives_the_session(app: Flask, server: Server, people: People) -> None:
    """A form that asks to be remembered gets what every other gets: what signs in ends with the browser."""
    eve = Browser(app)
    sent = {"name": "Eve", "email": "eve@example.org", "password": PASSWORD, "password_confirm": PASSWORD}
    assert eve.post("/register", dict(sent)).status_code in (200, 302)
    with server.store.work() as session:
        session.query(User).filter_by(email="eve@example.org").one().confirmed_at = dt.datetime.now(dt.UTC)
    answer = eve.post("/login", {"email": "eve@example.org", "password": PASSWORD, "remember": "y"})
    assert answer.status_code == 302
    assert is_signed_in(eve)
    cookies = {
        cookie.partition("=")[0]: cookie for cookie in answer.headers.getlist("Set-Cookie") if "=;" not in cookie
    }
    assert cookies.keys() == {"srs", "srs-known"}, "the second only says that this browser has been here"
    assert "Expires" not in cookies["srs"]
    assert "Max-Age" not in cookies["srs"]
    other = Browser(app)
    known = eve.client.get_cookie("srs-known", domain="127.0.0.1")
    assert known is not None
    other.client.set_cookie("srs-known", known.value, domain="127.0.0.1")
    assert not is_signed_in(other)
