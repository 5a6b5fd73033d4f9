"""Results of earlier versions: read in today's schema without a change to the file, and copied into it on request."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

from ganbench.errors import GanbenchError, shorten
from ganbench.results import integrity
from ganbench.results.files import (
    database_path,
    hold_lock,
    list_networks,
    make_folders,
    network_path,
    suite_path,
    write_file,
)
from ganbench.results.schema import SCHEMA

STEPS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        2: (
            "ALTER TABLE trials RENAME COLUMN asked TO content",
            "ALTER TABLE records RENAME COLUMN died TO diverged_at",
            "UPDATE records SET status = 'diverged' WHERE status = 'ok' AND diverged_at >= 0",
            "UPDATE records SET status = 'completed' WHERE status = 'ok'",
            "UPDATE records SET status = 'timed-out' WHERE status = 'timeout'",
        ),
    }
)
"""The statements that bring a database of each earlier schema version to the next one."""


def stored_version(file: Path) -> str:
    """Return the schema version that a database says it has, "" where it says none or cannot be read."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as link:
            (version,) = link.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone() or ("",)
    except sqlite3.Error:
        return ""  # whoever opens the file for good explains the fault
    return version if isinstance(version, str) else ""


def is_older(version: str) -> bool:
    """Return whether a schema version is an earlier one that can be migrated."""
    return version in map(str, STEPS)


def explain_version(version: object) -> str:
    """Return what is wrong with a database of another schema version, and the way out."""
    shown = version if isinstance(version, str) and version.isalnum() else shorten(version)
    if is_older(str(version)):
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


def migrated_copy(file: Path) -> sqlite3.Connection:
    """Return a connection to a copy of an older database in today's schema; the file itself stays as it is.

    The copy is private and temporary, and goes with the connection. Raises GanbenchError for a database that ganbench
    did not write.
    """
    copy = sqlite3.connect("", isolation_level=None)
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as link:
            link.backup(copy)
        copy.execute("PRAGMA trusted_schema = OFF")
        integrity.refuse_active(copy.execute(integrity.OBJECTS).fetchall(), file)
        version = int(stored_version(file))
        copy.execute("BEGIN")
        for number in range(version, SCHEMA):
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
    file = database_path(folder)
    if not file.is_file():
        raise GanbenchError(f"{folder}: no results here. `ganbench run SUITE` makes them.")
    integrity.refuse_write_ahead(file)
    version = stored_version(file)
    if not is_older(version):
        reason = f"already of schema version {SCHEMA}." if version == str(SCHEMA) else explain_version(version)
        raise GanbenchError(f"{file}: nothing to migrate: {reason}")
    if copy.exists() and any(copy.iterdir()):
        raise GanbenchError(f"{copy}: not empty. Name a folder that does not exist yet.")
    with closing(migrated_copy(file)) as migrated:  # what cannot be migrated leaves no folder behind
        make_folders(copy)
        write_copy(folder, copy, migrated)
    return version


def write_copy(folder: Path, copy: Path, database: sqlite3.Connection) -> None:
    """Write a migrated database, the suite and the generators of a results folder into a new one."""
    with hold_lock(copy), closing(sqlite3.connect(database_path(copy))) as target:
        if suite_path(folder).is_file():
            write_file(suite_path(copy), suite_path(folder).read_bytes())
        for network in list_networks(folder):
            shutil.copyfile(network, network_path(copy, network.stem), follow_symlinks=False)
        database.backup(target)
