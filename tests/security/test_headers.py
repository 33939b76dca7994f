"""S8, S15, S23: what every answer carries, and what no answer tells."""

from __future__ import annotations

import dataclasses
import io
import logging
import re

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from werkzeug.test import TestResponse

from fixtures.clients import BASE_URL, Browser, soup, text_of
from fixtures.routes import path_to, values_of
from srs.server.bootstrap import Server
from srs.server.services import teams
from srs.server.store.jobs import PARKED
from srs.server.web.app import create_app
from worlds.played_round import play, send, set_state
from worlds.small_race import People

FORGED_HOSTS = (
    "evil.example",
    "127.0.0.1.evil.example",
    "evil.example:8000",
    "127.0.0.1@evil.example",
    "localhost.evil.example",
    "evil.example#127.0.0.1",
    "0.0.0.0:8000",
    "[::1]",
    "10.0.0.1",
    "127.0.0.1/evil",
)
INTERNALS = re.compile(
    r"Traceback|File \"|site-packages|/work/|/tmp/|SELECT|sqlite|werkzeug|flask|python/|\.py\b", re.IGNORECASE
)


def every_page(app: Flask, server: Server, people: People) -> list[tuple[str, TestResponse]]:
    """Every page that can be looked at, as a stranger, a student and staff see it; and some errors."""
    played = play(server.store, people)
    job_id = set_state(server.store, people.slug, send(server.store, people.ada, "small", "attack", b"x"), PARKED)
    values = values_of(people, played, job_id, teams.invite(server.store, people.cleo, people.slug))
    endpoints = sorted({rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())})
    paths = [path_to(app, endpoint, values) for endpoint in endpoints]
    paths += [
        "/nothing",
        "/races/none",
        "/races/small/rounds/99",
        "/races/small/teams/99",
        "/races/small/attack?round=x",
    ]
    paths += [f"/races/small/submissions/{public_id}" for public_id in played.attacks.values()]
    browsers = [
        Browser(app),
        *(Browser(app).sign_in(one) for one in (people.ada, people.nils, people.dana)),
    ]
    return [(path, browser.get(path)) for browser in browsers for path in paths]


def test_every_answer(app: Flask, server: Server, people: People) -> None:
    """S8: a strict policy, and nothing inline, on every page and every file; every page is built for everybody."""
    for path, response in every_page(app, server, people):
        headers = response.headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, path
        assert "script-src 'self'" in policy, path
        assert "frame-ancestors 'none'" in policy, path
        assert "unsafe" not in policy, path
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["Referrer-Policy"] == "same-origin", path
        assert headers["X-Request-ID"], path
        assert response.status_code < 500, path
        if response.mimetype == "text/html":
            page = soup(response)
            assert "no-store" in headers["Cache-Control"], path
            assert _inline(page) == [], path
            if response.status_code not in (301, 302, 303, 308):
                _assert_built_for_everybody(path, page)


def _inline(page: BeautifulSoup) -> list[str]:
    """What a strict policy would not run, and what comes from elsewhere."""
    found = [str(tag) for tag in page.find_all(["style", "iframe", "object", "embed", "base"])]
    found += [str(tag) for tag in page.find_all("script") if not tag.get("src") or tag.text.strip()]
    for tag in page.find_all(True):
        found += [name for name in tag.attrs if name == "style" or name.startswith("on")]
        for name in ("href", "src", "action", "formaction"):
            address = str(tag.get(name, "/"))
            if tag.name != "a" and not address.startswith("/"):
                found.append(address)
            if address.lower().startswith(("javascript:", "data:", "//")):
                found.append(address)
    return found


def _assert_built_for_everybody(path: str, page: BeautifulSoup) -> None:
    """One h1, a title, a language, a skip link, labels for fields, captions and scopes for tables."""
    assert page.html is not None, path
    assert page.html.get("lang") == "en", path
    assert page.title is not None, path
    assert page.title.text.strip(" ·") != "Secret Race Strolling", path
    assert len(page.find_all("h1")) == 1, path
    assert page.find("a", href="#main"), path
    assert page.find("main", id="main"), path
    for field in page.find_all(["input", "select", "textarea"]):
        if field.get("type") not in ("hidden", "submit"):
            has_label = "id" in field.attrs and page.find("label", attrs={"for": field["id"]})
            assert has_label or field.get("aria-label"), (path, field)
    for table in page.find_all("table"):
        assert table.caption, path
        assert all(cell.get("scope") for cell in table.find_all("th")), path
    ids = [tag["id"] for tag in page.find_all(id=True)]
    assert len(ids) == len(set(ids)), path
    for image in page.find_all("img"):
        assert image.has_attr("alt"), path
    for moment in page.find_all("time"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(moment["datetime"])), path
        assert "UTC" in moment.text, path


