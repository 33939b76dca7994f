"""Browsers for tests of the pages: a test client with a person's session, and forms filled in as a browser would."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import pytest
from bs4 import BeautifulSoup, Tag
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from people import People, populate
from sizes import FULL
from srs.server.bell import SilentBell
from srs.server.bootstrap import Server
from srs.server.config import Config
from srs.server.services import sign_in
from srs.server.services.access import Person
from srs.server.store.engine import Store
from srs.server.web.app import create_app

BASE_URL = "http://127.0.0.1:8000"


class Browser:
    """One person's browser: keeps cookies, fills in the forms of the pages it is shown."""

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()

    def get(self, path: str, **kwargs: object) -> TestResponse:
        """Look at a page."""
        return self.client.get(path, base_url=BASE_URL, buffered=True, **kwargs)

    def page(self, path: str) -> BeautifulSoup:
        """The page at a path, which must answer 200."""
        response = self.get(path)
        assert response.status_code == 200, (path, response.status_code, text_of(response))
        return soup(response)

    def post(self, path: str, data: dict[str, object] | None = None, **kwargs: object) -> TestResponse:
        """Send a form with this session's CSRF token."""
        fields = {"csrf_token": self.token(), **(data or {})}
        return self.client.post(path, data=fields, base_url=BASE_URL, buffered=True, **kwargs)

    def token(self) -> str:
        """A CSRF token of this session, from a page that has a form."""
        for path in ("/account", "/login"):
            found = soup(self.get(path)).find("input", {"name": "csrf_token"})
            if isinstance(found, Tag):
                return str(found["value"])
        raise AssertionError("no page with a form")

    def submit(self, page: BeautifulSoup, action: str, **values: object) -> TestResponse:
        """Send the form of a page whose action ends with ``action``, hidden fields and all, in their order."""
        [form] = [form for form in page.find_all("form") if str(form.get("action", "")).endswith(action)]
        fields: dict[str, object] = {}
        for field in form.find_all(["input", "textarea", "select"]):
            name = str(field.get("name", ""))
            if name and field.get("type") not in ("submit", "file"):
                fields[name] = str(field.get("value") or field.text or "")
        fields.update(values)
        return self.client.post(str(form["action"]), data=fields, base_url=BASE_URL, buffered=True)

    def upload(self, slug: str, kind: str, content: bytes, name: str = "file.csv") -> TestResponse:
        """Send a file by the form of the defence or attack page."""
        page = self.page(f"/races/{slug}/{kind}")
        return self.submit(page, f"/{kind}", file=(io.BytesIO(content), name))

    def sign_in(self, store: Store, person: Person) -> Browser:
        """Sign in by a one-time link."""
        path = f"/sign-in/{sign_in.make_sign_in_link(store, person.user_id)}"
        assert self.submit(self.page(path), path).status_code == 303
        return self


def soup(response: TestResponse) -> BeautifulSoup:
    """A response as a document."""
    return BeautifulSoup(response.get_data(as_text=True), "html.parser")


def text_of(response: TestResponse) -> str:
    """The words of a page."""
    return re.sub(r"\s+", " ", soup(response).get_text(" ")).strip()


@pytest.fixture(params=["sqlite", "postgres"] if FULL else ["sqlite"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """An installation without workers, on SQLite; at full size on PostgreSQL, too."""
    config: Config = request.getfixturevalue(f"{request.param}_config")
    store = Store(config)
    yield Server(config, store, SilentBell())
    store.close()


@pytest.fixture
def app(server: Server) -> Flask:
    """Its pages."""
    return create_app(server)


@pytest.fixture
def people(server: Server) -> People:
    """Everybody, in a small race whose first defence phase is open."""
    return populate(server.store)


@pytest.fixture
def stranger(app: Flask) -> Browser:
    """Nobody's browser."""
    return Browser(app)


def sign_in_as(app: Flask, server: Server, person: Person) -> Browser:
    """A browser in which a person is signed in."""
    return Browser(app).sign_in(server.store, person)
