"""Results of earlier versions: read in today's schema without a change to the file, and copied into it on request."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from types import MappingProxyType

from ganbench.errors import GanbenchError, shorten
from ganbench.results import guard
from ganbench.results.files import (
    LARGEST_NETWORK,
    database_path,
    find_database,
    hold_lock,
    list_networks,
    make_folders,
    network_path,
    read_regular,
    suite_path,
    write_file,
)
from ganbench.results.schema import ADDED, RENAMED, SCHEMA, table_texts

STEPS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        2: (
            *(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}" for table, old, new in RENAMED[2]),
            "UPDATE records SET status = 'diverged' WHERE status = 'ok' AND diverged_at >= 0",
            "UPDATE records SET status = 'completed' WHERE status = 'ok'",
            "UPDATE records SET status = 'timed-out' WHERE status = 'timeout'",
        ),
        3: tuple(table_texts(ADDED[3])),
    }
)
"""The statements that bring a database of each earlier schema version to the next one."""


def is_older(version: object) -> bool:
    """Return whether a schema version is an earlier one that can be migrated."""
    return isinstance(version, str) and version in map(str, STEPS)


def explain_version(version: object) -> str:
    """Return what is wrong with a database of another schema version, and the way out."""
    shown = version if isinstance(version, str) and version.isalnum() else shorten(version)
    if is_older(version):
        return (
            f"its schema version is {shown}, and this ganbench writes {SCHEMA} only. It can still be read. "
            "`ganbench migrate RESULTS COPY` makes a copy that can be written to; `ganbench run SUITE --fresh` keeps "
            "it under another name and starts afresh."
        )
    return (
        f"its schema version is {shown}, this ganbench reads {min(STEPS)} to {SCHEMA}. Open it with the ganbench that "
        "wrote it, or run the suite into another folder; `ganbench run SUITE --fresh` keeps it under another name and "
        "starts afresh."
    )


def private_copy(link: sqlite3.Connection, file: Path) -> tuple[sqlite3.Connection, object]:
    """Return a connection to a copy of a database, and the copy's schema version, which `guard.read_version` has told.

    The copy is private and temporary, and goes with its connection.
    """
    copy = sqlite3.connect("", isolation_level=None)
    try:
        link.backup(copy)
        copy.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, guard.LONGEST_CELL)
        return copy, guard.read_version(copy, file)
    except BaseException:
        copy.close()
        raise


def migrated_copy(link: sqlite3.Connection, file: Path) -> sqlite3.Connection:
    """Return a connection to a copy of an older database in today's schema; the file itself stays as it is.

    `link` is a connection to the database `file`, whose version `guard.read_version` has told. The copy is private and
    temporary, and goes with its connection.
    """
    try:
        copy, version = private_copy(link, file)
    except sqlite3.Error as error:
        raise GanbenchError(f"{file}: cannot be migrated from its schema version ({error}).") from error
    try:
        copy.execute("BEGIN")
        for number in range(int(str(version)), SCHEMA):
            for statement in STEPS[number]:
                copy.execute(statement)
        copy.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (str(SCHEMA),))
        copy.execute("COMMIT")
    except sqlite3.Error as error:
        copy.close()
        raise GanbenchError(f"{file}: cannot be migrated from its schema version ({error}).") from error
    except BaseException:
        copy.close()
        raise
    return copy


def migrate(folder: Path, copy: Path) -> str:
    """Copy a results folder of an earlier version into a new folder in today's schema; return the earlier version.

    The suite and the generators come along; the folder itself stays as it is. Raises GanbenchError where there is
    nothing to migrate, or where the new folder is not empty.
    """
    file = find_database(folder)
    try:
        with closing(guard.open_database(file, "ro")) as link:
            version = guard.read_version(link, file)
            if not is_older(version):
                reason = f"already of schema version {SCHEMA}." if version == str(SCHEMA) else explain_version(version)
                raise GanbenchError(f"{file}: nothing to migrate: {reason}")
            if os.path.lexists(copy) and not (copy.is_dir() and not any(copy.iterdir())):
                raise GanbenchError(f"{copy}: not empty. Name a folder that does not exist yet.")
            migrated = migrated_copy(link, file)  # what cannot be migrated leaves no folder behind
    except sqlite3.Error as error:
        raise GanbenchError(
            f"{file}: cannot be read ({error}). Check that it is whole, and that nobody writes to it."
        ) from None
    with closing(migrated):
        make_folders(copy)
        write_copy(folder, copy, migrated)
    return str(version)


def write_copy(folder: Path, copy: Path, database: sqlite3.Connection) -> None:
    """Write a migrated database, the suite and the generators of a results folder into a new one."""
    with hold_lock(copy), closing(sqlite3.connect(database_path(copy))) as target:
        with suppress(FileNotFoundError):
            write_file(suite_path(copy), read_regular(suite_path(folder), folder, guard.LONGEST_CELL))
        for network in list_networks(folder):
            write_file(network_path(copy, network.stem), read_regular(network, folder, LARGEST_NETWORK))
        database.backup(target)
