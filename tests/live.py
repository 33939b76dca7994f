"""A live installation: ``srs-server run`` as a process, people who speak HTTP to it, mail that really arrives."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path

import httpx
import psutil
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from bs4 import BeautifulSoup, Tag

from servers import free_port
from srs.server.services.access import Person
from srs.server.services.sign_in import make_sign_in_link
from srs.server.store.engine import Store

PASSWORD = "correct horse battery staple"
START_S = 60.0
PATIENCE_S = 180.0


class Postbox(MessageHandler):
    """Keeps every mail that arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Message] = []

    def handle_message(self, message: Message) -> None:
        self.mails.append(message)

    def link_for(self, address: str, path: str) -> str:
        """The first link to ``path`` in a mail to ``address``, as soon as it has come."""

        def find() -> str | None:
            for mail in self.mails:
                found = re.search(rf"https?://\S+?({re.escape(path)}\S*)", str(mail.get_payload(decode=True), "utf-8"))
                if mail["To"] == address and found:
                    return found.group(1)
            return None

        return wait_for(find, 30.0)


def wait_for(look: Callable[[], str | None], patience_s: float = PATIENCE_S) -> str:
    """What ``look`` finds, as soon as it finds something."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"nothing came within {patience_s:.0f} s")


class Visitor:
    """One person's browser over the wire: cookies, redirects, forms with their hidden fields."""

    def __init__(self, base_url: str) -> None:
        self.client = httpx.Client(base_url=base_url, follow_redirects=True, timeout=120.0)

    def page(self, path: str) -> BeautifulSoup:
        """The page at a path, which must answer 200."""
        response = self.client.get(path)
        assert response.status_code == 200, (path, response.status_code, response.text[:2000])
        return BeautifulSoup(response.text, "html.parser")

    def standings(self, slug: str, number: int) -> list[list[str]]:
        """The rows of a round's leaderboard, as they read."""
        rows = self.page(f"/races/{slug}/rounds/{number}").select("#standings tbody tr")
        return [[cell.get_text(" ", strip=True) for cell in row.select("th, td")] for row in rows]

    def submit(self, path: str, action: str, file: tuple[str, bytes] | None = None, **values: str) -> httpx.Response:
        """Fill in the form of the page at ``path`` whose action ends with ``action``, and send it."""
        return self.fill_in(self.page(path), action, file, **values)

    def fill_in(
        self, page: BeautifulSoup, action: str, file: tuple[str, bytes] | None = None, **values: str
    ) -> httpx.Response:
        """Send a form of a page that is open, hidden fields and all."""
        return self.client.send(self.filled_in(page, action, file, **values))

    def filled_in(
        self, page: BeautifulSoup, action: str, file: tuple[str, bytes] | None = None, **values: str
    ) -> httpx.Request:
        """A form of a page that is open, ready to be sent: once, several times, or in pieces."""
        [form] = [form for form in page.find_all("form") if str(form["action"]).split("?")[0].endswith(action)]
        fields = {
            str(field["name"]): str(field.get("value") or field.text or "")
            for field in form.find_all(["input", "textarea", "select"])
            if isinstance(field, Tag) and field.get("name") and field.get("type") not in ("submit", "file", "checkbox")
        }
        fields.update(values)
        if file is None:
            return self.client.build_request("POST", str(form["action"]), data=fields)
        parts: list[tuple[str, tuple[str | None, str | bytes]]] = [
            (name, (None, text)) for name, text in fields.items()
        ]
        request = self.client.build_request("POST", str(form["action"]), files=[*parts, ("file", file)])
        request.read()
        return request

    def register(self, postbox: Postbox, name: str) -> Visitor:
        """Make an account, follow the link of the mail, sign in."""
        address = f"{name.lower()}@example.org"
        answer = self.submit(
            "/register", "/register", name=name, email=address, password=PASSWORD, password_confirm=PASSWORD
        )
        assert answer.status_code == 200, answer.text
        confirmation = postbox.link_for(address, "/confirm")
        assert self.submit(confirmation, confirmation).status_code == 200
        welcome = self.submit("/login", "/login", email=address, password=PASSWORD)
        assert "Log out" in welcome.text, welcome.text
        return self

    def sign_in(self, store: Store, person: Person) -> Visitor:
        """Sign in by a one-time link."""
        path = f"/sign-in/{make_sign_in_link(store, person.user_id)}"
        assert self.submit(path, path).status_code == 200
        return self

    def send(self, slug: str, kind: str, data: bytes, name: str) -> str:
        """Upload a file and wait for its verdict; the address of the submission's page."""
        answer = self.submit(f"/races/{slug}/{kind}", f"/{kind}", file=(name, data))
        assert answer.status_code == 200, answer.text
        return answer.url.path

    def verdict(self, path: str) -> str:
        """``accepted``, ``rejected`` or ``parked``: the state on a submission's page, as soon as there is one."""

        def look() -> str | None:
            badge = self.page(path).select_one("h1 .badge")
            state = badge.text.strip() if badge else ""
            return state if state in ("accepted", "rejected", "parked") else None

        return wait_for(look)


def on_the_wire(request: httpx.Request) -> bytes:
    """A request as the bytes that are sent."""
    head = [f"{request.method} {request.url.raw_path.decode()} HTTP/1.1".encode()]
    head += [name + b": " + value for name, value in request.headers.raw]
    return b"\r\n".join([*head, b"", request.content])


def web_processes(base_url: str) -> list[psutil.Process]:
    """The processes of a running server that listen at its address: gunicorn's master first, then its children."""
    port = httpx.URL(base_url).port
    return [process for process in psutil.Process().children(recursive=True) if _listens(process, port)]


def _listens(process: psutil.Process, port: int | None) -> bool:
    try:
        connections = process.net_connections("tcp")
    except psutil.Error:  # it has just ended
        return False
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections)


@contextmanager
def post_office() -> Iterator[tuple[str, Postbox]]:
    """An SMTP server on this machine: its URL, and what has arrived."""
    postbox = Postbox()
    controller = Controller(postbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield f"smtp://127.0.0.1:{controller.port}", postbox
    finally:
        controller.stop()


@contextmanager
def running_server(data: Path, database_url: str, smtp_url: str = "", *arguments: str) -> Iterator[str]:
    """``srs-server run`` on an installation; yields its address."""
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SRS_")}
    environ |= {
        "SRS_DATA": str(data),
        "SRS_DATABASE_URL": database_url,
        "SRS_BASE_URL": base_url,
        "SRS_SMTP_URL": smtp_url,
        "SRS_SWEEP_S": "0.5",
    }
    command = [str(Path(sys.executable).with_name("srs-server")), "run", "--port", str(port), *arguments]
    with (data / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    try:

        def answers() -> str | None:
            assert process.poll() is None, (data / "server.log").read_text()
            try:
                return "yes" if httpx.get(f"{base_url}/health").status_code == 200 else None
            except httpx.TransportError:
                return None

        wait_for(answers, START_S)
        yield base_url
    finally:
        process.terminate()
        process.wait(40)
