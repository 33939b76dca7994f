"""The pictures of README and docs come from ``make screenshots``, and are small."""

from __future__ import annotations

import re
from pathlib import Path

from screenshots import FOLDER, PICTURES

ROOT = Path(__file__).parents[2]
ONE_MAX_BYTES, ALL_MAX_BYTES = 150_000, 2_000_000
MADE = {picture.file_name for picture in PICTURES}


def linked() -> dict[Path, set[Path]]:
    """The pictures in this repository that each page of the documentation shows."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    return {
        page: {(page.parent / name).resolve() for name in re.findall(r"!\[[^\]]*\]\(([^):]+\.png)\)", page.read_text())}
        for page in pages
    }


def test_every_picture_that_is_shown_is_there_and_made_by_the_program() -> None:
    for page, pictures in linked().items():
        for picture in pictures:
            assert picture.exists(), f"{page.name} shows {picture.name}: run `make screenshots`"
            assert picture.parent == FOLDER.resolve(), page
            assert picture.name in MADE, f"{picture.name} is not in tests/screenshots.py"


def test_pictures_say_what_they_show() -> None:
    """Each has a text for those who do not see it."""
    for page in linked():
        assert not re.search(r"!\[\s*\]\(", page.read_text(encoding="utf-8")), page


def test_pictures_are_few_and_small() -> None:
    there = list(FOLDER.glob("*")) if FOLDER.exists() else []
    assert {path.name for path in there} <= MADE
    assert all(path.stat().st_size <= ONE_MAX_BYTES for path in there)
    assert sum(path.stat().st_size for path in there) <= ALL_MAX_BYTES
