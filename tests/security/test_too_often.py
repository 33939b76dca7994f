"""S6: who tries too often is told to wait; of many at once no more get through than may, and nobody keeps others out.

S7: what a visitor says about where the request came from changes nothing.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from threading import Barrier

import pytest
from flask import Flask
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import update
from werkzeug.test import TestResponse

from fixtures.accounts import is_signed_in, mailed_path, mails, set_password
from fixtures.clients import LEAST_WORK, Browser, text_of
from fixtures.sizes import size
from srs.errors import InputError, TooOften
from srs.server.bootstrap import Server
from srs.server.config import read_config
from srs.server.services import limits, races, teams
from srs.server.services.limits import Limit
from srs.server.store.accounts import User
from srs.server.store.engine import Store, database_now
from srs.server.store.outbox import OutboxMail
from srs.server.store.races import race_by_slug
from srs.server.store.tallies import Tally
from srs.server.store.teams import Invitation, team_by_number
from srs.server.web import accounts
from srs.server.web.app import create_app
from srs.server.web.visitors import known_by
from worlds.small_race import PASSWORD, People, add_person, race_toml

AT_ONCE = size(12, 200)
WRONG = "not the password"
NEW = "another fine password"
HERE, THERE = "192.0.2.1", "192.0.2.2"
UNKNOWN = "nobody@example.org"
EVE = {"name": "Eve", "email": "eve@example.org", "password": PASSWORD, "password_confirm": PASSWORD}


def try_to_log_in(browser: Browser, email: str, password: str = WRONG, address: str = HERE, **headers: str) -> int:
    """What a log-in from an address is answered: 200 is the form again, 302 a welcome."""
    return send(browser, "/login", address, headers, email=email, password=password).status_code


def send(
    browser: Browser, path: str, address: str = HERE, headers: dict[str, str] | None = None, **fields: str
) -> TestResponse:
    """A form that is sent from an address."""
    return browser.post(path, dict(fields), headers=headers, environ_overrides={"REMOTE_ADDR": address})


def pass_time(server: Server, by: dt.timedelta = limits.DAY) -> None:
    """Let every window be so much older."""
    with server.store.work() as session:
        for tally in session.query(Tally):
            tally.ends_at -= by


def others_have_tried(server: Server, times: int, limit: Limit, subject: str) -> None:
    """Others have tried before."""
    with server.store.work() as session:
        for _ in range(times):
            limits.count(session, (limit, subject))


@pytest.fixture
def ada(app: Flask, server: Server, people: People) -> str:
    """The address of somebody with a password."""
    set_password(app, server, people.ada.user_id)
    return people.ada.email


@pytest.fixture
def small_hall(app: Flask, server: Server) -> Server:
    """An installation where an address may send each form of newcomers twice an hour."""
    app.extensions["srs"] = Server(replace(server.config, hourly_per_address=2), server.store, server.bell)
    return server


# ---- counting


def test_of_many_at_once_exactly_the_limit_is_counted(store: Store) -> None:
    """S6: on each database, in threads at a barrier; then again when the window is over."""
    limit = Limit("test", 5, limits.HOUR, "Too often.")
    barrier = Barrier(AT_ONCE)

    def one(_number: int) -> bool:
        barrier.wait()
        try:
            limits.count_now(store, (limit, "subject"))
        except TooOften as error:
            return not 0 < error.after_s <= 3600
        return True

    for _ in range(2):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            assert sum(pool.map(one, range(AT_ONCE))) == limit.most
        with store.work() as session:
            session.execute(update(Tally).values(ends_at=database_now(session)))


def test_what_turned_out_well_does_not_count(store: Store) -> None:
    limit = Limit("test", 1, limits.HOUR, "Too often.")
    for _ in range(3):
        tried = limits.count_now(store, (limit, "subject"))
        with store.work() as session:
            limits.give_back(session, tried)
    with store.work() as session:
        session.execute(update(Tally).values(ends_at=database_now(session)))
    again = limits.count_now(store, (limit, "subject"))
    with store.work() as session:
        limits.give_back(session, tried)  # of a window that is over
    with pytest.raises(TooOften):
        limits.count_now(store, (limit, "subject"))
    assert again != tried


def test_one_full_limit_counts_for_none(store: Store) -> None:
    one, other = Limit("one", 1, limits.HOUR, "Too often."), Limit("other", 1, limits.HOUR, "Too often.")
    limits.count_now(store, (other, "x"))
    with pytest.raises(TooOften):
        limits.count_now(store, (one, "x"), (other, "x"))
    limits.count_now(store, (one, "x"))


def test_a_window_of_a_clock_that_was_ahead_is_over(store: Store) -> None:
    limit = Limit("test", 1, limits.QUARTER, "Too often.")
    limits.count_now(store, (limit, "subject"))
    with store.work() as session:
        session.execute(update(Tally).values(ends_at=database_now(session) + dt.timedelta(hours=2)))
    limits.count_now(store, (limit, "subject"))


def test_what_is_over_is_swept(server: Server) -> None:
    limits.count_now(server.store, (limits.LOG_IN, "new"), (limits.ADDRESS, "new"))
    pass_time(server)
    limits.count_now(server.store, (limits.LOG_IN, "newer"))
    limits.sweep_tallies(server.store)
    with server.store.read() as session:
        assert session.query(Tally).count() == 1


# ---- log-ins


def test_five_failures_from_one_address(app: Flask, server: Server, people: People, ada: str) -> None:
    """S6: then nobody there guesses any more; other addresses and other accounts may, and so may all after a while."""
    stranger = Browser(app)
    assert [try_to_log_in(stranger, ada) for _ in range(6)] == [200] * 5 + [429]
    assert try_to_log_in(stranger, ada.upper(), PASSWORD) == 429, "the same account, and not even the right password"
    assert try_to_log_in(stranger, people.ben.email) == 200
    assert try_to_log_in(Browser(app), ada, PASSWORD, THERE) == 302
    pass_time(server, limits.QUARTER)
    assert try_to_log_in(stranger, ada, PASSWORD) == 302


def test_who_is_refused_hears_when_to_come_back(app: Flask, ada: str) -> None:
    """S6: in the head and in one sentence; nobody is signed in, though the password is right."""
    stranger = Browser(app)
    for _ in range(5):
        try_to_log_in(stranger, ada)
    refused = send(stranger, "/login", email=ada, password=PASSWORD)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 900
    assert "Too many log-ins have failed for this account. Please try again in 15 minutes." in text_of(refused)
    assert not is_signed_in(stranger)


def test_twenty_failures_from_all(app: Flask, server: Server, ada: str) -> None:
    """S6: many addresses do not make many guesses."""
    stranger = Browser(app)
    others_have_tried(server, 17, limits.LOG_IN, ada)
    found = [try_to_log_in(stranger, ada, address=f"198.51.100.{number}") for number in range(4)]
    assert found == [200] * 3 + [429]


def test_fifty_failures_of_an_address(app: Flask, server: Server, ada: str) -> None:
    """S6: one address does not try many accounts; a known browser there is not stopped by the others."""
    known, stranger = Browser(app), Browser(app)
    assert try_to_log_in(known, ada, PASSWORD) == 302
    others_have_tried(server, 49, limits.ADDRESS, HERE)
    assert [try_to_log_in(stranger, f"nobody{number}@example.org") for number in range(2)] == [200, 429]
    log_out(known)
    assert try_to_log_in(known, ada, PASSWORD) == 302


def log_out(browser: Browser) -> None:
    assert browser.post("/logout").status_code == 302


def test_log_ins_that_succeed_do_not_count(app: Flask, ada: str) -> None:
    """S6: a lecture hall that signs in uses nothing up."""
    assert [try_to_log_in(Browser(app), ada, PASSWORD) for _ in range(6)] == [302] * 6
    stranger = Browser(app)
    assert [try_to_log_in(stranger, ada) for _ in range(6)] == [200] * 5 + [429]


def test_strangers_do_not_stop_a_browser_that_has_signed_in_before(
    app: Flask, server: Server, people: People, ada: str
) -> None:
    """S6: it has a count of its own, for this account alone; its cookie cannot be made or changed."""
    set_password(app, server, people.ben.user_id)
    known, of_ben, stranger = Browser(app), Browser(app), Browser(app)
    assert try_to_log_in(known, ada, PASSWORD) == 302
    assert try_to_log_in(of_ben, people.ben.email, PASSWORD) == 302
    for browser in (known, of_ben):
        log_out(browser)
    others_have_tried(server, 20, limits.LOG_IN, ada)
    assert try_to_log_in(stranger, ada, PASSWORD) == 429
    assert try_to_log_in(of_ben, ada, PASSWORD) == 429, "known to another account"
    with server.store.read() as session:
        account = known_by(session.get_one(User, people.ada.user_id))
    forged = URLSafeTimedSerializer("a key of their own", salt="known browser").dumps(["number", [account]])
    stranger.client.set_cookie("srs-known", str(forged))
    assert try_to_log_in(stranger, ada, PASSWORD) == 429, "forged"
    assert [try_to_log_in(known, ada) for _ in range(5)] == [200] * 5
    assert try_to_log_in(known, ada, PASSWORD) == 429, "its own count"
    pass_time(server, limits.QUARTER)
    assert try_to_log_in(known, ada, PASSWORD) == 302


def test_a_known_browser_is_forgotten_with_the_password(app: Flask, server: Server, ada: str) -> None:
    """Who knew the old password has no say any more; who sets a new one by the mailed link is let in at once."""
    thief, owner = Browser(app), Browser(app)
    assert try_to_log_in(thief, ada, PASSWORD) == 302
    owner.post("/reset", {"email": ada})
    link = mailed_path(server, ada)
    others_have_tried(server, 20, limits.LOG_IN, ada)
    assert owner.submit(owner.page(link), link, password=NEW, password_confirm=NEW).status_code == 302
    assert try_to_log_in(thief, ada, NEW) == 429
    assert try_to_log_in(owner, ada, NEW) == 302


def test_the_cookie_of_a_known_browser_is_kept_as_the_session_is(app: Flask, server: Server, ada: str) -> None:
    """HttpOnly, SameSite; Secure and of this host alone, where the site is."""
    plain = cookies(send(Browser(app), "/login", email=ada, password=PASSWORD))
    app.extensions["srs"] = Server(replace(server.config, base_url="https://127.0.0.1:8000"), server.store, server.bell)
    secure = cookies(send(Browser(app), "/login", email=ada, password=PASSWORD))
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(plain["srs-known"])
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Secure"} <= set(secure["__Host-srs-known"])
    assert not any(one.startswith("Domain") for one in secure["__Host-srs-known"])


def cookies(response: TestResponse) -> dict[str, list[str]]:
    """What a response sets: ``{name: attributes}``."""
    parts = (one.split("; ") for one in response.headers.getlist("Set-Cookie"))
    return {first.split("=")[0]: rest for first, *rest in parts}


def test_of_many_log_ins_at_once_five_are_tried(app: Flask, ada: str) -> None:
    """S6: at a barrier, and no more passwords are looked at than may be wrong."""
    browsers = [Browser(app) for _ in range(AT_ONCE)]
    for browser in browsers:
        browser.token()
    barrier = Barrier(AT_ONCE)

    def one(browser: Browser) -> int:
        barrier.wait()
        return try_to_log_in(browser, ada)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert Counter(pool.map(one, browsers)) == {200: 5, 429: AT_ONCE - 5}


def test_unknown_accounts_are_limited_alike(app: Flask, ada: str) -> None:
    """S22: nobody learns by it who has an account."""
    answers = {}
    for number, email in enumerate((ada, UNKNOWN)):
        stranger = Browser(app)
        tries = [send(stranger, "/login", f"192.0.2.{number}", email=email, password=WRONG) for _ in range(6)]
        answers[email] = [(one.status_code, re.sub(r"request \w+", "", text_of(one))) for one in tries]
    assert answers[ada] == answers[UNKNOWN]
    assert answers[ada][-1][0] == 429


def test_a_network_of_ipv6_is_one_address(app: Flask, ada: str) -> None:
    """S6: a /64, which one household has; what is IPv4 in the clothes of IPv6 is IPv4."""
    stranger = Browser(app)
    for number in range(5):
        assert try_to_log_in(stranger, ada, address=f"2001:db8:1:2:{number}::{number}") == 200
    assert try_to_log_in(stranger, ada, address="2001:db8:1:2:ffff::1") == 429
    assert try_to_log_in(stranger, ada, address="2001:db8:1:3::1") == 200
    for _ in range(5):
        assert try_to_log_in(stranger, ada, address="::ffff:192.0.2.9") == 200
    assert try_to_log_in(stranger, ada, address="192.0.2.9") == 429


def forged(number: int) -> dict[str, str]:
    """Headers in which a visitor says where the request came from."""
    said = f"203.0.113.{number}"
    return {"X-Forwarded-For": said, "Forwarded": f"for={said}", "X-Real-IP": said}


def test_what_a_visitor_says_of_its_address_changes_nothing(app: Flask, ada: str) -> None:
    """S7: no proxy is listed."""
    stranger = Browser(app)
    found = [try_to_log_in(stranger, ada, **forged(number)) for number in range(6)]
    assert found == [200] * 5 + [429]


def test_behind_a_proxy_its_word_counts_and_not_the_visitor_s(
    server: Server, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S7: of what stands in the header the last is the proxy's."""
    monkeypatch.setitem(accounts.SETTINGS, "SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS", LEAST_WORK)
    proxied = create_app(Server(replace(server.config, proxies=(ip_network("127.0.0.1"),)), server.store, server.bell))
    stranger = Browser(proxied)

    def of(visitor: str, number: int) -> int:
        said = forged(number)
        named = {**said, "X-Forwarded-For": f"{said['X-Forwarded-For']}, {visitor}"}
        return try_to_log_in(stranger, ada, address="127.0.0.1", **named)

    assert [of(HERE, number) for number in range(6)] == [200] * 5 + [429]
    assert of(THERE, 0) == 200


