"""The operator's page names every setting and every command, and no other; what it tells to type can be typed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import click
import pytest

from srs.server.cli.main import main
from srs.server.config import VARIABLES

PAGE = (Path(__file__).parents[3] / "docs" / "operators.md").read_text(encoding="utf-8")
INDENTED = r"(?:    .*\n|\n(?=    ))+"
BLOCKS = "\n".join(textwrap.dedent(block) for block in re.findall(rf"^{INDENTED}", PAGE, re.MULTILINE))
UNITS = dict(re.findall(rf"`/etc/systemd/system/(\S+)`.*\n\n({INDENTED})", PAGE))
TYPED = sorted(set(re.findall(r"srs-server ([a-z].*?)'?$", BLOCKS, re.MULTILINE)))


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def test_every_setting_has_its_row_and_no_row_is_left_over() -> None:
    rows = re.findall(r"^\| `(SRS_[A-Z_]+)` \|", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted(VARIABLES)
    assert set(re.findall(r"SRS_[A-Z_]+[A-Z]", PAGE)) <= set(VARIABLES)


def test_every_command_has_its_row_with_its_arguments_and_options() -> None:
    rows = dict(re.findall(r"^\| `(srs-server [a-z]+(?: [a-z]+)?)([^`]*)` \|", PAGE, re.MULTILINE))
    known = dict(commands(main, "srs-server"))
    assert sorted(rows) == sorted(known)
    for path, command in known.items():
        for parameter in command.params:
            wanted = (
                parameter.opts
                if isinstance(parameter, click.Option)
                else [parameter.make_metavar(click.Context(command))]
            )
            assert any(name in rows[path] for name in wanted), f"{path}: {wanted}"


@pytest.mark.parametrize("line", TYPED)
def test_what_is_typed_is_a_command(line: str) -> None:
    """Its name, its options and how many words it wants; nothing is run."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|>&")
    lexer.whitespace_split = True
    words = list(takewhile(lambda word: not set(word) <= set("|>&"), lexer))
    command: click.Command = main
    while isinstance(command, click.Group):
        name = words.pop(0)
        assert name in command.commands
        command = command.commands[name]
    command.make_context(command.name, words)


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """With a program and a user that are here, too."""
    assert sorted(UNITS) == ["srs-backup.service", "srs-backup.timer", "srs-worker.service", "srs.service"]
    systemd = shutil.which("systemd-analyze")
    if systemd is None:
        pytest.skip("systemd is not installed here")
    for name, unit in UNITS.items():
        here = unit.replace("/opt/srs/.venv/bin/srs-server", "/bin/true").replace("User=srs", "User=root")
        (tmp_path / name).write_text(textwrap.dedent(here), encoding="utf-8")
    files = map(str, sorted(tmp_path.iterdir()))
    verified = subprocess.run([systemd, "verify", "--man=no", *files], capture_output=True, text=True, check=False)
    of_ours = [line for line in verified.stderr.splitlines() if str(tmp_path) in line or line.startswith("srs")]
    assert (verified.returncode, of_ours) == (0, [])
