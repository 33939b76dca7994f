"""Reads the coverage of the last run and holds each package to its floor: branches, in percent.

Used by ``make test``: ``python tests/coverage_floors.py``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

FLOORS = {"game": 100.0, "traces": 100.0, "scoring": 100.0}
ELSEWHERE = 90.0


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        coverage = [sys.executable, "-m", "coverage", "json", "-q", "-o", str(report)]
        subprocess.run(coverage, check=True, stdout=subprocess.DEVNULL)
        files = json.loads(report.read_text(encoding="utf-8"))["files"]
    covered: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    for name, file in files.items():
        package = Path(name).parts[2].removesuffix(".py")
        totals = file["summary"]
        covered[package] += totals["covered_lines"] + totals["covered_branches"]
        wanted[package] += totals["num_statements"] + totals["num_branches"]
    failed = 0
    for package in sorted(package for package in wanted if wanted[package]):
        percent = 100.0 * covered[package] / wanted[package]
        floor = FLOORS.get(package, ELSEWHERE)
        failed += percent < floor
        print(f"{package:<12}{percent:7.2f} %  (floor {floor:.0f} %){'' if percent >= floor else '  <-- below'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
