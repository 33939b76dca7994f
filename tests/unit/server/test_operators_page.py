"""The operator's page names every setting and every command, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from srs.server.cli.main import main
from srs.server.config import VARIABLES

PAGE = (Path(__file__).parents[3] / "docs" / "operators.md").read_text(encoding="utf-8")


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
