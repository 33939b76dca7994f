"""Pages in a real browser: one Chromium for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from chromium import chromium
from installations import sqlite_template  # noqa: F401


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    with chromium() as started:
        yield started
