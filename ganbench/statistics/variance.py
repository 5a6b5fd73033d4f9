"""How much of the spread of values lies within units: an analysis of variance of ranks, which know no infinity."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ganbench.statistics.intervals import NOTHING, Interval


def share_within(values: ArrayLike, units: ArrayLike, level: float = 0.95) -> tuple[float, Interval]:
    """Give the share of the values' variation that lies within units: 1 less the intraclass correlation of their ranks.

    R. A. Fisher, Statistical Methods for Research Workers (1925), ch. 7, from 0 to 1. Its interval is the jackknife's
    over units for the log of the ratio of mean squares (J. N. Arvesen, T. H. Schmitz, Biometrics 26, 1970), with the
    ranks as they are. Equal values share a rank; any increasing scale gives the same. NaN where a value is NaN, all are
    equal, there is one unit, or no unit holds two values; no interval where, without some unit, nothing varies within.
    """
    from scipy.stats import rankdata, t

    sample, codes = np.asarray(values, float), pd.factorize(np.asarray(units))[0]
    sizes = np.bincount(codes).astype(float)
    n, k = float(sizes.sum()), len(sizes)
    if k < 2 or n == k or np.isnan(sample).any() or (sample == sample[0]).all():
        return np.nan, NOTHING
    ranks = rankdata(sample)
    sums = np.bincount(codes, ranks)
    squares = np.bincount(codes, ranks**2)
    parts = np.stack([sizes, sums, sums**2 / sizes, squares - sums**2 / sizes])  # of one unit each
    whole = parts.sum(axis=1, keepdims=True)
    size = (n - float(sizes @ sizes) / n) / (k - 1)  # a unit's, where they are unequal (Fisher's n0)
    ratio = log_ratio(whole, k)
    without = log_ratio(whole - parts, k - 1) if k > 2 else np.full(k, np.inf)
    share = within(float(ratio[0]), size)
    if not np.isfinite(ratio).all() or not np.isfinite(without).all():
        return share, NOTHING
    half = float(t.ppf((1 + level) / 2, k - 1)) * (k - 1) * float(without.std(ddof=1)) / np.sqrt(k)
    return share, Interval(within(float(ratio[0]) + half, size), within(float(ratio[0]) - half, size))


def log_ratio(parts: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Give the log of the mean square between k units over that within them, from sums over these units.

    `parts` holds their sizes, sums, squared sums over sizes, and squares within; inf where nothing varies within.
    """
    n, total, between, rest = parts
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log((between - total**2 / n) / (k - 1)) - np.log(rest / (n - k))


def within(log_ratio: float, size: float) -> float:
    """Give the share of the variance within units of this size that goes with a log ratio of mean squares."""
    if np.isinf(log_ratio):
        return 0.0 if log_ratio > 0 else 1.0
    return float(min(1.0, size / (np.expm1(log_ratio) + size)))
