"""The bell that wakes a worker after a commit. It may fail or be lost: the sweeper finds every job again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Bell(Protocol):
    """Tells workers that jobs wait."""

    def ring(self, job_ids: Iterable[int]) -> None:
        """Announce jobs that are committed. Never raises."""


class SilentBell:
    """One machine without a broker: the local worker looks by itself."""

    def ring(self, job_ids: Iterable[int]) -> None:
        """Do nothing: the sweep is near."""
