"""How stable a ranking is: the ranks of methods on resamples of whole units."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ganbench.statistics.bootstrap import RESAMPLES
from ganbench.statistics.interquartile import draw_units
from ganbench.statistics.intervals import FEWEST_UNITS, NO_INTERVAL, Interval


class RankStability(NamedTuple):
    """The rank of a method, the share of resamples in which it is first, and the range of its rank in 95% of them."""

    rank: float
    first: float
    interval: Interval


def rank_stability(
    values: ArrayLike, units: ArrayLike, level: float = 0.95, *, resamples: int = RESAMPLES, seed: int = 0
) -> list[RankStability]:
    """Return the stability of each method's rank by its mean value, where the highest mean has rank 1.

    `values` [methods, n] are finite numbers such as successes, 0 or 1, on the same n cells; `units` [n] names the unit
    of each cell. Whole units are resampled, and all methods on the same ones. Methods with equal means share their
    ranks, and the first place. The range is NaN, and `first` too, for fewer than six units. The resamples are seeded.
    """
    table, codes = np.asarray(values, float), pd.factorize(np.asarray(units))[0]
    count = int(codes.max(initial=-1)) + 1
    sums = np.stack([np.bincount(codes, row, minlength=count) for row in table])  # [methods, units]
    whole = rank_highest_first(sums.sum(axis=1)[None])[0]
    if count < FEWEST_UNITS:
        return [RankStability(float(rank), np.nan, NO_INTERVAL) for rank in whole]
    totals = np.concatenate([times @ sums.T for times in draw_units(count, resamples, seed, count)])
    ranks, tops = rank_highest_first(totals), totals == totals.max(axis=1, keepdims=True)
    firsts = (tops / tops.sum(axis=1, keepdims=True)).mean(axis=0)
    ends = np.quantile(ranks, [(1 - level) / 2, (1 + level) / 2], axis=0, method="inverted_cdf")
    return [
        RankStability(float(rank), float(first), Interval(float(low), float(high)))
        for rank, first, low, high in zip(whole, firsts, *ends, strict=True)
    ]


def rank_highest_first(totals: np.ndarray) -> np.ndarray:
    """Return the ranks within each row, 1 for the highest; equal values share the mean of their ranks."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(-totals, axis=1), float)
