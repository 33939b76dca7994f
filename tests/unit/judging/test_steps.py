"""How far a judgement is, as its folder tells it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from srs.judging.steps import FILE_NAME, Step, announce, announced


def test_nothing_is_announced_at_first(tmp_path: Path) -> None:
    assert announced(tmp_path) is None


def test_the_last_step_is_the_one_that_counts(tmp_path: Path) -> None:
    for step in Step:
        announce(tmp_path, step)
        assert announced(tmp_path) is step


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\xfe", b"reading" * 100, b"reading\n"])
def test_what_is_no_step_is_not_believed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    assert announced(tmp_path) is None


def test_neither_a_link_nor_a_pipe_nor_a_folder_is_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("reading")
    (tmp_path / FILE_NAME).symlink_to(other)
    assert announced(tmp_path) is None
    (tmp_path / FILE_NAME).unlink()
    os.mkfifo(tmp_path / FILE_NAME)
    assert announced(tmp_path) is None
    (tmp_path / FILE_NAME).unlink()
    (tmp_path / FILE_NAME).mkdir()
    assert announced(tmp_path) is None