def test_the_present_password_is_not_guessed_either(app: Flask, people: People, ada: str) -> None:
    """By whoever holds a session of somebody else; a new password that will not do is no guess."""
    browser = Browser(app).sign_in(people.ada)
    short = {"new_password": "short", "new_password_confirm": "short"}
    good = {"new_password": NEW, "new_password_confirm": NEW}
    assert [send(browser, "/change", password=PASSWORD, **short).status_code for _ in range(6)] == [200] * 6
    assert [send(browser, "/change", password=WRONG, **good).status_code for _ in range(6)] == [200] * 5 + [429]


# ---- mails


@pytest.mark.parametrize("path", ["/reset", "/confirm", "/register"])
def test_three_mails_to_a_recipient(stranger: Browser, server: Server, people: People, path: str) -> None:
    """S6, S22: known or not, however it is written, from wherever; and others get theirs."""
    known = add_person(server.store, "Quinn").email
    forms = {
        email: {"email": email, **({} if path != "/register" else {**EVE, "email": email})}
        for email in (known, UNKNOWN, "other@example.org")
    }
    answers = {}
    for email in (known, UNKNOWN):
        written = [email, email.replace("example", "EXAMPLE"), email.upper(), email]
        sent = [
            send(stranger, path, f"192.0.2.{number}", **{**forms[email], "email": one})
            for number, one in enumerate(written)
        ]
        assert 0 < int(sent[-1].headers["Retry-After"]) <= 3600
        answers[email] = [one.status_code for one in sent]
    assert answers[known] == answers[UNKNOWN]
    assert answers[known][3] == 429
    assert 429 not in answers[known][:3]
    assert send(stranger, path, **forms["other@example.org"]).status_code != 429


