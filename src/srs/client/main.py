"""The ``srs`` command of participants: a defence from captures, and the server's own checker, offline.

Exit code 0: accepted, or written; 1: rejected, or nothing to write; 2: called in a wrong way. What is slow to import
is imported where it is needed, so that ``srs --help`` answers at once.
"""

from __future__ import annotations

import contextlib
import ipaddress
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from srs.errors import InputError, RulesError, SrsError

if TYPE_CHECKING:
    from srs.client.convert_names import Naming
    from srs.game.race import RaceRules
    from srs.traces.pcap_packets import Address

REJECTED, MISUSED = 1, 2

_EXISTING_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
_file = click.argument("file", type=_EXISTING_FILE)
_race = click.option(
    "--race",
    type=_EXISTING_FILE,
    help="The rules of your race, a file that its page Rules offers. Without it the default ones hold: 100 cells, 25 "
    "to 39 repetitions.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON, for programs.")


class _Commands(click.Group):
    """Commands whose wrong calls are told as text: a shell may fill in any name of a file."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that is named."""
        from srs.client.verdicts import plain

        try:
            return super().invoke(ctx)
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            raise click.UsageError(plain(error.format_message()), error.ctx) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="srs", message="srs %(version)s")
def main() -> None:
    """Secret Race Strolling on your own machine: make a defence file of captures, check a file before you send it."""


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
    from srs.client.checking import Check, checked
    from srs.client.verdicts import defence_as_json, defence_as_text
    from srs.judging.defence import Verdict

    rules = _rules(race)
    with _at_work(f"Checking {file.name}"):
        verdict = checked(Check(path=file, rules=rules), Verdict)
    text = defence_as_json(verdict) if as_json else defence_as_text(file.name, verdict, rules)
    _tell(text, accepted=verdict.accepted)


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
    from srs.client.checking import Check, checked
    from srs.client.verdicts import attack_as_json, attack_as_text
    from srs.judging.attack import AttackVerdict

    rules = _rules(race)
    with _at_work(f"Checking {file.name}"):
        verdict = checked(Check(path=file, rules=rules, bundle=bundle), AttackVerdict)
    _tell(attack_as_json(verdict) if as_json else attack_as_text(file.name, verdict, rules), accepted=verdict.accepted)


@main.command()
@click.argument("captures", nargs=-1, required=True, type=click.Path(exists=True, readable=True, path_type=Path))
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="The file to write. It ends in .csv.zip, .csv or .parquet, and that decides what it is.",
)
@click.option(
    "--pattern",
    help="How the captures are called: {class} is the number of the class, {rep} any text. "
    "Default: trace_{rep}_grid_{class}.pcap",
)
@click.option(
    "--manifest",
    type=_EXISTING_FILE,
    help="Instead of a pattern: a CSV with the columns file, class, rep and a line for each capture.",
)
@click.option(
    "--client", "clients", multiple=True, metavar="ADDRESS", help="The IP address of the client; may be given twice."
)
@click.option("--keep-acks", is_flag=True, help="Keep TCP acknowledgements without payload; else they are left out.")
@click.option("--overwrite", is_flag=True, help="Replace the file to write where it exists.")
@click.option(
    "--race", type=_EXISTING_FILE, help="The rules of your race, for the name of the class column (else cell_id)."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON, for programs.")
def convert(
    captures: tuple[Path, ...],
    out: Path,
    pattern: str | None,
    manifest: Path | None,
    clients: tuple[str, ...],
    keep_acks: bool,
    overwrite: bool,
    race: Path | None,
    as_json: bool,
) -> None:
    """Make a defence file of packet captures.

    CAPTURES are pcap and pcapng files, and folders and archives with such files. Each file is one trace: the packets
    of one visit. Which class was visited is told by the names of the files, or by a table:

    \b
      captures/trace_7_grid_42.pcap, a visit to class 42
        srs convert captures -o defence.csv.zip
      captures/42/monday.pcap, one too
        srs convert captures --pattern "{class}/{rep}.pcap" -o defence.csv.zip
      captures.csv with the line: first.pcap,42,7
        srs convert captures --manifest captures.csv -o defence.csv.zip

    Without a table the traces of a class are numbered in the order of the files' names. The client is the side with
    the private address, unless you name it. You are told which files and packets were left out, and why. Then see with
    srs check defence whether the new file is accepted.

    Exit code 0: written; 1: no capture could be used; 2: the command was called in a wrong way.
    """  # noqa: D301  (click reads \\b as: leave these lines as they are)
    from srs.client import convert_text
    from srs.client.convert import convert as convert_captures
    from srs.client.convert import write

    rules = _rules(race)
    _may_write(out, overwrite)
    with _at_work("Reading captures") as show:
        conversion = convert_captures(
            captures,
            _naming(pattern, manifest),
            rules.classes.column,
            clients=[_address(text) for text in clients],
            with_acks=keep_acks,
            on_read=lambda name: show(f"Reading {name}"),
        )
        written = out if conversion.traces else None
        if written:
            show(f"Writing {out}")
            write(conversion.table, out)
    if as_json:
        text = convert_text.as_json(conversion, written)
    else:
        text = convert_text.as_text(conversion, written, rules.classes.singular, race)
    _tell(text, accepted=written is not None)


def _may_write(out: Path, overwrite: bool) -> None:
    if not out.name.endswith((".csv.zip", ".csv", ".parquet")):
        raise click.BadParameter("its name must end in .csv.zip, .csv or .parquet.", param_hint="--out")
    if out.exists() and not overwrite:
        raise click.BadParameter(f"{out} exists; choose another name, or add --overwrite.", param_hint="--out")
    if not out.absolute().parent.is_dir():
        raise click.BadParameter(f"the folder {out.parent} does not exist.", param_hint="--out")


def _naming(pattern: str | None, manifest: Path | None) -> Naming:
    from srs.client.convert_names import DEFAULT_PATTERN, Manifest, Pattern

    if manifest is None:
        return Pattern.of(pattern or DEFAULT_PATTERN)
    if pattern is not None:
        raise InputError("convert.naming", "Give either --pattern or --manifest, not both.")
    return Manifest.read(manifest)


def _address(text: str) -> Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no IP address.", param_hint="--client") from None


def _rules(path: Path | None) -> RaceRules:
    from srs.client.verdicts import plain
    from srs.game.race import RaceRules, read_rules

    if path is None:
        return RaceRules(slug="default", title="Default rules", rounds=())
    try:
        return read_rules(path.read_bytes())
    except RulesError as error:
        raise click.BadParameter(plain(str(error)), param_hint="--race") from error


@contextlib.contextmanager
def _at_work(what: str) -> Iterator[Callable[[str], None]]:
    """A progress bar on a terminal, and a way to say what it is about now; whatever is wrong ends the program."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from srs.client.verdicts import plain
    from srs.traces.report import visible

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
            task = bar.add_task(visible(what), total=None)
            yield lambda now: bar.update(task, description=visible(now))
    except (SrsError, OSError) as error:
        click.echo(f"srs: {plain(str(error))}", err=True)
        sys.exit(MISUSED)


def _tell(text: str, *, accepted: bool) -> None:
    click.echo(text)
    if not accepted:
        sys.exit(REJECTED)
