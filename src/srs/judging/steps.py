"""How far a judgement is: a word in a file of its folder, for whoever waits for the verdict."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

FILE_NAME = "step"
WORD_MAX_BYTES = 40


class Step(StrEnum):
    """What is being done with a file, in the order of doing it."""

    READING = "reading"
    """Unpacked, parsed, every rule checked."""
    MEASURING = "measuring"
    """The numbers of its scores."""
    WRITING = "writing"
    """The files that are made of it."""


def announce(folder: Path, step: Step) -> None:
    """Say that a step begins."""
    (folder / FILE_NAME).write_text(step, encoding="ascii")


def announced(folder: Path) -> Step | None:
    """The step announced last. Nothing in the folder is trusted: it has been in the hands of a stranger's file."""
    try:
        descriptor = os.open(folder / FILE_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return Step(os.read(descriptor, WORD_MAX_BYTES).decode("ascii"))
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)
