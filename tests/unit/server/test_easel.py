"""Drawings that take their time, take too much, or end whoever draws them. What they wait for is an event, no clock."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Timer

import pytest

from srs.server.web import easel
from srs.server.web.artist import Artist, Late, Undrawable
from srs.server.web.easel import Easel

ARTIST = """
import os, sys, types
from srs.server.web import artist
def draw(spec, **_):
    if "gate" in spec:  # somebody has to come to the gate, and to come again
        with open(spec["gate"], "w") as gate:
            gate.write("I am here")
        open(spec["gate"]).close()
    if spec["title"] == "spins":
        sum(range(10**14))
    if spec["title"] == "dies":
        os._exit(3)
    if spec["title"] == "wrong":
        raise ValueError("no specification")
    return "<svg>" + spec["title"] + "</svg>"
sys.modules["vl_convert"] = types.SimpleNamespace(vegalite_to_svg=draw)
artist.work(sys.stdin.buffer, sys.stdout.buffer, cpu_max_s=float(sys.argv[1]), wall_max_s=float(sys.argv[2]))
"""
PATIENCE_S = 600.0
"""For what takes a moment, however busy this machine is; where it never comes, a test fails."""


@contextmanager
def made(cpu_max_s: float = 0.3, wall_max_s: float = PATIENCE_S) -> Iterator[Artist]:
    """One whose library does what the title says."""
    artist = Artist((sys.executable, "-I", "-c", ARTIST, str(cpu_max_s), str(wall_max_s)))
    for_ever = Timer(PATIENCE_S, artist.end)
    for_ever.start()
    try:
        yield artist
    finally:
        for_ever.cancel()
        artist.end()


@pytest.fixture
def artist() -> Iterator[Artist]:
    with made() as found:
        yield found


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A pipe at which a drawing stops, without any work for the processor, until ``open_gate``."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


def wait_at(gate: Path) -> None:
    """Return when a drawing has come to the gate."""
    pipe = os.open(gate, os.O_RDONLY | os.O_NONBLOCK)
    came, _, _ = select.select([pipe], [], [], PATIENCE_S)
    os.close(pipe)
    assert came


def open_gate(gate: Path) -> None:
    gate.open("w").close()


def child_of(artist: Artist) -> int:
    assert artist._child is not None
    return artist._child.pid


@pytest.mark.parametrize("title", ["spins", "dies"])
def test_a_drawing_that_spins_or_dies_holds_up_no_other(artist: Artist, title: str) -> None:
    with pytest.raises(Undrawable):
        artist.draw({"title": title})
    assert artist.draw({"title": "next"}) == "<svg>next</svg>"


def test_a_drawing_that_waits_for_ever_is_ended(gate: Path) -> None:
    with made(wall_max_s=0.01) as artist, pytest.raises(Undrawable):
        artist.draw({"title": "waits", "gate": str(gate)})


def test_what_is_no_specification_ends_nobody(artist: Artist) -> None:
    artist.draw({"title": "first"})
    child = child_of(artist)
    with pytest.raises(ValueError, match="no specification"):
        artist.draw({"title": "wrong"})
    artist.draw({"title": "next"})
    assert child_of(artist) == child


def test_an_artist_who_was_killed_meanwhile_is_replaced(artist: Artist) -> None:
    artist.draw({"title": "first"})
    os.kill(child_of(artist), signal.SIGKILL)
    os.waitid(os.P_PID, child_of(artist), os.WEXITED | os.WNOWAIT)
    assert artist.draw({"title": "next"}) == "<svg>next</svg>"


def test_a_signal_to_all_of_a_site_ends_no_drawing(artist: Artist, gate: Path) -> None:
    """Ctrl-C, or a service that is stopped: the child ends with the process that asks it, and not before."""
    with ThreadPoolExecutor(1) as pool:
        drawing = pool.submit(artist.draw, {"title": "slow", "gate": str(gate)})
        wait_at(gate)
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(child_of(artist), number)
        open_gate(gate)
        assert drawing.result() == "<svg>slow</svg>"


def test_a_drawing_in_the_middle_of_which_the_process_ends_is_late(artist: Artist, gate: Path) -> None:
    """It has not failed: after a restart it is tried again."""
    with ThreadPoolExecutor(1) as pool:
        drawing = pool.submit(artist.draw, {"title": "slow", "gate": str(gate)})
        wait_at(gate)
        artist.end()
        assert isinstance(drawing.exception(), Late)
    with pytest.raises(Late):
        artist.draw({"title": "next"})
    assert artist._child is None


class Slow:
    """A drawing that takes until ``go``."""

    def __init__(self) -> None:
        self.has_begun, self.go = Event(), Event()
        self.times = 0

    def __call__(self) -> str:
        self.times += 1
        self.has_begun.set()
        self.go.wait(PATIENCE_S)
        return "<svg/>"


@pytest.fixture
def slow() -> Iterator[Slow]:
    found = Slow()
    yield found
    found.go.set()


@pytest.fixture
def wait_max_s(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    def of(seconds: float) -> None:
        monkeypatch.setattr(easel, "WAIT_MAX_S", seconds)

    return of


def test_a_late_drawing_goes_on_and_is_there_at_a_later_look(slow: Slow, wait_max_s: Callable[[float], None]) -> None:
    desk = Easel()
    wait_max_s(0)
    for _ in range(2):
        with pytest.raises(Late):
            desk.drawn("key", slow)
    wait_max_s(PATIENCE_S)
    assert slow.has_begun.wait(PATIENCE_S)
    slow.go.set()
    assert desk.drawn("key", lambda: "<svg/>") == "<svg/>"
    assert slow.times == 1


def test_an_error_is_told_to_whoever_waits() -> None:
    desk = Easel()

    def fail() -> str:
        raise Undrawable

    for _ in range(2):
        with pytest.raises(Undrawable):
            desk.drawn("key", fail)


def test_only_so_many_drawings_are_begun(
    slow: Slow, wait_max_s: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(easel, "UNDER_WAY_MAX", 2)
    desk = Easel()
    wait_max_s(0)
    for key in ("first", "second"):
        with pytest.raises(Late):
            desk.drawn(key, slow)
    never = Slow()
    wait_max_s(PATIENCE_S)
    with pytest.raises(Late):  # at once
        desk.drawn("third", never)
    assert never.times == 0


def test_only_so_many_requests_wait_long(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are answered soon, so that threads are left for the pages."""
    monkeypatch.setattr(easel, "PATIENT_MAX", 1)
    monkeypatch.setattr(easel, "WAIT_MAX_S", PATIENCE_S)
    monkeypatch.setattr(easel, "HURRIED_WAIT_MAX_S", 0)
    desk = Easel()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(desk.drawn, "key", slow)
        assert slow.has_begun.wait(PATIENCE_S)
        with pytest.raises(Late):
            desk.drawn("key", slow)
        slow.go.set()
        assert waiting.result() == "<svg/>"
    assert desk.drawn("key", lambda: "<svg>again</svg>") == "<svg>again</svg>"
