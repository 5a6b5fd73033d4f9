"""Results folders to compare, made by hand: a suite's text, and the final FID of every method on every architecture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganbench.api.records import Record
from ganbench.api.trials import Part, Trial
from ganbench.report import Comparison, Table
from ganbench.results.store import Store

from tests.support.trials_by_hand import record, scores, trial, with_fresh_best

GOOD, BAD = 5.0, 50.0
"""A final FID that meets the rule, and one that does not."""

RULE = """
[[success]]
dataset = "ring"
metric = "fid"
thresholds = [20, 10]
primary = 10
smallest_effect = 0.1
"""
SUITE = """
question = "why?"
methods = ["a", "b"]
dataset = [{ name = "ring" }]
budget = { generator_steps = 100 }
"""


def make_folder(
    folder: Path,
    finals: Mapping[str, Sequence[float | None]],
    *,
    seeds: Sequence[int] = (0,),
    suite: str = SUITE + RULE,
    measurement: str = "m" * 64,
    early: float | None = 50.0,
    sources: Mapping[str, str] | None = None,
    data: Part | None = None,
    recipe: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Path:
    """Store results with these final FIDs, by method and architecture, and return their folder.

    A FID of None is a planned trial without a record, NaN one that diverged. `early` is the FID at the first of two
    snapshots; None for a single snapshot. `sources` are the hashes of the code, `recipe` changes every method's recipe,
    and `facts` are further facts of the batches.
    """
    plan: list[Trial] = []
    records: list[Record] = []
    for method, values in finals.items():
        for architecture, fid in enumerate(values):
            for seed in seeds:
                planned = trial(method, architecture, seed)
                planned = replace(
                    planned, dataset=data or planned.dataset, recipe=replace(planned.recipe, **(recipe or {}))
                )
                plan.append(planned)
                if fid is not None:
                    found = {"run": 1, "sources": dict(sources or {}), **(facts or {})}
                    series = scores("fid", [fid] if early is None else [early, fid], measurement=measurement)
                    own = {"diverged_at": 7} if math.isnan(fid) else {}
                    records.append(record(planned, scores=tuple(with_fresh_best(series)), facts=found, **own))
    with Store(folder) as store:
        store.begin_run(suite, plan, facts or {})
        store.append(records)
    return folder


def two_sides(place: Path, a: Sequence[float], b: Sequence[float], suite: str = SUITE + RULE) -> tuple[Path, Path]:
    """Return two folders of one suite, A and B; `a` and `b` are the final FIDs of its method "a"."""
    return make_folder(place / "A", {"a": a}, suite=suite), make_folder(place / "B", {"a": b}, suite=suite)


def find_table(comparison: Comparison, beginning: str) -> Table:
    """Return the only table of a comparison whose title begins like this."""
    (table,) = (table for table in comparison.tables if table.title.startswith(beginning))
    return table
