"""S10: a redirect after logging in stays on this host, whatever ``next`` says."""

from __future__ import annotations

from urllib.parse import quote, urljoin, urlsplit

import pytest
from flask import Flask
from flask_security import hash_password

from fixtures.clients import BASE_URL, Browser
from srs.server.bootstrap import Server
from srs.server.services.access import Person
from srs.server.store.accounts import User
from worlds.small_race import PASSWORD, People

EVIL = "evil.example"
PAYLOADS = [
    *(f"{start}{EVIL}" for start in ("http://", "https://", "//", "///", "////", "/////")),
    *(f"{start}{EVIL}" for start in ("/\\", "\\\\", "\\/", "\\\\\\")),
    *(f"{start}{EVIL}" for start in ("http:", "https:", "http:/", "https:/", "http:\\\\", "https:\\")),
    *(f"{start}{EVIL}" for start in ("HTTP://", "hTTps://")),
    *(f"{start}//{EVIL}" for start in (" ", "\t", "\n", "\r", "\x00", "\x0b", "\x1f", "\u2028", "\u00a0", "\u200b")),
    *(f"/{blank}/{EVIL}" for blank in ("\t", "\n", "\r", "\x00", "%09", "%0a", "\\", "%5c", "%2f", ".")),
    *(f"http://127.0.0.1:8000{end}" for end in (f"@{EVIL}", f".{EVIL}", f"%40{EVIL}", f"\\@{EVIL}", f"#@{EVIL}")),
    *("javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "vbscript:x"),
    *(f"ftp://{EVIL}", f"file://{EVIL}/x", f"ws://{EVIL}", f"//{EVIL}/%2e%2e", f"http://[::1]@{EVIL}", f"http://{EVIL}:80"),
    *(f"/races/../..//{EVIL}", f"/%09/{EVIL}", f"//{EVIL}%2f@127.0.0.1", f"?next=//{EVIL}"),
    f"//127.0.0.1:8000@{EVIL}/",
    *(f"http://\uff0e{EVIL}", f"\u3002\u3002{EVIL}", "//\u0065vil.example", "http://"),
]  # fmt: skip


def give_password(app: Flask, server: Server, person: Person) -> None:
    """Let a person log in with ``PASSWORD``."""
    with app.app_context(), server.store.work() as session:
        session.get_one(User, person.user_id).password = hash_password(PASSWORD)


def is_here(location: str) -> bool:
    """Whether a browser that follows a redirect stays on this host: it strips blanks and takes ``\\`` for ``/``."""
    seen = "".join(character for character in location if character > "\x20").replace("\\", "/")
    target = urlsplit(urljoin(BASE_URL + "/login", seen))
    return target.scheme == "http" and target.netloc == "127.0.0.1:8000" and target.username is None


def test_there_are_enough_payloads() -> None:
    """S10 asks for 60."""
    assert len(set(PAYLOADS)) >= 60


def test_log_in_goes_nowhere_else(app: Flask, server: Server, people: People) -> None:
    """S10: as a field of the form and as part of the address, before and after logging in."""
    give_password(app, server, people.ada)
    signed_in = Browser(app).sign_in(people.ada)
    away = []
    for payload in PAYLOADS:
        address = f"/login?next={quote(payload, safe='')}"
        locations = [signed_in.get(address).headers.get("Location", "/")]
        for form_next in (payload, ""):
            browser = Browser(app)
            page = browser.page("/login")
            fields = {"email": people.ada.email, "password": PASSWORD, "next": form_next}
            form_address = address if not form_next else "/login"
            fields["csrf_token"] = str(page.find("input", {"name": "csrf_token"})["value"])  # type: ignore[index]
            response = browser.client.post(form_address, data=fields, base_url=BASE_URL, buffered=True)
            locations.append(response.headers.get("Location", "/"))
        away += [(payload, location) for location in locations if not is_here(location)]
    assert away == []


@pytest.mark.parametrize("path", ["/races/small", "/races/small/attack?round=1"])
def test_log_in_leads_back(app: Flask, server: Server, people: People, path: str) -> None:
    """A stranger who asks for a page of ours is sent to log in, and then to that page."""
    give_password(app, server, people.ada)
    browser = Browser(app)
    to_login = browser.get(path).headers["Location"]
    page = browser.page(to_login)
    response = browser.submit(page, "/login", email=people.ada.email, password=PASSWORD)
    assert response.headers["Location"] == path
    assert browser.get(path).status_code == 200


def test_the_way_back_from_an_error_stays_here(app: Flask) -> None:
    """The link on an error page follows the referrer only within this host."""
    for referrer in (f"http://{EVIL}/x", f"//{EVIL}", "http://127.0.0.1:8000//evil.example", "nonsense", "http://["):
        page = app.test_client().get("/none", base_url=BASE_URL, headers={"Referer": referrer}).get_data(as_text=True)
        assert f'href="//{EVIL}' not in page
        assert f"http://{EVIL}" not in page
