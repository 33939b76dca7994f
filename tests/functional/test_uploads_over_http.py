"""Uploads to a running server, many at once, too late, too large or too slow: R10, T2, T7, S14."""

from __future__ import annotations

import datetime as dt
import re
import select
import shutil
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

import httpx
import pytest

from fixtures.databases import FEWER, make_config
from fixtures.live import PATIENCE_S, Visitor, on_the_wire, running_server, web_processes
from fixtures.sizes import FULL, promised, record, size
from srs.server.services import races, teams
from srs.server.store import clock
from srs.server.store.engine import Store, database_now
from srs.server.store.races import race_by_slug
from srs.server.store.rounds import round_by_number
from srs.server.store.submissions import Submission, submissions_of_race
from worlds.small_race import PHASE, STARTS_AT, People, race_toml, set_clock

Result = TypeVar("Result")
OPEN_AT = STARTS_AT + dt.timedelta(hours=1)
SECOND = dt.timedelta(seconds=1)
MEGABYTE = 1_000_000
SLOWEST_S = 26.0 if FULL else PATIENCE_S
"""A body of no length to speak of has 20 s; the rest is for the clocks of a busy machine."""


@dataclass
class Site:
    """A running server without workers, so that every file keeps waiting, and two people signed in."""

    base_url: str
    store: Store
    people: People
    ada: Visitor
    cleo: Visitor

    @property
    def dialect(self) -> str:
        return str(self.store.engine.dialect.name)

    def open_race(self, slug: str, tables: str = "") -> str:
        """One more race, in its first defence phase, with a team for each of the two; its slug."""
        set_clock(self.store, OPEN_AT)
        races.create_race(self.store, self.people.dana, race_toml(slug, tables=tables))
        for person in (self.people.ada, self.people.cleo):
            races.join(self.store, person, slug)
            teams.create_team(self.store, person, slug, f"Team of {person.name}")
        return slug

    def stored(self, slug: str) -> dict[str, Submission]:
        """What the database holds of a race, by public id."""
        with self.store.read() as session:
            rows = submissions_of_race(session, race_by_slug(session, slug).id)
            return {row.public_id: row for row in rows}

    def now(self) -> dt.datetime:
        """The real clock that the server goes by."""
        with self.store.read() as session:
            return database_now(session)


