"""Results folders as a third party might alter them, and what a reader must find unchanged."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from ganbench.results.store import Store

from tests.support.trials_by_hand import record, trial

SUITE = """
question = "What does it do to its reader?"
methods = ["a"]
budget = { generator_steps = 100 }
dataset = [{ name = "ring" }]
success = [{ dataset = "ring", metric = "fid", thresholds = [10] }]
"""


def hostile(folder: Path, *statements: str) -> Path:
    """Make a folder with one record and do this to its database."""
    with Store(folder) as store:
        store.begin_run(SUITE, [trial()], {})
        store.append([record(trial(), [3.0, 2.0], signals={"k": ([1], [1.0])}, generator=b"weights")])
    alter(folder, *statements)
    return folder


def alter(folder: Path, *statements: str | tuple[str, tuple[object, ...]]) -> None:
    """Execute statements, each alone or with its values, on the database of a folder."""
    with closing(sqlite3.connect(folder / "results.sqlite", isolation_level=None)) as link:
        for statement in statements:
            link.execute(*((statement,) if isinstance(statement, str) else statement))


def everything_in(folder: Path) -> dict[str, str]:
    """Return every file below a folder with the hash of its content."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def make_hole(path: Path) -> None:
    """Make a file of 20 GB that takes no room on the disk."""
    with path.open("wb") as file:
        file.truncate(20 * 2**30)


def make_link(path: Path) -> None:
    """Make a link to a readable file."""
    path.symlink_to("/etc/passwd")


SPECIAL: dict[str, Callable[[Path], None]] = {
    "a link": make_link,
    "a pipe": lambda path: os.mkfifo(path),
    "a folder": lambda path: path.mkdir(),
    "all of them a hole": make_hole,
}
"""What may stand where a file is expected, by what the refusal says of it."""
