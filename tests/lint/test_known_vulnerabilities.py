"""S17: no package that an installation gets has a known vulnerability, where the database of them can be reached."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LOCK = Path(__file__).parents[2] / "requirements/run.lock"


def test_no_package_has_a_known_vulnerability() -> None:
    command = [sys.executable, "-m", "pip_audit", "-r", LOCK, "--require-hashes", "--disable-pip", "--format", "json"]
    asked = subprocess.run(
        [*command, "--progress-spinner", "off", "--timeout", "5"], capture_output=True, text=True, check=False
    )
    if not asked.stdout.startswith("{"):
        pytest.skip(f"nothing was audited: {(asked.stderr.strip().splitlines() or ['no answer'])[-1][:200]}")
    packages = json.loads(asked.stdout)["dependencies"]
    assert len(packages) > 20, "the lock was read"
    known = {one["name"]: [found["id"] for found in one["vulns"]] for one in packages if one.get("vulns")}
    assert known == {}
    if all("skip_reason" in one for one in packages):
        pytest.skip(f"nothing was audited: {packages[0]['skip_reason']}")