def test_three_mails_to_a_recipient_by_all_forms_together(stranger: Browser, server: Server, people: People) -> None:
    """S6, S22: each form answers as ever until it was sent three times itself."""
    quinn = add_person(server.store, "Quinn").email
    for _ in range(3):
        assert send(stranger, "/register", **{**EVE, "email": quinn}).status_code == 302
        assert send(stranger, "/reset", email=quinn).status_code == 200
    assert mails_to(server, quinn) == 3
    pass_time(server, limits.HOUR)
    assert send(stranger, "/reset", email=quinn).status_code == 200
    assert mails_to(server, quinn) == 4


def mails_to(server: Server, recipient: str) -> int:
    with server.store.read() as session:
        return session.query(OutboxMail).filter(OutboxMail.recipient == recipient).count()


def test_a_form_with_a_mistake_asks_for_no_mail(app: Flask, server: Server) -> None:
    browser = Browser(app)
    for _ in range(4):
        assert (
            send(browser, "/register", **{**EVE, "password": "short", "password_confirm": "short"}).status_code == 200
        )
        assert send(browser, "/reset", email="").status_code == 200
    assert mails(server) == 0
    assert send(browser, "/register", **EVE).status_code == 302


# ---- newcomers


@pytest.mark.parametrize("path", ["/register", "/reset", "/confirm"])
def test_newcomers_of_an_address(small_hall: Server, stranger: Browser, path: str) -> None:
    """S6: as many as the setting says; another address is another hall."""
    more = {} if path != "/register" else EVE
    found = [send(stranger, path, **{**more, "email": f"new{n}@example.org"}).status_code for n in range(3)]
    assert found[2] == 429
    assert 429 not in found[:2]
    assert send(stranger, path, THERE, **{**more, "email": "new3@example.org"}).status_code != 429


