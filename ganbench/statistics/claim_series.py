"""What a claim says of one series: whether it converges, diverges or cycles, and how it is ordered."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

LAST = 0.1
"""The share of a series, at its end, by which it is judged to converge or to diverge."""

LEAST_POINTS = 20
"""The fewest points of a series that is judged to cycle."""

CROSSINGS = 6
"""How often a cycling series crosses its median in its last half, at least: three periods."""

DRIFT = 0.1
"""How much the extent of a cycle may change between the last two quarters of the series."""


def converges(values: ArrayLike, target: float, tolerance: float) -> bool:
    """Return whether every value in the last tenth of a series lies within `tolerance` of `target`.

    The last tenth has at least one value. False for an empty series, and if one of these values is not finite.
    """
    end = _last_part(values, LAST)
    return bool(len(end)) and bool((np.abs(end - target) <= tolerance).all())


def diverges(values: ArrayLike, target: float, factor: float = 1.0) -> bool:
    """Return whether a series ends farther from `target` than it began, by more than `factor`.

    Every value in its last tenth must be farther away than `factor` times the first value is. A value that is not
    finite is farther than any other. False for a series of fewer than two values, and if the first is not finite.
    """
    series = np.asarray(values, float)
    if len(series) < 2 or not np.isfinite(series[0]):
        return False
    distances = np.abs(_last_part(series, LAST) - target)
    return bool((np.where(np.isfinite(distances), distances, np.inf) > factor * abs(series[0] - target)).all())


def cycles(values: ArrayLike, tolerance: float = 0.0) -> bool:
    """Return whether a series goes round for ever: its last half crosses its median six times or more, and its extent,
    the largest value minus the smallest, differs by at most a tenth between the last two quarters.

    The extent must exceed `tolerance`. False for a series of fewer than 20 values, or with one that is not finite.
    """
    half = _last_part(values, 0.5)
    if len(half) * 2 < LEAST_POINTS or not np.isfinite(half).all():
        return False
    third, last = (float(np.ptp(part)) for part in np.array_split(half, 2))
    sides = np.sign(half - np.median(half))
    sides = sides[sides != 0]
    crossings = int((sides[1:] != sides[:-1]).sum())
    return crossings >= CROSSINGS and last > tolerance and abs(last - third) <= DRIFT * max(last, third)


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Return Spearman's rank correlation of two series [n] of equal length; infinite values rank last.

    NaN if fewer than four pairs are left without those that have a NaN. A constant series has a correlation of 0: it
    says nothing of the other. C. Spearman, American Journal of Psychology 15 (1904); ties have their mean rank.
    """
    from scipy.stats import rankdata

    a, b = np.asarray(first, float), np.asarray(second, float)
    known = ~(np.isnan(a) | np.isnan(b))
    if known.sum() < 4:
        return float("nan")
    x, y = rankdata(a[known]), rankdata(b[known])
    if not np.ptp(x) or not np.ptp(y):
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def holds_rank(correlation: float, direction: str, strength: float) -> bool | None:
    """Return whether a rank correlation is what a claim says: above `strength`, below its negative, or between them.

    `direction` is "rises", "falls" or "neither". None if the correlation is NaN.
    """
    if np.isnan(correlation):
        return None
    if direction == "neither":
        return abs(correlation) < strength
    return (correlation if direction == "rises" else -correlation) > strength


def _last_part(values: ArrayLike, share: float) -> NDArray[np.float64]:
    series = np.asarray(values, float)
    return series[len(series) - max(1, round(share * len(series))) :] if len(series) else series
