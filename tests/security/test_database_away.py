"""A database that is away: every route says so in the same way, to everybody."""

from __future__ import annotations

import pytest
from flask import Flask

from fixtures.clients import Browser, text_of
from fixtures.databases import WORLD, World
from fixtures.every_page import readable
from fixtures.routes import path_to, unsafe_routes, values_of
from fixtures.servers import Postgres
from srs.server.bell import SilentBell
from srs.server.bootstrap import Server
from srs.server.config import Config
from srs.server.store.engine import Store

WITHOUT_DATABASE = {"static", "bootstrap.static", "assets.auto_css", "assets.htmx_js", "theme.choose"}


@pytest.fixture
def world_name() -> str:
    """A round has been played."""
    return "played_round"


@pytest.mark.parametrize("role", ["stranger", "student", "staff"])
def test_every_route_says_so(
    postgres_config: Config, postgres: Postgres, shared_app: Flask, request: pytest.FixtureRequest, role: str
) -> None:
    """R5: 503 with a sentence and Retry-After, for whoever is signed in, too; never an error of our own."""
    world: World = request.node.stash[WORLD]
    assert world.people is not None
    assert world.played is not None
    store = Store(postgres_config)
    shared_app.extensions["srs"] = Server(postgres_config, store, SilentBell())
    person = {"stranger": None, "student": world.people.ada, "staff": world.people.dana}[role]
    browser = Browser(shared_app) if person is None else Browser(shared_app).sign_in(person)
    browser.token()
    postgres.drop(str(store.engine.url.database))
    values = values_of(world.people, world.played, 1, "no-such-token")
    answers = {endpoint: browser.get(path_to(shared_app, endpoint, values)) for endpoint in readable(shared_app)}
    answers |= {endpoint: browser.post(path_to(shared_app, endpoint, values)) for endpoint in unsafe_routes(shared_app)}
    store.close()
    told = {endpoint for endpoint, answer in answers.items() if answer.status_code == 503}
    assert {endpoint: answer.status_code for endpoint, answer in answers.items() if answer.status_code == 500} == {}
    assert all(int(answers[endpoint].headers["Retry-After"]) > 0 for endpoint in told)
    assert all("The database does not answer" in text_of(answers[endpoint]) for endpoint in told)
    if person is not None:
        assert {*answers} - told <= WITHOUT_DATABASE
    assert len(told) > (10 if person is None else 60)
