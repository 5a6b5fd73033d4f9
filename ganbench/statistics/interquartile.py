"""Interquartile means, and their intervals from resamples of whole units."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ganbench.statistics.bootstrap import CELLS, RESAMPLES
from ganbench.statistics.intervals import FEWEST_UNITS, NO_INTERVAL, Interval


def interquartile_mean(values: ArrayLike) -> float:
    """Return the mean of the values without the floor(n / 4) smallest and the floor(n / 4) largest.

    `values` [n] may be infinite, as for a dead trial: the mean is finite while no more than floor(n / 4) are. NaN
    without values, or if one is NaN. R. Agarwal et al., NeurIPS 2021.
    """
    ordered = np.sort(np.asarray(values, float))
    if not len(ordered) or np.isnan(ordered[-1]):
        return np.nan
    return float(weighted_means(ordered, np.ones((1, len(ordered))))[0])


def interquartile_interval(
    values: ArrayLike, units: ArrayLike, level: float = 0.95, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Return the percentile interval of an interquartile mean by the bootstrap over units, each with all its values.

    `values` [n] may be infinite; `units` [n] names the unit of each value; `level` is the confidence. An end is
    infinite if that many resamples have too many infinite values. The bootstrap is seeded. NaN for fewer than six
    units, or if a value is NaN. A. C. Davison, D. V. Hinkley, Bootstrap Methods (1997), section 3.8.
    """
    sample, codes = np.asarray(values, float), pd.factorize(np.asarray(units))[0]
    count = int(codes.max(initial=-1)) + 1
    if count < FEWEST_UNITS or np.isnan(sample).any():
        return NO_INTERVAL
    order = np.argsort(sample, kind="stable")
    draws = draw_units(count, resamples, seed, len(sample))
    means = [weighted_means(sample[order], times[:, codes[order]]) for times in draws]
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    return Interval(float(low), float(high))


def draw_units(count: int, resamples: int, seed: int, cells: int) -> Iterator[NDArray[np.int64]]:
    """Yield how often each unit is in each resample [r, count], drawn with replacement: some resamples at a time.

    `cells` is how many numbers a caller makes of each resample; no more than `CELLS` are made at once.
    """
    rng, step = np.random.default_rng(seed), max(1, CELLS // cells)
    for start in range(0, resamples, step):
        yield rng.multinomial(count, np.full(count, 1 / count), size=min(step, resamples - start))


def weighted_means(ordered: NDArray[np.float64], times: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the interquartile mean of each resample [r], which has the ordered value i times[r, i] times."""
    ends = times.cumsum(axis=1, dtype=np.float64)
    total = ends[:, -1:]
    dropped = np.floor(total / 4)
    kept = np.minimum(ends, total - dropped) - np.maximum(ends - times, dropped)
    kept = np.maximum(kept, 0.0)
    infinite = np.isinf(ordered)
    means = kept @ np.where(infinite, 0.0, ordered) / (total - 2 * dropped)[:, 0]
    up, down = ((kept[:, infinite & side] > 0).any(axis=1) for side in (ordered > 0, ordered < 0))
    return np.select([up & down, up, down], [np.nan, np.inf, -np.inf], means)
