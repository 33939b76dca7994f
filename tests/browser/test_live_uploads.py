"""Uploads that go well, as they are seen: a dropped file, the bar, and the way to the verdict on one page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, expect

from fixtures.chromium import PersonAtScreen
from fixtures.databases import Templates
from fixtures.site import Site, served
from srs.server.store.races import race_by_slug
from srs.server.store.submissions import Submission, submission_by_public_id
from worlds.played_round import set_state
from worlds.small_race import IN_DEFENCE, set_clock

FORM = "/races/small/defence"
DROP = """(form) => {
    const dropped = new DataTransfer();
    dropped.items.add(new File(["cell_id,rep\\n"], "dropped.csv", {type: "text/csv"}));
    for (const kind of ["dragenter", "drop"])
        form.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: dropped}));
}"""


@pytest.fixture
def site(tmp_path: Path, sqlite_templates: Templates, shared_app: Flask) -> Iterator[Site]:
    """A small race whose defence phase is open; nobody judges."""
    with served(tmp_path / "data", sqlite_templates.of("small_race"), shared_app) as site:
        yield site


@pytest.fixture
def ada(browser: Browser, site: Site) -> Iterator[PersonAtScreen]:
    """Ada at the form."""
    set_clock(site.store, IN_DEFENCE)
    screen = PersonAtScreen(browser, site.base_url).sign_in(site.store, site.people.ada)
    screen.look_at(FORM)
    yield screen
    screen.context.close()


def test_a_file_that_is_dropped_on_the_form(site: Site, ada: PersonAtScreen) -> None:
    ada.page.locator("form.upload").evaluate(DROP)
    expect(ada.page.locator(".upload-answer")).to_contain_text("dropped.csv, 0.0 MB, is ready to be sent")
    ada.page.get_by_role("button", name="Upload defence").click()
    ada.page.wait_for_url("**/submissions/*")
    with site.store.read() as session:
        [sent] = session.query(Submission)
        assert sent.file_name == "dropped.csv"
        assert site.store.blobs.path(sent.sha256).read_bytes() == b"cell_id,rep\n"


def test_a_bar_shows_how_far_the_upload_is(ada: PersonAtScreen) -> None:
    line = ada.context.new_cdp_session(ada.page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 300_000}
    line.send("Network.enable")
    line.send("Network.emulateNetworkConditions", slow)
    ada.page.locator("#file").set_input_files({"name": "x.csv", "mimeType": "text/csv", "buffer": b"x" * 1_000_000})
    ada.page.get_by_role("button", name="Upload defence").click()
    bar = ada.page.locator("form.upload progress")
    expect(bar).to_be_visible()
    expect(ada.page.locator(".upload-answer")).to_contain_text("% sent")
    assert 0 < float(bar.evaluate("(bar) => bar.value")) < 1
    ada.page.wait_for_url("**/submissions/*")


def test_the_way_to_the_verdict_needs_no_reload(site: Site, ada: PersonAtScreen) -> None:
    """Received, queued, each step, rejected: the page that was opened shows them all."""
    ada.page.locator("form.upload").evaluate(DROP)
    ada.page.get_by_role("button", name="Upload defence").click()
    ada.page.wait_for_url("**/submissions/*")
    ada.page.evaluate("window.isTheSamePage = true")
    here = ada.page.locator("#judgement [aria-current=step]")
    expect(here).to_have_text("In the queue")
    public_id = ada.page.url.rsplit("/", 1)[1]
    set_state(site.store, "small", public_id, "running")
    expect(here).to_have_text("Reading, checking")
    with site.store.work() as session:
        submission_by_public_id(session, race_by_slug(session, "small").id, public_id).job.step = "measuring"
    expect(here).to_have_text("Measuring")
    set_state(site.store, "small", public_id, "rejected")
    expect(ada.page.get_by_role("heading", level=1)).to_contain_text("rejected")
    expect(ada.page.locator("#said")).to_have_text("Defence of round 1: rejected")
    assert ada.page.evaluate("window.isTheSamePage")
