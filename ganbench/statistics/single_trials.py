"""Every trial as a row: what it is, how it ended, and what became of it; and the selection of some of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ganbench.api.records import UNTRAINED
from ganbench.errors import GanbenchError, find_reason, shorten, unknown_name
from ganbench.evaluation.outcomes import OUTCOMES
from ganbench.statistics.final_scores import split_by_measurement, trial_scores
from ganbench.statistics.outcome_table import headline_metric, trial_outcomes

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

SCORES = ("final", "best")
"""The columns of scores, which are sorted from the best one on."""


def trial_table(frames: Frames) -> pd.DataFrame:
    """Return a row per trial, in the plan's order, with these columns.

    key, dataset, method, architecture, seed: as in `frames.trials`; `words` describe the architecture.
    status: as in `frames.trials`, and "diverged" too where the trial exploded (`trial_outcomes`).
    outcomes: the outcomes that occurred, with the generator steps at which they began, as in "degraded at 120".
    metric, direction: the dataset's headline metric, that of its first success rule, else the first by name that has a
    better direction; "" and "neutral" without one.
    final, best: its final value, and the value of the best snapshot on fresh samples; NaN where the trial has none.
    error: the first line of the error of a trial that failed or timed out, else "".
    """
    trials = frames.trials
    steps = trial_outcomes(frames).reindex(trials["key"])
    words = frames.architectures.set_index(["dataset", "architecture"])["words"]
    diverged = steps["diverged"].eq(True).to_numpy() & ~trials["status"].isin(UNTRAINED).to_numpy()
    table = trials[["key", "dataset", "method", "architecture", "seed"]].assign(
        words=[words.get(pair, "") for pair in zip(trials["dataset"], trials["architecture"], strict=True)],
        status=trials["status"].mask(diverged, "diverged"),
        outcomes=[describe_outcomes(row) for row in steps[list(OUTCOMES)].to_numpy(float)],
        error=trials["error"].map(find_reason),
    )
    scores = [headline_scores(frames, dataset) for dataset in trials["dataset"].unique()]
    none = trials[["key"]].assign(metric="", direction="neutral", final=np.nan, best=np.nan)
    return table.merge(pd.concat(scores) if scores else none, on="key", how="left")


def describe_outcomes(steps: Iterable[float]) -> str:
    """Return the outcomes that occurred, in the order of `OUTCOMES`, with the steps at which they began."""
    return ", ".join(f"{name} at {step:g}" for name, step in zip(OUTCOMES, steps, strict=True) if math.isfinite(step))


def headline_scores(frames: Frames, dataset: str) -> pd.DataFrame:
    """Return the scores of a dataset's trials by its headline metric: key, metric, direction, final, best.

    Of several measurements, the one with the most scores counts.
    """
    keys = frames.trials.loc[frames.trials["dataset"] == dataset, "key"]
    scores = frames.scores[frames.scores["key"].isin(keys) & (frames.scores["direction"] != "neutral")]
    name = headline_metric(frames, dataset)
    groups = split_by_measurement(frames, name, keys)
    measurement = max(groups, key=lambda measurement: len(groups[measurement]), default=None)
    table = trial_scores(frames, dataset, name, measurement)
    if scores.empty or table.empty:
        return pd.DataFrame({"key": keys, "metric": name, "direction": "neutral", "final": np.nan, "best": np.nan})
    values = {at: table[at].where(table["scored"] & np.isfinite(table[at])) for at in SCORES}
    scored = table[["key", "direction"]].assign(**values).set_index("key").reindex(keys).reset_index()
    return scored.assign(metric=name, direction=scored["direction"].fillna(str(table["direction"].iloc[0])))


def select_trials(
    table: pd.DataFrame,
    frames: Frames,
    only: Sequence[str] = (),
    *,
    diverged: bool = False,
    failed: bool = False,
    sort: str = "",
) -> pd.DataFrame:
    """Return the rows of a `trial_table` that were asked for, in the order that was asked for.

    `only` has texts such as "method=wgan-gp" or "critic_depth=3": a column of the table, a factor of the architectures
    or an option of the methods. Several values of one name are alternatives; different names must all match; a key may
    be shortened. With `diverged` and `failed` (also timed out) only such trials are left. `sort` is a name as in
    `only`; scores are sorted from the best one on. Raise GanbenchError for an unknown name and a value no trial has.
    """
    wanted: dict[str, set[str]] = {}
    for text in only:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not value:
            raise GanbenchError(f"--only {shorten(text)}: write a name and its value, as in method=ns-gan.")
        wanted.setdefault(name, set()).add(value)
    kept = np.ones(len(table), bool)
    for name, values in wanted.items():
        column = find_values(table, frames, name, "--only")
        for value in values:
            if not any(matches(cell, value, name) for cell in column.unique()):
                known = [str(cell) for cell in column.dropna().unique()] if name != "key" else ()
                raise unknown_name(name, value, known, "--only")
        kept &= column.map(lambda cell, name=name, values=values: any(matches(cell, value, name) for value in values))
    if diverged or failed:
        statuses = ["diverged"] * diverged + [*UNTRAINED] * failed
        kept &= table["status"].isin(statuses).to_numpy()
    if sort:
        column = find_values(table, frames, sort, "--sort")
        if sort in SCORES:
            column = column * table["direction"].map({"higher": -1.0}).fillna(1.0)
        kinds = column.dropna().map(type).nunique()
        order = column.map(str, na_action="ignore") if kinds > 1 else column
        table, kept = table.loc[order.sort_values(kind="stable").index], kept[order.argsort(kind="stable")]
    return table[kept]


def find_values(table: pd.DataFrame, frames: Frames, name: str, place: str) -> pd.Series[Any]:
    """Return a column of the table, a factor of its architectures or an option of its methods, by name."""
    if name in table:
        return table[name]
    for frame, by in ((frames.architectures, ["dataset", "architecture"]), (frames.methods, ["method"])):
        if name in frame:
            joined = table[by].merge(frame[[*by, name]], on=by, how="left")
            return joined[name].set_axis(table.index)
    known = dict.fromkeys((*table, *frames.architectures, *frames.methods))
    raise unknown_name("column", name, known, place)


def matches(cell: Any, value: str, name: str) -> bool:
    """Return whether a cell is what a text says: the start of a key, a text, a number or a truth value."""
    if name == "key":
        return str(cell).startswith(value)
    if isinstance(cell, bool | np.bool_):
        return str(bool(cell)).lower() == value.lower()
    if isinstance(cell, int | float | np.number):
        try:
            return float(cell) == float(value)
        except ValueError:
            return False
    return str(cell) == value
