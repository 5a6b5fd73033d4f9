"""What claims and figures read of the trials: a metric's value, a signal, a profile or a cost, at one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from ganbench.api.records import TRAINED
from ganbench.errors import GanbenchError
from ganbench.results.frames import COSTS
from ganbench.statistics.final_scores import WORST, shared_measurement, split_by_measurement
from ganbench.statistics.outcome_table import trial_outcomes
from ganbench.statistics.units import find_units

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

Factor = bool | int | float | str
"""A value of a factor of architectures."""

Kind = Literal["scores", "signals", "profiles"]
SERIES_COLUMNS = ["key", "step", "x", "y", "value", "direction"]


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number of each trial: a value by name, of one method on one dataset, at a snapshot and a position.

    `at` is "first", "final", "best", "mean" (of all snapshots), or a generator step, which means the last snapshot up
    to it. `position` is the place in a profile; None for values that have none. `where`: only architectures whose
    factors have these values.
    """

    dataset: str
    method: str
    value: str
    at: str | int = "final"
    position: float | None = None
    where: Mapping[str, Factor] | None = None


def find_places(frames: Frames, dataset: str, where: Mapping[str, Factor] | None = None) -> pd.DataFrame:
    """Return the planned trials on a dataset with their `unit`: architecture, or seed if there is only one.

    With `where`, those on architectures whose factors have these values, and `architecture` is all else that is known
    of it, so that two sides of a claim that differ in these factors are paired.
    """
    here = frames.trials[frames.trials["dataset"] == dataset]
    if where:
        others = _name_others(frames.architectures, dataset, where)
        here = here.assign(architecture=here["architecture"].map(others)).dropna(subset="architecture")
    return here.assign(unit=find_units(here)) if len(here) else here.assign(unit="")


def _name_others(architectures: pd.DataFrame, dataset: str, where: Mapping[str, Factor]) -> dict[str, str]:
    """Return for each architecture that has these factors its other factors, as one text."""
    fitting = architectures["dataset"] == dataset
    for factor, value in where.items():
        fitting &= architectures[factor] == value if factor in architectures else False
    chosen = architectures[fitting]
    others = chosen.drop(columns=["dataset", "architecture", "words", *where], errors="ignore")
    return dict(zip(chosen["architecture"], others.to_json(orient="records", lines=True).splitlines(), strict=True))


def find_trials(frames: Frames, quantity: Quantity) -> pd.DataFrame:
    """Return the recorded trials of a quantity's method on its dataset: rows of `find_places`."""
    here = find_places(frames, quantity.dataset, quantity.where)
    return here[(here["method"] == quantity.method) & (here["status"] != "missing")]


def find_kind(frames: Frames, name: str) -> Kind | None:
    """Return where a value is stored: among the scores, the signals or the profiles; None if it is nowhere."""
    stored: tuple[Kind, ...] = ("scores", "signals", "profiles")
    return next((kind for kind in stored if (getattr(frames, kind)["name"] == name).any()), None)


def read_series(frames: Frames, quantity: Quantity) -> pd.DataFrame:
    """Return every stored number of a quantity's trials, at its position, in the order of steps and positions.

    Columns: those of `find_trials`, step, x and y (the position in a profile, else NaN), value, direction. Scores are
    those of the series, not the fresh ones, by the measurement that all trials share. An undefined one is the worst
    possible value, as in the tables of scores, if the value has a better direction.
    """
    name, trials = quantity.value, find_trials(frames, quantity)
    rows = _read_rows(frames, name)
    if rows is None:
        rows = pd.DataFrame(columns=SERIES_COLUMNS)
    elif find_kind(frames, name) == "scores":
        groups = split_by_measurement(frames, name, trials["key"])
        chosen = next(iter(groups)) if len(groups) == 1 else shared_measurement(groups, len(trials))
        if chosen is None and groups:
            raise GanbenchError(
                f"{name!r} on {quantity.dataset!r} was measured in {len(groups)} ways, and no way for all trials of "
                f"{quantity.method!r}. Measure them again in one way: `ganbench evaluate`."
            )
        rows = rows[rows["measurement"] == chosen]
    if quantity.position is not None:
        rows = rows[np.isclose(rows["x"].astype("float64"), quantity.position)]
    rows = rows.assign(value=rows["value"].astype("float64").fillna(rows["direction"].map(WORST)))
    columns = [column for column in trials.columns if column not in SERIES_COLUMNS or column == "key"]
    found = trials[columns].merge(rows[SERIES_COLUMNS], on="key", how="inner")
    return found.sort_values(["step", "x", "y"], kind="stable", ignore_index=True)


@lru_cache(maxsize=64)
def _read_rows(frames: Frames, name: str) -> pd.DataFrame | None:
    if name in COSTS:
        costs = frames.trials[["key", "generator_steps", COSTS[name]]].drop_duplicates("key")
        renamed = costs.rename(columns={"generator_steps": "step", COSTS[name]: "value"})
        return renamed.assign(x=np.nan, y=np.nan, direction="neutral")
    kind = find_kind(frames, name)
    if kind is None:
        return None
    rows: pd.DataFrame = frames.series if kind == "scores" else getattr(frames, kind)
    rows = rows[rows["name"] == name]
    rows = rows[~rows["not_scored"]] if kind == "scores" else rows
    missing: dict[str, Any] = {"x": np.nan, "y": np.nan, "direction": "neutral", "measurement": ""}
    return rows.assign(**{column: value for column, value in missing.items() if column not in rows.columns})


def read_quantity(frames: Frames, quantity: Quantity) -> pd.Series[float]:
    """Return a quantity of each recorded trial, indexed by its (architecture, seed).

    A trial that diverged, failed or timed out has the worst possible value if the value has a better direction. NaN
    where the value was not measured, or is undefined and has none.
    """
    trials, rows = find_trials(frames, quantity), read_series(frames, quantity)
    stored = _read_rows(frames, quantity.value)
    direction = str(stored["direction"].iloc[0]) if stored is not None and len(stored) else "neutral"
    values = _pick(rows, quantity.at, direction).reindex(trials["key"]).to_numpy(float, copy=True)
    if direction != "neutral":
        diverged = trials["key"].map(trial_outcomes(frames)["diverged"]).eq(True).to_numpy(bool)
        values[diverged | ~trials["status"].isin(TRAINED).to_numpy(bool)] = WORST[direction]
    return pd.Series(values, index=pd.MultiIndex.from_frame(trials[["architecture", "seed"]]), dtype="float64")


def _pick(rows: pd.DataFrame, at: str | int, direction: str) -> pd.Series[float]:
    """Return one value of each trial's series, by key; `rows` are in the order of steps."""
    if at == "mean":
        return rows.groupby("key")["value"].mean()
    if at == "best":
        ordered = rows.dropna(subset="value").sort_values("value", ascending=direction != "higher", kind="stable")
        return ordered.drop_duplicates("key").set_index("key")["value"]
    if at not in ("first", "final"):
        rows = rows[rows["step"] <= int(at)]
    return rows.drop_duplicates("key", keep="first" if at == "first" else "last").set_index("key")["value"]
