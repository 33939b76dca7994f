"""The ``srs`` command of participants: the server's own checker, offline.

Exit code 0: accepted; 1: rejected; 2: called in a wrong way. What is slow to import is imported where it is
needed, so that ``srs --help`` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from srs.errors import RulesError, SrsError

if TYPE_CHECKING:
    from srs.game.race import RaceRules

Verdict = TypeVar("Verdict")

REJECTED, MISUSED = 1, 2

_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
_race = click.option(
    "--race",
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
    help="The race.toml of your race. Without it the default rules hold: 100 cells, 25 to 39 repetitions.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON, for programs.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="srs", message="srs %(version)s")
def main() -> None:
    """Secret Race Strolling: what a participant needs."""


@main.group()
def check() -> None:
    """Check a file before you upload it, exactly as the server will.

    Exit code 0: accepted; 1: rejected, with every problem found; 2: the command was called in a wrong way.
    """


@check.command()
@_file
@_race
@_json
def defence(file: Path, race: Path | None, as_json: bool) -> None:
    """Check a defence FILE: is it accepted, and what is its utility?"""
    from srs.client.verdicts import defence_as_json, defence_as_text
    from srs.judging.defence import check_defence

    rules = _rules(race)
    verdict = _judged(f"Checking {file.name}", lambda: check_defence(file, file.name, rules))
    _tell(defence_as_json(verdict) if as_json else defence_as_text(file.name, verdict), accepted=verdict.accepted)


@check.command()
@_file
@click.option(
    "--bundle",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with the unpacked bundle of a match, or with one such folder for each match.",
)
@_race
@_json
def attack(file: Path, bundle: Path, race: Path | None, as_json: bool) -> None:
    """Check an attack FILE: does it say something about every test trace of its matches?

    Only the server knows the classes of the test traces, so there is no score here.
    """
    from srs.client.verdicts import attack_as_json, attack_as_text
    from srs.judging.attack import check_attack

    rules = _rules(race)
    verdict = _judged(f"Checking {file.name}", lambda: check_attack(file, file.name, bundle, rules))
    _tell(attack_as_json(verdict) if as_json else attack_as_text(file.name, verdict), accepted=verdict.accepted)


def _rules(path: Path | None) -> RaceRules:
    from srs.client.verdicts import plain
    from srs.game.race import RaceRules, read_rules

    if path is None:
        return RaceRules(slug="default", title="Default rules", rounds=())
    try:
        return read_rules(path.read_bytes())
    except RulesError as error:
        raise click.BadParameter(plain(str(error)), param_hint="--race") from error


def _judged(what: str, judge: Callable[[], Verdict]) -> Verdict:
    """Judge with a progress bar on a terminal; whatever is wrong with the call itself ends the program."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from srs.client.verdicts import plain

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    try:
        with bar:
            bar.add_task(plain(what), total=None)
            return judge()
    except (SrsError, OSError) as error:
        click.echo(f"srs: {plain(str(error))}", err=True)
        sys.exit(MISUSED)


def _tell(text: str, *, accepted: bool) -> None:
    click.echo(text)
    if not accepted:
        sys.exit(REJECTED)
