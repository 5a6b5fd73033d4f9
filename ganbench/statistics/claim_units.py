"""Whether a claim holds for each unit of its trials, and what was measured there."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganbench.statistics.claim_series import converges, cycles, diverges, holds_rank, rank_correlation
from ganbench.statistics.intervals import FEWEST_UNITS, Interval, quantile
from ganbench.statistics.outcome_table import trial_outcomes
from ganbench.statistics.quantities import Quantity, find_places, find_trials, read_quantity, read_series
from ganbench.suite import conditions
from ganbench.suite.claims import ClaimTable, SideTable

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

STRENGTH = 0.5
"""The rank correlation that a claim must exceed, unless it says otherwise."""

Holds = bool | None
Cells = dict[tuple[str, int], tuple[Holds, float]]
"""By (architecture, seed): whether the claim holds, None if that is unknown, and what was measured."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A claim by unit: `units` has the columns holds (1, 0, or NaN if unknown) and value, a row per unit.

    A claim along trials has no units of its own but `estimate`, `interval` and `p_values` (for, against) of all
    together. `reason` says why nothing can be judged.
    """

    dataset: str
    method: str
    units: pd.DataFrame
    estimate: float | None = None
    interval: Interval | None = None
    p_values: tuple[float, float] | None = None
    reason: str = ""


def judge_cells(frames: Frames, claim: ClaimTable) -> Judged:
    """Return whether a claim holds for each unit: by the majority of its seeds, and their median value."""
    dataset = claim.dataset or _only(frames.trials["dataset"])
    places = find_places(frames, dataset, claim.where)
    method = claim.method or _only(places["method"])
    own = Quantity(
        dataset=dataset,
        method=method,
        value=claim.value or "",
        at=claim.at,
        position=claim.position,
        where=claim.where,
    )
    if claim.test == "correlates" and claim.along == "trials":
        return _judge_trials(frames, claim, own)
    several = places["architecture"].nunique() > 1
    rows = pd.DataFrame(
        [
            {"unit": architecture if several else str(seed), "holds": _to_float(holds), "value": value}
            for (architecture, seed), (holds, value) in JUDGES[claim.test](frames, claim, own).items()
        ],
        columns=["unit", "holds", "value"],
    )
    units = rows.groupby("unit", sort=False).agg({"holds": _majority, "value": _median}).astype("float64")
    return Judged(dataset=dataset, method=method, units=units)


def _only(names: pd.Series[str]) -> str:
    """Return the only name; planning has refused a claim that leaves one of several open."""
    return str(names.iloc[0]) if len(names) else ""


def _to_float(holds: Holds) -> float:
    return math.nan if holds is None else float(holds)


def _majority(holds: pd.Series[float]) -> float:
    """Return 1 or 0 as most seeds of a unit have it; NaN if those that are unknown, or a tie, leave it open."""
    yes, no = int((holds == 1).sum()), int((holds == 0).sum())
    return 1.0 if 2 * yes > len(holds) else 0.0 if 2 * no > len(holds) else math.nan


def _median(values: pd.Series[float]) -> float:
    known = values.dropna().to_numpy(float)
    return quantile(known, 0.5) if len(known) else math.nan


def other_side(own: Quantity, side: SideTable) -> Quantity:
    """Return the quantity that a claim compares with: its own, but for what the side says."""
    return replace(own, **side.model_dump(exclude_none=True))


# one number of each trial


def _judge_pairs(frames: Frames, claim: ClaimTable, own: Quantity) -> Cells:
    """Return for each cell whether one value is less, greater or within a tolerance, and by how much."""
    other = read_quantity(frames, other_side(own, claim.than)) if claim.than is not None else None
    cells: Cells = {}
    for cell, a in read_quantity(frames, own).items():
        b = claim.target if other is None else other.get(cell, math.nan)
        assert b is not None
        holds, difference = compare(claim, float(a), float(b))
        cells[cell] = holds, difference if other is not None or holds is None else float(a)  # type: ignore[index]
    return cells


def compare(claim: ClaimTable, a: float, b: float) -> tuple[Holds, float]:
    """Return whether a and b are as a claim says, None if one is NaN, and their difference.

    With a factor above 1 the difference is log10(a / b), for positive numbers. The difference of equal infinities is 0.
    """
    if math.isnan(a) or math.isnan(b):
        return None, math.nan
    difference = 0.0 if a == b else a - b
    if claim.test == "within":
        assert claim.tolerance is not None
        return abs(difference) <= claim.tolerance * (abs(b) if claim.relative else 1.0), difference
    factor = claim.factor or 1.0
    if factor > 1 and min(a, b) > 0 and a != b:
        difference = math.log10(a) - math.log10(b)
    small, large = (a, b) if claim.test == "less" else (b, a)
    return small * factor < large if factor > 1 else small < large, difference


def _judge_rates(frames: Frames, claim: ClaimTable, own: Quantity) -> Cells:
    """Return for each cell whether its condition is true, or its outcome occurred."""
    trials = find_trials(frames, own)
    cells = list(zip(trials["architecture"], trials["seed"], strict=True))
    if claim.outcome is not None:
        found = _list_outcomes(frames, claim.outcome, trials["key"])
    else:
        condition = conditions.parse(claim.condition or "")
        values = {name: read_quantity(frames, replace(own, value=name)) for name in condition.names}
        numbers = ({name: float(values[name].get(cell, math.nan)) for name in values} for cell in cells)
        found = [_is_true(condition, each) for each in numbers]
    return {cell: (holds, _to_float(holds)) for cell, holds in zip(cells, found, strict=True)}


def _list_outcomes(frames: Frames, outcome: str, keys: pd.Series[str]) -> list[Holds]:
    """Return for each trial whether an outcome occurred; None where it is not known."""
    column = trial_outcomes(frames)[outcome].reindex(keys)
    if outcome == "diverged":
        return [bool(diverged) for diverged in column]
    return [None if math.isnan(step) else math.isfinite(step) for step in column]


def _is_true(condition: conditions.Condition, values: dict[str, float]) -> Holds:
    return None if any(map(math.isnan, values.values())) else bool(condition.holds(values))


# a series of each trial


def _judge_series(frames: Frames, claim: ClaimTable, own: Quantity) -> Cells:
    """Return for each cell whether its series converges, diverges or cycles, and its last value."""
    target = claim.target or 0.0
    tests: dict[str, Callable[[NDArray[np.float64]], bool]] = {
        "converges": lambda values: converges(values, target, claim.tolerance or 0.0),
        "diverges": lambda values: diverges(values, target, claim.factor or 1.0),
        "cycles": lambda values: cycles(values, claim.tolerance or 0.0),
    }
    diverged = trial_outcomes(frames)["diverged"]
    cells: Cells = {}
    for cell, key, values in _list_series(frames, own):
        if bool(diverged.get(key, False)):
            cells[cell] = claim.test == "diverges", math.inf
        elif not len(values):
            cells[cell] = None, math.nan
        else:
            cells[cell] = tests[claim.test](values), float(values[-1])
    return cells


def _list_series(frames: Frames, own: Quantity) -> Iterator[tuple[tuple[str, int], str, NDArray[np.float64]]]:
    """Yield (architecture, seed), key and the values of the series of each recorded trial; empty if there are none."""
    rows = read_series(frames, own)
    series = {str(key): group["value"].to_numpy(float) for key, group in rows.groupby("key")}
    trials = find_trials(frames, own)
    for architecture, seed, key in zip(trials["architecture"], trials["seed"], trials["key"], strict=True):
        yield (architecture, seed), key, series.get(key, np.empty(0))


def _judge_ranks(frames: Frames, claim: ClaimTable, own: Quantity) -> Cells:
    """Return for each cell whether its rank correlation is as the claim says, and the correlation."""
    assert claim.direction is not None
    strength = STRENGTH if claim.strength is None else claim.strength
    cells: Cells = {}
    for cell, first, second in _list_pairs(frames, claim, own):
        correlation = rank_correlation(first, second)
        cells[cell] = holds_rank(correlation, claim.direction, strength), correlation
    return cells


def _list_pairs(
    frames: Frames, claim: ClaimTable, own: Quantity
) -> Iterator[tuple[tuple[str, int], NDArray[np.float64], NDArray[np.float64]]]:
    """Yield for each cell the two series whose ranks are correlated; of `monotone` the first is the place in order."""
    tables = [_spread(frames, claim, own)]
    if claim.than is not None:
        tables.append(_spread(frames, claim, other_side(own, claim.than)))
    if claim.runs_along == "step":  # signals are stored at steps of their own
        snapshots = min((table.columns for table in tables), key=len)
        tables = [table.reindex(columns=snapshots, method="ffill") for table in tables]
    columns = [column for column in tables[0].columns if column in tables[-1].columns]
    order = np.arange(len(columns), dtype=float)
    for cell in tables[0].index:
        first, last = (table[columns].reindex([cell]).to_numpy(float)[0] for table in (tables[0], tables[-1]))
        yield cell, first if claim.test == "correlates" else order, last


def _spread(frames: Frames, claim: ClaimTable, side: Quantity) -> pd.DataFrame:
    """Return one side's values: a row per cell, and a column for each place that the claim runs along, in order."""
    if claim.order:
        key = "dataset" if claim.along == "datasets" else "method"
        series = {name: read_quantity(frames, replace(side, **{key: name})) for name in claim.order}  # type: ignore[arg-type]
        return pd.DataFrame(series, columns=list(claim.order))
    rows, column = read_series(frames, side), "step"
    if claim.along == "position":
        rows, column = at_step(rows, side.at), "x"
    spread: pd.DataFrame = rows.groupby(["architecture", "seed", column])["value"].mean().unstack()
    cells = find_trials(frames, side)[["architecture", "seed"]]
    return spread.reindex(pd.MultiIndex.from_frame(cells))


