"""Are two methods equal, within the smallest difference that matters? Two one-sided tests, read from one interval."""

from __future__ import annotations

from numpy.typing import ArrayLike

from ganbench.statistics.intervals import Interval, paired_difference

LEVEL = 0.9
"""The confidence of the interval: two one-sided tests at 5% each are an interval of 90%."""


def equivalence_interval(a: ArrayLike, b: ArrayLike, units: ArrayLike) -> Interval:
    """Return the 90% interval of the difference of two success rates on pairs, A's minus B's; NaN without pairs.

    `a` and `b` [n] are the outcomes of each pair, 0 or 1; `units` [n] names the unit of each pair. It is Newcombe's
    interval, as in `paired_difference`.
    """
    return paired_difference(a, b, units, LEVEL)


def is_within(interval: Interval, delta: float) -> bool:
    """Return whether an interval lies within (-delta, delta); False where there is none.

    For the interval of `equivalence_interval` this is the equivalence test by two one-sided tests at 5% (D. J.
    Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987): the methods are equal within `delta`.
    """
    return -delta < interval.low and interval.high < delta
