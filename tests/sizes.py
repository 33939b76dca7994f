"""Two sizes for the expensive checks, and the table that ``make faults`` prints at its end.

``make test`` runs each check at its everyday size; ``make faults`` sets ``SRS_FULL`` and runs it at full size.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

FULL = bool(os.environ.get("SRS_FULL"))


def size(everyday: int, full: int) -> int:
    """How many cases to try in this run."""
    return full if FULL else everyday


def record(check: str, tried: int, lost: int = 0, doubled: int = 0, note: str = "") -> None:
    """Add one line to the ledger of this run (shown by ``tests/conftest.py`` at the end)."""
    path = os.environ.get("SRS_LEDGER")  # set after this module may have been imported
    if path:
        line = json.dumps({"check": check, "tried": tried, "lost": lost, "doubled": doubled, "note": note})
        with Path(path).open("a", encoding="utf-8") as ledger:
            ledger.write(line + "\n")
