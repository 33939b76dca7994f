"""R5: PostgreSQL is restarted while people who are signed in upload: each answer is true, and all goes on by itself."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from faults.plant import all_jobs, make_race, pending, small_defence, wait_for
from fixtures.databases import make_config
from fixtures.live import Visitor, running_server
from fixtures.servers import Postgres, run_postgres
from fixtures.sizes import FULL, promised, record
from srs.server.store.engine import Store
from srs.server.store.migrations import migrate
from srs.server.store.submissions import Submission

UPLOADS, RESTARTS, SENDERS = 100, 3, 10
SPACE_S = 0.15
"""Between two uploads of one sender."""


def restart(cluster: Postgres) -> None:
    """As an operator does: whoever is connected is thrown out, and for a moment nobody answers."""
    [pg_ctl] = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))[-1:]
    as_owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    command = [*as_owner, str(pg_ctl), "-D", str(cluster.folder / "data"), "-m", "fast", "-w"]
    subprocess.run([*command, "restart"], check=True, stdout=subprocess.DEVNULL, cwd=cluster.folder)


@pytest.mark.skipif(not FULL, reason="every day each route is asked while the database is away")
def test_r5_postgresql_is_restarted_during_uploads(tmp_path: Path) -> None:
    """Stored and present, or refused with 503 and absent; the refused are sent again, and everything is judged."""
    with run_postgres() as cluster:
        config = make_config(tmp_path / "data", cluster.url(cluster.create()))
        migrate(config)
        store = Store(config)
        race = make_race(store)
        with running_server(config.data, config.database_url, "", "--workers", "1") as base_url:
            people = [Visitor(base_url).sign_in(store, person) for person in (race.ada, race.cleo)]
            store.close()
            requests = [upload(people[number % 2], number) for number in range(UPLOADS)]

            def send_some(sender: int) -> list[tuple[str, httpx.Response]]:
                done = []
                for number in range(sender, UPLOADS, SENDERS):
                    time.sleep(SPACE_S)
                    done.append(
                        (key_of(number), people[number % 2].client.send(requests[number], follow_redirects=False))
                    )
                return done

            with ThreadPoolExecutor(SENDERS) as pool:
                sending = pool.map(send_some, range(SENDERS))
                for _ in range(RESTARTS):
                    restart(cluster)
                answers = dict(answer for answers in sending for answer in answers)
            restarted_at = time.monotonic()
            again = Store(config)
            found = {
                status: {key for key, answer in answers.items() if answer.status_code == status}
                for status in (303, 503)
            }
            assert Counter(answer.status_code for answer in answers.values()).keys() <= {303, 503}
            assert all(int(answers[key].headers["Retry-After"]) > 0 for key in found[503])
            assert present(again) == found[303]
            for number in range(UPLOADS):
                if key_of(number) in found[503]:
                    assert people[number % 2].client.send(requests[number], follow_redirects=False).status_code == 303
            wait_for(lambda: not pending(again), promised(120), "all is judged")
            judged_s = time.monotonic() - restarted_at
            assert {job.state for job in all_jobs(again)} == {"accepted"}
            again.close()
            for person in people:
                person.client.close()
    told = f"restarted {RESTARTS} times; {len(found[503])} told 503, all judged {judged_s:.0f} s later"
    record("R5", UPLOADS, note=f"uploads while PostgreSQL was {told}")


def key_of(number: int) -> str:
    return f"restarted-{number:04}"


def upload(person: Visitor, number: int) -> httpx.Request:
    page = person.page("/races/small/defence")
    file = ("traces.csv", small_defence(number))
    return person.filled_in(page, "/defence", file, idempotency_key=key_of(number))


def present(store: Store) -> set[str]:
    """The keys of what is stored."""
    with store.read() as session:
        return {submission.idempotency_key for submission in session.query(Submission)}
