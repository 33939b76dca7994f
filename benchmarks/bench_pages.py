"""Every page in a race of 100 teams: queries, time on the server, bytes; for a stranger, a student and staff.

Times are medians in process, after a warm-up; the last line sets them against ``/health``, which makes two queries
and shows nothing, measured in the same run. ``--postgres`` measures on a PostgreSQL of its own.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from sqlalchemy import text

from fixtures.clients import Browser
from fixtures.databases import make_config
from fixtures.every_page import Address, every_page, people_who_look
from fixtures.meter import Meter, Visit
from fixtures.servers import run_postgres
from srs.server.bell import SilentBell
from srs.server.bootstrap import Server
from srs.server.store.engine import Store
from srs.server.store.migrations import migrate
from srs.server.web.app import create_app
from worlds.big_race import populate_big

TEAMS, CELLS, REPETITIONS = 100, 24, 16
QUERIES_MAX, SPENT_MAX_MS = 30, 100.0
VISITS = 5
BASELINE = "/health"


@contextmanager
def installation(folder: Path, *, postgres: bool) -> Iterator[Server]:
    """A fresh, migrated installation without workers."""
    if postgres:
        with run_postgres() as cluster, _opened(folder, cluster.url(cluster.create())) as server:
            yield server
    else:
        with _opened(folder, f"sqlite:///{folder / 'srs.sqlite'}") as server:
            yield server


@contextmanager
def _opened(folder: Path, url: str) -> Iterator[Server]:
    config = replace(make_config(folder, url), demo=True)
    migrate(config)
    store = Store(config)
    try:
        yield Server(config, store, SilentBell())
    finally:
        store.close()


def measured(meter: Meter, browser: Browser, path: str) -> tuple[Visit, float]:
    """The last of some visits, and their median in ms; the first one warms up and does not count."""
    visits = [meter.visit(browser, path) for _ in range(VISITS + 1)][1:]
    return visits[-1], statistics.median(one.spent_ms for one in visits)


def shown(role: str, address: Address, seen: Visit, spent_ms: float) -> str:
    """One line of the table."""
    flags = [f"> {QUERIES_MAX} queries"] * (len(seen.statements) > QUERIES_MAX)
    flags += [f"> {SPENT_MAX_MS:g} ms"] * (spent_ms > SPENT_MAX_MS)
    figures = f"{len(seen.statements):8d}{spent_ms:9.1f}{seen.size_bytes / 1000:9.1f}"
    return f"{role:15} {address.name:36}{figures}  {'; '.join(flags)}".rstrip()


def main() -> int:
    postgres = "--postgres" in sys.argv[1:]
    with tempfile.TemporaryDirectory() as name, installation(Path(name), postgres=postgres) as server:
        people, played = populate_big(server.store, TEAMS, cells=CELLS, repetitions=REPETITIONS)
        with server.store.engine.begin() as connection:  # what PostgreSQL does by itself within a minute
            connection.execute(text("ANALYZE"))
        app = create_app(server)
        pages = every_page(app, server, people, played)
        print(f"{TEAMS} teams on {server.store.engine.dialect.name}; medians of {VISITS} visits")
        print(f"{'as':15} {'page':36}{'queries':>8}{'ms':>9}{'kB':>9}")
        meter, reached, slowest_ms = Meter(server.store), set(), 0.0
        for role, person in people_who_look(people).items():
            browser = Browser(app) if person is None else Browser(app).sign_in(person)
            for address in pages:
                seen, spent_ms = measured(meter, browser, address.path)
                if seen.status == 200:
                    reached.add(address.endpoint)
                if seen.is_page:
                    print(shown(role, address, seen, spent_ms))
                    slowest_ms = max(slowest_ms, spent_ms)
        unseen = sorted({address.endpoint for address in pages} - reached - {"none"})
        if unseen:
            print(f"seen by nobody, so not measured: {', '.join(unseen)}")
        _, baseline_ms = measured(meter, Browser(app), BASELINE)
        print(f"slowest page / {BASELINE}: {slowest_ms / baseline_ms:.0f} ({slowest_ms:.1f} ms / {baseline_ms:.1f} ms)")
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main())