@pytest.fixture(scope="module", params=FEWER)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for all tests here; each test opens a race of its own."""
    data = tmp_path_factory.mktemp("data")
    if request.param == "sqlite":
        template = request.getfixturevalue("sqlite_templates").of("small_race")
        database_url = f"sqlite:///{shutil.copy(template.database, data / 'srs.sqlite')}"
    else:
        template = request.getfixturevalue("postgres_templates").of("small_race")
        cluster = request.getfixturevalue("postgres")
        database_url = cluster.url(cluster.create(template.database))
    store, people = Store(make_config(data, database_url)), template.world.people
    with running_server(data, database_url, "", "--workers", "0") as base_url:
        visitors = [Visitor(base_url).sign_in(store, person) for person in (people.ada, people.cleo)]
        yield Site(base_url, store, people, *visitors)
        for visitor in visitors:
            visitor.client.close()
    store.close()


def at_a_barrier(count: int, act: Callable[[int], Result]) -> list[Result]:
    barrier = threading.Barrier(count)

    def wait_and_act(index: int) -> Result:
        barrier.wait()
        return act(index)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(wait_and_act, range(count)))


def uploads(person: Visitor, slug: str, count: int, name: str = "file") -> list[httpx.Request]:
    """Different files by one open page, each with a key of its own."""
    page = person.page(f"/races/{slug}/defence")
    return [
        person.filled_in(page, "/defence", ("traces.csv", key.encode()), idempotency_key=key)
        for key in (f"{name}-{number:04}" for number in range(count))
    ]


def answer_to(person: Visitor, request: httpx.Request) -> tuple[int, str]:
    """Status, and of a stored upload its public id."""
    answer = person.client.send(request, follow_redirects=False)
    return answer.status_code, answer.headers.get("Location", "").rsplit("/", 1)[-1]


def test_one_form_from_twenty_threads(site: Site) -> None:
    """R10: the same idempotency key makes one submission and twenty equal answers, later and too late as well."""
    slug = site.open_race("one-key")
    request, *others = uploads(site.ada, slug, 5)
    answers = at_a_barrier(20, lambda _: answer_to(site.ada, request))
    [public_id] = site.stored(slug)
    assert set(answers) == {(303, public_id)}
    assert [answer_to(site.ada, other)[0] for other in others] == [303] * 4
    assert answer_to(site.ada, request) == (303, public_id), "the day's last upload is spent, but this one is known"
    set_clock(site.store, OPEN_AT + PHASE)
    assert answer_to(site.ada, request) == (303, public_id), "the phase is over, but this one is known"
    assert len(site.stored(slug)) == 5
    record("R10", 20, note=f"one form from 20 threads ({site.dialect}, HTTP)")


def test_uploads_across_the_deadline(site: Site) -> None:
    """T2: across a real deadline, accepted are exactly those received before it; answer and database agree."""
    tried = 0
    for number in range(size(1, 10)):
        for slowness in (1, 4, 16, 64):
            slug = site.open_race(
                f"deadline-{number}-{slowness}", "[limits]\ndefences_per_day = 1000\nfaulty_per_day = 1000\n"
            )
            answered = across_the_deadline(site, slug, slowness)
            tried += answered.total()
            if answered.keys() == {303, 409}:
                break  # else this machine was too busy to send on both sides of it
        assert answered.keys() == {303, 409}
    record("T2", tried, note=f"across a real deadline ({site.dialect}, HTTP)")


def across_the_deadline(site: Site, slug: str, slowness: float, count: int = size(60, 100)) -> Counter[int]:
    """Send files for two seconds around a deadline a second ahead, or as many times that; counts the statuses."""
    threads = 20
    people = (site.ada, site.cleo)
    requests = [uploads(person, slug, count // 2) for person in people]
    with site.store.work() as session:
        clock.simulate(session, None)
        row = round_by_number(session, race_by_slug(session, slug).id, 1)
        closes_at = database_now(session) + 1.2 * slowness * SECOND
        row.defence_opens_at, row.defence_closes_at = closes_at - PHASE, closes_at
        row.attack_opens_at, row.attack_closes_at = closes_at + PHASE, closes_at + 2 * PHASE

    def send(thread: int) -> list[tuple[int, str, dt.datetime, dt.datetime]]:
        mine = requests[thread % 2][thread // 2 :: threads // 2]
        done = []
        began = time.monotonic()
        for turn, request in enumerate(mine):
            time.sleep(max(0.0, began + 0.4 * slowness * (turn + thread / threads) - time.monotonic()))
            asked_at = site.now()
            status, public_id = answer_to(people[thread % 2], request)
            done.append((status, public_id, asked_at, site.now()))
        return done

    answers = [answer for answers in at_a_barrier(threads, send) for answer in answers]
    stored = site.stored(slug)
    assert {public_id for status, public_id, _, _ in answers if status == 303} == set(stored)
    assert all(row.received_at < closes_at for row in stored.values())
    assert all(asked_at < closes_at for status, _, asked_at, _ in answers if status == 303)
    assert all(done_at >= closes_at for status, _, _, done_at in answers if status == 409)
    assert len(answers) == count
    return Counter(status for status, _, _, _ in answers)


def test_posts_at_once_and_five_a_day(site: Site) -> None:
    """T7: exactly five are stored, and the others are told that the day's uploads are spent."""
    slug = site.open_race("five-a-day")
    tried = size(20, 50)
    requests = uploads(site.ada, slug, tried)
    answers = at_a_barrier(tried, lambda index: answer_to(site.ada, requests[index]))
    assert sorted(status for status, _ in answers) == [303] * 5 + [429] * (tried - 5)
    assert {public_id for status, public_id in answers if status == 303} == set(site.stored(slug))
    record("T7", tried, note=f"posts at a barrier, five a day ({site.dialect}, HTTP)")


