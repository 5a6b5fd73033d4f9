"""The connection to a results database: how it is opened, its schema checked, and its faults explained."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, StaticPool, create_engine, event, insert
from sqlalchemy.exc import DatabaseError, IntegrityError

from ganbench.errors import GanbenchError
from ganbench.results import guard, migrations
from ganbench.results.schema import META, METADATA, SCHEMA

DAMAGED = (
    "The file is damaged: move it away and run the suite again, or restore a copy. "
    "`ganbench run SUITE --fresh` keeps it under another name and starts afresh."
)
MOVED = "It was deleted or moved while it was in use. Put it back, or run the suite again, which trains what was in it."
REMEDIES = {
    "SQLITE_NOTADB": DAMAGED,
    "SQLITE_CORRUPT": DAMAGED,
    "SQLITE_READONLY_DBMOVED": MOVED,
    "SQLITE_READONLY_ROLLBACK": "A run was killed while it wrote: the next `ganbench run` into this folder repairs it.",
    "SQLITE_CANTOPEN": "Check that the folder exists and that you may read it.",
    "SQLITE_BUSY": "Another process is writing to it: try again in a moment.",
    "SQLITE_TOOBIG": f"A cell or a text has more than {guard.LONGEST_CELL >> 20} MiB, which ganbench never writes.",
    "SQLITE_FULL": "Make room on the disk and run again; what was stored before is safe.",
}


def connect(file: Path, readonly: bool) -> Engine:
    """Return an engine on one connection, whose transactions are exactly SQLAlchemy's.

    Connecting raises GanbenchError for a database of another schema version, or one that is not ganbench's (`guard`). A
    reader of a database of an earlier version gets a private copy in today's schema.
    """

    def creator() -> sqlite3.Connection:
        link = guard.open_database(file, "ro" if readonly else "rwc")
        try:
            version = guard.read_version(link, file)
            if readonly and migrations.is_older(version):
                with closing(link):
                    return migrations.migrated_copy(link, file)
            if version is None and readonly:
                raise GanbenchError(f"{file}: no results yet. `ganbench run SUITE` makes them.")
            if version not in (None, str(SCHEMA)):
                raise GanbenchError(f"{file}: {migrations.explain_version(version)}")
            link.execute("PRAGMA foreign_keys = ON")
            if not readonly:
                link.execute("PRAGMA journal_mode = DELETE")  # a single file, on any file system
        except BaseException:
            link.close()
            raise
        return link

    engine = create_engine("sqlite://", creator=creator, poolclass=StaticPool)

    # sqlite3 alone would begin a transaction late, and create tables outside it.
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")

    return engine


def create_tables(connection: Connection) -> None:
    """Create the tables of an empty database."""
    if connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one() == 0:
        METADATA.create_all(connection)
        connection.execute(insert(META).values(name="schema", value=str(SCHEMA)))


def execute(connection: Connection, statement: Any, rows: list[dict[str, Any]]) -> None:
    """Execute a statement once for each row; SQLAlchemy would execute it once with defaults for an empty list."""
    if rows:
        connection.execute(statement, rows)


@contextmanager
def transaction(engine: Engine, file: Path) -> Iterator[Connection]:
    """Run what is inside in one transaction; raise GanbenchError with the way out for a fault of the database."""
    try:
        with engine.begin() as connection:
            yield connection
            if not file.is_file():  # SQLite would go on in the deleted file, and nobody would ever see what it stored
                raise GanbenchError(f"{file}: {MOVED}")
    except IntegrityError:
        raise  # two scores of one name, for example: a bug of ganbench, nothing to mend on the disk
    except (DatabaseError, sqlite3.DatabaseError) as error:  # the latter from `rows.iterate_rows`
        fault = error.orig if isinstance(error, DatabaseError) else error
        remedy = REMEDIES.get(
            getattr(fault, "sqlite_errorname", ""), "Check the disk and the folder's permissions, then run again."
        )
        raise GanbenchError(f"{file}: {fault}. {remedy}") from error


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the garbage collector: walking a million rows again and again takes a quarter of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
