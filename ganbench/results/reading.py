"""Frames read from a results database."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Select, Table, func, select

from ganbench.api.records import Calibration
from ganbench.results.choices import read_reported
from ganbench.results.database import connect, gc_paused, transaction
from ganbench.results.files import database_path
from ganbench.results.frames import CALIBRATED, LABELS, TRIAL_COLUMNS, Frames
from ganbench.results.history import read_runs
from ganbench.results.integrity import explaining_bad_cells, refuse_many, refuse_odd_rows
from ganbench.results.schema import (
    BATCHES,
    CALIBRATIONS,
    LONGEST_ERROR,
    PLAN,
    PROFILES,
    PROTOCOLS,
    RECORDS,
    RUNS,
    SIGNALS,
    TRIALS,
)
from ganbench.results.scores import scores_frame
from ganbench.results.series import Build, StoredSeries, profiles_frame, signals_frame

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

MOST_AT_ONCE = 5_000
"""Signals and profiles that are read with the trials: of 200 points each, a fifth of a second."""


@contextmanager
def open_folder(folder: Path) -> Iterator[Connection]:
    """Yield a connection to a results folder that is only read; raise GanbenchError for its faults."""
    file = database_path(folder)
    engine = connect(file, readonly=True)
    try:
        with transaction(engine, file) as connection, explaining_bad_cells(file), gc_paused():
            yield connection
    finally:
        engine.dispose()


def build_frames(
    connection: Connection, file: Path, *, everything: bool, signals: bool, at_once: bool = False
) -> Frames:
    """Return the frames of the newest plan; with `everything`, of all other recorded trials as well.

    Where there are many `signals`, they are read from the database `file` when they are asked for, or `at_once`.
    """
    newest = connection.scalar(select(func.max(RUNS.c.id)))
    refuse_many(count_rows(connection, PLAN, PLAN.c.run == newest), "trial", file)
    suite = connection.scalar(select(RUNS.c.suite).where(RUNS.c.id == newest)) or ""
    trials = trials_frame(connection, newest, everything)
    keys = trials.drop_duplicates("id").set_index("id")["key"]
    asked = keys if signals else keys.iloc[:0]
    few = not signals or count_rows(connection, SIGNALS) + count_rows(connection, PROFILES) <= MOST_AT_ONCE

    def read_series(build: Build, name: str) -> pd.DataFrame | StoredSeries:
        if few or at_once:
            return build(connection, asked)
        return StoredSeries(
            partial(open_folder, file.parent), asked, build, partial(refuse_odd_rows, name=name, file=file)
        )

    return Frames(
        trials=trials[list(TRIAL_COLUMNS)],
        scores=scores_frame(connection, keys, list_shortages(trials)),
        signals=read_series(signals_frame, "signals"),
        profiles=read_series(profiles_frame, "profiles"),
        suite=suite,
        calibration=calibration_frame(connection, newest, everything),
        runs=read_runs(connection),
    )


def count_rows(connection: Connection, table: Table, *conditions: ColumnElement[bool]) -> int:
    """Return how many rows of a table fulfil the conditions."""
    return connection.scalar(select(func.count()).select_from(table).where(*conditions)) or 0


def split_tuning(frames: Frames) -> Frames:
    """Return frames with the trials of configurations under `tuning`, if the newest run reports chosen ones."""
    reported = read_reported(frames.runs)
    if not reported:
        return frames
    is_reported = frames.trials["method"].isin(reported)
    tuning, report = (set(frames.trials.loc[rows, "key"]) for rows in (~is_reported, is_reported))
    return frames.take(report).change(tuning=frames.take(tuning))


def trials_frame(connection: Connection, newest: int | None, everything: bool) -> pd.DataFrame:
    """Return a row for each planned trial, in the plan's order, then the others in the order they were stored."""
    import pandas as pd

    asked = TRIALS.c["id", "key", "seed", "generator_steps", "batch_size"]
    error = func.substr(RECORDS.c.error, 1, LONGEST_ERROR).label("error")  # earlier versions stored longer ones
    columns = [*asked, error, *RECORDS.c["batch", "status", "diverged_at", "seconds", "updates", "code"]]
    joined = PLAN.join(TRIALS, TRIALS.c.id == PLAN.c.trial).outerjoin(RECORDS, RECORDS.c.trial == TRIALS.c.id)
    planned = select(*columns, *PLAN.c[LABELS], PLAN.c.code.label("planned")).select_from(joined)
    planned = planned.where(PLAN.c.run == newest).order_by(PLAN.c.position)
    frame = read_query(connection, planned)
    if everything or newest is None:
        in_plan = select(PLAN.c.trial).where(PLAN.c.run == newest)
        rest = select(*columns, *RECORDS.c[LABELS]).join(RECORDS, RECORDS.c.trial == TRIALS.c.id)
        others = read_query(connection, rest.where(TRIALS.c.id.not_in(in_plan)).order_by(TRIALS.c.id))
        if frame.empty:
            frame = others.assign(planned=None)
        elif len(others):  # an empty frame would turn whole numbers into floats
            frame = pd.concat([frame, others], ignore_index=True)
    return unpack_cells(connection, frame)


