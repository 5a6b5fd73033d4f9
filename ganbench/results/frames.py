"""Results as tidy pandas frames, for statistics, reports and notebooks."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, func, select

from ganbench.api.metrics import metric_title
from ganbench.api.records import TRAINED, UNTRAINED, Calibration
from ganbench.escaping import html_table
from ganbench.results.contents import Contents, make_contents, make_rules
from ganbench.results.history import Run, read_runs
from ganbench.results.schema import (
    BATCHES,
    CALIBRATIONS,
    LONGEST_ERROR,
    PLAN,
    PROTOCOLS,
    RECORDS,
    RUNS,
    SCORES,
    TRIALS,
)
from ganbench.results.series import empty_profiles, profiles_frame, signals_frame

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

LABELS = ("dataset", "architecture", "method")
TRIAL_COLUMNS = (
    *("key", *LABELS, "seed", "planned", "status", "error", "diverged_at", "stale", "code"),
    *("generator_steps", "batch_size", "critic_updates", "generator_updates", "samples", "flops"),
    *("seconds_train", "seconds_evaluate", "mode", "members", "device"),
)
COSTS = {
    "cost.flops": "flops",
    "cost.samples": "samples",
    "cost.critic-updates": "critic_updates",
    "cost.generator-updates": "generator_updates",
    "cost.seconds-train": "seconds_train",
}
"""The values that say what a trial cost, with the columns of the trials that have them."""
FRAMES = (
    "Frames: .trials, .scores, .signals, .profiles, .calibration, .architectures, .methods, .rules; "
    "tables: ganbench.report.make_tables."
)
CALIBRATED = ("sampler", "trivial", "name", "value", "direction", "measurement", "samples")


def empty_calibration() -> pd.DataFrame:
    """Return an empty frame of baseline scores."""
    import pandas as pd

    return pd.DataFrame(columns=["dataset", *CALIBRATED])


@dataclass(frozen=True, kw_only=True, eq=False)
class Frames:
    """The results of a suite.

    `trials`: one row per planned trial (`TRIAL_COLUMNS`). `status` is completed, diverged, failed, timed-out, or
    missing where nothing is recorded yet. `diverged_at` is the update (of either player) at which a loss or a weight
    became non-finite, else -1. `stale`: the record was made by other code than the plan's. `samples`: real samples
    shown to the critic. `flops`: as torch counts them (`engine.flops`). `seconds_*`: the batch's wall times over its
    members.
    `scores`: key, step, name, value, direction, measurement, samples, fresh, not_scored; in the order of steps. Rows
    with `fresh` are not part of a trial's series: they score its best snapshots on samples that did not choose them
    (`series` is without them). `not_scored`: the value is NaN because memory ran out, whatever the model is.
    `signals`: key, name, step, value; empty if they were not asked for, and then no trial is known to have exploded.
    `profiles`: key, step, name, measurement, x, y (NaN for a profile along one axis), value; read as signals are.
    `calibration`: dataset, sampler, trivial, name, value, direction, measurement, samples: the scores of the untrained
    baselines by the newest run's protocols, the real data (not `trivial`) first.
    `suite` is the text of the newest run's suite, `runs` the runs of the folder (`ganbench.results.history`), the
    oldest first.
    `read_contents` returns what the trials consist of (`ganbench.results.contents`); it is called when `architectures`
    or `methods` is first asked for, because that reads the folder again.
    """

    trials: pd.DataFrame
    scores: pd.DataFrame
    signals: pd.DataFrame
    suite: str = ""
    calibration: pd.DataFrame = field(default_factory=empty_calibration)
    profiles: pd.DataFrame = field(default_factory=empty_profiles)
    runs: tuple[Run, ...] = ()
    read_contents: Callable[[], Contents] = make_contents

    @cached_property
    def contents(self) -> Contents:
        """The frames `architectures` and `methods`, read from the folder when they are first asked for."""
        return self.read_contents()

    @property
    def architectures(self) -> pd.DataFrame:
        """A row per dataset and architecture: both as in `trials`, space, words, and a column for each factor.

        `words` describe the architecture, as in "G 4x64 tanh, D 2x128 relu". The factors are those of its spec, and the
        options of its space that were given; nested ones are named `generator.depth`, and lists are JSON text.
        """
        return self.contents.architectures

    @property
    def methods(self) -> pd.DataFrame:
        """A row per method: its name as in `trials`, and a column for each part of its recipe and each option of one.

        Columns are named `loss`, `critic_optimizer.lr`, `gradient-penalty.weight`. A cell is empty where the method has
        no such part, where the option has its offer's default, or where it is not the same on every architecture.
        """
        return self.contents.methods

    @cached_property
    def rules(self) -> pd.DataFrame:
        """A row per [[success]] table of the suite, in its order, with a column for each key; lists are JSON text."""
        return make_rules(self.suite)

    @cached_property
    def series(self) -> pd.DataFrame:
        """The scores along every trial's training: one value of a metric at a snapshot."""
        return self.scores[~self.scores["fresh"]]

    @cached_property
    def keys(self) -> pd.Index[str]:
        """The distinct keys of `trials`, in their order."""
        import pandas as pd

        return pd.Index(self.trials["key"].unique())

    def numbers(self, keys: pd.Series[str]) -> NDArray[np.intp]:
        """Return the numbers of trials, faster to compare than keys: a key's place in `keys`, -1 where it has none."""
        import pandas as pd

        return self.keys.get_indexer(pd.Index(keys))

    @cached_property
    def measured(self) -> dict[tuple[str, str], pd.DataFrame]:
        """The scores by name and measurement, each with the `number` of its trial (-1: not among them)."""
        scores = self.scores.assign(number=self.numbers(self.scores["key"]))
        groups: dict[Any, pd.DataFrame] = dict(iter(scores.groupby(["name", "measurement"], sort=False)))
        return groups

    def _repr_html_(self) -> str:
        """Return a plain HTML table for a notebook: the outcomes of each method's trials."""
        statuses = (*TRAINED, *UNTRAINED, "missing")
        counts = {name: self.trials["status"] == name for name in statuses}
        shown = self.trials[["dataset", "method"]].assign(trials=1, **counts)
        columns = ["trials", *statuses]
        table = shown.groupby(["dataset", "method"], sort=False)[columns].sum().reset_index().astype("str")
        units = f"{self.trials['architecture'].nunique()} architectures, {self.trials['seed'].nunique()} seeds"
        scores = metric_title(", ".join(self.scores["name"].drop_duplicates()))
        head = [name.replace("-", " ") for name in table.columns]
        notes = (f"{units}. Scores: {scores or 'none yet'}.", FRAMES)
        return html_table("ganbench results", head, table.to_numpy().tolist(), notes)