def test_a_lecture_hall_is_a_setting(tmp_path: Path) -> None:
    env = {"SRS_DATA": str(tmp_path)}
    assert read_config(env).hourly_per_address == 300
    assert read_config({**env, "SRS_HOURLY_PER_ADDRESS": "900"}).hourly_per_address == 900


def test_joining_and_confirming_from_an_address(app: Flask, small_hall: Server, people: People) -> None:
    """S6: whoever it is that joins a race or a team, or presses the button of a mailed link."""
    paul = Browser(app).sign_in(people.paul)
    for path in ("/races/small/join", "/invitations/no-such-token", "/confirm/no-such-token"):
        found = [send(paul, path).status_code for _ in range(3)]
        assert found[2] == 429, path
        assert 429 not in found[:2], path


def test_twenty_invitations_of_a_team_within_a_day(server: Server, people: People) -> None:
    """S6: another team has its own."""
    number = teams.create_team(server.store, people.nils, people.slug, "Tulips")
    teams.invite(server.store, people.nils, people.slug)
    with server.store.work() as session:
        team = team_by_number(session, race_by_slug(session, people.slug).id, number)
    others_have_tried(server, 18, limits.INVITATIONS, str(team.id))
    teams.invite(server.store, people.nils, people.slug)
    with pytest.raises(TooOften) as refused:
        teams.invite(server.store, people.nils, people.slug)
    assert 23 * 3600 < refused.value.after_s <= 24 * 3600
    assert "24 hours" in refused.value.hint
    teams.invite(server.store, people.cleo, people.slug)
    pass_time(server)
    teams.invite(server.store, people.nils, people.slug)


