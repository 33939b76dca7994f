"""S14: bodies, parts, fields and files have limits, and so has patience."""

from __future__ import annotations

import io
import os
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import psutil
import pytest
from flask import Flask
from werkzeug.exceptions import RequestTimeout

from fixtures.clients import BASE_URL, Browser, text_of
from fixtures.databases import SECRET, Templates
from fixtures.live import PATIENCE_S
from fixtures.servers import dies_with_us
from fixtures.sizes import promised, size
from srs.server.bootstrap import Server
from srs.server.web.bodies import PatientBodies
from worlds.small_race import People, populate, race_toml

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

INVITE = "/races/small/team/invite"
MEGABYTE = 1_000_000


def test_parts_and_fields(app: Flask, server: Server, people: People) -> None:
    """S14: 1 000 parts, a field of 65 kB, a form of 1 GB are each refused with 413, before they are read."""
    ada = Browser(app).sign_in(people.ada)
    parts = {f"field{number}": (io.BytesIO(b"x"), "x") for number in range(1000)}
    assert ada.post(INVITE, parts).status_code == 413  # type: ignore[arg-type]
    assert ada.post(INVITE, {"email": "x" * 65_536}).status_code == 413
    endless = ada.client.post(
        INVITE,
        input_stream=io.BytesIO(b"email=x"),
        environ_overrides={"CONTENT_LENGTH": "1000000000"},
        content_type="application/x-www-form-urlencoded",
        base_url=BASE_URL,
    )
    assert endless.status_code == 413


def test_an_upload_has_the_limit_of_the_race(app: Flask, server: Server) -> None:
    """S14: a byte more than the race accepts is refused, by what is sent or by what is announced; nothing is kept."""
    people = populate(server.store, race_toml(tables="").replace("packets_min", "upload_max_mb = 1\npackets_min"))
    ada = Browser(app).sign_in(people.ada)
    assert ada.upload("small", "defence", bytes(MEGABYTE - 500_000)).status_code == 303
    kept = sorted(server.store.blobs.root.glob("*/*"))
    page = ada.page("/races/small/defence")
    fields = {field["name"]: field["value"] for field in page.find_all("input", {"type": "hidden"})}
    for size_bytes, status in ((MEGABYTE + 1, 422), (MEGABYTE + 70_000, 413)):
        body, boundary = multipart(fields, bytes(size_bytes))
        response = ada.client.post(
            "/races/small/defence",
            input_stream=io.BytesIO(body),
            content_type=f"multipart/form-data; boundary={boundary}",
            base_url=BASE_URL,
            buffered=True,
        )
        assert response.status_code == status, text_of(response)
    assert sorted(server.store.blobs.root.glob("*/*")) == kept


def multipart(fields: dict[str, str], content: bytes) -> tuple[bytes, str]:
    """The body of an upload and its boundary."""
    boundary = "a-boundary-of-the-tests"
    head = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    head += f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f.csv"\r\n\r\n'
    return head.encode() + content + f"\r\n--{boundary}--\r\n".encode(), boundary


@pytest.mark.parametrize(
    "damage",
    [lambda body: body[:-30], lambda body: body[:60], lambda _body: b"", lambda body: body.replace(b"name", b"nom")],
)
def test_a_damaged_form_is_refused(app: Flask, server: Server, people: People, damage: object) -> None:
    """A form that ends early, or is none, is refused with a sentence; no submission comes of it."""
    ada = Browser(app).sign_in(people.ada)
    page = ada.page("/races/small/defence")
    fields = {field["name"]: field["value"] for field in page.find_all("input", {"type": "hidden"})}
    body, boundary = multipart(fields, b"x" * 1000)
    body = damage(body)  # type: ignore[operator]
    response = ada.client.post(
        "/races/small/defence",
        input_stream=io.BytesIO(body),
        content_type=f"multipart/form-data; boundary={boundary}",
        base_url=BASE_URL,
        buffered=True,
    )
    assert 400 <= response.status_code < 500
    assert "Nothing yet." in text_of(ada.get("/races/small/defence"))


SLOW_SERVER = """
import os
from pathlib import Path
from srs.server.bell import SilentBell
from srs.server.bootstrap import Server
from srs.server.cli import incoming, web_worker
from srs.server.config import Config
from srs.server.store.engine import Store
from srs.server.web.app import create_app

data = Path(os.environ["DATA"])
config = Config(data=data, database_url=f"sqlite:///{data / 'srs.sqlite'}", secret_key=os.environ["KEY"])
app = create_app(Server(config, Store(config), SilentBell()))
incoming.SHORT_BODY_S = web_worker.UNTAKEN_S = 1.0
"""


