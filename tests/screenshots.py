"""``make screenshots``: the pictures of README and docs, taken from a demo that this program starts and ends.

``python tests/screenshots.py --all FOLDER`` takes every page instead, as everybody, in both themes and widths: for
looking at. Pages are found by following links.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from playwright.sync_api import Browser, Page

from fixtures.chromium import LAPTOP, PHONE, THEMES, PersonAtScreen, chromium
from fixtures.live import wait_for
from fixtures.servers import dies_with_us, free_port

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
PLAYED = "Round 3 is open"
"""What the demo says when its season is played."""

DEMO_S = 600.0
WIDTHS = {"laptop": LAPTOP, "phone": PHONE}
LOADED_MS = 400
AT_ONCE = "() => document.querySelectorAll('img[loading]').forEach((one) => { one.loading = 'eager'; })"
DRAWN = "() => [...document.images].every((one) => one.complete && one.naturalWidth > 0)"
SAMPLES = 3
"""How many pages that differ in a number or an id alone are taken of each kind."""


@dataclass(frozen=True)
class Picture:
    """One picture: whose screen, which page (``{rejected}`` and the like are filled in), on what, in which theme."""

    name: str
    person: str
    path: str
    on: str = "laptop"
    theme: str = "light"
    height: int | None = None
    """In pixels, where it is less of the page than the screen shows."""

    @property
    def file_name(self) -> str:
        """Its name in ``docs/pictures``."""
        return f"{self.name}.png"


PICTURES = (
    Picture("home", "", "/"),
    Picture("race", "Ada", "/races/demo"),
    Picture("race-dark-phone", "Ada", "/races/demo", on="phone", theme="dark"),
    Picture("defence", "Ada", "/races/demo/defence"),
    Picture("rejected", "Ada", "{rejected}"),
    Picture("accepted", "Ada", "{accepted}"),
    Picture("attack-report", "Ada", "{attack}"),
    Picture("practice", "Ada", "/races/demo/practice"),
    Picture("round", "Ada", "/races/demo/rounds/1", height=680),
    Picture("round-dark", "Ada", "/races/demo/rounds/1", theme="dark", height=680),
    Picture("staff-race", "Dana", "/staff/races/demo"),
    Picture("staff-new-race", "Dana", "/staff/races/new"),
)


@contextmanager
def demo() -> Iterator[tuple[str, dict[str, str]]]:
    """A demo whose season is played: its address, and the one-time links of its people by name."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output"
        environ = {name: value for name, value in os.environ.items() if not name.startswith("SRS_")}
        command = [str(Path(sys.executable).with_name("srs-server")), "demo", "--port", str(port)]
        with output.open("wb") as file:
            environ |= {"TMPDIR": folder}
            process = subprocess.Popen(dies_with_us(command), stdout=file, stderr=file, env=environ)
        try:
            wait_for(lambda: process.poll() is not None or (PLAYED in output.read_text() and "played"), DEMO_S)
            said = output.read_text()
            if process.poll() is not None:
                raise click.ClickException(said[-2000:])
            yield f"http://127.0.0.1:{port}", dict(re.findall(r"(\w+), .*\n\s+\S+?(/sign-in/\S+)", said))
        finally:
            process.terminate()
            process.wait(40)


def screens(browser: Browser, base_url: str, links: dict[str, str]) -> dict[str, PersonAtScreen]:
    """A stranger (``""``) and the people of the demo, each signed in."""
    found = {"": PersonAtScreen(browser, base_url)}
    for name, link in links.items():
        found[name] = PersonAtScreen(browser, base_url)
        found[name].page.goto(link)
        found[name].page.get_by_role("main").get_by_role("button").click()
    return found


def submissions(page: Page) -> dict[str, str]:
    """Where Ada's files are: a rejected and an accepted defence, an accepted attack."""

    def first(path: str, state: str) -> str:
        page.goto(path)
        row = page.get_by_role("row").filter(has_text=state).first
        return row.get_by_role("link", name="Report on").get_attribute("href") or ""

    return {
        "rejected": first("/races/demo/defence", "rejected"),
        "accepted": first("/races/demo/defence", "accepted"),
        "attack": first("/races/demo/attack?round=2", "accepted"),
    }


def take(page: Page, path: Path, *, on: str, theme: str, height: int | None = None, whole: bool = False) -> None:
    """One picture of the page that is open."""
    screen = WIDTHS[on]
    page.set_viewport_size({"width": screen["width"], "height": height or screen["height"]})
    page.emulate_media(color_scheme=theme)
    page.wait_for_timeout(LOADED_MS)
    page.evaluate(AT_ONCE)
    page.wait_for_function(DRAWN)
    page.screenshot(path=path, full_page=whole, animations="disabled")


def take_chosen(people: dict[str, PersonAtScreen]) -> None:
    """The pictures of README and docs."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    places = submissions(people["Ada"].page)
    for picture in PICTURES:
        page = people[picture.person].page
        page.goto(picture.path.format(**places))
        take(page, FOLDER / picture.file_name, on=picture.on, theme=picture.theme, height=picture.height)
        click.echo(f"{picture.file_name}: {(FOLDER / picture.file_name).stat().st_size / 1000:.0f} kB")


def take_all(people: dict[str, PersonAtScreen], folder: Path) -> None:
    """Every page that somebody finds by following links, whole."""
    for name, screen in people.items():
        who = name.lower() or "stranger"
        for path in pages_found(screen.page):
            for on in WIDTHS:
                for theme in THEMES:
                    target = folder / f"{who}-{slug(path)}-{on}-{theme}.png"
                    screen.page.goto(path)
                    take(screen.page, target, on=on, theme=theme, whole=True)
            click.echo(f"{who}: {path}")


def pages_found(page: Page) -> list[str]:
    """The paths of pages, beginning with ``/``; of pages that differ in a number or an id alone a few."""
    waiting, found, taken = ["/"], [], dict[str, int]()
    while waiting:
        path = waiting.pop(0)
        kind = re.sub(r"[0-9a-f]{32}|\d+", "#", path)
        if path in found or taken.get(kind, 0) >= SAMPLES:
            continue
        response = page.request.get(path)
        if not (response.ok and response.headers["content-type"].startswith("text/html")):
            continue
        page.goto(path)
        found.append(path)
        taken[kind] = taken.get(kind, 0) + 1
        links = page.locator("a[href^='/']").evaluate_all("all => all.map((one) => one.getAttribute('href'))")
        waiting += [str(link).split("#")[0] for link in links]
    return found


def slug(path: str) -> str:
    """A path as a part of a file's name."""
    return re.sub(r"[^0-9a-z]+", "-", path.lower()).strip("-")[:80] or "home"


@click.command()
@click.option("--all", "folder", type=click.Path(path_type=Path, file_okay=False), help="Take every page into FOLDER.")
def main(folder: Path | None) -> None:
    """Play a demo, and take pictures of it."""
    with demo() as (base_url, links), chromium() as browser:
        people = screens(browser, base_url, links)
        if folder is None:
            take_chosen(people)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            take_all(people, folder)


if __name__ == "__main__":
    main()
