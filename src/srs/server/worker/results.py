"""What a judging child hands back: one JSON file, and beside it the files that the result names.

The child has read a stranger's file, so the parent believes nothing of it: the JSON has a type and a greatest
length, and every file that it names is a plain one in the child's folder.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path
from typing import assert_never

from pydantic import TypeAdapter

from srs.judging.attack import AttackVerdict, judge_attack
from srs.judging.bundle import Bundle, prepare_bundle
from srs.judging.defence import Verdict, judge_defence
from srs.judging.profile import read_profile
from srs.judging.task import AttackTask, BundleTask, DefenceTask, HouseTask, Task
from srs.lab.house import House, make_house

Result = Verdict | AttackVerdict | Bundle | House
_ADAPTERS: dict[type[Task], TypeAdapter[Result]] = {
    DefenceTask: TypeAdapter(Verdict),
    AttackTask: TypeAdapter(AttackVerdict),
    BundleTask: TypeAdapter(Bundle),
    HouseTask: TypeAdapter(House),
}
FILE_NAME = "result.json"
RESULT_MAX_BYTES = 64 << 20
PROFILE_MAX_BYTES = 1 << 20


def judge(task: Task, folder: Path) -> Result:
    """Do what a task says (in the child); its files are written into ``folder``."""
    match task:
        case DefenceTask():
            return judge_defence(task, folder)
        case AttackTask():
            return judge_attack(task, folder)
        case BundleTask():
            return prepare_bundle(task, folder)
        case HouseTask():
            return make_house(task, folder)
        case _:
            assert_never(task)


def write(result: Result, folder: Path) -> None:
    """Leave a result for the parent."""
    (folder / FILE_NAME).write_bytes(TypeAdapter(type(result)).dump_json(result))


def read(task: Task, folder: Path) -> Result:
    """The result that a child has left. Raises ``ValueError`` for anything else: as bad as a crash."""
    text = _plain_file(folder, FILE_NAME, RESULT_MAX_BYTES).read_bytes()
    result = _ADAPTERS[type(task)].validate_json(text)
    for name in _named(result):
        _plain_file(folder, name)
    if isinstance(result, Verdict) and result.accepted:
        read_profile(_plain_file(folder, result.profile, PROFILE_MAX_BYTES).read_bytes())
    return result


def _named(result: Result) -> Iterable[str]:
    match result:
        case Verdict():
            return [*result.files.values(), result.pool, result.published, result.profile] if result.accepted else []
        case Bundle() | House():
            return [*result.files.values(), result.labels]
        case AttackVerdict():
            return []
        case _:
            assert_never(result)


def _plain_file(folder: Path, name: str, max_bytes: int = 1 << 40) -> Path:
    path = folder / name
    try:
        found = path.lstat()
    except (OSError, ValueError) as error:  # where the disk is to blame, the worker finds out
        raise ValueError(f"{name[:60]!r} is missing") from error
    if Path(name).name != name or not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        raise ValueError(f"{name[:60]!r} is not a plain file of this judgement")
    if found.st_size > max_bytes:
        raise ValueError(f"{name[:60]!r} has {found.st_size} bytes")
    return path
