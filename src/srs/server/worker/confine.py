"""What a judging child gives up before it reads a stranger's file; nothing of it can be had back.

Limits on CPU time, files and descriptors (``setrlimit``), no new privileges, death with its parent, and a
seccomp filter (``seccomp(2)``, Linux, x86_64 and aarch64): no network, no new process or program, no signals to
others, no tracing, no mounts or namespaces, no lifting of the limits. Resident memory and wall time are watched
from outside (``jail.py``).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
from dataclasses import dataclass

CPU_S = 30
FILE_MAX_BYTES = 2 << 30
OPEN_FILES_MAX = 256

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC = 1, 1
CLONE_THREAD = 0x10000

# Numbers from the kernel's tables: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h.
REFUSED = {
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "accept": (43, 202),
    "accept4": (288, 242), "bind": (49, 200), "listen": (50, 201), "sendto": (44, 206), "sendmsg": (46, 211),
    "sendmmsg": (307, 269), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "execve": (59, 221), "execveat": (322, 281), "fork": (57, None),
    "vfork": (58, None), "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "tkill": (200, 130), "mount": (165, 40),
    "umount2": (166, 39), "move_mount": (429, 429), "open_tree": (428, 428), "fsopen": (430, 430),
    "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97), "setns": (308, 268),
    "setrlimit": (160, 164), "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "acct": (163, 89), "settimeofday": (164, 170), "clock_settime": (227, 112), "setuid": (105, 146),
    "setgid": (106, 144), "setreuid": (113, 145), "setregid": (114, 143), "setresuid": (117, 147),
    "setresgid": (119, 149), "setgroups": (116, 159), "capset": (126, 91), "setsid": (112, 157),
    "setpgid": (109, 154), "sched_setscheduler": (144, 119), "setpriority": (141, 140),
}  # fmt: skip
CLONE, CLONE3, PRLIMIT64 = (56, 220), (435, 435), (302, 261)
TO_ONESELF = ((62, 129), (234, 131))
"""``kill`` and ``tgkill``: allowed to the process itself alone (``abort`` needs it)."""

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_X32_BIT = 0x40000000

_KILL, _ALLOW, _ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_IF_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE, _OFFSET_ARGUMENTS = 0, 4, 16


@dataclass(frozen=True)
class _Step:
    """One instruction of classic BPF: ``if_true`` and ``if_false`` count the instructions to jump over."""

    code: int
    operand: int
    if_true: int = 0
    if_false: int = 0

    def packed(self) -> bytes:
        return struct.pack("=HBBI", self.code, self.if_true, self.if_false, self.operand)


def confine(cpu_s: int = CPU_S) -> None:
    """Confine this process and every thread of it, for good. Raises ``OSError`` where the kernel cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    _prctl(libc, PR_SET_PDEATHSIG, signal.SIGKILL)
    _prctl(libc, PR_SET_NO_NEW_PRIVS, 1)
    # The soft limit's signal says why; the hard one ends whoever ignores it.
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_MAX_BYTES, FILE_MAX_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES_MAX, OPEN_FILES_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _install(libc, filter_program(platform.machine(), os.getpid()))


def filter_program(machine: str, pid: int) -> bytes:
    """The seccomp filter for a machine's architecture, as the kernel reads it (8 bytes an instruction)."""
    if machine not in _ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"judging needs x86_64 or aarch64, this is {machine}")
    column, audit_number = _ARCHITECTURES[machine]
    steps = [_Step(_LOAD, _OFFSET_ARCHITECTURE), *_unless_equal(audit_number, _KILL), _Step(_LOAD, _OFFSET_NUMBER)]
    if machine == "x86_64":
        steps += [_Step(_JUMP_AT_LEAST, _X32_BIT, 0, 1), _Step(_RETURN, _KILL)]
    for numbers in REFUSED.values():
        number = numbers[column]
        if number is not None:
            steps += _if_equal(number, [_Step(_RETURN, _ERRNO | errno.EPERM)])
    # The C library falls back from clone3, whose flags lie in memory, to clone, whose flags can be read here.
    steps += _if_equal(CLONE3[column], [_Step(_RETURN, _ERRNO | errno.ENOSYS)])
    only_threads = [_Step(_LOAD, _OFFSET_ARGUMENTS), _Step(_JUMP_IF_SET, CLONE_THREAD, 1, 0)]
    steps += _if_equal(CLONE[column], [*only_threads, _Step(_RETURN, _ERRNO | errno.EPERM), _Step(_RETURN, _ALLOW)])
    for numbers in TO_ONESELF:
        to_me = [_Step(_LOAD, _OFFSET_ARGUMENTS), *_unless_equal(pid, _ERRNO | errno.EPERM), _Step(_RETURN, _ALLOW)]
        steps += _if_equal(numbers[column], to_me)
    steps += _if_equal(PRLIMIT64[column], _only_with_null_argument(2))
    steps.append(_Step(_RETURN, _ALLOW))
    return b"".join(step.packed() for step in steps)


def _if_equal(value: int, then: list[_Step]) -> list[_Step]:
    return [_Step(_JUMP_EQUAL, value, 0, len(then)), *then]


def _unless_equal(value: int, answer: int) -> list[_Step]:
    return [_Step(_JUMP_EQUAL, value, 1, 0), _Step(_RETURN, answer)]


def _only_with_null_argument(position: int) -> list[_Step]:
    offset = _OFFSET_ARGUMENTS + 8 * position
    refuse = _ERRNO | errno.EPERM
    low, high = (_Step(_LOAD, offset), _Step(_LOAD, offset + 4))
    return [low, *_unless_equal(0, refuse), high, *_unless_equal(0, refuse), _Step(_RETURN, _ALLOW)]


def _install(libc: ctypes.CDLL, program: bytes) -> None:
    class FilterProgram(ctypes.Structure):
        """``struct sock_fprog``."""

        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    argument = FilterProgram(len(program) // 8, program)
    number = {"x86_64": 317, "aarch64": 277}[platform.machine()]
    if libc.syscall(number, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, ctypes.byref(argument)) != 0:
        raise OSError(ctypes.get_errno(), "seccomp: " + os.strerror(ctypes.get_errno()))


def _prctl(libc: ctypes.CDLL, option: int, value: int) -> None:
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl: " + os.strerror(ctypes.get_errno()))
