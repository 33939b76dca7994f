"""The hourly clean-up of a worker or tender, again and again until standard input ends; counts in a file."""

from __future__ import annotations

import select
import sys
from itertools import count
from pathlib import Path

from srs.server.bell import SilentBell
from srs.server.bootstrap import Server
from srs.server.config import read_config
from srs.server.store.engine import Store
from srs.server.worker.tend import clean_up

PAUSE_S = 0.02


def main() -> None:
    config, counted = read_config(), Path(sys.argv[1])
    server = Server(config, Store(config), SilentBell())
    for number in count(1):
        clean_up(server)
        fresh = counted.with_suffix(".new")
        fresh.write_text(str(number))
        fresh.rename(counted)
        if select.select([sys.stdin], [], [], PAUSE_S)[0]:
            return


if __name__ == "__main__":
    main()
