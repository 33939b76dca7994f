"""Puts one installation together from its settings: the store, the bell, the command that judges."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from srs.server.bell import Bell, CeleryBell, SilentBell
from srs.server.config import Config
from srs.server.store.engine import Store

JUDGE = (sys.executable, "-I", "-m", "srs.server.worker.judge")


@dataclass(frozen=True)
class Server:
    """What web, workers and commands share."""

    config: Config
    store: Store
    bell: Bell
    judge: tuple[str, ...] = JUDGE
    """The command of the child process that judges one job (``worker/jail.py``)."""

    def close(self) -> None:
        """Give every connection back."""
        self.store.close()
        self.bell.close()


def open_server(config: Config) -> Server:
    """Open the installation that ``config`` describes; its database is migrated already."""
    bell = CeleryBell(config.broker_url) if config.broker_url else SilentBell()
    return Server(config, Store(config), bell)
