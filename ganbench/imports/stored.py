"""The runs that a results folder holds already, from earlier imports, and how a file's runs agree with them."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganbench.api.metrics import Direction
from ganbench.api.trials import Trial
from ganbench.errors import GanbenchError
from ganbench.imports.runs import Cell, End, Point, Run
from ganbench.results.history import IMPORT
from ganbench.results.store import Store
from ganbench.suite.loading import restore
from ganbench.suite.suite import Suite


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """A run of an earlier import: its trial, its values, how it ended, and the file that it came from.

    `declared` is whether that file declared its status.
    """

    trial: Trial
    values: Mapping[Point, float]
    end: End
    file: str
    declared: bool


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What a results folder holds of earlier imports: runs by cell, and the suite with its text as a table."""

    runs: Mapping[Cell, StoredRun] = field(default_factory=dict)
    directions: Mapping[str, Direction] = field(default_factory=dict)
    suite: Suite | None = None
    tables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def factors(self) -> dict[str, Mapping[str, Any]]:
        """The factors of each architecture, by its name."""
        return {cell.architecture: run.trial.spec for cell, run in self.runs.items()}


def read_stored(store: Store) -> Stored:
    """Return the runs of a results folder; raise GanbenchError for one whose trials ganbench has trained."""
    text = store.suite()
    if not text:
        return Stored()
    suite = restore(text)
    if not suite.imported:
        raise GanbenchError(
            f"{store.folder}: its trials were trained by ganbench, and imported runs would hide them. Name another "
            "folder by --out."
        )
    frames = store.frames(signals=False, apart=False)
    facts = {origin.key: origin.facts.get(IMPORT, {}) for origin in store.origins()}
    trials = frames.trials[frames.trials["status"] != "missing"].set_index("key")
    ends = {
        key: End(status, steps, diverged_at)
        for key, status, steps, diverged_at in zip(
            trials.index, trials["status"], trials["generator_steps"], trials["diverged_at"], strict=True
        )
    }
    values: dict[str, dict[Point, float]] = {}
    columns = (frames.scores[name].tolist() for name in ("key", "name", "step", "fresh", "value"))
    for key, name, step, fresh, value in zip(*columns, strict=True):
        values.setdefault(key, {})[Point(name, step, fresh)] = value
    runs = {}
    for trial in store.planned():
        if trial.key in ends:
            labels, fact = trial.labels, facts[trial.key]
            cell = Cell(labels["dataset"], labels["architecture"], labels["method"], trial.seed)
            runs[cell] = StoredRun(
                trial=trial,
                values=values.get(trial.key, {}),
                end=ends[trial.key],
                file=str(fact.get("file", "an earlier file")),
                declared=bool(fact.get("declared")),
            )
    distinct = frames.scores.drop_duplicates("name")
    directions: dict[str, Direction] = dict(zip(distinct["name"], distinct["direction"], strict=True))
    return Stored(runs=runs, directions=directions, suite=suite, tables=tomllib.loads(text))


def unite(run: Run, stored: StoredRun) -> Run:
    """Return a run with the values that the folder has of it too; a status that neither declares stays open."""
    status = run.status or (stored.end.status if stored.declared else "")
    return Run(
        cell=run.cell,
        values={**stored.values, **run.values},
        status=status,
        reached=max(run.reached, stored.end.last if stored.end.last > 1 else 0),
    )


def list_conflicts(run: Run, stored: StoredRun, file: str, folder: Path) -> Iterator[str]:
    """Yield how a run of a file contradicts the same run in the folder, each with its line."""
    where = f"{folder} (from {stored.file})"
    for point, value in run.values.items():
        known = stored.values.get(point, value)
        if known != value and not (math.isnan(known) and math.isnan(value)):
            title = f"{run.cell.title}: {point.title}"
            yield f"{file}:{run.lines[point]}: {title} is {show(value)} here, and {show(known)} in {where}."
    here, there = unite(run, stored).end, stored.end
    if here != there:
        yield (
            f"{file}:{run.line}: {run.cell.title}: with these rows the run {describe(here)}, and in {where} it "
            f"{describe(there)}."
        )


def show(value: float) -> str:
    """Return a value in full."""
    return "not a number" if math.isnan(value) else repr(value)


def describe(end: End) -> str:
    """Return how a run ended, in words."""
    since = f" from step {end.diverged_at} on" if end.diverged_at >= 0 else ""
    return f"ended at step {end.last} as {end.status}{since}"