def test_https(server: Server, people: People) -> None:
    """S8: over HTTPS, HSTS and a cookie that is Secure, HttpOnly, SameSite=Lax and bound to the host."""
    config = dataclasses.replace(server.config, base_url="https://race.example.org")
    app = create_app(dataclasses.replace(server, config=config))
    response = app.test_client().get("/login", base_url="https://race.example.org")
    cookie = response.headers["Set-Cookie"]
    assert "max-age=" in response.headers["Strict-Transport-Security"]
    assert cookie.startswith("__Host-srs=")
    for part in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert part in cookie
    assert "Domain" not in cookie


@pytest.mark.parametrize("host", FORGED_HOSTS)
def test_forged_hosts(app: Flask, host: str) -> None:
    """S15: a Host header that is not ours is refused."""
    response = app.test_client().get("/login", headers={"Host": host}, base_url=BASE_URL)
    assert response.status_code == 400
    assert host not in response.get_data(as_text=True)


@pytest.mark.parametrize(
    ("base_url", "host", "status"),
    [
        ("https://race.example.org", "race.example.org", 200),
        ("https://race.example.org", "race.example.org:443", 200),
        ("https://race.example.org", "race.example.org:8443", 400),
        ("https://race.example.org:8443", "race.example.org:8443", 200),
        ("https://race.example.org:8443", "race.example.org:8444", 400),
        ("http://race.example.org", "race.example.org:81", 400),
        ("http://localhost:8000", "127.0.0.1:9000", 200),
    ],
)
def test_forged_ports(server: Server, base_url: str, host: str, status: int) -> None:
    """S15: a port that is not ours neither; on this machine alone it may be forwarded from another one."""
    app = create_app(dataclasses.replace(server, config=dataclasses.replace(server.config, base_url=base_url)))
    assert app.test_client().get("/health", headers={"Host": host}).status_code == status


def test_errors_tell_nothing_and_are_found_in_the_log(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """S23: no trace, path, version or SQL in an answer; its request id is in the log, beside the trace."""
    app = create_app(server)
    app.add_url_rule("/fails", view_func=lambda: 1 // 0)
    browser = Browser(app)
    with caplog.at_level(logging.INFO, logger="srs.web"):
        response = browser.get("/fails")
    assert response.status_code == 500
    request_id = response.headers["X-Request-ID"]
    assert request_id in text_of(response)
    assert not INTERNALS.search(response.get_data(as_text=True))
    assert "division" not in text_of(response)
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert request_id in record.getMessage()
    assert record.exc_info is not None


def take_away(server: Server, request: pytest.FixtureRequest) -> None:
    """Let the database fail: SQLite loses a table, PostgreSQL the whole database, connections and all."""
    engine = server.store.engine
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("ALTER TABLE race RENAME TO lost")
            connection.commit()
    else:
        request.getfixturevalue("postgres").drop(engine.url.database)


def test_an_outage_is_told_as_one(
    app: Flask, server: Server, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    """S23: a database that is away gives 503 with Retry-After and not a word of SQL."""
    take_away(server, request)
    for path in ("/", "/health"):
        response = Browser(app).get(path)
        assert response.status_code == 503, path
        assert int(response.headers["Retry-After"]) > 0
        assert not INTERNALS.search(response.get_data(as_text=True))
        assert response.headers["X-Request-ID"] in caplog.text


def test_errors_of_every_kind_have_one_page(app: Flask, server: Server, people: People) -> None:
    """S23: 400, 403, 404, 405, 413 and 409 alike: title, sentence, status, request id."""
    ada = Browser(app).sign_in(people.ada)
    answers = {
        400: ada.client.post("/races/small/join", base_url=BASE_URL),
        403: ada.get("/staff/"),
        404: ada.get("/races/none"),
        405: ada.client.delete("/login", base_url=BASE_URL),
        409: ada.post("/races/small/attack", file_form()),
        413: ada.post("/races/small/team/invite", {"email": "x" * 70_000}),
    }
    for status, response in answers.items():
        assert response.status_code == status, text_of(response)
        assert response.headers["X-Request-ID"] in text_of(response)
        assert f"Status {status}" in text_of(response)
        assert not INTERNALS.search(response.get_data(as_text=True)), status


def file_form() -> dict[str, object]:
    """The fields of an upload."""
    return {"idempotency_key": "0123456789", "file": (io.BytesIO(b"x"), "x.csv")}


def test_tokens_do_not_reach_the_log(
    app: Flask, server: Server, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    """One-time tokens are parts of addresses, and addresses are logged by their rule."""
    token = teams.invite(server.store, people.cleo, people.slug)
    with caplog.at_level(logging.DEBUG):
        Browser(app).sign_in(people.nils).get(f"/invitations/{token}")
    assert "/invitations/<token>" in caplog.text
    assert token not in caplog.text