def build_frames(connection: Connection, *, everything: bool, signals: bool) -> Frames:
    """Return the frames of the newest plan; with `everything`, of all other recorded trials as well."""
    newest = connection.scalar(select(func.max(RUNS.c.id)))
    suite = connection.scalar(select(RUNS.c.suite).where(RUNS.c.id == newest)) or ""
    trials = trials_frame(connection, newest, everything)
    keys = trials.drop_duplicates("id").set_index("id")["key"]
    return Frames(
        trials=trials[list(TRIAL_COLUMNS)],
        scores=scores_frame(connection, keys, list_shortages(trials)),
        signals=signals_frame(connection, keys if signals else keys.iloc[:0]),
        profiles=profiles_frame(connection, keys if signals else keys.iloc[:0]),
        suite=suite,
        calibration=calibration_frame(connection, newest, everything),
        runs=read_runs(connection),
    )


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
    known = {cell: json.loads(cell) for cell in cells.unique() if isinstance(cell, str)}
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


def scores_frame(connection: Connection, keys: pd.Series[str], shortages: Container[tuple[str, int]]) -> pd.DataFrame:
    """Return every score of these trials, in the order of steps; a NaN at one of `shortages` could not be measured."""
    frame = read_query(connection, select(SCORES).order_by(SCORES.c.trial, SCORES.c.step))
    frame = frame[frame["trial"].isin(keys.index)].reset_index(drop=True)
    frame = frame.assign(
        key=frame["trial"].map(keys).astype("str"),
        value=frame["value"].astype("float64"),
        fresh=frame["fresh"].astype("bool"),
    )
    short = frame["value"].isna().to_numpy(copy=True)
    short[short] = [place in shortages for place in zip(frame["key"][short], frame["step"][short], strict=True)]
    frame["not_scored"] = short
    return frame[["key", "step", "name", "value", "direction", "measurement", "samples", "fresh", "not_scored"]]


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
