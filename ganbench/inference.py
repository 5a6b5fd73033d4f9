"""Inference: intervals, exact paired tests, and quantiles that know infinity. Functions of numbers, not of frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike


class Interval(NamedTuple):
    """A lower and an upper end; NaN where there is none."""

    low: float
    high: float


def wilson(successes: float, n: float, level: float = 0.95) -> Interval:
    """Give Wilson's score interval of a success rate (E. B. Wilson, JASA 22, 1927); NaN without trials.

    Both numbers may be fractional: an effective sample size.
    """
    from scipy.stats import norm

    if n <= 0:
        return Interval(np.nan, np.nan)
    z, rate = float(norm.ppf((1 + level) / 2)), successes / n
    centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    low, high = float(centre - half), float(centre + half)
    return Interval(0.0 if rate == 0 else low, 1.0 if rate == 1 else high)  # exactly, whatever the rounding


def effective_size(outcomes: ArrayLike, units: ArrayLike) -> float:
    """Give the number of independent trials that would tell as much as these, of which a unit's resemble each other.

    n over Kish's design effect, at least 1 (L. Kish, Survey Sampling, 1965, ch. 8): the variance of the rate between
    units over that of independent trials. If all outcomes are equal the data cannot tell, and the units are counted.
    """
    frame = pd.DataFrame({"outcome": np.asarray(outcomes, float), "unit": np.asarray(units)})
    n, rate = len(frame), frame["outcome"].mean()
    residuals = (frame["outcome"] - rate).groupby(frame["unit"]).sum()
    k = len(residuals)
    if k in (0, 1, n) or rate in (0, 1):
        return float(k)
    between = k / (k - 1) * float((residuals**2).sum()) / n**2
    return n / max(1.0, between / (rate * (1 - rate) / n))


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Give the two-sided p of McNemar's exact test: the discordant pairs as tosses of a fair coin.

    The sign test is the same sum. NaN where no pair is discordant: then it is undefined.
    """
    from scipy.stats import binomtest

    if only_a + only_b == 0:
        return np.nan
    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue)


def sign_flip_exact(differences: Sequence[int]) -> float:
    """Give the two-sided p of the exact sign-flip permutation test on the sum of the units' differences.

    Under the null hypothesis a unit's difference is as likely to have either sign (Fisher, 1935); the sum's law is
    convolved over all signs. With differences of -1, 0 and 1 it is McNemar's exact test. NaN if all are 0.
    """
    from scipy.stats import binom

    sizes = np.abs(np.asarray(differences, dtype=np.int64))
    sizes = sizes[sizes > 0]
    if not len(sizes):
        return np.nan
    law = np.ones(1)  # of the sum, on -total .. total
    for size, count in zip(*np.unique(sizes, return_counts=True), strict=True):
        together = np.zeros(2 * size * count + 1)
        together[:: 2 * size] = binom.pmf(np.arange(count + 1), count, 0.5)
        law = np.convolve(law, together)
    sums = np.arange(-sizes.sum(), sizes.sum() + 1)
    return min(1.0, float(law[np.abs(sums) >= abs(int(np.sum(differences)))].sum()))


def holm(values: Sequence[float]) -> list[float]:
    """Adjust the p-values of one family (S. Holm, 1979); an undefined one stays NaN and counts as a test of p = 1."""
    raw = np.asarray(values, float)
    p = np.where(np.isnan(raw), 1.0, raw)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return [float(value) for value in np.where(np.isnan(raw), np.nan, adjusted)]


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
    if len(set(np.asarray(units).tolist())) < 6 or np.isnan(ordered).any():
        return Interval(np.nan, np.nan)
    size = effective_size(np.asarray(values, float) <= quantile(ordered, 0.5), units)
    share, n = wilson(size / 2, size, level), len(ordered)
    low, high = max(0, int(np.floor(n * share.low)) - 1), min(n - 1, int(np.ceil(n * share.high)))
    return Interval(float(ordered[low]), float(ordered[high]))
