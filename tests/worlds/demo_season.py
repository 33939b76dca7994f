"""``srs-server demo`` as a process, and its season, played once in a run for every test that looks at it."""

from __future__ import annotations

import datetime as dt
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fixtures.databases import make_config
from fixtures.live import wait_for
from fixtures.servers import dies_with_us, free_port
from fixtures.sizes import FULL
from srs.server.bell import SilentBell
from srs.server.bootstrap import Server
from srs.server.store.accounts import user_by_email
from srs.server.store.engine import Store

COMMAND = str(Path(sys.executable).with_name("srs-server"))
SEASON_S = 600.0


@dataclass(frozen=True)
class Demo:
    """A running demo: its site's address, and the folder that it works in."""

    address: str
    folder: Path

    @property
    def said(self) -> str:
        """What it has printed so far."""
        return (self.folder / "output").read_text(encoding="utf-8")

    @property
    def requests(self) -> str:
        """The file of which the screen says that every request is a line of it."""
        [file] = re.findall(r"Every request is a line of (\S+)\.\n", self.said)
        return Path(file).read_text(encoding="utf-8")

    @property
    def links(self) -> dict[str, str]:
        """The paths of the one-time links, by whom they sign in."""
        return dict(re.findall(r"(Ada|Nils|Dana), .*\n\s+\S+?(/sign-in/\S+)", self.said))


@dataclass(frozen=True)
class Played:
    """The demo's season, played to its end: its installation, Ada's number, what it said, what came out."""

    server: Server
    ada: int
    said: str
    result: dict[str, Any]


def environ(folder: Path) -> dict[str, str]:
    """No setting of ours; temporary files in a folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SRS_")}
    return kept | {"TMPDIR": str(folder)}


def scope(fixture_name: str, config: pytest.Config) -> str:
    """At full size its season is for the whole run; every day it is ended as soon as it was seen to begin."""
    return "session" if FULL else "module"


@pytest.fixture(scope=scope)
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo as a visitor starts it. At its end Ctrl-C ends all of it, and nothing is left."""
    folder, port = tmp_path_factory.mktemp("demo"), free_port()
    with (folder / "output").open("wb") as file:
        command = [COMMAND, "demo", "--port", str(port)]
        process = subprocess.Popen(dies_with_us(command), stdout=file, stderr=file, env=environ(folder))
    demo = Demo(f"http://127.0.0.1:{port}", folder)
    try:
        wait_for(lambda: "Dana" in demo.said and "said")
        yield demo
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert list(folder.glob("srs-demo-*")) == []
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope=scope)
def demo_season(demo: Demo) -> Iterator[Played]:
    """Its season when the last round is open."""
    from srs.server.cli.season import Season  # brings scikit-learn, which most tests do without

    wait_for(lambda: "Round 3 is open" in demo.said and "played", SEASON_S)
    [data] = demo.folder.glob("srs-demo-*")
    config = make_config(data, f"sqlite:///{data / 'srs.sqlite'}")
    store = Store(config)
    with store.read() as session:
        ada = user_by_email(session, "ada@example.org")
    assert ada is not None
    server = Server(config, store, SilentBell())
    season = Season(store, server.bell, print, dt.datetime.now(dt.UTC))
    yield Played(server, ada.id, demo.said, season.result())
    server.close()
