"""What every test shares: the fixtures, and the ledger of the expensive checks."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest

pytest.register_assert_rewrite("fixtures", "worlds")  # where many assertions of the tests stand
pytest_plugins = [
    "fixtures.chromium",
    "fixtures.clients",
    "fixtures.databases",
    "fixtures.servers",
    "worlds.demo_season",
    "worlds.small_race",
]


def pytest_configure(config: pytest.Config) -> None:
    if "SRS_LEDGER" not in os.environ and not hasattr(config, "workerinput"):
        os.environ["SRS_LEDGER"] = str(Path(tempfile.mkdtemp(prefix="srs-ledger-")) / "ledger.jsonl")


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
