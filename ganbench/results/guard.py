"""The door of a database that a third party may have made: what SQLite would do by itself with it is refused first.

SQLite follows links, waits for pipes, plays back journals, and computes what a schema asks for. So before anything is
asked of a database, its files are looked at, and the text of its schema is compared with what ganbench writes.
"""

from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Literal

from ganbench.errors import GanbenchError, shorten
from ganbench.results.files import check_regular, open_regular
from ganbench.results.integrity import NOT_OURS
from ganbench.results.schema import ADDED, RENAMED, SCHEMA, table_texts

SIGNATURE = b"SQLite format 3\x00"
JOURNAL = bytes.fromhex("d9d505f920a163d7")
"""The first bytes of a rollback journal, and the last ones of a journal that names a super-journal."""

LONGEST_CELL = 2**26
"""Bytes of one cell or row, at most: a hundred times what ganbench writes into one."""

LONGEST_STATEMENT = 10**6
"""Characters of an SQL statement, those of the schema too, at most."""

SECONDS = 5.0
"""Seconds that the list of a database's tables may take, at most."""

OBJECTS = "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master"
"""The query for everything that a database holds: its type, its name, its table, and the text that made it."""

Objects = Sequence[tuple[str, str, str, str]]
"""The answer to `OBJECTS`."""


def open_database(file: Path, mode: Literal["ro", "rwc"]) -> sqlite3.Connection:
    """Return a connection to a database that is read ("ro") or written ("rwc"); raise GanbenchError for odd files."""
    refuse_odd_files(file, writing=mode != "ro")
    link = sqlite3.connect(f"{file.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None)
    link.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_CELL)
    link.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, LONGEST_STATEMENT)
    link.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    link.execute("PRAGMA trusted_schema = OFF")
    link.execute("PRAGMA cell_size_check = ON")
    return link


def refuse_odd_files(file: Path, writing: bool) -> None:
    """Raise GanbenchError for a database, or a file beside it, that SQLite would follow, wait for or play back."""
    header = b""
    with suppress(FileNotFoundError), open_regular(file, file.parent) as content:
        header = content.read(100)
    if header.startswith(SIGNATURE) and 2 in header[18:20]:  # sqlite.org/fileformat2.html, section 1.3.3
        raise GanbenchError(
            f"{file}: in write-ahead mode, which ganbench never uses: reading it would write beside it. "
            "Make a copy and set PRAGMA journal_mode = DELETE in it."
        )
    for ending in ("-wal", "-shm"):
        if os.path.lexists(log := file.with_name(file.name + ending)):
            raise GanbenchError(
                f"{log}: a part of write-ahead mode, which ganbench never uses, and SQLite would play it back. "
                "If you trust it, open the database with sqlite3 and set PRAGMA journal_mode = DELETE; else remove it."
            )
    journal = file.with_name(f"{file.name}-journal")
    with suppress(FileNotFoundError):  # none, or the transaction of a running writer has just ended
        check_regular(journal, file.parent)
        if writing:
            refuse_journal(journal, file.stat().st_size, header)


def refuse_journal(journal: Path, size: int, header: bytes) -> None:
    """Raise GanbenchError for a rollback journal that no killed run of ganbench can have left.

    `size` is that of the database in bytes, and `header` its first 100 bytes. A writer plays back a journal, and
    deletes the super-journal that is named at its end, wherever that lies (sqlite.org/fileformat2.html, section 3, and
    `readSuperJournal` in SQLite's pager.c). ganbench writes one database at a time, so its journals name none.
    """
    length = journal.stat().st_size
    with open_regular(journal, journal.parent) as content:
        head = content.read(28)
        content.seek(max(0, length - 16))
        tail = content.read(16)
    fault = ""
    if len(tail) == 16 and tail.endswith(JOURNAL):
        fault = "it names a super-journal, which SQLite would delete"
    elif len(head) == 28 and head[0]:  # else its header was never written, and SQLite plays nothing back
        _, _, pages, sector, page = struct.unpack(">5I", head[8:])
        ours = int.from_bytes(header[16:18]) if header.startswith(SIGNATURE) and pages else page
        if (
            not head.startswith(JOURNAL)
            or not (is_power_of_two(page) and is_power_of_two(sector) and 512 <= page <= 2**16 and sector <= 2**16)
            or page != (2**16 if ours == 1 else ours)
            or pages * page > size
            or length > (pages + 1) * (page + 8 + 2 * sector)  # each page once, and at worst a header before each
        ):
            fault = "its header does not fit the database"
    if fault:
        raise GanbenchError(
            f"{journal}: not a journal of ganbench: {fault}. Remove it: what the database holds without it stays."
        )