@pytest.fixture(scope="module")
def gunicorn(tmp_path_factory: pytest.TempPathFactory, sqlite_templates: Templates) -> Iterator[tuple[int, int]]:
    """The real web server, two threads, twelve connections, a second of patience with forms: (port, pid)."""
    folder = tmp_path_factory.mktemp("gunicorn")
    shutil.copy(sqlite_templates.of("empty").database, folder / "srs.sqlite")
    (folder / "slow_server.py").write_text(SLOW_SERVER, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "DATA": str(folder), "KEY": SECRET}
    options = ["-k", "srs.server.cli.web_worker.PatientWorker", "--threads", "2", "--worker-connections", "12"]
    command = dies_with_us([sys.executable, "-m", "gunicorn", *options, "-b", f"127.0.0.1:{port}", "slow_server:app"])
    with subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port, process.pid
        process.terminate()


def test_a_slow_body_is_ended(gunicorn: tuple[int, int]) -> None:
    """S14: a byte a second, from more clients than there are threads: each gets 408 soon, and others are served."""
    port, pid = gunicorn
    head = (
        f"POST /login HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 60000\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\na"
    )
    began = time.monotonic()
    slow = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) for _ in range(4)]
    for connection in slow:
        connection.sendall(head.encode())
    answers = []
    for connection in slow:
        while time.monotonic() - began < PATIENCE_S:
            try:
                connection.settimeout(1)
                answers.append(connection.recv(100))
                break
            except TimeoutError:
                connection.sendall(b"a")
        connection.close()
    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 408"] * 4
    assert time.monotonic() - began < promised(15)
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    assert sum(process.memory_info().rss for process in family) < 600 * MEGABYTE
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as healthy:
        healthy.sendall(f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        assert healthy.recv(12) == b"HTTP/1.1 200"


def test_too_many_connections(gunicorn: tuple[int, int]) -> None:
    """S14: where there are too many, the client that has kept the server waiting longest makes room for the next."""
    port, _pid = gunicorn
    with ExitStack() as open_connections:

        def connect(data: str) -> socket.socket:
            connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
            connection.sendall(data.encode())
            return open_connections.enter_context(connection)

        idle = [connect("G") for _ in range(20)]
        healthy = connect(f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")
        assert healthy.recv(12) == b"HTTP/1.1 200"
        ended, _, _ = select.select(idle, [], [], 0)
        assert ended == idle[: len(ended)]
        assert 20 - 12 <= len(ended) < 12


def test_answers_that_nobody_takes(gunicorn: tuple[int, int]) -> None:
    """S14: more clients than threads ask for a lot and read nothing: each is ended, and others are served."""
    port, _pid = gunicorn
    ask = f"GET {{}} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
    with ExitStack() as open_connections:
        for _ in range(3):
            connection = open_connections.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", port))
            connection.sendall(ask.format("/bootstrap/static/css/bootstrap.min.css").encode() * 60)
            assert connection.recv(12) == b"HTTP/1.1 200"
        for _ in range(30):  # each waits for its turn behind answers to them, until their 4 MB on the way are full
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as healthy:
                healthy.sendall(ask.format("/health").encode())
                assert healthy.recv(12) == b"HTTP/1.1 200"


def test_a_refused_upload_gets_its_answer(app: Flask, server: Server, people: People) -> None:
    """A browser reads an answer only after it has sent everything, so what the signed-in send is read."""
    body = io.BytesIO(bytes(20 * MEGABYTE))
    answer = (
        Browser(app)
        .sign_in(people.ada)
        .client.post(
            "/races/none/defence",
            input_stream=body,
            environ_overrides={"CONTENT_LENGTH": str(len(body.getvalue()))},
            content_type="multipart/form-data; boundary=b",
            base_url=BASE_URL,
        )
    )
    assert (answer.status_code, body.read()) == (404, b"")


def test_what_a_stranger_sends_is_not_read(gunicorn: tuple[int, int]) -> None:
    """S14: strangers' uploads are refused by their heads; the connection ends, and nothing waits for the rest."""
    port, _pid = gunicorn
    head = f"POST /races/none/defence HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {20 * MEGABYTE}\r\n"
    head += "Content-Type: multipart/form-data; boundary=b\r\n\r\nthe first bytes"
    count, began = size(20, 100), time.monotonic()
    with ExitStack() as open_connections:
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
            open_connections.enter_context(connection)
            connection.sendall(head.encode())
            answer = b"".join(iter(partial(connection.recv, 65536), b""))
            assert answer.startswith(b"HTTP/1.1 403")
            assert b"Connection: close" in answer
        assert time.monotonic() - began < promised(0.05) * count, "though none of them closes its connection"


def test_a_body_of_untold_length_is_refused(app: Flask, server: Server) -> None:
    """S14: who does not say how much there is could hold a thread with nothing to send."""
    body = io.BytesIO(b"5\r\nhello\r\n0\r\n\r\n")
    answer = Browser(app).client.post(
        "/login", input_stream=body, headers={"Transfer-Encoding": "chunked"}, base_url=BASE_URL
    )
    assert (answer.status_code, body.tell()) == (411, 0)


def served_by(grace_s: float, length: str, sent: bytes, ended: bool) -> tuple[list[bytes], bool]:
    """What an application reads of a body that comes over a real connection, and whether it was called late."""
    ours, theirs = socket.socketpair()
    read: list[bytes] = []
    was_late = []

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        try:
            read.append(environ["wsgi.input"].readline())
            while data := environ["wsgi.input"].read(10):
                read.append(data)
        except RequestTimeout:
            was_late.append(True)
        return []

    with ours, theirs, theirs.makefile("rb") as stream:
        ours.sendall(sent)
        if ended:
            ours.shutdown(socket.SHUT_WR)
        environ = {
            "gunicorn.socket": theirs,
            "REQUEST_METHOD": "POST",
            "CONTENT_LENGTH": length,
            "wsgi.input": stream,
        }
        PatientBodies(application, grace_s=grace_s, slowest_bytes_per_s=1e9)(environ, lambda *_: print)
    return read, bool(was_late)


@pytest.mark.parametrize("length", ["7", "", "many"])
def test_a_body_in_time_is_read_as_it_is(length: str) -> None:
    assert served_by(20.0, length, b"one\ntwo", ended=True) == ([b"one\n", b"two"], False)


def test_a_body_that_stops_is_ended() -> None:
    """S14: the read returns when patience ends, though the connection is still open."""
    assert served_by(0.2, "7", b"one\n", ended=False) == ([b"one\n"], True)


@pytest.mark.parametrize(
    "path",
    [
        "/notices/?before={}",
        "/notices/?before=-{}",
        "/races/small/teams/{}",
        "/races/small/teams/{}/way.svg",
        "/races/small/rounds/{}",
        "/races/small/rounds/1/matches/{}/test.parquet",
        "/races/small/attack?round={}",
        "/staff/races/small?round={}",
        "/staff/races/small/submissions?team={}",
        "/staff/races/small/submissions?page={}",
    ],
)
def test_numbers_that_no_row_has(app: Flask, server: Server, people: People, path: str) -> None:
    """S14: a number beyond what a column holds is nobody's: no page, or none of that many, and no error of ours."""
    for person in (people.ada, people.dana):
        browser = Browser(app).sign_in(person)
        for number in (2**31, 2**63, 10**20):
            assert browser.get(path.format(number)).status_code in (200, 403, 404), (person.name, number)


@pytest.mark.parametrize(
    "path",
    [
        "/notices/{}/open",
        "/staff/races/small/teams/{}/see-as",
        "/staff/races/small/teams/{}/exclude",
        "/staff/races/small/members/{}/approve",
        "/staff/races/small/jobs/{}/retry",
        "/staff/races/small/rounds/{}",
    ],
)
def test_forms_for_numbers_that_no_row_has(app: Flask, server: Server, people: People, path: str) -> None:
    """S14: the same of forms."""
    dana = Browser(app).sign_in(people.dana)
    for number in (2**31, 10**20):
        assert dana.post(path.format(number), {"reason": "x"}).status_code == 404, number


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/staff/races/form", "classes__names"),
        ("/staff/races/preview", "toml"),
        ("/staff/races/race.toml", "toml"),
        ("/staff/races/small/roster", "emails"),
    ],
)
def test_every_form_of_a_race_takes_a_long_one(
    app: Flask, server: Server, people: People, path: str, field: str
) -> None:
    """A race with 1 000 named classes is written, previewed and kept; a roster has some thousand addresses."""
    dana = Browser(app).sign_in(people.dana)
    names = "\n".join(f"Café “{number:04}”, {'é' * 20}" for number in range(1000))
    emails = "\n".join(f"a.student.{number:05}@students.example.org" for number in range(4000))
    answer = dana.post(path, {field: emails if field == "emails" else names})
    assert answer.status_code in (200, 303, 409, 422), answer.status_code
