"""T5: a machine whose clock is wrong cleans up, while files are received and judged under the right one."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from faults.plant import environ_of, make_race, small_defence, wait_for
from fixtures.databases import FEWER
from fixtures.servers import dies_with_us
from fixtures.sizes import FULL, record, size
from srs.errors import NotFound, Unavailable
from srs.server.bell import SilentBell
from srs.server.bootstrap import Server
from srs.server.config import Config
from srs.server.store.engine import Store
from srs.server.worker.work import Shutdown, work_once
from worlds.small_race import SmallRace

Received = TypeVar("Received")
CLOCKS = ("+2h", "+1h", "-1h")
CLEAN_AGAIN = Path(__file__).with_name("clean_again.py")
AGE_S = 3900.0
TRIES = 20
UNTIL_TOLD = """
from srs.server.worker.confine import confine; confine()
import os, time
while not os.path.exists("end"): time.sleep(0.05)
"""

pytestmark = pytest.mark.parametrize("config", FEWER, indirect=True)


@pytest.fixture
def world_name() -> str:
    """The race has rules of its own."""
    return "empty"


class WrongClock:
    """A process that cleans up all the time, and whose clock can be set."""

    def __init__(self, config: Config, folder: Path, *, is_disk_wrong: bool) -> None:
        self._setting, self._count = folder / "clock", folder / "count"
        self._count.write_text("0")
        self.set("+0h")
        library = subprocess.run(["faketime", "-f", "+0h", "printenv", "LD_PRELOAD"], check=True, capture_output=True)
        told = {"NO_FAKE_STAT": "1", "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        if not is_disk_wrong:
            told["FAKE_UTIME"] = "1"  # turns that off: the kernel dates what is touched
        told |= {"LD_PRELOAD": library.stdout.decode().strip(), "FAKETIME_TIMESTAMP_FILE": str(self._setting)}
        self._process = subprocess.Popen(
            dies_with_us([sys.executable, str(CLEAN_AGAIN), str(self._count)]),
            env=environ_of(config) | told,
            stdin=subprocess.PIPE,
        )

    def set(self, offset: str) -> None:
        fresh = self._setting.with_suffix(".new")
        fresh.write_text(f"{offset}\n")
        fresh.rename(self._setting)

    def cleans(self) -> None:
        """Wait for a clean-up that begins after now."""
        after = int(self._count.read_text()) + 2
        wait_for(lambda: int(self._count.read_text()) >= after, 60, "it cleans up")

    def end(self) -> int:
        """Let it end; the exit status."""
        self._process.communicate()
        return self._process.returncode


@contextmanager
def wrong_clock(config: Config, folder: Path, *, is_disk_wrong: bool) -> Iterator[WrongClock]:
    """One that cleans up during the block; the disk may seem to go by its clock."""
    cleaner = WrongClock(config, folder, is_disk_wrong=is_disk_wrong)
    try:
        yield cleaner
    finally:
        ended = cleaner.end()
    assert ended == 0


@contextmanager
def judging(store: Store, config: Config) -> Iterator[Path]:
    """A judgement that is under way during the block; its folder."""
    server = Server(config, store, SilentBell(), judge=(sys.executable, "-I", "-c", UNTIL_TOLD))
    worker = threading.Thread(target=work_once, args=(server, "me", Shutdown()))
    worker.start()
    work = config.data / "work"
    wait_for(lambda: work.exists() and list(work.glob("*/task.json")), 60, "it judges")
    [folder] = work.iterdir()
    try:
        yield folder
    finally:
        if folder.exists():
            (folder / "end").touch()
        worker.join(60)
    assert not worker.is_alive()


@pytest.mark.parametrize("disk", ["right", "wrong"] if FULL else ["right"])
def test_t5_no_clock_decides_about_a_file_whose_receipt_was_given(config: Config, tmp_path: Path, disk: str) -> None:
    """Nor does that of the disk, should it be the one that leaps: then only files go that nobody has a receipt for."""
    config = replace(config, lease_s=600.0)
    store = Store(config)
    race = make_race(store)
    uploads = size(10, 100)
    lost: list[str] = []
    kept: list[str] = []
    with wrong_clock(config, tmp_path, is_disk_wrong=disk == "wrong") as cleaner:
        cleaner.cleans()
        for clock in CLOCKS:
            race.send(race.ada, "defence", b"judged all the time", f"judged-{clock}")
            with judging(store, config) as folder:
                cleaner.set(clock)
                cleaner.cleans()
                young = put(store, b"young under " + clock.encode())
                old = put(store, b"old under " + clock.encode(), aged=True)
                sent = send_all(race, clock, uploads)
                cleaner.cleans()
                there = {path.name for path in store.blobs.root.glob("??/*")}
                lost += {*sent, young} - there if disk == "right" else {*sent} - there
                kept += {old} & there if disk == "right" else set()
                assert folder.exists(), f"the folder of a judgement under way is gone at {clock}"
    note = f"{store.engine.dialect.name}; clean-up at {', '.join(CLOCKS)}, the disk's clock is {disk}"
    record("T5", len(CLOCKS) * uploads, len(lost), note=note)
    assert (lost, kept) == ([], [])
    store.close()


def send_all(race: SmallRace, clock: str, count: int) -> list[str]:
    """Upload files, every second of them one whose bytes lie there already, long forgotten; their blobs."""
    sent = []
    for number in range(count):
        data = small_defence(number) + f"# {clock}\n".encode()
        if number % 2:
            put(race.store, data, aged=True)
        until_received(partial(race.send, race.ada, "defence", data, f"sent-{clock}-{number}"))
        sent.append(hashlib.sha256(data).hexdigest())
    return sent


def put(store: Store, data: bytes, *, aged: bool = False) -> str:
    """Store bytes that nobody has sent, an hour ago where they are aged; their blob."""
    sha256 = until_received(lambda: store.blobs.put(data)).sha256
    if aged:
        then = time.time() - AGE_S
        with suppress(NotFound, FileNotFoundError):
            os.utime(store.blobs.path(sha256), (then, then))
    return sha256


def until_received(send: Callable[[], Received]) -> Received:
    """What is swept at the very moment it comes is refused, without a receipt, and sent again."""
    for _ in range(TRIES):
        with suppress(Unavailable):
            return send()
    return send()