def test_three_invitations_to_a_recipient(app: Flask, server: Server, people: People) -> None:
    """S6: by whichever team; the one that is refused leaves nothing behind, and a link can still be handed over."""
    teams.create_team(server.store, people.nils, people.slug, "Tulips")
    nils, cleo = Browser(app).sign_in(people.nils), Browser(app).sign_in(people.cleo)
    invite = "/races/small/team/invite"
    for browser in (nils, cleo, nils):
        assert browser.post(invite, {"email": "paul@example.org"}).status_code == 200
    assert cleo.post(invite, {"email": "Paul@example.org"}).status_code == 429
    assert mails_to(server, "paul@example.org") == 3
    with server.store.read() as session:
        assert session.query(Invitation).count() == 4, "with the one by which Ben joined"
    assert cleo.post(invite).status_code == 200


def test_codes_of_a_race_are_not_guessed(server: Server, people: People) -> None:
    """S6: ten within an hour, then not even the right one; the right one does not count."""
    races.create_race(server.store, people.dana, race_toml("coded", joining='how = "code"\ncode = "tulip"'))
    for _ in range(10):
        with pytest.raises(InputError, match="not the code"):
            races.join(server.store, people.paul, "coded", "rose")
    with pytest.raises(TooOften):
        races.join(server.store, people.paul, "coded", "tulip")
    assert races.join(server.store, people.nils, "coded", "tulip")
    with server.store.read() as session:
        assert sorted(tally.counted for tally in session.query(Tally) if tally.counted != 1) == [0, 10]
