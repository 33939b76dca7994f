"""The database and the blob folder of one installation, and the unit of work around every use case."""

from __future__ import annotations

import datetime as dt
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.orm.exc import StaleDataError

from srs.errors import InputError, SrsError, StateError, Unavailable
from srs.server.config import Config
from srs.server.store.blobs import Blobs
from srs.server.store.disk import told
from srs.server.store.references import names_blobs

__all__ = ["Session", "Store", "database_now", "insert_missing", "open_engine", "upsert"]

SQLITE_BUSY_S = 30
SQLITE_LOOK_S = 0.01
"""Between two tries where SQLite itself does not wait."""
CONNECTIONS_KEPT = 10
"""Connections that a process keeps open. It has no more than threads: each thread uses one at a time (``Store``)."""
IDLE_IN_TRANSACTION_S = 15
"""PostgreSQL ends a writing transaction that says nothing for so long: a process that was put to sleep in the middle of
one must not hold its rows from everybody else until it wakes. One that only reads holds none, and may take its time."""
GATE = 0x53525357
"""PostgreSQL's advisory lock: all who write share it, ``Store.alone`` has it to itself. (SQLite has one writer.)"""
ALONE_WAIT_S = 1
"""How long it waits for the others, who wait behind it meanwhile."""
LOCK_NOT_AVAILABLE = "55P03"
"""What PostgreSQL calls the end of that wait."""
BESIDE_OTHERS, ALONE = "beside others", "alone"


