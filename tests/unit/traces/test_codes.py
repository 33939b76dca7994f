"""Every code that a report can hold has its line in docs/formats.md."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_every_code_is_documented() -> None:
    sources = [
        path for package in ("traces", "judging", "client") for path in (ROOT / "src" / "srs" / package).glob("*.py")
    ]
    code = re.compile(r'"((?:file|table|trace|split|attack|capture|convert)\.[a-z-]+)"')
    used = {found for path in sources for found in code.findall(path.read_text(encoding="utf-8"))}
    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    assert len(used) > 40
    assert sorted(found for found in used if f"`{found}`" not in page) == []
