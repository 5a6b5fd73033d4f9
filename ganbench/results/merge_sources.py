"""The sources of a merge: results folders, each read from a private copy of its database, checked as a reader does."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, StaticPool, create_engine, select

from ganbench.api.trials import digest
from ganbench.errors import GanbenchError
from ganbench.results import guard, migrations
from ganbench.results.database import transaction
from ganbench.results.files import find_database
from ganbench.results.history import Run
from ganbench.results.integrity import explaining_bad_cells, refuse_odd_cells
from ganbench.results.reading import build_frames
from ganbench.results.rows import iterate_rows
from ganbench.results.schema import BATCHES, RECORDS, RUNS, SCHEMA, SCORES, TRIALS


class StoredRecord(NamedTuple):
    """A record of a source: its trial's number there, what decides whether another one equals it, and its run."""

    trial: int
    seed: int
    code: str
    status: str
    diverged_at: int
    network: str
    dataset: str
    architecture: str
    method: str
    started: str

    @property
    def title(self) -> str:
        """The trial in words."""
        return f"{self.method} on {self.dataset}, {self.architecture}, seed {self.seed}"


@dataclass(frozen=True, eq=False)
class Source:
    """A results folder that is merged: a connection to a copy of its database, its records by key, and its runs."""

    folder: Path
    connection: Connection
    records: Mapping[str, StoredRecord]
    runs: Sequence[Run] = ()

    def read_scores(self, key: str) -> dict[tuple[int, str, str, bool], float | None]:
        """Return the scores of a recorded trial by step, name, measurement and fresh; None for a NaN."""
        wanted = select(*SCORES.c["step", "name", "measurement", "fresh", "value"])
        rows = self.connection.execute(wanted.where(SCORES.c.trial == self.records[key].trial))
        return {(step, name, measurement, fresh): value for step, name, measurement, fresh, value in rows}


@contextmanager
def open_source(folder: Path) -> Iterator[Source]:
    """Yield a results folder as the source of a merge; raise GanbenchError for one that may not be read as it is.

    That is one of another version, one that ganbench did not write, and one with cells that it never writes.
    """
    file = find_database(folder)
    with closing(copy_database(folder, file)) as copy:
        engine = create_engine("sqlite://", creator=lambda: copy, poolclass=StaticPool)
        with transaction(engine, file) as connection:
            with explaining_bad_cells(file):
                frames = build_frames(connection, file, everything=True, signals=True, at_once=True)
                refuse_odd_cells(frames, file)
                check_contents(connection)
                records = read_records(connection)
                runs = frames.runs
                del frames
            yield Source(folder, connection, records, runs)


def copy_database(folder: Path, file: Path) -> sqlite3.Connection:
    """Return a connection to a private copy of a folder's database, so that a run into the folder is not held up."""
    try:
        with closing(guard.open_database(file, "ro")) as link:
            copy, version = migrations.private_copy(link, file)
    except sqlite3.Error as error:
        raise GanbenchError(f"{file}: cannot be read ({error}). Check that it is whole.") from None
    if version == str(SCHEMA):
        return copy
    copy.close()
    if migrations.is_older(version):
        raise GanbenchError(
            f"{file}: its schema version is {version}. `ganbench migrate {folder} COPY` makes a copy in "
            "today's schema: merge that one."
        )
    raise GanbenchError(f"{file}: {migrations.explain_version(version)}")


def check_contents(connection: Connection) -> None:
    """Raise ValueError unless every trial's content is the one of its key."""
    for rows in iterate_rows(connection, select(TRIALS.c.key, TRIALS.c.content)):
        for key, content in rows:
            if sha256(content.encode()).hexdigest() != key and digest(json.loads(content)) != key:
                raise ValueError(f"the content of trial {key[:8]} was altered: it is not that of its key")


def read_records(connection: Connection) -> dict[str, StoredRecord]:
    """Return the records of a source by key, in the order in which their trials were planned."""
    started = {run.id: run.started for run in connection.execute(select(RUNS.c.id, RUNS.c.started))}
    runs = {batch.id: json.loads(batch.facts).get("run") for batch in connection.execute(select(BATCHES))}
    columns = RECORDS.c["code", "status", "diverged_at", "network", "dataset", "architecture", "method"]
    wanted = select(TRIALS.c.id, TRIALS.c.seed, *columns, TRIALS.c.key, RECORDS.c.batch)
    rows = connection.execute(wanted.join(RECORDS, RECORDS.c.trial == TRIALS.c.id).order_by(TRIALS.c.id))
    records: dict[str, StoredRecord] = {}
    for row in rows:
        run = runs.get(row.batch)
        began = started.get(run, "") if isinstance(run, int) else ""
        records[row.key] = StoredRecord(
            trial=row.id,
            seed=row.seed,
            code=row.code,
            status=row.status,
            diverged_at=row.diverged_at,
            network=row.network,
            dataset=row.dataset,
            architecture=row.architecture,
            method=row.method,
            started=began,
        )
    return records


def find_difference(a: Source, b: Source, key: str) -> str:
    """Return in words how two sources' records of a trial differ, "" where they are equal.

    Scores that only one of them has, errors, times and machines make no difference.
    """
    one, other = a.records[key], b.records[key]
    if one.code != other.code:
        return "trained by other code"
    if one.status != other.status:
        return f"{one.status} and {other.status}"
    if one.diverged_at != other.diverged_at:
        return f"diverged at update {one.diverged_at} and at {other.diverged_at}"
    first, second = a.read_scores(key), b.read_scores(key)
    for place in sorted(first.keys() & second.keys()):
        if first[place] != second[place]:
            step, name = place[:2]
            return f"{name} at step {step} is {show(first[place])} and {show(second[place])}"
    if one.network and other.network and one.network != other.network:
        return "other generators"
    return ""


def show(value: float | None) -> str:
    """Return a score as text in full."""
    return "undefined" if value is None else repr(float(value))