def is_power_of_two(number: int) -> bool:
    """Return whether a number is a power of two, 32 or more."""
    return number >= 32 and number & (number - 1) == 0


def read_version(link: sqlite3.Connection, file: Path) -> object:
    """Return the schema version that a database says it has, None where it is empty, "none" where it has none.

    Raise GanbenchError where a database of a version that this ganbench reads holds anything but the tables that
    ganbench makes: then nothing else is asked of it. Other errors are those of sqlite3.
    """
    with limited_time(link, file):
        objects: Objects = link.execute(OBJECTS).fetchall()
    if not objects:
        return None
    refuse_active(objects, file)
    expected = list_objects(SCHEMA)
    found = {(kind, name): (table, plain_text(sql)) for kind, name, table, sql in objects}
    if ("table", "meta") not in found:
        return "none"
    if found["table", "meta"] != expected["table", "meta"]:
        raise GanbenchError(f"{file}: its table 'meta' is not the one that ganbench makes. {NOT_OURS}")
    (version,) = link.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone() or ("none",)
    if version in map(str, {*RENAMED, *ADDED, SCHEMA}):
        refuse_other_objects(found, list_objects(int(version)), file)
        (fault,) = link.execute("PRAGMA quick_check(1)").fetchone()
        if fault != "ok":
            error = sqlite3.DatabaseError("database disk image is malformed")
            error.sqlite_errorname = "SQLITE_CORRUPT"  # as SQLite says when it reads such a page
            raise error
    return version


@contextmanager
def limited_time(link: sqlite3.Connection, file: Path) -> Iterator[None]:
    """Raise GanbenchError if what is inside asks the database for more than `SECONDS`."""
    end = monotonic() + SECONDS
    link.set_progress_handler(lambda: monotonic() > end, 1000)
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_INTERRUPT":
            raise
        raise GanbenchError(f"{file}: its tables take more than {SECONDS:g} seconds to list. {NOT_OURS}") from None
    finally:
        link.set_progress_handler(None, 0)


def refuse_active(objects: Objects, file: Path) -> None:
    """Raise GanbenchError for a trigger, a view or a virtual table: parts of a database that act by themselves."""
    for kind, name, _, text in objects:
        virtual = kind == "table" and text.lstrip().upper().startswith("CREATE VIRTUAL")
        if kind in ("trigger", "view") or virtual:
            what = "virtual table" if virtual else kind
            raise GanbenchError(f"{file}: holds a {what} {shorten(name)}, which ganbench never makes. {NOT_OURS}")


def refuse_other_objects(
    found: dict[tuple[str, str], tuple[str, str]], expected: dict[tuple[str, str], tuple[str, str]], file: Path
) -> None:
    """Raise GanbenchError unless a database holds exactly these objects, each made by the same text."""
    for kind, name in sorted(expected.keys() - found.keys(), reverse=True):  # tables before their indexes
        raise GanbenchError(f"{file}: no {kind} {name!r}, so ganbench did not write it. {NOT_OURS}")
    for (kind, name), value in found.items():
        if value != expected.get((kind, name)):
            known = "is not the one that ganbench makes" if (kind, name) in expected else "is none of ganbench's"
            raise GanbenchError(f"{file}: its {kind} {shorten(name)} {known}. {NOT_OURS}")


@lru_cache(maxsize=4)
def list_objects(version: int) -> dict[tuple[str, str], tuple[str, str]]:
    """Return what a database of a schema version holds: (type, name) to (its table, the text that made it)."""
    with closing(sqlite3.connect(":memory:")) as link:
        for text in table_texts():
            link.execute(text)
        for earlier in reversed(range(version, SCHEMA)):
            for table, old, new in RENAMED.get(earlier, ()):
                link.execute(f"ALTER TABLE {table} RENAME COLUMN {new} TO {old}")
            for table in ADDED.get(earlier, ()):
                link.execute(f"DROP TABLE {table}")
        return {(kind, name): (table, plain_text(sql)) for kind, name, table, sql in link.execute(OBJECTS)}


def plain_text(sql: str) -> str:
    """Return the text of a schema without quotation marks and with single spaces: SQLite and SQLAlchemy differ there.

    The texts of ganbench have no quoted space, so no other schema has the same plain text and another effect.
    """
    return " ".join(sql.replace('"', "").split())
