"""Which files a process may still open: Landlock, by three system calls of the kernel (``landlock(7)``, Linux 5.13).

It binds the calling thread and those that this one starts, for good. It does not hide that a file is there, nor its
size (``stat``), and does not know modes, owners and times: those calls are refused by the seccomp filter
(``confine.py``).
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""Numbers of the calls, the same on every architecture."""
VERSION = 1
"""The flag of ``CREATE_RULESET`` that asks which version there is."""
PATH_BENEATH = 1

WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(1, 6))
MAKE_DIR, MAKE_REG = 1 << 7, 1 << 8
TRUNCATE = 1 << 14
RIGHTS_OF_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights to files each version knows: whatever is not allowed below is refused."""

READ = READ_FILE | READ_DIR
OWN = READ | WRITE_FILE | TRUNCATE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG
"""Everything in a folder of one's own: no links, no devices, no sockets."""
TO_A_FILE = READ_FILE | WRITE_FILE | TRUNCATE


def version() -> int:
    """The version that this kernel offers; 0 where it has none, or is told to offer none."""
    return max(0, _call(CREATE_RULESET, None, 0, VERSION))


def restrict(allowed: Iterable[tuple[Path, int]]) -> None:
    """From now on open only what lies at or below these paths, each with these rights.

    Paths that do not exist are left out. Raises ``OSError`` where the kernel refuses; nothing happens where it has no
    Landlock.
    """
    offered = version()
    if not offered:
        return
    known = (1 << RIGHTS_OF_VERSION[min(offered, max(RIGHTS_OF_VERSION))]) - 1
    wanted = struct.pack("=QQQ", known, 0, 0)  # files; the network and signals are the seccomp filter's
    rules = _checked(_call(CREATE_RULESET, wanted, len(wanted), 0))
    try:
        for path, rights in allowed:
            _allow(rules, path, rights & known)
        _checked(_call(RESTRICT_SELF, rules, 0))
    finally:
        os.close(rules)


def _allow(rules: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= TO_A_FILE
        _checked(_call(ADD_RULE, rules, PATH_BENEATH, struct.pack("=Qi", rights, place), 0))
    finally:
        os.close(place)


def _call(number: int, *arguments: bytes | int | None) -> int:
    return int(ctypes.CDLL(None, use_errno=True).syscall(number, *arguments))


def _checked(answer: int) -> int:
    if answer < 0:
        raise OSError(ctypes.get_errno(), "landlock: " + os.strerror(ctypes.get_errno()))
    return answer
