"""An installation without workers, served over HTTP from this process: what a browser needs to look at its pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from installations import make_config
from servers import free_port
from srs.server.bell import SilentBell
from srs.server.bootstrap import Server
from srs.server.store.engine import Store
from srs.server.web.app import create_app


@dataclass(frozen=True)
class Site:
    """Where it is, and what is behind it."""

    base_url: str
    server: Server
    app: Flask

    @property
    def store(self) -> Store:
        """Its store."""
        return self.server.store


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path, migrated: Path) -> Iterator[Site]:
    """A demo's site on a copy of a ``migrated`` SQLite file."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(migrated, folder / "srs.sqlite")
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    config = replace(make_config(folder, f"sqlite:///{folder / 'srs.sqlite'}"), demo=True, base_url=base_url)
    server = Server(config, Store(config), SilentBell())
    app = create_app(server)
    web = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
    thread = Thread(target=web.serve_forever)
    thread.start()
    try:
        yield Site(base_url, server, app)
    finally:
        web.shutdown()
        thread.join()
        web.server_close()
        server.close()
