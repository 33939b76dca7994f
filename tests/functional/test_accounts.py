"""Registering, confirming, logging in and out, resetting and changing the password."""

from __future__ import annotations

import pytest
from flask import Flask
from passlib.context import CryptContext

from fixtures.accounts import is_signed_in, log_in, mailed_path, mails, set_password
from fixtures.clients import Browser, text_of
from srs.server.bootstrap import Server
from srs.server.services import sign_in
from srs.server.store.accounts import User
from srs.server.web.app import create_app
from worlds.small_race import PASSWORD, People, add_person

NEW = {"name": "Eve  Adams", "email": "Eve@example.org", "password": PASSWORD, "password_confirm": PASSWORD}


def test_from_registration_to_log_out(app: Flask, server: Server) -> None:
    """Register, confirm by the mailed link and a button, log in, log out."""
    browser = Browser(app)
    assert browser.submit(browser.page("/register"), "/register", **NEW).status_code == 302
    assert not is_signed_in(log_in(app, "eve@example.org", PASSWORD))
    link = mailed_path(server, "Eve@example.org")
    page = browser.page(link)
    assert not is_signed_in(log_in(app, "eve@example.org", PASSWORD)), "a link that was only looked at"
    assert browser.submit(page, link).status_code == 302
    eve = log_in(app, "eve@example.org", PASSWORD)
    assert "Eve Adams" in text_of(eve.get("/account"))
    assert eve.submit(eve.page("/"), "/logout").status_code == 302
    assert not is_signed_in(eve)


def test_a_link_of_an_older_version_confirms(app: Flask, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a link holds the address hashed in another way."""
    with monkeypatch.context() as before:
        before.setattr(app.extensions["security"], "hashing_context", CryptContext(["sha256_crypt"]))
        browser = Browser(app)
        browser.submit(browser.page("/register"), "/register", **NEW)
    link = mailed_path(server, "Eve@example.org")
    assert browser.submit(browser.page(link), link).status_code == 302
    assert is_signed_in(log_in(app, "eve@example.org", PASSWORD))


def test_passwords_are_kept_as_argon2(server: Server) -> None:
    """With the settings of a site, not those of the other tests."""
    browser = Browser(create_app(server))
    browser.submit(browser.page("/register"), "/register", **NEW)
    with server.store.read() as session:
        [user] = session.query(User)
        assert user.password is not None
        assert user.password.startswith("$argon2id$")
        assert PASSWORD not in user.password


def test_a_form_that_is_not_filled_in_well(app: Flask, server: Server) -> None:
    """Each field says what is wrong with it, beside it; nothing is stored."""
    for name, value, said in (
        ("name", " ", "who you are"),
        ("password", "short", "10 characters"),
        ("email", "eve at example", "email"),
        ("password_confirm", "something else", "match"),
    ):
        browser = Browser(app)
        fields = {**NEW, name: value}
        if name == "password":
            fields["password_confirm"] = value
        page = browser.submit(browser.page("/register"), "/register", **fields)
        assert page.status_code == 200
        assert said in text_of(page)
        assert 'aria-invalid="true"' in page.get_data(as_text=True)
    with server.store.read() as session:
        assert session.query(User).count() == 0
    assert mails(server) == 0


def test_reset(app: Flask, server: Server) -> None:
    """A reset works once, by the mailed link, and ends every session."""
    eve = add_person(server.store, "Eve")
    set_password(app, server, eve.user_id)
    old = log_in(app, eve.email, PASSWORD)
    browser = Browser(app)
    browser.submit(browser.page("/reset"), "/reset", email=eve.email)
    link = mailed_path(server, eve.email)
    fields = {"password": "another fine password", "password_confirm": "another fine password"}
    assert browser.submit(browser.page(link), link, **fields).status_code == 302
    assert not is_signed_in(old)
    assert not is_signed_in(log_in(app, eve.email, PASSWORD))
    assert is_signed_in(log_in(app, eve.email, "another fine password"))
    assert Browser(app).get(link).status_code == 302, "the link is spent"


def test_change(app: Flask, server: Server) -> None:
    """Changing the password keeps this session and ends the others."""
    eve = add_person(server.store, "Eve")
    set_password(app, server, eve.user_id)
    here, elsewhere = log_in(app, eve.email, PASSWORD), log_in(app, eve.email, PASSWORD)
    new = {"new_password": "another fine password", "new_password_confirm": "another fine password"}
    wrong = here.submit(here.page("/change"), "/change", password="not it at all", **new)
    assert wrong.status_code == 200
    assert is_signed_in(elsewhere)
    assert here.submit(here.page("/change"), "/change", password=PASSWORD, **new).status_code == 302
    assert is_signed_in(here)
    assert not is_signed_in(elsewhere)


def test_a_first_password(app: Flask, server: Server) -> None:
    """Who came by a one-time link has none, and can choose one."""
    eve = add_person(server.store, "Eve")
    browser = Browser(app).sign_in(eve)
    new = {"new_password": "another fine password", "new_password_confirm": "another fine password"}
    assert browser.submit(browser.page("/change"), "/change", **new).status_code == 302
    assert is_signed_in(log_in(app, eve.email, "another fine password"))


def test_a_sign_in_link_works_once(app: Flask, server: Server, people: People) -> None:
    token = sign_in.make_sign_in_link(server.store, people.ada.user_id)
    first, second = Browser(app), Browser(app)
    pages = [browser.page(f"/sign-in/{token}") for browser in (first, second)]
    assert first.submit(pages[0], token).status_code == 303
    assert is_signed_in(first)
    assert second.submit(pages[1], token).status_code == 404
    assert not is_signed_in(second)


def test_a_closed_account(app: Flask, server: Server, people: People) -> None:
    """It can neither log in, nor use a link."""
    set_password(app, server, people.zoe.user_id)
    assert not is_signed_in(log_in(app, people.zoe.email, PASSWORD))
    token = sign_in.make_sign_in_link(server.store, people.zoe.user_id)
    browser = Browser(app)
    assert browser.submit(browser.page(f"/sign-in/{token}"), token).status_code == 404


def test_no_token_signs_in(app: Flask, server: Server, people: People) -> None:
    """Only a session does: Flask-Security's authentication tokens are off."""
    with app.test_request_context("/"):
        accounts = app.extensions["security"].datastore
        token = accounts.find_user(email=people.ada.email).get_auth_token()
    client = app.test_client()
    for path, headers in ((f"/account?auth_token={token}", {}), ("/account", {"Authentication-Token": token})):
        assert client.get(path, base_url=server.config.base_url, headers=headers).status_code == 302
