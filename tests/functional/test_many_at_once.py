"""A class that looks at once: twice as many requests as a web process has threads, signed in, on every page."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import httpx
import pytest
from flask import Flask

from fixtures.databases import BOTH, WORLD, World
from fixtures.every_page import readable
from fixtures.live import PATIENCE_S, Visitor, running_server
from fixtures.routes import path_to, values_of
from fixtures.sizes import FULL, promised, record, size
from srs.server.cli.supervise import THREADS
from srs.server.config import Config
from srs.server.store.engine import Store

AT_ONCE = 2 * THREADS
NO_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=AT_ONCE)
EVERY = size(6, 1)
"""How many pages from one that is looked at to the next."""


@dataclass(frozen=True)
class Site:
    """A running server with one web process, and the cookies of somebody who is signed in."""

    base_url: str
    cookies: httpx.Cookies
    pages: list[str]
    dialect: str


@pytest.fixture
def world_name() -> str:
    """A round has been played."""
    return "played_round"


@pytest.fixture
def site(request: pytest.FixtureRequest, config: Config, shared_app: Flask) -> Iterator[Site]:
    world: World = request.node.stash[WORLD]
    assert world.people is not None
    assert world.played is not None
    values = values_of(world.people, world.played, 1, "no-such-token")
    pages = [path_to(shared_app, endpoint, values) for endpoint in readable(shared_app)]
    with (
        closing(Store(config)) as store,
        running_server(config.data, config.database_url, "", "--workers", "0", "--web-processes", "1") as base_url,
    ):
        ada = Visitor(base_url).sign_in(store, world.people.ada)
        yield Site(base_url, ada.client.cookies, pages, store.engine.dialect.name)
        ada.client.close()


@pytest.mark.parametrize("config", BOTH if FULL else ["sqlite"], indirect=True)
def test_a_class_that_looks_at_once(site: Site) -> None:
    """Nobody waits for a connection to the database that another request of theirs holds: each request has one."""
    with httpx.Client(base_url=site.base_url, cookies=site.cookies, timeout=PATIENCE_S, limits=NO_LIMITS) as client:

        def look(path: str) -> tuple[str, int, float]:
            answer = client.get(path)
            return path, answer.status_code, answer.elapsed.total_seconds()

        with ThreadPoolExecutor(AT_ONCE) as people:
            seen = list(people.map(look, [page for page in site.pages[::EVERY] for _ in range(AT_ONCE)]))
    slowest_s = max(took_s for _, _, took_s in seen)
    failed = {(path, status) for path, status, _ in seen if status >= 500}
    record("looks", len(seen), len(failed), note=f"{AT_ONCE} at once ({site.dialect}); slowest {slowest_s:.1f} s")
    assert failed == set()
    assert slowest_s < promised(10)
