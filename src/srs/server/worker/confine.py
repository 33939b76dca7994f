"""What a judging child gives up before it reads a stranger's file; nothing of it can be had back.

Limits on CPU time, files and descriptors (``setrlimit``), no new privileges and capabilities, death with its parent;
no file but the program's own, those of its task and its folder (``landlock.py``); and a seccomp filter
(``seccomp(2)``, Linux, x86_64 and aarch64): no network, no new process or program, no signals to others, no tracing,
no memory shared with others, no modes, owners or times of files, no mounts or namespaces, no lifting of the limits.
Resident memory and wall time are watched from outside (``jail.py``).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from srs.server.worker import landlock

CPU_S = 30
FILE_MAX_BYTES = 2 << 30
OPEN_FILES_MAX = 256

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
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
    "sched_setparam": (142, 118), "sched_setattr": (314, 274), "ioprio_set": (251, 30), "kcmp": (312, 272),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "move_pages": (279, 239),
    "migrate_pages": (256, 238), "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "semget": (64, 190),
    "semop": (65, 193), "semtimedop": (220, 192), "semctl": (66, 191), "msgget": (68, 186), "msgsnd": (69, 189),
    "msgrcv": (70, 188), "msgctl": (71, 187), "mq_open": (240, 180), "mq_unlink": (241, 181), "chmod": (90, None),
    "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None), "lchown": (94, None),
    "fchown": (93, 55), "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None), "futimesat": (261, None),
    "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "setxattrat": (463, 463), "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "removexattrat": (466, 466), "file_setattr": (469, 469), "truncate": (76, 45), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "fanotify_init": (300, 262), "syslog": (103, 116), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "sethostname": (170, 161), "setdomainname": (171, 162), "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "iopl": (172, None), "ioperm": (173, None), "vhangup": (153, 58),
    "personality": (135, 92),
}  # fmt: skip
OPEN, OPENAT, OPENAT2 = (2, None), (257, 56), (437, 437)
CLONE, CLONE3, PRLIMIT64 = (56, 220), (435, 435), (302, 261)
TO_ONESELF = ((62, 129), (234, 131))
"""``kill`` and ``tgkill``: allowed to the process itself alone (``abort`` needs it)."""

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_X32_BIT = 0x40000000

_KILL, _ALLOW, _ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
O_ACCMODE = os.O_RDONLY | os.O_WRONLY | os.O_RDWR
CAPABILITY_VERSION, CAP_DAC_OVERRIDE = 0x20080522, 1 << 1
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


def confine(cpu_s: int = CPU_S, readable: Iterable[Path] = ()) -> None:
    """Confine this process, for good: only what is ``readable`` and the folder it stands in are left to it of all data.

    Call it before there are threads. Raises ``OSError`` where the kernel cannot; without Landlock
    (``landlock.version``) the process may go on opening what its user may.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _prctl(libc, PR_SET_PDEATHSIG, signal.SIGKILL)
    _prctl(libc, PR_SET_NO_NEW_PRIVS, 1)
    # The soft limit's signal says why; the hard one ends whoever ignores it.
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_MAX_BYTES, FILE_MAX_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES_MAX, OPEN_FILES_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    give_up_capabilities()
    landlock.restrict(may_open(Path.cwd(), readable))
    _install(libc, filter_program(platform.machine(), os.getpid()))


def shield() -> None:
    """Let no other process of the same user read or write this one's memory, nor read its environment.

    Whatever is forked from it is shielded, too; another program that it starts is not.
    """
    _prctl(ctypes.CDLL(None, use_errno=True), PR_SET_DUMPABLE, 0)


def may_open(folder: Path, readable: Iterable[Path]) -> list[tuple[Path, int]]:
    """What is left to a child: its folder, the files of its task, what it is told of itself, and the program.

    The program is the interpreter's packages and the libraries of the system. Each path comes with its rights.
    """
    prefixes = {Path(prefix) for prefix in (sys.prefix, sys.base_prefix, "/", "/usr")}
    libraries = [prefix / name for prefix in sorted(prefixes) for name in ("lib", "lib64")]
    rest = ("/proc/self", "/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo")
    program = [*libraries, *(Path(entry) for entry in sys.path if entry), *(Path(path) for path in rest)]
    return [
        (folder, landlock.OWN),
        (Path(os.devnull), landlock.TO_A_FILE),
        *((path, landlock.READ_FILE) for path in readable),
        *((path, landlock.READ) for path in program),
    ]


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
    steps += _if_equal(OPENAT2[column], [_Step(_RETURN, _ERRNO | errno.ENOSYS)])  # its flags lie in memory, too
    for numbers, position in ((OPEN, 1), (OPENAT, 2)):
        number = numbers[column]
        if number is not None:
            steps += _if_equal(number, _no_emptying_by_reading(position))
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


def _no_emptying_by_reading(position: int) -> list[_Step]:
    """``O_RDONLY | O_TRUNC`` empties a file, and the first two versions of Landlock take it for reading."""
    empties, writes = (_Step(_JUMP_IF_SET, flag, 1, 0) for flag in (os.O_TRUNC, O_ACCMODE))
    allow, refuse = _Step(_RETURN, _ALLOW), _Step(_RETURN, _ERRNO | errno.EPERM)
    return [_Step(_LOAD, _OFFSET_ARGUMENTS + 8 * position), empties, allow, writes, refuse, allow]


def give_up_capabilities() -> None:
    """What a child of root could do beyond others; not the right to its files where they are another user's."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, held = struct.pack("=Ii", CAPABILITY_VERSION, 0), ctypes.create_string_buffer(24)
    if libc.capget(header, held) != 0:
        raise OSError(ctypes.get_errno(), "capget: " + os.strerror(ctypes.get_errno()))
    kept = struct.unpack_from("=I", held, 4)[0] & CAP_DAC_OVERRIDE
    if libc.capset(header, struct.pack("=6I", kept, kept, 0, 0, 0, 0)) != 0:
        raise OSError(ctypes.get_errno(), "capset: " + os.strerror(ctypes.get_errno()))


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
