"""The share of the variance that lies within units: an analysis of variance of ranks, so values may be infinite."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ganbench.statistics.intervals import NO_INTERVAL, Interval


def share_within(values: ArrayLike, units: ArrayLike, level: float = 0.95) -> tuple[float, Interval]:
    """Return the share of the variance of ranks that lies within units, from 0 to 1, and its interval.

    `values` [n] may be infinite; `units` [n] names the unit of each value; `level` is the confidence.

    The share is 1 minus the intraclass correlation of the ranks (R. A. Fisher, Statistical Methods for Research
    Workers, 1925, ch. 7). The interval is that of the jackknife over units for the log of the ratio of mean squares (J.
    N. Arvesen, T. H. Schmitz, Biometrics 26, 1970); the ranks are not computed anew. Equal values share a rank, and an
    increasing scale changes nothing. The share is NaN if a value is NaN, all values are equal, there is one unit only,
    or no unit has two values. The interval is NaN also for two units, and if nothing varies within units once some unit
    is left out.
    """
    from scipy.stats import rankdata, t

    sample, codes = np.asarray(values, float), pd.factorize(np.asarray(units))[0]
    sizes = np.bincount(codes).astype(float)
    n, k = float(sizes.sum()), len(sizes)
    if k < 2 or n == k or np.isnan(sample).any() or (sample == sample[0]).all():
        return np.nan, NO_INTERVAL
    ranks = rankdata(sample)
    sums = np.bincount(codes, ranks)
    squares = np.bincount(codes, ranks**2)
    parts = np.stack([sizes, sums, sums**2 / sizes, squares - sums**2 / sizes])  # a column for each unit
    total = parts.sum(axis=1, keepdims=True)
    size = (n - float(sizes @ sizes) / n) / (k - 1)  # the mean size of a unit if sizes differ (Fisher's n0)
    ratio = log_ratio(total, k)
    without = log_ratio(total - parts, k - 1) if k > 2 else np.full(k, np.inf)
    share = share_from_ratio(float(ratio[0]), size)
    if not np.isfinite(ratio).all() or not np.isfinite(without).all():
        return share, NO_INTERVAL
    half = float(t.ppf((1 + level) / 2, k - 1)) * (k - 1) * float(without.std(ddof=1)) / np.sqrt(k)
    return share, Interval(
        share_from_ratio(float(ratio[0]) + half, size), share_from_ratio(float(ratio[0]) - half, size)
    )


def log_ratio(parts: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Return the log of the mean square between k units over that within them; inf if nothing varies within.

    `parts` [4, ...] are sums over the units: of their sizes, sums, squared sums over sizes, and sums of squares within.
    """
    n, total, between, inside = parts
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log((between - total**2 / n) / (k - 1)) - np.log(inside / (n - k))


def share_from_ratio(ratio: float, size: float) -> float:
    """Return the share of the variance within units of this size, from the log of the ratio of mean squares."""
    if np.isinf(ratio):
        return 0.0 if ratio > 0 else 1.0
    return float(min(1.0, size / (np.expm1(ratio) + size)))
