"""S3: nothing changes without this session's fresh token, and looking changes nothing."""

from __future__ import annotations

import datetime as dt
import io
import json

import pytest
import time_machine
from flask import Flask

from fixtures.clients import BASE_URL, Browser
from fixtures.routes import path_to, unsafe_routes, values_of
from fixtures.tables import hashes
from srs.server.bootstrap import Server
from srs.server.services import teams
from srs.server.store.jobs import PARKED
from worlds.played_round import Played, send, set_state
from worlds.small_race import People

FIELDS = {"name": "New name", "reason": "A test.", "email": "x@example.org", "idempotency_key": "0123456789"}


@pytest.fixture
def values(server: Server, people: People, played: Played) -> dict[str, object]:
    """What the addresses of all routes speak of: a played round, a parked job, an open invitation."""
    job_id = set_state(server.store, people.slug, send(server.store, people.ada, "small", "attack", b"x"), PARKED)
    return values_of(people, played, job_id, teams.invite(server.store, people.cleo, people.slug))


ATTACKS = {"no token": 0, "stale": 13, "another session's": 0, "forged": 0, "as JSON": 0, "as text": 0}
"""Each with the hours between the page and the request."""


@pytest.mark.parametrize("who", ["ada", "dana", "stranger"])
def test_unsafe_requests_are_refused(
    app: Flask, server: Server, people: People, values: dict[str, object], who: str
) -> None:
    """S3: every unsafe route, six ways, for three people."""
    browser = Browser(app)
    if who != "stranger":
        browser.sign_in(getattr(people, who))
    token, foreign = browser.token(), Browser(app).token()
    before = hashes(server.store)
    served = []
    for attack, hours in ATTACKS.items():
        with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours), tick=True):
            for endpoint in unsafe_routes(app):
                status = _attack(browser, path_to(app, endpoint, values), attack, token, foreign)
                if not 400 <= status < 500:
                    served.append((attack, endpoint, status))
    assert served == []
    assert hashes(server.store) == before


def _attack(browser: Browser, path: str, attack: str, own: str, foreign: str) -> int:
    tokens = {"no token": None, "stale": own, "another session's": foreign, "forged": own[:-4] + "AAAA"}
    if attack in tokens:
        fields: dict[str, object] = {**FIELDS, "csrf_token": tokens[attack] or ""}
        if path.endswith(("/defence", "/attack")):
            fields["file"] = (io.BytesIO(b"x"), "x.csv")
        response = browser.client.post(path, data=fields, base_url=BASE_URL, buffered=True)
    else:
        kind = "application/json" if attack == "as JSON" else "text/plain"
        body = json.dumps({**FIELDS, "csrf_token": own})
        response = browser.client.post(path, data=body, content_type=kind, base_url=BASE_URL, buffered=True)
    return response.status_code


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_changes_nothing(
    app: Flask, server: Server, people: People, values: dict[str, object], method: str
) -> None:
    """S3: no GET or HEAD of any route changes a row, for anybody."""
    browsers = [Browser(app), *(Browser(app).sign_in(one) for one in (people.ada, people.dana))]
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    before = hashes(server.store)
    for browser in browsers:
        for endpoint in endpoints:
            browser.client.open(path_to(app, endpoint, values), method=method, base_url=BASE_URL, buffered=True)
    assert hashes(server.store) == before


def test_a_refused_upload_stores_nothing(app: Flask, server: Server, people: People) -> None:
    """S3: the token comes before the file, so that a forged form leaves no blob."""
    ada = Browser(app).sign_in(people.ada)
    kept = sorted(server.store.blobs.root.glob("*/*"))
    for token in ("", "forged"):
        fields = {"csrf_token": token, "idempotency_key": "0123456789", "file": (io.BytesIO(b"x" * 10), "x.csv")}
        response = ada.client.post("/races/small/defence", data=fields, base_url=BASE_URL, buffered=True)
        assert response.status_code == 400
    assert sorted(server.store.blobs.root.glob("*/*")) == kept
