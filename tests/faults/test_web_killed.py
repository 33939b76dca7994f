"""R4: the web server is killed between the first byte of an upload and its answer."""

from __future__ import annotations

import hashlib
import os
import random
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import pytest
from sqlalchemy import select

from faults.plant import make_race, wait_for
from fixtures.databases import FEWER
from fixtures.live import PATIENCE_S, Visitor, on_the_wire, running_server, web_processes
from fixtures.sizes import FULL, record, size
from srs.server.config import Config
from srs.server.services.storage import sweep_blobs
from srs.server.store.engine import Store
from srs.server.store.submissions import Submission

FILE_BYTES = 1_500_000
TWO_HOURS_S = 7200.0

Point = tuple[str, Callable[[bytes], int], tuple[float, float] | None]
"""Its name, how many bytes of a request have been sent, and how many milliseconds later (from, to) the kill comes.

Without a time the kill comes as soon as the answer does.
"""

POINTS: list[Point] = [
    ("half of the headers", lambda wire: wire.index(b"\r\n\r\n") // 2, (5, 20)),
    ("a third of the file", lambda wire: len(wire) // 3, (5, 40)),
    ("the last byte", len, (0, 8)),
    ("all but the last byte", lambda wire: len(wire) - 1, (5, 40)),
    ("the last byte, and a moment", len, (8, 50)),
    ("the answer's first byte", len, None),
    ("all headers", lambda wire: wire.index(b"\r\n\r\n") + 4, (5, 20)),
    ("the CSRF token", lambda wire: wire.index(b"\r\n--", wire.index(b'name="csrf_token"')), (5, 20)),
    ("the file's first byte", lambda wire: wire.index(b"\r\n\r\n", wire.index(b'filename="')) + 5, (5, 20)),
    ("two thirds of the file", lambda wire: 2 * len(wire) // 3, (5, 40)),
]


@dataclass
class Tally:
    """What the kills have done."""

    stored: int = 0
    answered: int = 0
    swept: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)


@pytest.mark.parametrize("config", FEWER, indirect=True)
def test_r4_the_web_server_is_killed(config: Config) -> None:
    """R4: every row has its blob, orphans are gone after an hour, and who saw an answer finds it in the database.

    Whoever saw none sends the form again, as a browser does, and has one submission.
    """
    store = Store(config)
    race = make_race(store)
    tally, dice = Tally(), random.Random(config.database_url[:6])
    first = 0 if config.database_url.startswith("sqlite") else 2
    kills = size(1, 50)
    with running_server(config.data, config.database_url, "", "--workers", "0", "--web-processes", "1") as base_url:
        ada = Visitor(base_url).sign_in(store, race.ada)
        for number in range(first, first + kills):
            upload_and_kill(store, ada, POINTS[number % len(POINTS)], dice, tally)
        ada.client.close()
    assert all(is_whole(store, row) for row in rows(store))
    assert len(rows(store)) == kills
    store.close()
    note = f"{tally.stored} stored when it was killed, {tally.answered} answered, {tally.swept} orphans swept"
    record("R4", kills, len(tally.lost), len(tally.doubled), f"web killed ({store.engine.dialect.name}); {note}")
    assert (tally.lost, tally.doubled) == ([], [])
    if FULL:  # a few kills may all come too early or too late
        assert tally.swept, "no kill left anything behind"


def upload_and_kill(store: Store, person: Visitor, point: Point, dice: random.Random, tally: Tally) -> None:
    """One upload, killed at a point; then everything is looked at."""
    name, cut, delay_ms = point
    content = dice.randbytes(FILE_BYTES)
    page = person.page("/races/small/defence")
    request = person.filled_in(page, "/defence", file=("traces.csv", content))
    before = {row.public_id for row in rows(store)}
    delay_s = dice.uniform(*delay_ms) / 1000 if delay_ms else None
    answer = send_until_killed(request, cut(on_the_wire(request)), delay_s)
    new = [row for row in rows(store) if row.public_id not in before]

    assert delay_ms or answer.startswith(b"HTTP/1.1 303 ")
    assert len(new) <= 1
    assert all(row.sha256 == hashlib.sha256(content).hexdigest() and is_whole(store, row) for row in new)
    if answer.startswith(b"HTTP/1.1 303 "):
        tally.answered += 1
        if not any(row.public_id.encode() in answer for row in new):
            tally.lost.append(name)
    tally.stored += len(new)
    tally.swept += sweep_as_if_hours_later(store)
    assert files(store) == {row.sha256 for row in rows(store)}

    wait_for(lambda: is_up(person), 30, "the site answers again")
    again = person.client.send(request)
    assert again.status_code == 200, again.text
    of_both = [row.public_id for row in rows(store) if row.public_id not in before]
    if len(of_both) != 1 or not again.url.path.endswith(of_both[0]):
        tally.doubled.append(name)


def send_until_killed(request: httpx.Request, cut: int, delay_s: float | None) -> bytes:
    """Send so many bytes of a request, wait (or, with None, see an answer begin), kill every process of the web server.

    Returns what had come back by then.
    """
    with socket.create_connection((request.url.host, request.url.port), timeout=PATIENCE_S) as connection:
        connection.sendall(on_the_wire(request)[:cut])
        if delay_s is None:
            connection.recv(1, socket.MSG_PEEK)
        else:
            time.sleep(delay_s)
        doomed = web_processes(str(request.url))
        assert len(doomed) >= 2, "a master and its children"
        for process in doomed:
            process.kill()
        answer = b""
        try:
            while data := connection.recv(65_536):
                answer += data
        except ConnectionError:
            pass
    return answer


def is_up(person: Visitor) -> bool:
    try:
        return person.client.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def rows(store: Store) -> list[Submission]:
    with store.read() as session:
        return list(session.scalars(select(Submission).order_by(Submission.id)))


def is_whole(store: Store, row: Submission) -> bool:
    data = store.blobs.path(row.sha256).read_bytes()
    return (hashlib.sha256(data).hexdigest(), len(data)) == (row.sha256, row.size_bytes)


def files(store: Store) -> set[str]:
    return {path.name for path in store.blobs.root.glob("*/*")}


def sweep_as_if_hours_later(store: Store) -> int:
    then = time.time() - TWO_HOURS_S
    for path in store.blobs.root.glob("*/*"):
        os.utime(path, (then, then))
    return sweep_blobs(store)
