"""A compact copy of results: every score, and of each signal the points that decide how its trial ended.

Without generators, profiles and what lies between these points, results of hundreds of trials are small enough to be
shipped, and everything that reads a results folder reads them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, insert, select, update

from ganbench.errors import GanbenchError
from ganbench.results.database import connect, execute, transaction
from ganbench.results.files import database_path, find_database, hold_lock, make_folders, suite_path, write_file
from ganbench.results.guard import open_database
from ganbench.results.schema import PROFILES, RECORDS, RUNS, SIGNALS, pack
from ganbench.results.series import signals_frame

if TYPE_CHECKING:
    import pandas as pd


def compact(folder: Path, copy: Path) -> int:
    """Copy the results of a folder into the new folder `copy` in compact form; return the bytes of its database.

    The scores, the plan, the facts of the runs and the scores of the untrained baselines stay as they are. Of each
    signal `keep_ends` chooses the points. Raise GanbenchError where `copy` holds results already.
    """
    source, target = find_database(folder), database_path(copy)
    if target.exists():
        raise GanbenchError(f"{copy}: holds results already. Remove them, or name another folder.")
    make_folders(copy)
    with hold_lock(copy):
        with closing(open_database(source, "ro")) as stored, closing(sqlite3.connect(target)) as written:
            stored.backup(written)
        engine = connect(target, readonly=False)
        try:
            with transaction(engine, target) as connection:
                connection.execute(delete(PROFILES))
                connection.execute(update(RECORDS).values(network=""))
                shorten_signals(connection)
                suite = connection.scalar(select(RUNS.c.suite).order_by(RUNS.c.id.desc()).limit(1))
        finally:
            engine.dispose()
        with closing(sqlite3.connect(target, isolation_level=None)) as written:
            written.execute("VACUUM")
        write_file(suite_path(copy), str(suite or "").encode())
    for left in (copy / "networks", copy / "log", copy / ".lock"):
        left.rmdir() if left.is_dir() else left.unlink(missing_ok=True)
    return target.stat().st_size


def shorten_signals(connection: Connection) -> None:
    """Keep of every stored signal the points that `keep_ends` chooses."""
    import pandas as pd

    numbers = list(connection.scalars(select(SIGNALS.c.trial).distinct()))
    kept = keep_ends(signals_frame(connection, pd.Series([str(number) for number in numbers], index=numbers)))
    connection.execute(delete(SIGNALS))
    execute(connection, insert(SIGNALS), list(pack_signals(kept)))


def pack_signals(signals: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield a row of the database for each signal; `key` is the number of its trial."""
    for _, rows in signals.groupby(["key", "name"], sort=False):
        packed = {"steps": pack("q", rows["step"].tolist()), "values": pack("d", rows["value"].tolist())}
        yield {"trial": int(rows["key"].iloc[0]), "name": rows["name"].iloc[0], **packed}


def keep_ends(signals: pd.DataFrame) -> pd.DataFrame:
    """Return of each signal (key, name, step, value) its first point, its last, and the one of the largest magnitude.

    They say whether the signal exploded, and where it ended. A NaN is never the largest.
    """
    series = ["key", "name"]
    size = signals["value"].abs().fillna(-1.0)
    largest = size.groupby([signals[name] for name in series], sort=False).idxmax()
    ends = ~signals.duplicated(series) | ~signals.duplicated(series, keep="last") | signals.index.isin(largest)
    return signals[ends]
