"""Every page in both themes, on a laptop and on a phone, for everybody: WCAG 2.2 AA, no sideways scrolling, no errors.

The pages are those of the route table. With a race that is played, and on an installation in which there is nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page
from werkzeug.test import TestResponse

from fixtures.chromium import LAPTOP, PHONE, PersonAtScreen, background, violations, width
from fixtures.clients import Browser, soup
from fixtures.databases import Templates
from fixtures.every_page import Address, every_page, pages_without_data, people_who_look
from fixtures.site import Site, served
from fixtures.sizes import FULL, record
from srs.server.services.access import Person
from worlds.big_race import populate_big
from worlds.small_race import add_person

pytestmark = pytest.mark.xdist_group("every page")

TEAMS = 8
ROLES = ("stranger", "student", "without a team", "staff")
DEPENDS_ON_THE_LOOK = ("color-contrast", "target-size", "scrollable-region-focusable", "link-in-text-block")
"""The rules that are applied again on the dark phone; at full size all are, in every look."""


@dataclass(frozen=True)
class Tour:
    """A site, everybody who looks, and everything there is to see."""

    site: Site
    people: dict[str, Person | None]
    pages: list[Address]
    seen: set[str] = field(default_factory=set)
    """The contents of pages that have been looked at."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, sqlite_templates: Templates) -> Iterator[Tour]:
    """A race in the attack phase of its second round."""
    with served(tmp_path_factory.mktemp("played") / "data", sqlite_templates.of("empty")) as site:
        people, sent = populate_big(site.store, TEAMS)
        yield Tour(site, people_who_look(people), every_page(site.app, site.server, people, sent))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, sqlite_templates: Templates) -> Iterator[Tour]:
    """Two accounts, and nothing else."""
    with served(tmp_path_factory.mktemp("empty") / "data", sqlite_templates.of("empty")) as site:
        people = {"stranger": None, "student": add_person(site.store, "Ada"), "without a team": None}
        people["staff"] = add_person(site.store, "Dana", staff=True)
        yield Tour(site, people, pages_without_data(site.app))


@pytest.mark.parametrize("role", ROLES)
def test_every_page_of_a_played_race(browser: Chromium, played: Tour, role: str) -> None:
    look_at_all(browser, played, role, at_least=5)


@pytest.mark.parametrize("role", ["stranger", "student", "staff"])
def test_every_page_of_an_empty_installation(browser: Chromium, empty: Tour, role: str) -> None:
    look_at_all(browser, empty, role, at_least=1)


def look_at_all(browser: Chromium, tour: Tour, role: str, at_least: int) -> None:
    person = tour.people[role]
    shown = pages_shown(tour, person)
    assert len(shown) >= at_least
    screen = PersonAtScreen(browser, tour.site.base_url, color_scheme="light")
    if person is not None:
        screen.sign_in(tour.site.store, person)
    found: dict[str, list[str]] = {}
    for address in shown:
        for what in look_at(screen, address):
            found.setdefault(what, []).append(address.name)
    found |= {what: ["the console"] for what in screen.complaints}
    screen.context.close()
    record("page", (4 if FULL else 2) * len(shown), len(found), note=f"pages x themes x widths, as {role}")
    if found:
        pytest.fail("\n".join(f"{what}\n    on {'; '.join(where)}" for what, where in found.items()), pytrace=False)


def pages_shown(tour: Tour, person: Person | None) -> list[Address]:
    """Where this person gets a page; at the everyday size only pages whose content nobody has looked at before."""
    visitor = Browser(tour.site.app)
    if person is not None:
        visitor.sign_in(person)
    shown = []
    for address in tour.pages:
        answer = visitor.get(address.path)
        if answer.mimetype != "text/html" or 300 <= answer.status_code < 400:
            continue
        content = content_of(answer)
        if FULL or content not in tour.seen:
            tour.seen.add(content)
            shown.append(address)
    return shown


def content_of(answer: TestResponse) -> str:
    """What is in the middle of a page, without the tokens of its forms and without numbers that change."""
    main = soup(answer).main
    assert main is not None
    for hidden in main.find_all("input", type="hidden"):
        hidden.decompose()
    return re.sub(r"[0-9a-f]{16}", "", str(main))


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
