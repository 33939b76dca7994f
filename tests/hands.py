"""Two ways to use a page, by role and accessible name: with a mouse, and with a keyboard alone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Protocol

from playwright.sync_api import Page

TABS_MAX = 200
FOCUSED = """() => {
    const it = document.activeElement;
    if (!it || it === document.body) return ["", ""];
    const labels = [...(it.labels || [])].map((label) => label.textContent).join(" ");
    const name = it.getAttribute("aria-label") || labels || it.textContent || it.getAttribute("alt") || "";
    const role = {A: "link", BUTTON: "button"}[it.tagName] || "field";
    return [role, name.trim().replace(/\\s+/g, " ")];
}"""
FOCUS_IS_VISIBLE = """() => {
    const it = document.activeElement, style = getComputedStyle(it), box = it.getBoundingClientRect();
    const isDrawn = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
    return isDrawn && box.width > 0 && box.bottom > 0 && box.top < innerHeight;
}"""


class Hands(Protocol):
    """What somebody does on a page; each name is the beginning of an accessible name."""

    def follow(self, link: str) -> None:
        """Follow a link to its page."""

    def press(self, button: str) -> None:
        """Press a button of the page's content that leads to another page."""

    def write(self, field: str, text: str) -> None:
        """Put a text in the place of what a field holds."""

    def choose(self, field: str, option: str) -> None:
        """Choose from a list."""

    def set_moment(self, field: str, local: dt.datetime) -> None:
        """Fill in a date and a time, to the minute."""

    def choose_file(self, field: str, path: Path) -> None:
        """Choose a file in the browser's dialogue."""

    def download(self, link: str) -> bytes:
        """Follow a link that leads to a file; what is in it."""


class Mouse:
    """Points and clicks; types only into fields."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._main = page.get_by_role("main")

    def follow(self, link: str) -> None:
        with self._page.expect_navigation():
            self._page.get_by_role("link", name=link).first.click()

    def press(self, button: str) -> None:
        with self._page.expect_navigation():
            self._main.get_by_role("button", name=button).first.click()

    def write(self, field: str, text: str) -> None:
        self._main.get_by_label(field).first.fill(text)

    def choose(self, field: str, option: str) -> None:
        self._main.get_by_label(field).first.select_option(option)

    def set_moment(self, field: str, local: dt.datetime) -> None:
        self._main.get_by_label(field).first.fill(f"{local:%Y-%m-%dT%H:%M}")

    def choose_file(self, field: str, path: Path) -> None:
        with self._page.expect_file_chooser() as chooser:
            self._main.get_by_label(field).first.click()
        chooser.value.set_files(path)

    def download(self, link: str) -> bytes:
        with self._page.expect_download() as started:
            self._main.get_by_role("link", name=link).first.click()
        return started.value.path().read_bytes()


class Keyboard:
    """Goes to everything with Tab, sees where the focus is, and presses keys there."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._press = page.keyboard.press
        self._type = page.keyboard.type

    def follow(self, link: str) -> None:
        self._go_to("link", link)
        with self._page.expect_navigation():
            self._press("Enter")

    def press(self, button: str) -> None:
        self._go_to("button", button)
        with self._page.expect_navigation():
            self._press("Space")

    def write(self, field: str, text: str) -> None:
        self._go_to("field", field)
        self._press("Control+a")
        self._type(text)

    def choose(self, field: str, option: str) -> None:
        self._go_to("field", field)
        self._type(option)

    def set_moment(self, field: str, local: dt.datetime) -> None:
        self._go_to("field", field)
        self._type(f"{local:%m%d%Y}")
        self._press("ArrowRight")
        self._type(f"{local:%I%M%p}")

    def choose_file(self, field: str, path: Path) -> None:
        self._go_to("field", field)
        with self._page.expect_file_chooser() as chooser:
            self._press("Space")
        chooser.value.set_files(path)

    def download(self, link: str) -> bytes:
        self._go_to("link", link)
        with self._page.expect_download() as started:
            self._press("Enter")
        return started.value.path().read_bytes()

    def _go_to(self, role: str, name: str) -> None:
        passed = []
        for _ in range(TABS_MAX):
            self._press("Tab")
            found_role, found_name = self._page.evaluate(FOCUSED)
            if found_role == role and found_name.startswith(name):
                assert self._page.evaluate(FOCUS_IS_VISIBLE), f"nobody sees that the focus is on {found_name!r}"
                return
            passed.append(found_name)
        raise AssertionError(f"Tab does not reach the {role} {name!r} of {self._page.url}, only {passed[:60]}")
