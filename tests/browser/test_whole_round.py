"""A whole round as a teacher and two teams live it, in a browser: by mouse and by keyboard alone, with JavaScript and
without. A real server with a real worker; only the race's clock is moved."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect

from fixtures.chromium import PATIENCE_MS, PersonAtScreen
from fixtures.databases import make_config
from fixtures.hands import Hands, Keyboard, Mouse
from fixtures.live import PASSWORD, Postbox, post_office, running_server
from fixtures.sizes import FULL
from srs.lab import attacks
from srs.lab.simulate import simulate
from srs.server.store.engine import Store
from srs.server.store.migrations import migrate
from worlds.small_race import add_person, set_clock

CELLS, REPETITIONS, PACKETS_MAX = 3, 6, 80
BEGINS_AT = dt.datetime(2027, 4, 13, 8, 0, tzinfo=dt.UTC)
DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
TIMES = {
    "Defence opens": BEGINS_AT,
    "Defence closes": BEGINS_AT + DAY,
    "Attack opens": BEGINS_AT + DAY + HOUR,
    "Attack closes": BEGINS_AT + 2 * DAY,
}
LOOK_MS = 500
WAYS = [pytest.param((Keyboard, False), id="by keyboard, without JavaScript")]
MORE_WAYS = [
    pytest.param((Mouse, False), id="by mouse, without JavaScript"),
    pytest.param((Keyboard, True), id="by keyboard, with JavaScript"),
    pytest.param((Mouse, True), id="by mouse, with JavaScript"),
]


@dataclass
class Stage:
    """A running server, and who comes to it."""

    browser: Browser
    base_url: str
    store: Store
    postbox: Postbox
    folder: Path
    hands: Callable[[Page], Hands]
    has_script: bool
    screens: list[PersonAtScreen] = field(default_factory=list)

    def enter(self) -> Actor:
        """Somebody new, in a browser of their own."""
        screen = PersonAtScreen(self.browser, self.base_url, java_script_enabled=self.has_script)
        self.screens.append(screen)
        return Actor(self, screen, self.hands(screen.page))

    def leave(self) -> None:
        """Close every browser; what their consoles complained of."""
        complaints = [one for screen in self.screens for one in screen.complaints]
        for screen in self.screens:
            screen.context.close()
        self.screens.clear()
        assert complaints == []

    def at(self, moment: dt.datetime) -> None:
        """Set the race's clock."""
        set_clock(self.store, moment)


