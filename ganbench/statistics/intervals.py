"""Intervals, effective sample sizes, and quantiles of values that may be infinite: functions of plain numbers."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


class Interval(NamedTuple):
    """The lower and the upper end of an interval; both are NaN if there is none."""

    low: float
    high: float


NO_INTERVAL = Interval(np.nan, np.nan)
FEWEST_UNITS = 6
"""The fewest units for which a median has a 95% interval: even the whole range of five covers it with 93.75% only."""


MOST_THRESHOLDS = 200
"""The most thresholds, spread evenly over the sample, that a curve's design effect is computed at, for speed."""


def wilson(successes: float, n: float, level: float = 0.95) -> Interval:
    """Return Wilson's score interval of the success rate successes / n (E. B. Wilson, JASA 22, 1927).

    `successes` and `n` may be fractional, as with an effective sample size; `level` is the confidence. NaN if n is 0.
    """
    from scipy.special import ndtri

    if n <= 0:
        return NO_INTERVAL
    z, rate = float(ndtri((1 + level) / 2)), successes / n
    centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    low, high = float(centre - half), float(centre + half)
    return Interval(0.0 if rate == 0 else low, 1.0 if rate == 1 else high)  # exact in spite of rounding


def effective_size(outcomes: ArrayLike, units: ArrayLike) -> float:
    """Return the number of independent trials with as much information as these, whose units are clusters.

    `outcomes` [n] are 0 or 1; `units` [n] names the unit of each. The result is n over Kish's design effect, which is
    at least 1 (L. Kish, Survey Sampling, 1965, ch. 8): the variance of the rate between units over that of independent
    trials. If all outcomes are equal, the data cannot show the effect, and the result is the number of units.
    """
    residuals, n, rate = deviations(outcomes, units)
    k = len(residuals)
    if k in (0, 1, n) or rate in (0, 1):
        return float(k)
    between = k / (k - 1) * float(residuals @ residuals) / n**2
    return n / max(1.0, between / (rate * (1 - rate) / n))


def deviations(outcomes: ArrayLike, units: ArrayLike) -> tuple[NDArray[np.float64], int, float]:
    """Return each unit's sum of deviations from the rate, the number of trials, and the rate."""
    values, codes = np.asarray(outcomes, float), pd.factorize(np.asarray(units))[0]
    rate = float(values.mean()) if len(values) else np.nan
    return np.bincount(codes, values - rate).astype(np.float64), len(values), rate


def paired_difference(a: ArrayLike, b: ArrayLike, units: ArrayLike, level: float = 0.95) -> Interval:
    """Return the interval of the difference of two success rates on pairs, A's minus B's; NaN without pairs.

    `a` and `b` [n] are the outcomes of each pair, 0 or 1; `units` [n] names the unit of each pair; `level` is the
    confidence.

    R. G. Newcombe, Statistics in Medicine 17 (1998) 2635-2650, method 10: the distances to the ends of both rates'
    Wilson intervals, squared and added, less a term for their correlation phi; a positive phi is corrected for
    continuity. If a unit has several pairs, Wilson's intervals are at the effective sample size, and phi is the
    correlation of the units' sums; with one pair per unit these are n and phi itself.
    """
    (part_a, n, rate_a), (part_b, _, rate_b) = deviations(a, units), deviations(b, units)
    if not n:
        return NO_INTERVAL
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
    """Return the q-quantile of the values, from 0 to 1, by linear interpolation; values may be infinite.

    Between a finite value and an infinity the quantile is that infinity. NaN without values, or if one is NaN.
    """
    ordered = np.sort(np.asarray(values, float))
    if not len(ordered) or np.isnan(ordered[-1]):
        return np.nan
    place = (len(ordered) - 1) * q
    low, high, part = float(ordered[int(place)]), float(ordered[int(np.ceil(place))]), place % 1
    return low if low == high or part == 0 else low * (1 - part) + high * part


