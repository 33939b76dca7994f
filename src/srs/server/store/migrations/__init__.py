"""Brings a database to the tables of this version: ``migrate(config)``, safe to run from many processes."""

from __future__ import annotations

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import ArgumentError, DatabaseError

from srs.errors import InputError, StateError, Unavailable
from srs.server.config import Config
from srs.server.store.engine import BESIDE_OTHERS, Session, open_engine

ADVISORY_LOCK = 0x5253_4D49_4752
"""An arbitrary number that only migrations of this system lock on PostgreSQL."""


def migrate(config: Config) -> tuple[str | None, str | None]:
    """Apply what is missing, in one transaction that one process at a time holds.

    Returns the revisions before and after. Raises ``StateError`` for a database of a later version,
    ``Unavailable`` for one that cannot be opened, ``InputError`` for an address of none, ``OSError`` for a folder that
    cannot be made.
    """
    config.data.mkdir(parents=True, exist_ok=True)
    engine = _engine(config.database_url)
    try:
        with engine.begin() as connection:
            _wait_for_turn(connection)
            before = revision_of(connection)
            _refuse_later_version(before)
            command.upgrade(alembic_config(connection), "head")
            return before, revision_of(connection)
    except (Unavailable, DatabaseError) as error:
        raise Unavailable(
            "store.away", f"The database cannot be opened: {_cause(error)}.", hint="Is SRS_DATABASE_URL right?"
        ) from error
    finally:
        engine.dispose()


def step_back(session: Session, revision: str) -> None:
    """Give an empty database the tables of an earlier revision, to be filled with what was kept in them."""
    command.downgrade(alembic_config(session.connection()), revision)


def is_known(revision: str) -> bool:
    """Whether this version can bring tables of that revision up to its own."""
    return revision in {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}


def _engine(url: str) -> Engine:
    try:
        return open_engine(url).execution_options(srs_writes=BESIDE_OTHERS)
    except (ArgumentError, ValueError) as error:
        raise InputError(
            "config.database",
            "SRS_DATABASE_URL is not the address of a database.",
            hint="Expected is postgresql+psycopg://user:password@host/name, special characters percent-encoded.",
        ) from error


def _cause(error: Unavailable | DatabaseError) -> str:
    """What the driver says of it, in a line, which holds no password."""
    said = error.orig if isinstance(error, DatabaseError) else error.__cause__
    return str(said).strip().partition("\n")[0].rstrip(".")


def revision_of(connection: Connection) -> str | None:
    """The revision of a database; ``None`` for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def head() -> str | None:
    """The revision of this version's tables."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head()


def alembic_config(connection: Connection | None = None) -> AlembicConfig:
    """Settings for Alembic's commands on an open connection; no ini file is needed."""
    config = AlembicConfig()
    config.set_main_option("script_location", "srs.server.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _wait_for_turn(connection: Connection) -> None:
    # On SQLite the transaction itself (BEGIN IMMEDIATE) is the lock.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})


def _refuse_later_version(revision: str | None) -> None:
    if revision is not None and not is_known(revision):
        raise StateError(
            "store.later-version",
            f"The database was migrated by a later version of this program (revision {revision}).",
            hint="Install that version, or restore a backup of this one.",
        )
