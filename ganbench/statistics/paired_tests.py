"""Exact paired tests, and the correction for testing several pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


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
