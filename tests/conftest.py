"""What every test shares: the fixtures, and the ledger of the expensive checks."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.load_profile("patient")

TESTS = Path(__file__).parent

pytest.register_assert_rewrite("fixtures", "worlds")  # where many assertions of the tests stand
pytest_plugins = ["fixtures.memory", "fixtures.servers"]
FIXTURES = ("fixtures.databases", "fixtures.clients", "fixtures.chromium", "worlds.demo_season")
"""With them comes the whole program."""


def pytest_configure(config: pytest.Config) -> None:
    is_worker = hasattr(config, "workerinput")
    if "SRS_LEDGER" not in os.environ and not is_worker:
        os.environ["SRS_LEDGER"] = str(Path(tempfile.mkdtemp(prefix="srs-ledger-")) / "ledger.jsonl")
    if is_worker or not config.getoption("numprocesses", None):  # else this process hands the tests out, and runs none
        for name in FIXTURES:
            config.pluginmanager.import_plugin(name)


SLOW_FIRST = ("browser", "golden", "faults", "functional", "properties", "security")
"""The folders with the longest tests: begun last, one of them would leave the other processes idle."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {folder: place for place, folder in enumerate(SLOW_FIRST)}
    items.sort(key=lambda item: order.get(item.path.relative_to(TESTS).parts[0], len(order)))


TOGETHER = {
    "tests/browser/": "Chromium and the big race",
    "tests/golden/test_demo.py": "the demo's season",
    "tests/golden/test_season.py": "the demo's season",
    "tests/functional/test_uploads_over_http.py": "the server of the uploads",
    "tests/security/test_limits.py": "the server of the slow",
    "tests/functional/test_query_counts.py": "Chromium and the big race",
    "tests/security/test_no_label_is_found.py": "Chromium and the big race",
    "tests/security/test_hostile_text.py": "Chromium and the big race",
}
"""What shares something dear, and what that is: run by one process."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """To whichever process is free: test by test, the units module by module, and together what shares what is dear."""
    from xdist.scheduler import LoadScopeScheduling

    class Handing(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.split("::", maxsplit=1)[0]
            alone = module if module.startswith("tests/unit/") else nodeid
            return next((shared for path, shared in TOGETHER.items() if nodeid.startswith(path)), alone)

    return Handing(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ledger = Path(os.environ.get("SRS_LEDGER", "/nonexistent"))
    if not ledger.exists():
        return
    terminalreporter.section("what was tried, lost, doubled")
    terminalreporter.write_line(f"{'check':<6}{'tried':>9}{'lost':>7}{'doubled':>9}  note")
    for line in sorted(ledger.read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        terminalreporter.write_line(
            f"{row['check']:<6}{row['tried']:>9}{row['lost']:>7}{row['doubled']:>9}  {row['note']}"
        )


@pytest.fixture(autouse=True, scope="session")
def patience() -> Iterator[None]:
    """A page that is asked for a picture waits until it is drawn, however busy this machine is."""
    from srs.server.web import easel

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(easel, "WAIT_MAX_S", 600.0)
        patch.setattr(easel, "HURRIED_WAIT_MAX_S", 600.0)
        yield
