"""``srs-server demo``: an installation in an empty folder, and a season that plays itself in it."""

from __future__ import annotations

import datetime as dt
import json
import secrets
import tempfile
import traceback
from contextlib import nullcontext
from pathlib import Path
from threading import Thread
from typing import Any

import click

from srs.server.bootstrap import open_server
from srs.server.cli import supervise
from srs.server.cli.season import Season
from srs.server.config import Config
from srs.server.services.sign_in import make_sign_in_link
from srs.server.store.migrations import migrate

HOST = "127.0.0.1"
WORKERS = 2
ROLES = {
    "Ada": "a student, in the team Plain Strollers",
    "Nils": "a student without a team",
    "Dana": "a teacher",
}


def show_demo(port: int, *, headless: bool) -> int:
    """Play the season; with a site until Ctrl-C, headless until its standings are printed. The exit status."""
    site = nullcontext() if headless else supervise.listen(HOST, port)
    with site as listener, tempfile.TemporaryDirectory(prefix="srs-demo-") as folder:
        config = _config(Path(folder), port)
        migrate(config)
        if listener is None:
            parts = supervise.hidden_parts(config, WORKERS)
        else:
            parts = supervise.parts(config, listener, web_processes=1, workers=WORKERS)
        show = Showing(config, headless=headless)
        status = supervise.run(parts, listener, until=show.is_over)
        if headless:
            click.echo(json.dumps(show.result()))
    return status


class Showing:
    """The season, played in a thread of its own while the supervisor keeps site and workers alive."""

    def __init__(self, config: Config, *, headless: bool) -> None:
        self._headless = headless
        self._failure = ""
        self._server = open_server(config)
        self._season = Season(self._server.store, self._server.bell, self._say, dt.datetime.now(dt.UTC))
        people = self._season.prepare()
        if not headless:
            self._welcome(config, people)
        self._thread = Thread(target=self._play, daemon=True)
        self._thread.start()

    def is_over(self) -> bool:
        """Whether there is nothing more to show: a headless season that has ended, or any that has failed."""
        return bool(self._failure) or (self._headless and not self._thread.is_alive())

    def result(self) -> dict[str, Any]:
        """The standings. Raises ``ClickException`` if the season could not be played to its end."""
        if self._failure or self._thread.is_alive():
            raise click.ClickException(f"The season was not played to its end. {self._failure}".strip())
        return self._season.result()

    def _play(self) -> None:
        try:
            self._season.play()
        except Exception:  # noqa: BLE001  (told by whoever waits for the season)
            self._failure = traceback.format_exc()
            self._say(self._failure)

    def _say(self, sentence: str) -> None:
        click.echo(f"  {sentence}", err=True)

    def _welcome(self, config: Config, people: dict[str, int]) -> None:
        click.echo(f"\nSecret Race Strolling is at {config.base_url}\n\nSign in as", err=True)
        for name, role in ROLES.items():
            token = make_sign_in_link(self._server.store, people[name])
            click.echo(f"  {name + ',':<6}{role}:\n    {config.base_url}/sign-in/{token}", err=True)
        click.echo(f"\nEvery request is a line of {supervise.requests_file(config)}.", err=True)
        click.echo("The season is being played now; Ctrl-C ends the demo and leaves nothing behind.\n", err=True)


def _config(data: Path, port: int) -> Config:
    return Config(
        data=data,
        database_url=f"sqlite:///{data / 'srs.sqlite'}",
        secret_key=secrets.token_urlsafe(48),
        base_url=f"http://{HOST}:{port}",
        sweep_s=0.5,
        demo=True,
    )
