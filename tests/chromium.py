"""Debian's Chromium for the tests of the pages: a context for each person, and what is wrong with a page."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from srs.server.services.access import Person
from srs.server.services.sign_in import make_sign_in_link
from srs.server.store.engine import Store

PROGRAM = Path(shutil.which("chromium") or "/usr/bin/chromium")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
WCAG_22_AA = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
LAPTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
THEMES = ("light", "dark")
PATIENCE_MS = 30_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window. Fails where there is none."""
    if not PROGRAM.exists():
        pytest.fail("Chromium is not installed here: run `make services`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Complaints(list[str]):
    """What went wrong on a person's pages: the console's errors (broken policies among them), exceptions of scripts."""

    def listen(self, context: BrowserContext) -> None:
        """Hear every page of a context."""
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.append(f"{error.page and error.page.url}: {error.error}"))

    def _hear(self, message: ConsoleMessage) -> None:
        # A page that answers 403 or 404 on purpose is told in the console, too.
        is_refusal = re.search(r"status of 4\d\d", message.text) is not None
        if message.type in ("error", "warning") and not is_refusal:
            self.append(f"{message.page and message.page.url}: {message.text}")


class PersonAtScreen:
    """One person, one browser context, one page; signed in by a one-time link unless a stranger."""

    def __init__(self, browser: Browser, base_url: str, **settings: Any) -> None:
        self.complaints = Complaints()
        self.context = browser.new_context(
            base_url=base_url, **{"viewport": LAPTOP, "reduced_motion": "reduce", **settings}
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.complaints.listen(self.context)
        self.page: Page = self.context.new_page()
        # From now on a file chooser comes to the tests. Asked for only when a key is pressed, it may open before the
        # browser has heard of it, and nobody is told.
        self.page.on("filechooser", lambda _: None)

    def sign_in(self, store: Store, person: Person) -> PersonAtScreen:
        """Open a link and press its button."""
        self.page.goto(f"/sign-in/{make_sign_in_link(store, person.user_id)}")
        self.page.get_by_role("main").get_by_role("button").click()
        return self

    def look_at(self, path: str) -> int:
        """Go to a path and wait for what it loads; the status of the answer."""
        response = self.page.goto(path, wait_until="load")
        assert response is not None, path
        return response.status


def violations(page: Page, **run_only: Any) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA, or against the ``values`` of another ``type``: a line for each place."""
    only = run_only or {"type": "tag", "values": list(WCAG_22_AA)}
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate("only => axe.run({runOnly: only, resultTypes: ['violations']})", only)["violations"]
    return [f"{one['id']}: {' '.join(map(str, node['target']))} {_why(node)}" for one in found for node in one["nodes"]]


def _why(node: dict[str, Any]) -> str:
    told = [one["message"] for kind in ("any", "all", "none") for one in node[kind]]
    return f"{node['html'][:120]} ({told[0] if told else ''})"


def width(page: Page) -> int:
    """How wide a page is, in CSS pixels; more than its window means scrolling sideways."""
    found: int = page.evaluate("document.documentElement.scrollWidth")
    return found


def background(page: Page) -> str:
    """The colour behind everything."""
    found: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return found
