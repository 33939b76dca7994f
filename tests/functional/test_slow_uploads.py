"""Slow uploads at a deadline, through nginx and without it: each counts from its first byte, and the pages answer."""

from __future__ import annotations

import datetime as dt
import select
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse

import httpx
import pytest

from fixtures.databases import Templates, make_config
from fixtures.live import PATIENCE_S, Visitor, on_the_wire, running_server
from fixtures.nginx import nginx_before
from fixtures.servers import free_port
from fixtures.sizes import promised, record, size
from srs.server.services import races, teams
from srs.server.services.access import Person
from srs.server.store import clock
from srs.server.store.engine import Store, database_now
from srs.server.store.races import race_by_slug
from srs.server.store.rounds import round_by_number
from srs.server.store.submissions import Submission, submissions_of_race
from worlds.small_race import PHASE, STARTS_AT, race_toml, set_clock

PROXIED, STRAIGHT = "proxied", "straight"
SECOND = dt.timedelta(seconds=1)
BEGUN_BYTES = 200
"""Of its body, an upload sends so many at once, and the rest when its time has come."""


@dataclass
class Site:
    """A running server with nginx before it, and somebody who is signed in."""

    port: int
    base_url: httpx.URL
    trust: ssl.SSLContext
    store: Store
    dana: Person
    ada: Person
    visitor: Visitor

    def connect(self, way: str, sender: str = "127.0.0.2") -> socket.socket:
        """A connection to nginx, or to the site itself from an address that is not listed."""
        assert self.base_url.port is not None
        port = self.base_url.port if way == PROXIED else self.port
        connection = socket.create_connection(("127.0.0.1", port), PATIENCE_S, (sender, 0))
        return self.trust.wrap_socket(connection, server_hostname="127.0.0.1") if way == PROXIED else connection

    def ask(self, way: str, path: str) -> int:
        """The status of a page."""
        head = f"GET {path} HTTP/1.1\r\nHost: {self.base_url.netloc.decode()}\r\nConnection: close\r\n\r\n"
        with closing(self.connect(way)) as connection:
            connection.sendall(head.encode())
            return answer_on(connection)[0]

    def open_race(self, slug: str) -> str:
        """A race in its defence phase, without limits to speak of; its slug."""
        set_clock(self.store, STARTS_AT + SECOND)
        limits = "[limits]\ndefences_per_day = 1000\nfaulty_per_day = 1000\n"
        races.create_race(self.store, self.dana, race_toml(slug, tables=limits))
        races.join(self.store, self.ada, slug)
        teams.create_team(self.store, self.ada, slug, f"Team in {slug}")
        return slug

    def close_in(self, slug: str, wait: dt.timedelta) -> dt.datetime:
        """From now on the real clock counts, and the phase ends so much later."""
        with self.store.work() as session:
            clock.simulate(session, None)
            row = round_by_number(session, race_by_slug(session, slug).id, 1)
            closes_at = database_now(session) + wait
            row.defence_opens_at, row.defence_closes_at = closes_at - PHASE, closes_at
            row.attack_opens_at, row.attack_closes_at = closes_at + PHASE, closes_at + 2 * PHASE
        return closes_at

    def now(self) -> dt.datetime:
        with self.store.read() as session:
            return database_now(session)

    def stored(self, slug: str) -> dict[str, Submission]:
        with self.store.read() as session:
            rows = submissions_of_race(session, race_by_slug(session, slug).id)
            return {row.public_id: row for row in rows}

    def uploads(self, slug: str, count: int) -> list[bytes]:
        """Files on the wire, by one open page: short ones and long ones by turns."""
        page = self.visitor.page(f"/races/{slug}/defence")
        return [
            on_the_wire(
                self.visitor.filled_in(
                    page, "/defence", ("traces.csv", bytes(300_000 if number // 2 % 2 else 3_000)), idempotency_key=key
                )
            )
            for number, key in enumerate(f"a-slow-file-{number:04}" for number in range(count))
        ]


@pytest.fixture(scope="module")
def site(sqlite_templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data = tmp_path_factory.mktemp("data")
    template = sqlite_templates.of("small_race")
    database_url = f"sqlite:///{shutil.copy(template.database, data / 'srs.sqlite')}"
    people = template.world.people
    at = free_port()
    processes = ("--workers", "0", "--web-processes", str(size(1, 2)))
    settings = {"SRS_PROXIES": "127.0.0.1", "SRS_REQUEST_TIME_HEADER": "X-Request-Time"}
    with (
        closing(Store(make_config(data, database_url))) as store,
        running_server(
            data, database_url, "", *processes, SRS_BASE_URL=f"https://127.0.0.1:{at}", **settings
        ) as inside,
        nginx_before(port := httpx.URL(inside).port or 0, at) as trust,
    ):
        visitor = Visitor(f"https://127.0.0.1:{at}", httpx.HTTPTransport(verify=trust))
        visitor.client.headers["Referer"] = f"https://127.0.0.1:{at}/"
        with visitor.client:
            visitor.sign_in(store, people.ada)
            yield Site(port, httpx.URL(f"https://127.0.0.1:{at}"), trust, store, people.dana, people.ada, visitor)


def answer_on(connection: socket.socket) -> tuple[int, str]:
    """Status, and of a stored upload its public id."""
    with closing(HTTPResponse(connection)) as answer:
        answer.begin()
        return answer.status, (answer.getheader("Location") or "").rsplit("/", 1)[-1]


class Slow:
    """An upload that has begun, and when."""

    def __init__(self, site: Site, way: str, wire: bytes) -> None:
        begun = wire[: wire.index(b"\r\n\r\n") + BEGUN_BYTES]
        self.way, self.rest = way, wire[len(begun) :]
        self.earliest_at = site.now()
        self.connection = site.connect(way)
        self.connection.sendall(begun)
        self.latest_at = site.now()

    def finish(self) -> tuple[int, str]:
        """Send the rest; the answer."""
        self.connection.sendall(self.rest)
        return answer_on(self.connection)


@contextmanager
def watched(site: Site, seconds: list[float]) -> Iterator[None]:
    """Meanwhile ``/health`` and a page are asked for again and again, both ways; how long each took."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            look(site, seconds)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def look(site: Site, seconds: list[float]) -> None:
    for way in (STRAIGHT, PROXIED):
        for path in ("/health", "/login"):
            began = dt.datetime.now(dt.UTC)
            assert site.ask(way, path) == 200
            seconds.append((dt.datetime.now(dt.UTC) - began).total_seconds())


def test_slow_uploads_at_a_deadline(site: Site) -> None:
    """T2, T3: who began in time is in time, who began late is late, and nobody else waits for either."""
    slug = site.open_race("slow")
    each = size(10, 40)
    wires = site.uploads(slug, 2 * each)
    ways = [PROXIED, STRAIGHT] * each
    seconds: list[float] = []
    with ExitStack() as connections, watched(site, seconds):

        def begin(numbers: range) -> list[Slow]:
            begun = [Slow(site, ways[number], wires[number]) for number in numbers]
            for slow in begun:
                connections.enter_context(slow.connection)
            return begun

        site.close_in(slug, 600 * SECOND)
        early = begin(range(each))
        closes_at = site.close_in(slug, 2 * SECOND)
        while site.now() < closes_at:
            select.select([], [], [], 0.1)
        late = begin(range(each, 2 * each))
        look(site, seconds)
        answered, _, _ = select.select([slow.connection for slow in early + late], [], [], 0)
        assert answered == [], "all of them are still under way"
        answers = [slow.finish() for slow in early + late]
    assert [status for status, _ in answers] == [303] * each + [409] * each
    stored = site.stored(slug)
    assert sorted(stored) == sorted(public_id for _, public_id in answers[:each])
    told = [(slow, stored[public_id].received_at) for slow, (_, public_id) in zip(early, answers, strict=False)]
    assert all(received_at < closes_at for _, received_at in told)
    off_s = max((received_at - slow.latest_at).total_seconds() for slow, received_at in told)
    assert all(slow.earliest_at - 0.05 * SECOND < received_at for slow, received_at in told)
    assert off_s < promised(1)
    assert max(seconds) < promised(1)
    note = f"slow ones, half through nginx; a page took {max(seconds):.2f} s at most, moments were off by {off_s:.3f} s"
    record("T3", 2 * each, note=note)


@pytest.mark.parametrize("way", [PROXIED, STRAIGHT])
def test_a_forged_time_changes_nothing(site: Site, way: str) -> None:
    """S7: only a listed proxy's word on when a request began is believed, and nginx does not pass on a client's."""
    slug = site.open_race(f"forged-{way}")
    [wire] = site.uploads(slug, 1)
    site.close_in(slug, -SECOND)
    with closing(site.connect(way)) as connection:
        connection.sendall(wire.replace(b"\r\n", b"\r\nX-Request-Time: 60.000\r\n", 1))
        assert answer_on(connection)[0] == 409
    assert site.stored(slug) == {}
