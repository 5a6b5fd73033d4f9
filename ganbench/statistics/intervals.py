"""Inference: intervals, exact paired tests, and quantiles that know infinity. Functions of numbers, not of frames."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


class Interval(NamedTuple):
    """A lower and an upper end; NaN where there is none."""

    low: float
    high: float


NOTHING = Interval(np.nan, np.nan)
FEWEST_UNITS = 6
"""From how many units on a median has a 95% interval: even the whole range of five covers it with 93.75%."""


THRESHOLDS = 200
"""At so many, spread over the sample, a curve's design effect is taken: enough, and as fast for 100,000 trials."""


def wilson(successes: float, n: float, level: float = 0.95) -> Interval:
    """Give Wilson's score interval of a success rate (E. B. Wilson, JASA 22, 1927); NaN without trials.

    Both numbers may be fractional: an effective sample size.
    """
    from scipy.special import ndtri

    if n <= 0:
        return NOTHING
    z, rate = float(ndtri((1 + level) / 2)), successes / n
    centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    low, high = float(centre - half), float(centre + half)
    return Interval(0.0 if rate == 0 else low, 1.0 if rate == 1 else high)  # exactly, whatever the rounding


def effective_size(outcomes: ArrayLike, units: ArrayLike) -> float:
    """Give the number of independent trials that would tell as much as these, of which a unit's resemble each other.

    n over Kish's design effect, at least 1 (L. Kish, Survey Sampling, 1965, ch. 8): the variance of the rate between
    units over that of independent trials. If all outcomes are equal the data cannot tell, and the units are counted.
    """
    residuals, n, rate = deviations(outcomes, units)
    k = len(residuals)
    if k in (0, 1, n) or rate in (0, 1):
        return float(k)
    between = k / (k - 1) * float(residuals @ residuals) / n**2
    return n / max(1.0, between / (rate * (1 - rate) / n))


def deviations(outcomes: ArrayLike, units: ArrayLike) -> tuple[NDArray[np.float64], int, float]:
    """Give each unit's sum of deviations from the rate, the number of trials, and the rate."""
    values, codes = np.asarray(outcomes, float), pd.factorize(np.asarray(units))[0]
    rate = float(values.mean()) if len(values) else np.nan
    return np.bincount(codes, values - rate).astype(np.float64), len(values), rate


def paired_difference(a: ArrayLike, b: ArrayLike, units: ArrayLike, level: float = 0.95) -> Interval:
    """Give the interval of the difference of two success rates, A's less B's, on pairs; NaN without pairs.

    R. G. Newcombe, Statistics in Medicine 17 (1998) 2635-2650, method 10: the ends of both rates' Wilson intervals,
    squared and added, less what their correlation phi takes away; a positive phi is corrected for continuity. Where a
    unit holds several pairs, Wilson's at the effective sample size and the correlation of the units' sums: with one
    pair to a unit these are n and phi.
    """
    (part_a, n, rate_a), (part_b, _, rate_b) = deviations(a, units), deviations(b, units)
    if not n:
        return NOTHING
    size_a, size_b = effective_size(a, units), effective_size(b, units)
    (low_a, high_a), (low_b, high_b) = wilson(rate_a * size_a, size_a, level), wilson(rate_b * size_b, size_b, level)
    scale = float(np.sqrt((part_a @ part_a) * (part_b @ part_b)))
    phi = float(part_a @ part_b) / scale if scale > 0 else 0.0
    if phi > 0:
        spread = np.sqrt(size_a * rate_a * (1 - rate_a) * size_b * rate_b * (1 - rate_b))
        phi = max(0.0, phi - 0.5 / float(spread))
    down, up = (
        float(np.sqrt(max(0.0, x**2 - 2 * phi * x * y + y**2)))
        for x, y in ((rate_a - low_a, high_b - rate_b), (high_a - rate_a, rate_b - low_b))
    )
    return Interval(max(-1.0, rate_a - rate_b - down), min(1.0, rate_a - rate_b + up))


def quantile(values: ArrayLike, q: float) -> float:
    """Give the quantile by linear interpolation, infinities allowed: between a finite value and inf lies inf."""
    ordered = np.sort(np.asarray(values, float))
    if not len(ordered) or np.isnan(ordered[-1]):
        return np.nan
    place = (len(ordered) - 1) * q
    low, high, part = float(ordered[int(place)]), float(ordered[int(np.ceil(place))]), place % 1
    return low if low == high or part == 0 else low * (1 - part) + high * part


def median_interval(values: ArrayLike, units: ArrayLike, level: float = 0.95) -> Interval:
    """Give the interval of a median: the values at the ends of the interval of the share below it.

    R. S. Woodruff, JASA 47 (1952), with Wilson's interval at the effective sample size. NaN under six units: even the
    whole range then covers the median with less than 95%.
    """
    ordered = np.sort(np.asarray(values, float))
    if len(pd.unique(np.asarray(units))) < FEWEST_UNITS or np.isnan(ordered).any():
        return NOTHING
    size = effective_size(np.asarray(values, float) <= quantile(ordered, 0.5), units)
    share, n = wilson(size / 2, size, level), len(ordered)
    low, high = max(0, int(np.floor(n * share.low)) - 1), min(n - 1, int(np.ceil(n * share.high)))
    return Interval(float(ordered[low]), float(ordered[high]))


def curve_half_width(values: ArrayLike, units: ArrayLike, level: float = 0.95) -> float:
    """Give how far a curve of shares beyond a threshold may lie off at any threshold, all at once.

    The exact quantile of Kolmogorov's statistic, distribution-free (A. N. Kolmogorov, 1933; Z. W. Birnbaum, JASA 47,
    1952), at the effective sample size: n over the design effect of the whole curve, the variance between units summed
    over the thresholds over that of independent trials. With one value to a unit it is Kolmogorov's own band, which
    covers with `level` or, where values tie (all the dead tie), with more. NaN without units or if a value is NaN.
    """
    sample, codes = np.asarray(values, float), pd.factorize(np.asarray(units))[0]
    n, k = len(sample), int(codes.max(initial=-1)) + 1
    if not k or np.isnan(sample).any():
        return np.nan
    return kolmogorov(level, max(1, int(curve_size(sample, codes, n, k) + 1e-9)))


@lru_cache(maxsize=1024)
def kolmogorov(level: float, n: int) -> float:
    """Give the quantile of Kolmogorov's two-sided statistic for n values; it takes milliseconds, so it is kept."""
    from scipy.stats import kstwo

    return float(kstwo.ppf(level, n))


def curve_size(sample: NDArray[np.float64], codes: NDArray[np.intp], n: int, k: int) -> float:
    """Give the effective size of a sample of which units hold several values, for its whole curve."""
    if k in (1, n):
        return float(k)
    thresholds = np.unique(np.sort(sample)[np.linspace(0, n - 1, min(n, THRESHOLDS)).astype(int)])
    bins = np.searchsorted(thresholds, sample)  # the first threshold that the value is not above
    width = len(thresholds) + 1
    counts = np.bincount(codes * width + bins, minlength=k * width).reshape(k, width).cumsum(axis=1)[:, :-1]
    shares = counts.sum(axis=0) / n
    residuals = counts - np.bincount(codes)[:, None] * shares
    alone = float((shares * (1 - shares)).sum()) / n
    if not alone:
        return float(k)
    return n / max(1.0, k / (k - 1) * float((residuals**2).sum()) / n**2 / alone)