@pytest.mark.parametrize("site", FEWER[:1], indirect=True)
def test_too_large_and_too_slow(site: Site) -> None:
    """S14: a body of 1 GB gets 413, one of a byte a second 408, neither costs memory, and others are served."""
    slug = site.open_race("too-much")
    blobs = sorted(site.store.blobs.root.glob("*/*"))
    before_bytes = memory_bytes(site)
    began = time.monotonic()
    with ExitStack() as open_connections:
        slow = [open_connections.enter_context(trickle(site, slug)) for _ in range(3)]
        status, sent_bytes = pour(site, slug, 1000 * MEGABYTE)
        assert status == b"413"
        assert sent_bytes < 100 * MEGABYTE
        assert memory_bytes(site) - before_bytes < 100 * MEGABYTE
        assert [status_of(connection, began + SLOWEST_S) for connection in slow] == [b"408"] * 3
    assert httpx.get(f"{site.base_url}/health").status_code == 200
    assert memory_bytes(site) - before_bytes < 100 * MEGABYTE
    assert site.stored(slug) == {}
    assert sorted(site.store.blobs.root.glob("*/*")) == blobs
    grown_mb = (memory_bytes(site) - before_bytes) / MEGABYTE
    record("S14", 4, note=f"1 GB claimed, {sent_bytes / MEGABYTE:.0f} MB sent, {grown_mb:.0f} MB more memory")


def claiming(site: Site, slug: str, size_bytes: int) -> bytes:
    """An upload up to its file's first byte, with a head that claims so many in all."""
    [request] = uploads(site.ada, slug, 1)
    head, _, body = on_the_wire(request).partition(b"\r\n\r\n")
    head = re.sub(rb"(?i)(content-length): \d+", rb"\1: %d" % size_bytes, head)
    return head + b"\r\n\r\n" + body[: body.index(b"\r\n\r\n", body.index(b'filename="')) + 4]


def trickle(site: Site, slug: str) -> socket.socket:
    """Begin an upload of which nobody is in a hurry to send the rest."""
    url = httpx.URL(site.base_url)
    connection = socket.create_connection((url.host, url.port), timeout=1)
    connection.sendall(claiming(site, slug, 60 * MEGABYTE))
    return connection


def status_of(connection: socket.socket, until: float) -> bytes:
    """The status of the answer, a byte more for each second that it takes; empty when there is none by then."""
    while time.monotonic() < until:
        try:
            return connection.recv(100)[9:12]
        except TimeoutError:
            connection.sendall(b"x")
    return b""


def pour(site: Site, slug: str, size_bytes: int) -> tuple[bytes, int]:
    """Send an upload of a size until there is an answer: its status, and how many bytes of the file were sent."""
    url = httpx.URL(site.base_url)
    sent_bytes, chunk = 0, bytes(MEGABYTE)
    with socket.create_connection((url.host, url.port), timeout=PATIENCE_S) as connection:
        connection.sendall(claiming(site, slug, size_bytes))
        connection.settimeout(0.2)
        while sent_bytes < size_bytes:
            try:
                sent_bytes += connection.send(chunk)
            except TimeoutError:
                continue
            except ConnectionError:
                break
        connection.settimeout(PATIENCE_S)
        return connection.recv(100)[9:12], sent_bytes


def memory_bytes(site: Site) -> int:
    """Resident memory of the web server's processes."""
    return sum(process.memory_info().rss for process in web_processes(site.base_url))


FORM = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "


@pytest.mark.parametrize("begun", [b"", b"G", FORM + b"9\r\n\r\na"], ids=["silent", "head", "form"])
@pytest.mark.parametrize("site", FEWER[:1], indirect=True)
def test_requests_that_never_end(site: Site, begun: bytes) -> None:
    """S14: more clients than threads that do not go on; the site answers while all of them are still waited for."""
    url = httpx.URL(site.base_url)
    with ExitStack() as open_connections:
        count = size(40, 200)
        idle = [open_connections.enter_context(socket.create_connection((url.host, url.port))) for _ in range(count)]
        for connection in idle:
            connection.sendall(begun)
        began = time.monotonic()
        assert httpx.get(f"{site.base_url}/health", timeout=PATIENCE_S).status_code == 200
        took_s = time.monotonic() - began
        answered, _, _ = select.select(idle, [], [], 0)
        assert answered == [], "none has been ended yet"
        assert took_s < promised(1)
    record("S14", count, note=f"clients that send {begun[:4]!r} and no more; /health took {took_s:.2f} s")
