"""Exact paired tests of two methods, and Holm's correction for several tests."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np

COUNTED_COINS = 500
"""Up to so many coins whole numbers are counted, since importing `scipy.stats` takes half a second."""


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Return the two-sided p-value of McNemar's exact test, which is the sign test on the discordant pairs.

    `only_a` and `only_b` are the numbers of pairs in which only A, or only B, succeeds (Q. McNemar, Psychometrika 12,
    1947). NaN if no pair is discordant: the test is then undefined.
    """
    from scipy.special import bdtr

    if only_a == only_b:
        return 1.0 if only_a else np.nan
    return float(2 * bdtr(min(only_a, only_b), only_a + only_b, 0.5))  # symmetric: both tails are equal


def sign_flip_exact(differences: Sequence[int]) -> float:
    """Return the two-sided p-value of the exact sign-flip permutation test on the sum of the units' differences.

    `differences` has a whole number for each unit: A's successes minus B's. Under the null hypothesis, a difference has
    either sign with equal probability (R. A. Fisher, The Design of Experiments, 1935, section 21). The distribution of
    the sum is the convolution over all signs. With differences of -1, 0 and 1 it is McNemar's exact test. NaN if all
    are 0.
    """
    sizes = np.abs(np.asarray(differences, dtype=np.int64))
    sizes = sizes[sizes > 0]
    if not len(sizes):
        return np.nan
    probabilities = np.ones(1)  # of each sum from -total to total
    for size, count in zip(*np.unique(sizes, return_counts=True), strict=True):
        part = np.zeros(2 * size * count + 1)
        part[:: 2 * size] = toss_coins(int(count))
        probabilities = np.convolve(probabilities, part)
    sums = np.arange(-sizes.sum(), sizes.sum() + 1)
    return min(1.0, float(probabilities[np.abs(sums) >= abs(int(np.sum(differences)))].sum()))


def toss_coins(count: int) -> Sequence[float]:
    """Return the probability of 0, 1, ... `count` heads among so many fair coins."""
    if count <= COUNTED_COINS:
        return [comb(count, heads) / 2**count for heads in range(count + 1)]
    from scipy.stats import binom

    return list(binom.pmf(np.arange(count + 1), count, 0.5))


def holm(values: Sequence[float]) -> list[float]:
    """Return the p-values of one family of tests, adjusted by Holm's method, in the given order.

    S. Holm, Scandinavian Journal of Statistics 6 (1979). An undefined p-value (NaN) stays NaN, and counts in the family
    as a test with p = 1.
    """
    raw = np.asarray(values, float)
    p = np.where(np.isnan(raw), 1.0, raw)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return [float(value) for value in np.where(np.isnan(raw), np.nan, adjusted)]