@dataclass
class Actor:
    """One person, and what such a person does in a race."""

    stage: Stage
    screen: PersonAtScreen
    hands: Hands

    @property
    def page(self) -> Page:
        """What the person looks at."""
        return self.screen.page

    def sees(self, text: str | re.Pattern[str]) -> None:
        """The page says this."""
        expect(self.page.get_by_role("main")).to_contain_text(text)

    def registers(self, name: str) -> Actor:
        """By the form, and the link in the mail."""
        address = f"{name.lower()}@example.org"
        self.screen.look_at("/")
        self.hands.follow("Register")
        self.hands.write("Your name", name)
        self.hands.write("Email", address)
        self.hands.write("Password", PASSWORD)
        self.hands.write("Retype Password", PASSWORD)
        self.hands.press("Register")
        self.screen.look_at(self.stage.postbox.link_for(address, "/confirm"))
        self.hands.press("Confirm")
        if self.page.get_by_role("button", name="Log out").count() == 0:
            self.screen.look_at("/login")
            self.hands.write("Email", address)
            self.hands.write("Password", PASSWORD)
            self.hands.press("Log in")
        return self

    def signs_in(self, name: str, *, staff: bool = False) -> Actor:
        """By a one-time link."""
        self.screen.sign_in(self.stage.store, add_person(self.stage.store, name, staff=staff))
        return self

    def creates_the_race(self) -> None:
        """By the form, after a look at the preview."""
        self.hands.follow("Staff")
        self.hands.follow("New race")
        self.hands.write("Title", "A small race")
        self.hands.write("Name in the address", "small")
        self.hands.write("Time zone", "UTC")
        for boundary, moment in TIMES.items():
            self.hands.set_moment(boundary, moment)
        self.hands.choose("Who may join", "everybody with an account")
        self.hands.write("Number of classes", str(CELLS))
        self.hands.write("Traces for each class, at least", "4")
        self.hands.write("Traces for each class, at most", str(REPETITIONS))
        self.hands.write("Traces in a test set", str(2 * CELLS))
        self.hands.write("Pool from which test sets are drawn", str(2 * CELLS))
        self.hands.press("Check the form and preview")
        self.sees("Nothing is created yet")
        self.hands.press("Create the race")
        self.sees("The race was created")

    def joins(self, team: str) -> None:
        """The race, and a team of one's own."""
        self.screen.look_at("/")
        self.hands.follow("A small race")
        self.hands.press("Join")
        self.hands.follow("Team")
        self.hands.write("Name of the team", team)
        self.hands.press("Create it")
        self.sees(team)

    def sends(self, kind: str, table: pl.DataFrame) -> None:
        """A file, and waits for its verdict, which comes by itself."""
        path = self.stage.folder / f"{kind}.csv"
        path.write_text(table.write_csv(float_precision=6), encoding="utf-8")
        self.hands.follow(kind)
        self.hands.choose_file(f"{kind} file", path)
        self.hands.press(f"Upload {kind.lower()}")
        self.page.wait_for_url(re.compile("/submissions/"))
        self.page.evaluate("window.isTheSamePage = true")
        expect(self.page.get_by_text("accepted", exact=True).first).to_be_visible()
        is_same = self.page.evaluate("window.isTheSamePage === true")
        assert is_same or not self.stage.has_script, "the verdict came with another load of the page"

    def downloads(self) -> list[pl.DataFrame]:
        """The files of the only match, as soon as the draw is made; the page looks again by itself, or is loaded."""
        self.hands.follow("Attack")
        link = self.page.get_by_role("link", name="test.parquet")
        for _ in range(PATIENCE_MS // LOOK_MS):
            if link.count():
                break
            self.page.wait_for_timeout(LOOK_MS)
            self.page.reload()
        names = ("train.parquet", "test.parquet")
        return [pl.read_parquet(io.BytesIO(self.hands.download(name))) for name in names]


@pytest.fixture(params=WAYS + MORE_WAYS if FULL else WAYS)
def stage(request: pytest.FixtureRequest, browser: Browser, tmp_path: Path) -> Iterator[Stage]:
    hands, has_script = request.param
    config = make_config(tmp_path / "data", f"sqlite:///{tmp_path}/data/srs.sqlite")
    config.data.mkdir()
    migrate(config)
    store = Store(config)
    set_clock(store, BEGINS_AT - DAY)
    with (
        post_office() as (smtp_url, postbox),
        running_server(config.data, config.database_url, smtp_url, "--web-processes", "1") as base_url,
    ):
        stage = Stage(browser, base_url, store, postbox, tmp_path, hands, has_script)
        yield stage
        stage.leave()
    store.close()


def defence(start: int) -> pl.DataFrame:
    """Traces of one's own, cut short."""
    table = simulate(CELLS, REPETITIONS, seed=7, start=start).with_columns(pl.col("rep") - start)
    return table.group_by("cell_id", "rep", maintain_order=True).head(PACKETS_MAX)


def test_a_teacher_and_two_teams(stage: Stage) -> None:
    """From an empty installation to final standings."""
    dana, ada, cleo = stage.enter().signs_in("Dana", staff=True), stage.enter(), stage.enter()
    dana.creates_the_race()
    ada.registers("Ada").joins("Onions")
    cleo.signs_in("Cleo").joins("Garlic")
    stage.at(BEGINS_AT + HOUR)
    for start, actor in ((0, ada), (100, cleo)):
        actor.page.reload()
        actor.sends("Defence", defence(start))
    stage.at(TIMES["Attack opens"] + HOUR)
    for actor in (ada, cleo):
        train, test = actor.downloads()
        actor.sends("Attack", attacks.predict(train, test, "neighbours", 1, classes=CELLS))
    stage.at(TIMES["Attack closes"] + DAY)
    for actor in (ada, cleo):
        actor.hands.follow("Leaderboard")
        actor.sees(re.compile("final", re.IGNORECASE))
        for team in ("Onions", "Garlic"):
            actor.sees(team)
