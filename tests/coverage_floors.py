"""Reads the coverage of the last run and holds packages to their floors, lines and branches each by itself.

``make floors`` names those whose unit tests must cover them whole: ``python tests/coverage_floors.py game traces
scoring``. ``make coverage`` names none, and holds every package after the whole suite.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

FLOORS = {"game": 100.0, "traces": 100.0, "scoring": 100.0}
ELSEWHERE = 90.0
COUNTED = {"lines": ("covered_lines", "num_statements"), "branches": ("covered_branches", "num_branches")}


def main(packages: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        coverage = [sys.executable, "-m", "coverage", "json", "-q", "-o", str(report)]
        subprocess.run(coverage, check=True, stdout=subprocess.DEVNULL)
        files = json.loads(report.read_text(encoding="utf-8"))["files"]
    sums: dict[str, dict[str, list[int]]] = defaultdict(lambda: {what: [0, 0] for what in COUNTED})
    for name, file in files.items():
        package = Path(name).parts[2].removesuffix(".py")
        for what, keys in COUNTED.items():
            for index, key in enumerate(keys):
                sums[package][what][index] += file["summary"][key]
    failed = 0
    for package in packages or sorted(sums):
        floor = FLOORS.get(package, ELSEWHERE)
        shares = {what: 100.0 * covered / wanted for what, (covered, wanted) in sums[package].items() if wanted}
        is_held = bool(shares) and all(share >= floor for share in shares.values())
        failed += not is_held and (package in packages or bool(shares))
        told = "  ".join(f"{what}{share:7.2f} %" for what, share in shares.items()) or "not measured"
        print(f"{package:<12}{told}  (floor {floor:.0f} %){'' if is_held or not shares else '  <-- below'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
