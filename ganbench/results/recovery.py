"""Starting afresh where a database is past use: it is kept under another name, never thrown away."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ganbench.errors import GanbenchError
from ganbench.results.schema import SCHEMA


def find_fault(file: Path) -> str:
    """Say what keeps a database from being used: "damaged", or "schema-1" for another version; "" if it is sound."""
    if not file.is_file() or not file.stat().st_size:
        return ""
    link = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
    try:
        if link.execute("PRAGMA quick_check").fetchone() != ("ok",):
            return "damaged"
        (version,) = link.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone() or ("none",)
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return "schema-none"
        raise GanbenchError(f"{file}: {error}. Check that you may read it, and that nobody writes to it.") from error
    except sqlite3.DatabaseError:
        return "damaged"
    finally:
        link.close()
    known = version if isinstance(version, str) and version.isascii() and version.isalnum() else "other"
    return "" if version == str(SCHEMA) else f"schema-{known[:20]}"


def is_sound(file: Path) -> bool:
    """Say whether there is a database that can be used."""
    return file.is_file() and file.stat().st_size > 0 and not find_fault(file)


def set_aside(file: Path, sound: bool = False) -> Path | None:
    """Rename a database that cannot be used, journal and all, to `<its name>.<what is wrong>-<n>`; give its new path.

    With `sound` also one that can, to `<its name>.replaced-<n>`, and with it the generators that belong to it. None
    where there is nothing to rename. The caller holds the folder's lock. Raises GanbenchError for a sound database
    otherwise: nobody loses results by a flag.
    """
    if not file.is_file() or not file.stat().st_size:
        return None
    found = find_fault(file)
    if not found and not sound:
        raise GanbenchError(
            f"{file}: sound, so nothing here has to start afresh. Leave --fresh out, or add --yes: what is there is "
            "kept under another name, and everything is trained anew."
        )
    n = 1
    while (kept := file.with_name(f"{file.name}.{found or 'replaced'}-{n}")).exists():
        n += 1
    try:
        journal, networks = file.with_name(f"{file.name}-journal"), file.with_name("networks")
        if journal.exists():
            journal.rename(kept.with_name(f"{kept.name}-journal"))
        if not found and networks.is_dir():
            networks.rename(kept.with_name(kept.name.replace(file.name, networks.name, 1)))
        file.rename(kept)
    except OSError as error:
        raise GanbenchError(
            f"{file}: cannot be renamed ({error.strerror}). Choose another folder by --results."
        ) from error
    return kept
