"""S16: the server does not start with a key that could be guessed."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from srs.errors import InputError
from srs.server.config import read_config

WEAK = [
    "short",
    "a" * 64,
    "changeme" * 8,
    "secret-secret-secret-secret-secret-secret",
    "ab" * 40,
    "password1234567890abcdefghijklmnop",
]


@pytest.mark.parametrize("key", WEAK)
def test_weak_keys(tmp_path: Path, key: str) -> None:
    """S16: short, repeated or well known."""
    with pytest.raises(InputError, match="SRS_SECRET_KEY"):
        read_config({"SRS_DATA": str(tmp_path), "SRS_SECRET_KEY": key})


@pytest.mark.parametrize("key", WEAK)
def test_weak_keys_in_a_file(tmp_path: Path, key: str) -> None:
    """S16: wherever they come from."""
    (tmp_path / "key").write_text(key + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="SRS_SECRET_KEY"):
        read_config({"SRS_DATA": str(tmp_path), "SRS_SECRET_KEY_FILE": str(tmp_path / "key")})


def test_a_key_of_one_s_own(tmp_path: Path) -> None:
    """S16: without one, each installation makes its own, once, and nobody else can read it."""
    first, again = (read_config({"SRS_DATA": str(tmp_path / "one")}).secret_key for _ in range(2))
    other = read_config({"SRS_DATA": str(tmp_path / "two")}).secret_key
    assert first == again
    assert first != other
    assert len(first) >= 32
    assert stat.S_IMODE((tmp_path / "one" / "secret_key").stat().st_mode) == 0o600
