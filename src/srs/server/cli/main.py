"""``srs-server``: the commands of whoever runs an installation. Settings come from ``SRS_*`` variables.

Exit status: 0 done, 1 not done (one sentence says why), 2 wrong usage.
"""

from __future__ import annotations

import logging
import os
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from srs.errors import SrsError
from srs.server.cli import race, supervise, user
from srs.server.cli.installation import opened
from srs.server.config import read_config
from srs.server.services import restoring, storage
from srs.server.store.migrations import migrate as migrate_database
from srs.server.worker import celery_worker, landlock
from srs.server.worker.confine import shield


class Commands(click.Group):
    """A group whose commands end with one sentence instead of a stack trace."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except SrsError as error:
            click.echo(f"{error}", err=True)
            ctx.exit(1)
        except OSError as error:
            if error.filename is None:
                raise
            click.echo(f"{error.filename} cannot be used: {error.strerror}.", err=True)
            ctx.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="srs", prog_name="srs-server")
def main() -> None:
    """Run Secret Race Strolling: the site, its workers, its races."""
    os.umask(0o077)  # files of an installation are for its user alone
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("alembic", "celery.worker.strategy"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def take_care(data: Path) -> None:
    """Keep the secrets of this process to itself, and say what cannot be kept from others here."""
    shield()
    mode = stat.S_IMODE(data.stat().st_mode) if data.exists() else 0
    if mode & 0o077:
        click.echo(
            f"Other users of this machine can look into {data} (mode {mode:o}). Close it: chmod -R go= {data}", err=True
        )
    if not landlock.version():
        click.echo(
            "This kernel has no Landlock (Linux has it since 5.13): if a file that is judged takes its process over, "
            "it can read and change what this user can. See docs/decisions/0003-the-jail.md.",
            err=True,
        )


def forget_settings() -> None:
    """No program that is started from here, such as multiprocessing's own, inherits a secret; the settings are read."""
    for name in [name for name in os.environ if name.startswith("SRS_")]:
        del os.environ[name]


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option(
    "--web-processes", default=2, show_default=True, type=click.IntRange(1, 64), help="Processes that serve pages."
)
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(0, 64),
    help="Processes that judge files; none of them with SRS_BROKER_URL.",
)
def run(host: str, port: int, web_processes: int, workers: int) -> None:
    """Serve the site and judge what is uploaded, on this machine.

    With SRS_BROKER_URL the judging is left to `srs-server worker`.
    """
    config, here = read_config(), f"http://{host}:{port}"
    if "SRS_BASE_URL" not in os.environ:
        config = replace(config, base_url=here)
    take_care(config.data)
    forget_settings()
    with supervise.listen(host, port) as listener:
        migrate_database(config)
        click.echo(f"Secret Race Strolling listens on {here}; people find it at {config.base_url} (Ctrl-C ends it).")
        parts = supervise.parts(config, listener, web_processes, 0 if config.broker_url else workers)
        status = supervise.run(parts, listener)
    sys.exit(status)


@main.command()
@click.option("-c", "--concurrency", default=1, show_default=True, type=click.IntRange(1, 64), help="Jobs at once.")
def worker(concurrency: int) -> None:
    """Judge what the broker of SRS_BROKER_URL announces, until SIGTERM."""
    config = read_config()
    take_care(config.data)
    if not config.broker_url:
        raise click.UsageError("SRS_BROKER_URL is not set. Without a broker, `srs-server run` has a worker of its own.")
    with opened(config) as server:
        sys.exit(celery_worker.serve(server, concurrency))


@main.command()
def migrate() -> None:
    """Bring the database to the tables of this version (every command does so when it starts)."""
    before, after = migrate_database(read_config())
    if before == after:
        click.echo(f"The database is up to date (revision {after}).")
    else:
        click.echo(f"The database went from revision {before or 'nothing'} to {after}.")


main.add_command(race.race)
main.add_command(user.user)


@main.command()
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port of the site.")
@click.option("--headless", is_flag=True, help="No site: play the season, print its standings as JSON, and end.")
def demo(port: int, headless: bool) -> None:
    """Play a small season in an empty folder and show it; needs the `lab` extra."""
    from srs.server.cli.demo import show_demo  # the classifiers that it plays with are heavy, and optional

    sys.exit(show_demo(port, headless=headless))


@main.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Write everything (database and files) into one FILE, while the site runs."""
    config = read_config()
    with opened(config) as server:
        contents = storage.backup(server.store, config, file)
    click.echo(f"{file}: {contents.rows} rows, {contents.blobs} files, {contents.size_bytes / 1e6:.1f} MB.")


@main.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--new-key", is_flag=True, help="The backup's secret key is lost: keep the one that is here.")
def restore(file: Path, new_key: bool) -> None:
    """Bring a backup FILE into an empty installation, on either database.

    Everything in it is verified before anything is written. With --new-key everybody needs a new password.
    """
    restored = restoring.restore(read_config(), file, new_key=new_key)
    click.echo(f"Restored and verified: {restored.rows} rows, {restored.blobs} files.")
    for doubt in restored.doubts:
        click.echo(doubt)


if __name__ == "__main__":
    main()
