"""Every page in both themes, on a laptop and on a phone, for everybody: WCAG 2.2 AA, no sideways scrolling, no errors.

The pages are those of the route table. With a race that is played, and on an installation in which there is nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page
from selectolax.lexbor import LexborHTMLParser, LexborNode
from werkzeug.test import TestResponse

from fixtures.chromium import LAPTOP, PHONE, WCAG_22_AA, PersonAtScreen, background, violations, width
from fixtures.clients import Browser
from fixtures.databases import Templates
from fixtures.every_page import Address, addresses, pages_without_data, people_who_look
from fixtures.site import Site, served
from fixtures.sizes import FULL, record
from srs.server.services.access import Person
from worlds.big_race import grow
from worlds.small_race import add_person

TEAMS = 8
ROLES = ("stranger", "student", "without a team", "staff")
DEPENDS_ON_THE_LOOK = ("color-contrast", "target-size", "scrollable-region-focusable", "link-in-text-block")
"""The rules that are applied again on the dark phone; at full size all are, in every look."""


CLEAN = Path(__file__).with_name("clean_pages.txt")
"""The looks of pages in which a whole run found nothing: every day only pages that look otherwise are looked at."""


@dataclass(frozen=True)
class Shown:
    """What somebody is shown: how many pages, and those that are to be looked at, each with how it looks."""

    pages: int
    fresh: list[tuple[str, Address]]


@dataclass(frozen=True)
class Tour:
    """A site, everybody who looks, and what each of them is shown."""

    site: Site
    people: dict[str, Person | None]
    shown: dict[str, Shown]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, sqlite_templates: Templates) -> Iterator[Tour]:
    """A race in the attack phase of its second round."""
    with served(tmp_path_factory.mktemp("played") / "data", sqlite_templates.of("big_race")) as site:
        grow(site.store, site.people, TEAMS)
        yield tour_of(site, people_who_look(site.people), addresses(site.app, site.server, site.people, site.played))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, sqlite_templates: Templates) -> Iterator[Tour]:
    """Two accounts, and nothing else."""
    with served(tmp_path_factory.mktemp("empty") / "data", sqlite_templates.of("empty")) as site:
        ada, dana = add_person(site.store, "Ada"), add_person(site.store, "Dana", staff=True)
        people = {"stranger": None, "student": ada, "staff": dana}
        yield tour_of(site, people, pages_without_data(site.app))


def tour_of(site: Site, people: dict[str, Person | None], pages: list[Address]) -> Tour:
    """What each person is shown. Every day a look that pages share is looked at once; at full size each page is."""
    seen = set(CLEAN.read_text(encoding="utf-8").split())
    shown = {}
    for role, person in people.items():
        visitor = Browser(site.app) if person is None else Browser(site.app).sign_in(person)
        answers = {address: visitor.get(address.path) for address in pages}
        looks = [(look_of(answer), address) for address, answer in answers.items() if is_page(answer)]
        fresh = {look: address for look, address in looks if look not in seen}
        shown[role] = Shown(len(looks), looks if FULL else list(fresh.items()))
        seen |= fresh.keys()
    return Tour(site, people, shown)


def is_page(answer: TestResponse) -> bool:
    return answer.mimetype == "text/html" and not 300 <= answer.status_code < 400


@pytest.mark.parametrize("role", ROLES)
def test_every_page_of_a_played_race(browser: Chromium, played: Tour, role: str) -> None:
    look_at_all(browser, played, role, at_least=20)


@pytest.mark.parametrize("role", ["stranger", "student", "staff"])
def test_every_page_of_an_empty_installation(browser: Chromium, empty: Tour, role: str) -> None:
    look_at_all(browser, empty, role, at_least=4)


def look_at_all(browser: Chromium, tour: Tour, role: str, at_least: int) -> None:
    person, shown = tour.people[role], tour.shown[role]
    assert shown.pages >= at_least
    screen = PersonAtScreen(browser, tour.site.base_url, color_scheme="light")
    if person is not None:
        screen.sign_in(tour.site.store, person)
    found: dict[str, list[str]] = {}
    for _, address in shown.fresh:
        for what in look_at(screen, address):
            found.setdefault(what, []).append(address.name)
    found |= {what: ["the console"] for what in screen.complaints}
    screen.context.close()
    note = f"pages x themes x widths, as {role}; of {shown.pages} pages"
    record("page", (4 if FULL else 2) * len(shown.fresh), len(found), note=note)
    if found:
        pytest.fail("\n".join(f"{what}\n    on {'; '.join(where)}" for what, where in found.items()), pytrace=False)
    if FULL and os.environ.get("SRS_RECORD"):
        keep_clean(look for look, _ in shown.fresh)


def keep_clean(looks: Iterable[str]) -> None:
    """Note that nothing was found in these; ``make clean-pages`` begins with an empty list."""
    kept = set(CLEAN.read_text(encoding="utf-8").split()) if CLEAN.exists() else set()
    CLEAN.write_text("\n".join(sorted(kept | set(looks))) + "\n", encoding="utf-8")


def look_of(answer: TestResponse) -> str:
    """A hash of all in a page that decides what axe-core finds: its elements and attributes, style sheets, the rules.

    Which words stand there does not count, nor how often a row or an item is repeated.
    """
    rules = hashlib.sha256(repr((AXE_SCRIPT, WCAG_22_AA, DEPENDS_ON_THE_LOOK)).encode()).hexdigest()
    page = LexborHTMLParser(answer.data).root
    assert page is not None
    return hashlib.sha256(repr((rules, shape_of(page))).encode()).hexdigest()[:24]


def shape_of(element: LexborNode) -> tuple[object, ...]:
    """An element's name and attributes, then what is in it; neighbours of one shape are told once.

    Of the rows of a table and the items of a list the order does not count either: teams change places.
    """
    attributes = tuple(sorted((name, plain(name, value or "")) for name, value in element.attributes.items()))
    inside: list[object] = []
    for child in element.iter(include_text=True):
        part = shape_of(child) if child.is_element_node else ("text" if (child.text_content or "").strip() else None)
        if part is not None and part not in inside[-2:]:
            inside.append(part)
    if element.tag in ("tbody", "ol", "ul"):
        inside = sorted(set(inside), key=repr)
    return (element.tag, attributes, *inside)


def plain(name: str, value: str) -> str:
    """The value of an attribute as far as it matters: names of things without their numbers, words as words."""
    if name in ("class", "role", "type", "lang", "scope", "hidden", "open", "autocomplete", "rel", "tabindex"):
        return value
    if name in ("id", "for", "aria-labelledby", "aria-describedby", "aria-controls"):
        return re.sub(r"[0-9]+", "0", value)
    if name in ("href", "src"):
        return value if "?v=" in value else "somewhere"
    return "some" if value.strip() else "none"


def look_at(screen: PersonAtScreen, address: Address) -> list[str]:
    """What is wrong with one page: every day on a light laptop and on a dark phone, at full size in all four looks."""
    page = screen.page
    page.set_viewport_size(LAPTOP)
    page.emulate_media(color_scheme="light")
    screen.look_at(address.path)
    light = background(page)
    found = [*(f"laptop, light: {one}" for one in violations(page)), *too_wide(page, "laptop, light")]
    page.emulate_media(color_scheme="dark")
    if background(page) == light:
        found.append("the dark theme is as light as the light one")
    if FULL:
        found += look_again(page, "laptop, dark")
    page.set_viewport_size(PHONE)
    found += look_again(page, "phone, dark")
    page.emulate_media(color_scheme="light")
    return found + (look_again(page, "phone, light") if FULL else [])


def look_again(page: Page, look: str) -> list[str]:
    rules = {} if FULL else {"type": "rule", "values": list(DEPENDS_ON_THE_LOOK)}
    return [*(f"{look}: {one}" for one in violations(page, **rules)), *too_wide(page, look)]


def too_wide(page: Page, look: str) -> list[str]:
    window = page.viewport_size or LAPTOP
    return [f"{look}: {width(page)} px wide"] if width(page) > window["width"] else []
