"""What judgements leave beside scores, for words and pictures: profiles of defences, curves of attacks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from srs.errors import NotFound, Unavailable
from srs.server.web.viewer import the_server

Read = TypeVar("Read")


def kept(sha256: str | None, reader: Callable[[bytes], Read]) -> Read | None:
    """What is kept under that name, as ``reader`` makes it of the bytes.

    None where nothing is (of older scores, and of practice attacks of long ago), where it is not as it was written, and
    where the disk is away: then a page has less to tell and fewer pictures, which is better than no page.
    """
    with suppress(NotFound, Unavailable, OSError, ValueError):
        return reader(the_server().store.blobs.path(sha256).read_bytes()) if sha256 else None
    return None
