"""Checks a file in a process of its own: a damaged file can end the program that reads it, and this one goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter

from srs.errors import InputError, SrsError
from srs.game.race import RaceRules
from srs.judging.attack import AttackVerdict, check_attack
from srs.judging.defence import Verdict, check_defence
from srs.judging.ended import damaged, fault

TOLD_STATUS = 3
"""Exit status of a child that says in a sentence why it could not check."""
_Found = TypeVar("_Found", Verdict, AttackVerdict)


class Check(BaseModel):
    """What is to be checked: a defence, or an attack on the matches of a ``bundle``."""

    path: Path
    rules: RaceRules
    bundle: Path | None = None

    def verdict(self) -> Verdict | AttackVerdict:
        """Check it in this process."""
        if self.bundle is None:
            return check_defence(self.path, self.path.name, self.rules)
        return check_attack(self.path, self.path.name, self.bundle, self.rules)


def checked(check: Check, kind: type[_Found]) -> _Found:
    """The verdict of a child; a file that ends it is damaged. Raises ``InputError`` where there is no verdict."""
    command = [sys.executable, "-P", "-m", "srs.client.checking"]
    child = subprocess.run(command, input=check.model_dump_json().encode(), capture_output=True, check=False)  # noqa: S603
    if child.returncode == 0:
        return TypeAdapter(kind).validate_json(child.stdout)
    if child.returncode == TOLD_STATUS:
        raise InputError("check.impossible", child.stdout.decode())
    found = fault(child.returncode)
    if found is None:
        last = child.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise InputError(
            "check.ended",
            f"The check ended before there was a verdict ({'; '.join(last) or f'status {child.returncode}'}).",
            hint="Is there enough memory on this machine?",
        )
    return kind(accepted=False, report=damaged(found))


def main() -> int:
    """Check what standard input names; the verdict goes to standard output."""
    try:
        verdict = Check.model_validate_json(sys.stdin.buffer.read()).verdict()
    except (SrsError, OSError) as error:
        sys.stdout.buffer.write(str(error).encode())
        return TOLD_STATUS
    sys.stdout.buffer.write(TypeAdapter(type(verdict)).dump_json(verdict))
    return 0


if __name__ == "__main__":
    sys.exit(main())