def unpack_cells(connection: Connection, frame: pd.DataFrame) -> pd.DataFrame:
    """Add the columns that come from JSON cells, from the batch, and from the comparison of plan and record."""
    seconds, updates = parse_cells(frame["seconds"]), parse_cells(frame["updates"])
    batches = {
        key: describe_batch(composition, facts) for key, composition, facts in connection.execute(select(BATCHES))
    }
    shared: list[dict[str, Any]] = [batches.get(key, {}) for key in frame["batch"].to_numpy()]
    known = frame["status"].notna()
    return frame.assign(
        planned=frame["planned"].notna(),
        stale=known & frame["planned"].notna() & (frame["planned"] != frame["code"]),
        status=frame["status"].where(known, "missing").astype("str"),
        error=frame["error"].where(known, "").astype("str"),
        code=frame["code"].where(known, "").astype("str"),
        diverged_at=frame["diverged_at"].where(known, -1).astype("int64"),
        critic_updates=number_column(updates, "critic"),
        generator_updates=number_column(updates, "generator"),
        samples=number_column(updates, "critic") * frame["batch_size"],
        flops=number_column(updates, "flops"),
        seconds_train=number_column(seconds, "train"),
        seconds_evaluate=number_column(seconds, "evaluate"),
        mode=[facts.get("mode", "") for facts in shared],
        members=number_column(shared, "members"),
        device=[facts.get("device", "") for facts in shared],
        not_scored=[facts.get("not_scored", ()) for facts in shared],
    )


def list_shortages(trials: pd.DataFrame) -> set[tuple[str, int]]:
    """Return the keys and steps of the trials whose batch noted that memory ran out when it was evaluated there."""
    pairs = zip(trials["key"], trials["not_scored"], strict=True)
    return {(key, step) for key, steps in pairs for step in steps}


def parse_cells(cells: pd.Series[Any]) -> list[dict[str, Any]]:
    """Return the JSON of each cell, every distinct text parsed once; an empty mapping for a cell without text."""
    texts = [cell for cell in cells.unique() if isinstance(cell, str)]
    parsed = json.loads(f"[{','.join(texts)}]")  # in one call, four times as fast
    known = dict(zip(texts, parsed if len(parsed) == len(texts) else map(json.loads, texts), strict=True))
    return [known.get(cell, {}) for cell in cells.to_numpy()]


def number_column(rows: list[dict[str, Any]], name: str) -> NDArray[np.float64]:
    """Return one number of each row, NaN where it has none; raise TypeError or ValueError for what is no number."""
    import numpy as np

    return np.array([float(row.get(name, np.nan)) for row in rows], dtype=np.float64)


def describe_batch(composition: str, facts: str) -> dict[str, Any]:
    """Return what tables show of a batch: mode (and precision), device, and how many members trained together."""
    found = json.loads(facts) | json.loads(composition)
    members = found.get("members", "nan")
    precision = f" in {found['precision']}" if "precision" in found else ""
    return {
        "mode": str(found.get("mode", "")) + precision,
        "device": str(found.get("device", "")),
        "not_scored": [int(step) for step in found.get("not_scored", ())],
        "members": len(members) if isinstance(members, list) else float(members),
    }


def calibration_frame(connection: Connection, newest: int | None, everything: bool) -> pd.DataFrame:
    """Return the baseline scores by the newest run's protocols; with `everything`, by those of older runs too."""
    joined = PROTOCOLS.join(CALIBRATIONS, CALIBRATIONS.c.protocol == PROTOCOLS.c.protocol)
    wanted = select(PROTOCOLS.c.dataset, *CALIBRATIONS.c[CALIBRATED]).select_from(joined)
    if not everything:
        wanted = wanted.where(PROTOCOLS.c.run == newest)
    order = (PROTOCOLS.c.run.desc(), PROTOCOLS.c.dataset, CALIBRATIONS.c.position)
    frame = read_query(connection, wanted.order_by(*order)).drop_duplicates(
        ["dataset", "sampler", "name", "measurement"]
    )
    return frame.astype({"value": "float64"}).reset_index(drop=True)


def read_calibration(connection: Connection, protocol: str) -> list[Calibration]:
    """Return the scores of the untrained baselines under one protocol."""
    wanted = select(*CALIBRATIONS.c[CALIBRATED]).where(CALIBRATIONS.c.protocol == protocol)
    rows = connection.execute(wanted.order_by(CALIBRATIONS.c.position)).mappings()
    return [Calibration(**{**row, "value": math.nan if row["value"] is None else row["value"]}) for row in rows]


def read_query(connection: Connection, statement: Select[Any]) -> pd.DataFrame:
    """Return the answer to a query as a frame."""
    import pandas as pd

    result = connection.execute(statement)
    names = list(result.keys())
    columns = list(zip(*result.all(), strict=True)) or [()] * len(names)
    return pd.DataFrame(dict(zip(names, columns, strict=True)))  # ten times faster than from rows