class Store:
    """All that is kept: ``with store.work() as session`` writes, ``with store.read() as session`` reads."""

    def __init__(self, config: Config) -> None:
        with told():
            config.data.mkdir(parents=True, exist_ok=True)
        self.blobs = Blobs(config.data / "blobs", config.disk_reserve_mb * 1e6, self._names_no_blob)
        self.engine = open_engine(config.database_url)
        self._writers, self._lone_writers = (
            sessionmaker(self.engine.execution_options(srs_writes=how), expire_on_commit=False)
            for how in (BESIDE_OTHERS, ALONE)
        )
        self._readers = sessionmaker(_with_snapshots(self.engine), expire_on_commit=False)
        self._of_thread = threading.local()

    @contextmanager
    def work(self) -> Iterator[Session]:
        """One transaction that may write: committed at the end, rolled back by any exception.

        On SQLite it is the only writer from its first statement (``BEGIN IMMEDIATE``); on PostgreSQL use
        ``with_for_update`` where two transactions may meet. Raises ``RuntimeError`` inside another one: who waits for
        a second connection while holding one can wait for ever.
        """
        with self._written(self._writers) as session:
            yield session

    @contextmanager
    def alone(self) -> Iterator[Session]:
        """The same while nobody else writes: what it finds in the database holds until its end.

        For what no rollback brings back, such as a deleted file. Raises ``Unavailable`` where the others make no gap.
        """
        with self._written(self._lone_writers) as session:
            yield session

    @contextmanager
    def _written(self, sessions: sessionmaker[Session]) -> Iterator[Session]:
        if self._open is not None:
            raise RuntimeError("a transaction was begun inside another one")
        try:
            with sessions.begin() as session, self._is_open(session):
                yield session
        except StaleDataError as error:
            raise _at_once() from error

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One snapshot to read from; nothing is written. Inside another transaction it is that one."""
        if self._open is not None:
            yield self._open
            return
        with self._readers() as session, self._is_open(session):
            yield session

    @property
    def _open(self) -> Session | None:
        # A transaction holds a connection; were there several to a thread, some threads could run the pool dry.
        found: Session | None = getattr(self._of_thread, "session", None)
        return found

    @contextmanager
    def _is_open(self, session: Session) -> Iterator[None]:
        self._of_thread.session = session
        try:
            yield
        finally:
            self._of_thread.session = None

    def _names_no_blob(self) -> bool:
        with self.read() as session:
            return not names_blobs(session)

    def close(self) -> None:
        """Give every connection back (before a fork, at the end of a test)."""
        self.engine.dispose()


def _with_snapshots(engine: Engine) -> Engine:
    """For readers: all statements of a transaction see one moment (in SQLite they do anyway)."""
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ")


def open_engine(url: str) -> Engine:
    """An engine for SQLite (WAL, foreign keys, durable commits) or PostgreSQL."""
    if not url.startswith("sqlite"):
        engine = create_engine(url, pool_pre_ping=True, pool_size=CONNECTIONS_KEPT, max_overflow=-1)
        event.listen(engine, "begin", _begin_postgresql)
        event.listen(engine, "handle_error", _told)
        return engine
    settings = {"timeout": SQLITE_BUSY_S, "check_same_thread": False}
    engine = create_engine(url, connect_args=settings, pool_size=CONNECTIONS_KEPT, max_overflow=-1)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    event.listen(engine, "handle_error", _told)
    return engine


def _told(context: ExceptionContext) -> SrsError | None:
    """What the trouble of a database is for whoever asked it."""
    match context.sqlalchemy_exception:
        case _ if context.is_pre_ping:
            return None  # the pool connects anew
        case DataError():  # PostgreSQL refuses what no text can hold, such as NUL
            return InputError("store.text", "A value contains characters that cannot be stored.")
        case IntegrityError():
            return _at_once()
        case OperationalError() if getattr(context.original_exception, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            return Unavailable("store.busy", "Others write to the database without a pause at the moment.")
        case OperationalError():
            return _away()
        case _:
            return _away() if context.is_disconnect else None


def _at_once() -> StateError:
    return StateError(
        "store.at-once", "Somebody did the same at this very moment.", hint="Please look again, then go on."
    )


def _away() -> Unavailable:
    return Unavailable(
        "store.away", "The database does not answer at the moment.", hint="Please try again in a minute."
    )


def _set_up_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: the driver's own comes too late
    _use_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")  # a commit that was answered survives a power cut
    connection.execute("PRAGMA foreign_keys = ON")


def _use_wal(connection: sqlite3.Connection) -> None:
    # Where two processes switch a new file at the same moment, SQLite refuses one of them without any wait.
    give_up_at = time.monotonic() + SQLITE_BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                raise
            time.sleep(SQLITE_LOOK_S)
        else:
            return


def _begin_postgresql(connection: Connection) -> None:
    how = connection.get_execution_options().get("srs_writes")
    if how is None:
        return
    brief = f"set_config('idle_in_transaction_session_timeout', '{IDLE_IN_TRANSACTION_S}s', true)"
    if how == ALONE:
        connection.exec_driver_sql(f"SELECT {brief}, set_config('lock_timeout', '{ALONE_WAIT_S}s', true)")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({GATE})")
    else:
        connection.exec_driver_sql(f"SELECT {brief}, pg_advisory_xact_lock_shared({GATE})")


def _begin_sqlite(connection: Connection) -> None:
    how = connection.get_execution_options().get("srs_writes")
    connection.exec_driver_sql("BEGIN" if how is None else "BEGIN IMMEDIATE")


def database_now(session: Session) -> dt.datetime:
    """The database's clock, the one that every process shares (SQLite: this machine's)."""
    if session.get_bind().dialect.name == "sqlite":
        return dt.datetime.now(dt.UTC)
    moment: dt.datetime = session.scalars(select(func.clock_timestamp())).one()
    return moment.astimezone(dt.UTC)


def upsert(session: Session, table: type[Any]) -> Any:
    """An INSERT that can say what is to be done about the rows whose unique key is there already."""
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    return dialect.insert(table)


def insert_missing(session: Session, table: type[Any]) -> Any:
    """An INSERT that leaves out, without an error, the rows whose unique key is there already."""
    return upsert(session, table).on_conflict_do_nothing()