def at_step(rows: pd.DataFrame, at: str | int) -> pd.DataFrame:
    """Return the rows of one snapshot of each trial: the first, the last, or the last one up to a step."""
    known = rows if isinstance(at, str) else rows[rows["step"] <= at]
    chosen = known.groupby("key")["step"].transform("min" if at == "first" else "max")
    return known[known["step"] == chosen]


# all trials together


def _judge_trials(frames: Frames, claim: ClaimTable, own: Quantity) -> Judged:
    """Return the rank correlation of two values over the units, with its interval and p-values.

    The interval is Fisher's, with the variance 1.06 / (n - 3) of Spearman's correlation (E. C. Fieller, H. O. Hartley,
    E. S. Pearson, Biometrika 44, 1957); the p-values are those of a correlation at the claim's strength.
    """
    from scipy.special import ndtr

    strength = STRENGTH if claim.strength is None else claim.strength
    assert claim.than is not None
    sides = {"a": own, "b": other_side(own, claim.than)}
    both = pd.DataFrame({name: read_quantity(frames, side) for name, side in sides.items()})
    level = "architecture" if both.index.get_level_values("architecture").nunique() > 1 else "seed"
    table = both.groupby(level=level).agg(_median)
    n = int(table.notna().all(axis=1).sum())
    blank = Judged(dataset=own.dataset, method=own.method, units=pd.DataFrame(columns=["holds", "value"]))
    if n < FEWEST_UNITS:
        return replace(blank, reason=f"a correlation over trials needs {FEWEST_UNITS} units, and {n} have both values")
    rho = rank_correlation(table["a"], table["b"])
    spread, z = math.sqrt(1.06 / (n - 3)), math.atanh(min(max(rho, -0.999999), 0.999999))
    ends = Interval(math.tanh(z - 1.959964 * spread), math.tanh(z + 1.959964 * spread))
    limit = math.atanh(strength)
    above, below = float(ndtr((z - limit) / spread)), float(ndtr((-z - limit) / spread))
    if claim.direction == "neither":
        p_values = max(above, below), 1 - max(above, below)
    else:
        share = above if claim.direction == "rises" else below
        p_values = 1 - share, share
    holds = holds_rank(rho, claim.direction or "rises", strength)
    units = pd.DataFrame({"holds": [_to_float(holds)] * n, "value": [rho] * n})
    return replace(blank, units=units, estimate=rho, interval=ends, p_values=p_values)


JUDGES: dict[str, Callable[[Any, ClaimTable, Quantity], Cells]] = {
    "less": _judge_pairs,
    "greater": _judge_pairs,
    "within": _judge_pairs,
    "always": _judge_rates,
    "absent": _judge_rates,
    "converges": _judge_series,
    "diverges": _judge_series,
    "cycles": _judge_series,
    "monotone": _judge_ranks,
    "correlates": _judge_ranks,
}
"""What judges each test's cells."""
