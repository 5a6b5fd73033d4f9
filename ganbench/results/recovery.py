"""Starting afresh where a database cannot be used: it is kept under another name, never deleted."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ganbench.errors import GanbenchError
from ganbench.results import guard
from ganbench.results.files import check_regular
from ganbench.results.schema import SCHEMA


def find_fault(file: Path) -> str:
    """Return why a database cannot be used: "damaged", "foreign", "schema-1" for another version; "" if it is sound."""
    if not is_there(file):
        return ""
    try:
        with closing(guard.open_database(file, "ro")) as link:
            version = guard.read_version(link, file)
    except sqlite3.OperationalError as error:
        raise GanbenchError(f"{file}: {error}. Check that you may read it, and that nobody writes to it.") from error
    except sqlite3.DatabaseError:
        return "damaged"
    except GanbenchError:
        return "foreign"
    shown = version if isinstance(version, str) and version.isascii() and version.isalnum() else "other"
    return "" if version == str(SCHEMA) else f"schema-{'none' if version is None else shown[:20]}"


def is_there(file: Path) -> bool:
    """Return whether there is a database that is not empty; raise GanbenchError for a link or a special file."""
    try:
        return check_regular(file, file.parent).st_size > 0
    except FileNotFoundError:
        return False


def is_sound(file: Path) -> bool:
    """Return whether there is a database that can be used."""
    return is_there(file) and not find_fault(file)


def set_aside(file: Path, sound: bool = False) -> Path | None:
    """Rename a database that cannot be used, and its journal, to `<its name>.<its fault>-<n>`; return the new path.

    With `sound`, rename a sound one too, to `<its name>.replaced-<n>`, together with its generators. Without it, a
    sound database raises GanbenchError, so that no flag loses results. None where there is nothing to rename. The
    caller holds the folder's lock.
    """
    if not is_there(file):
        return None
    fault = find_fault(file)
    if not fault and not sound:
        raise GanbenchError(
            f"{file}: a sound database, which --fresh would put aside. Leave --fresh out, or add --yes: then it is "
            "kept under another name, and everything is trained anew."
        )
    n = 1
    while (aside := file.with_name(f"{file.name}.{fault or 'replaced'}-{n}")).exists():
        n += 1
    try:
        journal, networks = file.with_name(f"{file.name}-journal"), file.with_name("networks")
        if journal.exists():
            journal.rename(aside.with_name(f"{aside.name}-journal"))
        if not fault and networks.is_dir():
            networks.rename(aside.with_name(aside.name.replace(file.name, networks.name, 1)))
        file.rename(aside)
    except OSError as error:
        raise GanbenchError(
            f"{file}: cannot be renamed ({error.strerror}). Choose another folder by --results."
        ) from error
    return aside
