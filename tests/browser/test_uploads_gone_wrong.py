"""Uploads by script that go wrong: each says so in a sentence beside the form, which can be sent again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, Route, expect

from fixtures.chromium import PersonAtScreen
from fixtures.databases import Templates
from fixtures.site import Site, served
from srs.server.store.submissions import Submission

FORM = "/races/small/defence"


@pytest.fixture
def site(tmp_path: Path, sqlite_templates: Templates, shared_app: Flask) -> Iterator[Site]:
    """A small race whose defence phase is open."""
    with served(tmp_path / "data", sqlite_templates.of("small_race"), shared_app) as site:
        yield site


@pytest.fixture
def ada(browser: Browser, site: Site) -> Iterator[PersonAtScreen]:
    """Ada at the form, with a file chosen."""
    screen = PersonAtScreen(browser, site.base_url).sign_in(site.store, site.people.ada)
    screen.look_at(FORM)
    choose(screen, b"cell_id,rep,size,time\n")
    yield screen
    screen.context.close()


def choose(screen: PersonAtScreen, content: bytes) -> None:
    screen.page.locator("#file").set_input_files({"name": "x.csv", "mimeType": "text/csv", "buffer": content})


def press(screen: PersonAtScreen) -> None:
    screen.page.get_by_role("button", name="Upload defence").click()


def sent(site: Site) -> list[bytes]:
    with site.store.read() as session:
        return [site.store.blobs.path(one.sha256).read_bytes() for one in session.query(Submission)]


def test_a_connection_that_breaks(site: Site, ada: PersonAtScreen) -> None:
    """It says so; the same form is received when it is sent again, and once."""
    ada.page.route(f"**{FORM}", lambda route: route.abort("connectionreset"), times=1)
    press(ada)
    expect(ada.page.locator(".upload-answer")).to_contain_text("The connection was lost. Press the button again")
    expect(ada.page.locator("progress")).to_be_hidden()
    assert sent(site) == []
    press(ada)
    ada.page.wait_for_url("**/submissions/*")
    assert len(sent(site)) == 1


def test_an_answer_that_is_lost(site: Site, ada: PersonAtScreen) -> None:
    """The file was received, the receipt was not: the second try leads to it."""

    def lose(route: Route) -> None:
        route.fetch()
        route.abort("connectionreset")

    ada.page.route(f"**{FORM}", lose, times=1)
    press(ada)
    expect(ada.page.locator(".upload-answer")).to_contain_text("The connection was lost")
    press(ada)
    ada.page.wait_for_url("**/submissions/*")
    assert len(sent(site)) == 1


def test_a_proxy_that_answers_in_html(ada: PersonAtScreen) -> None:
    """Its page is not shown as text with tags."""
    page = "<html><h1>413 Request Entity Too Large</h1></html>"
    ada.page.route(f"**{FORM}", lambda route: route.fulfill(status=413, content_type="text/html", body=page), times=1)
    press(ada)
    answer = ada.page.locator(".upload-answer")
    expect(answer).to_have_text("The file was not received: the server answered 413. Try again.")


def test_a_session_that_is_over(site: Site, ada: PersonAtScreen) -> None:
    ada.context.clear_cookies()
    press(ada)
    expect(ada.page.locator(".upload-answer")).to_contain_text("Please sign in first")
    assert sent(site) == []


def test_a_file_that_is_chosen_and_taken_back(ada: PersonAtScreen) -> None:
    """A form whose file was too large is as it was when the choice is taken back."""
    ada.page.evaluate("document.querySelector('form.upload').dataset.maxBytes = 5")
    choose(ada, b"too large")
    button = ada.page.get_by_role("button", name="Upload defence")
    expect(button).to_be_disabled()
    ada.page.locator("#file").set_input_files([])
    expect(button).to_be_enabled()
    expect(ada.page.locator(".upload-answer")).to_be_empty()


def test_back_to_the_form_and_another_file(site: Site, ada: PersonAtScreen) -> None:
    """Who goes back from a receipt and sends a better file gets a second one, for the form is fresh."""
    press(ada)
    ada.page.wait_for_url("**/submissions/*")
    ada.page.go_back()
    ada.page.wait_for_load_state()
    choose(ada, b"cell_id,rep,size,time\nbetter\n")
    press(ada)
    ada.page.wait_for_url("**/submissions/*")
    assert len(sent(site)) == 2


def test_a_page_that_was_kept_is_asked_for_again(ada: PersonAtScreen) -> None:
    """What a browser shows from its memory has an old key and old times."""
    key = ada.page.locator("[name=idempotency_key]").input_value()
    with ada.page.expect_navigation():
        ada.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    assert ada.page.locator("[name=idempotency_key]").input_value() != key


def test_two_quick_presses_are_one_upload(site: Site, ada: PersonAtScreen) -> None:
    ada.page.get_by_role("button", name="Upload defence").dblclick()
    ada.page.wait_for_url("**/submissions/*")
    assert len(sent(site)) == 1


def test_who_is_logged_out_while_a_part_looks_again(ada: PersonAtScreen) -> None:
    """The receipt asks again by itself, and leads to the log-in page; no page is put into the part."""
    press(ada)
    ada.page.wait_for_url("**/submissions/*")
    ada.context.clear_cookies()
    ada.page.wait_for_url(re.compile(r"/login\?next="))
    expect(ada.page.locator("h1")).to_have_count(1)
    assert ada.complaints == []
