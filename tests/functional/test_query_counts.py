"""How many queries a page makes: few, and not more in a larger race. (How long it takes: ``make bench``.)"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from fixtures.clients import Browser
from fixtures.databases import Template, Templates, make_config
from fixtures.every_page import every_page, people_who_look
from fixtures.meter import Meter
from fixtures.sizes import FULL, size
from srs.server.bell import SilentBell
from srs.server.bootstrap import Server
from srs.server.store.engine import Store
from srs.server.web.artist import ARTIST
from worlds.big_race import grow

QUERIES_MAX = 30
FEW, MANY = size(8, 10), size(12, 40)
LOOKING = ("stranger", "student", "without a team", "staff") if FULL else ("student", "staff")


def queries_of_pages(app: Flask, folder: Path, template: Template, count: int) -> dict[tuple[str, str], list[str]]:
    """The statements of every page for everybody, in a race of ``count`` teams."""
    shutil.copy(template.database, folder / "srs.sqlite")
    template.copy_files(folder)
    config = replace(make_config(folder, f"sqlite:///{folder / 'srs.sqlite'}"), demo=True)
    server = Server(config, Store(config), SilentBell())
    people, played = template.world.people, template.world.played
    assert people is not None
    assert played is not None
    grow(server.store, people, count)
    app.extensions["srs"] = server
    pages, meter, found = every_page(app, server, people, played), Meter(server.store), {}
    for role, person in people_who_look(people).items():
        if role not in LOOKING:
            continue
        browser = Browser(app) if person is None else Browser(app).sign_in(person)
        for address in pages:
            seen = meter.visit(browser, address.path)
            if seen.is_page:
                found[role, address.name] = seen.statements
    server.close()
    return found


def test_no_page_makes_many_queries_or_more_in_a_larger_race(
    shared_app: Flask, tmp_path: Path, sqlite_templates: Templates, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Drawing asks no database any more.
    monkeypatch.setattr(ARTIST, "draw", lambda _spec: '<svg xmlns="http://www.w3.org/2000/svg"/>')
    big_race = sqlite_templates.of("big_race")
    for count in (FEW, MANY):
        (tmp_path / str(count)).mkdir()
    few = queries_of_pages(shared_app, tmp_path / str(FEW), big_race, FEW)
    many = queries_of_pages(shared_app, tmp_path / str(MANY), big_race, MANY)
    assert len(few) > 50
    assert few.keys() == many.keys()
    assert {page: len(made) for page, made in many.items() if len(made) > QUERIES_MAX} == {}
    growing = {page: (len(few[page]), len(made)) for page, made in many.items() if len(made) > len(few[page])}
    assert growing == {}
