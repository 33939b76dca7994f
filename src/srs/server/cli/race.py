"""``srs-server race``: create, list and export races."""

from __future__ import annotations

from pathlib import Path

import click

from srs.errors import FileError
from srs.game.race import TEXT_MAX_BYTES
from srs.server.cli import export
from srs.server.cli.installation import opened
from srs.server.config import read_config
from srs.server.services.access import OPERATOR
from srs.server.services.races import create_race
from srs.server.store.races import all_races, race_by_slug
from srs.server.store.rounds import rounds_of


@click.group()
def race() -> None:
    """Races."""


@race.command()
@click.argument("file", type=click.Path(path_type=Path))
def create(file: Path) -> None:
    """Create a race from a race.toml FILE."""
    text, config = _read(file), read_config()
    with opened(config) as server:
        slug = create_race(server.store, OPERATOR, text)
    click.echo(f"{config.base_url}/races/{slug}")


@race.command("list")
def list_races() -> None:
    """List every race, newest first: slug, title, rounds, end."""
    with opened(read_config()) as server, server.store.read() as session:
        for one in all_races(session):
            rounds = rounds_of(session, one.id)
            ends = max(each.attack_closes_at for each in rounds)
            click.echo(f"{one.slug}\t{one.title}\t{len(rounds)} rounds\tends {ends:%Y-%m-%d %H:%M} UTC")


@race.command("export")
@click.argument("slug")
@click.option("--format", "kind", type=click.Choice(["json", "csv"]), default="json", show_default=True)
def export_race(slug: str, kind: str) -> None:
    """Print the standings of a race, round by round."""
    with opened(read_config()) as server, server.store.read() as session:
        found = race_by_slug(session, slug)
        text = export.to_json(session, found) if kind == "json" else export.to_csv(session, found)
    click.echo(text, nl=False)


def _read(file: Path) -> str:
    try:
        with file.open("rb") as source:
            data = source.read(TEXT_MAX_BYTES + 1)
        return data.decode("utf-8-sig")
    except OSError as error:
        raise FileError("race.file", f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise FileError("race.file", f"{file} is not text in UTF-8 (byte {error.start}).") from error