def median_interval(values: ArrayLike, units: ArrayLike, level: float = 0.95) -> Interval:
    """Return the interval of a median: the values at the two ends of the interval of the share below it.

    `values` [n] may be infinite; `units` [n] names the unit of each value; `level` is the confidence.

    R. S. Woodruff, JASA 47 (1952), with Wilson's interval at the effective sample size. NaN for fewer than six units,
    because even the whole range then covers the median with less than 95%; NaN also if a value is NaN.
    """
    ordered = np.sort(np.asarray(values, float))
    if len(pd.unique(np.asarray(units))) < FEWEST_UNITS or np.isnan(ordered).any():
        return NO_INTERVAL
    size = effective_size(np.asarray(values, float) <= quantile(ordered, 0.5), units)
    share, n = wilson(size / 2, size, level), len(ordered)
    low, high = max(0, int(np.floor(n * share.low)) - 1), min(n - 1, int(np.ceil(n * share.high)))
    return Interval(float(ordered[low]), float(ordered[high]))


def mean_interval(values: ArrayLike, units: ArrayLike, level: float = 0.95) -> Interval:
    """Return Student's interval of a mean over units of the mean within each: exact where those are normal.

    `values` [n] are scores; `units` [n] names the unit of each; `level` is the confidence. NaN for fewer than two
    units, and if a value is not finite. Student, Biometrika 6 (1908).
    """
    from scipy.special import stdtrit

    means = pd.Series(np.asarray(values, float)).groupby(np.asarray(units)).mean().to_numpy()
    if len(means) < 2 or not np.isfinite(np.asarray(values, float)).all():
        return NO_INTERVAL
    half = stdtrit(len(means) - 1, (1 + level) / 2) * means.std(ddof=1) / np.sqrt(len(means))
    return Interval(float(means.mean() - half), float(means.mean() + half))


def curve_half_width(values: ArrayLike, units: ArrayLike, level: float = 0.95) -> float:
    """Return the half-width of a band around the whole curve of success rates, over all thresholds at once.

    `values` [n] may be infinite; `units` [n] names the unit of each value; `level` is the confidence.

    The exact quantile of Kolmogorov's statistic, which is distribution-free (A. N. Kolmogorov, 1933; Z. W. Birnbaum,
    JASA 47, 1952), at the effective sample size of the whole curve: n over its design effect, which is the variance
    between units, summed over the thresholds, over that of independent trials. With one value per unit the band is
    Kolmogorov's. It covers with `level`, or with more if values are equal, such as those of failed trials. NaN without
    units, or if a value is NaN.
    """
    sample, codes = np.asarray(values, float), pd.factorize(np.asarray(units))[0]
    n, k = len(sample), int(codes.max(initial=-1)) + 1
    if not k or np.isnan(sample).any():
        return np.nan
    return kolmogorov_quantile(level, max(1, int(effective_curve_size(sample, codes, n, k) + 1e-9)))


@lru_cache(maxsize=1024)
def kolmogorov_quantile(level: float, n: int) -> float:
    """Return the quantile of Kolmogorov's two-sided statistic for n values; cached, because it takes milliseconds."""
    from scipy.stats import kstwo

    return float(kstwo.ppf(level, n))


def effective_curve_size(sample: NDArray[np.float64], codes: NDArray[np.intp], n: int, k: int) -> float:
    """Return the effective size of a sample [n] in k units, for its whole curve; `codes` [n] are the values' units."""
    if k in (1, n):
        return float(k)
    thresholds = np.unique(np.sort(sample)[np.linspace(0, n - 1, min(n, MOST_THRESHOLDS)).astype(int)])
    bins = np.searchsorted(thresholds, sample)  # the first threshold that the value does not exceed
    width = len(thresholds) + 1
    counts = np.bincount(codes * width + bins, minlength=k * width).reshape(k, width).cumsum(axis=1)[:, :-1]
    shares = counts.sum(axis=0) / n
    residuals = counts - np.bincount(codes)[:, None] * shares
    independent = float((shares * (1 - shares)).sum()) / n
    if not independent:
        return float(k)
    return n / max(1.0, k / (k - 1) * float((residuals**2).sum()) / n**2 / independent)
