"""Cost profiles: on what share of the units a method is at most tau times as expensive as the cheapest one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

LARGEST_RATIO = 4.0
"""The largest ratio of costs that the score of a profile looks at."""


def cost_ratios(costs: ArrayLike) -> NDArray[np.float64]:
    """Return every cost over the lowest one of its unit [methods, units]; inf where a method never got there.

    `costs` [methods, units] are positive, and inf for a method that never reached the threshold on that unit. E. D.
    Dolan, J. J. More, Mathematical Programming 91 (2002).
    """
    table = np.asarray(costs, float)
    lowest = table.min(axis=0, initial=np.inf)
    return np.where(np.isfinite(table), table / np.where(np.isfinite(lowest), lowest, 1.0), np.inf)


def cost_profile(costs: ArrayLike, ratio: float) -> NDArray[np.float64]:
    """Return each method's share of units [methods] whose cost ratio is at most `ratio` (`cost_ratios`).

    At 1 it is the share of units on which the method is the cheapest, or as cheap; at a very large ratio, the share on
    which it reaches the threshold at all.
    """
    return np.asarray((cost_ratios(costs) <= ratio).mean(axis=1), float)


def profile_score(costs: ArrayLike, largest: float = LARGEST_RATIO) -> NDArray[np.float64]:
    """Return the mean of each method's cost profile [methods] over the ratios from 1 to `largest`; 1 is the best.

    It is exact: a unit with ratio r counts from r on, so with a share of (largest - r) / (largest - 1).
    """
    ratios = np.minimum(cost_ratios(costs), largest)
    return np.asarray(((largest - ratios) / (largest - 1)).mean(axis=1), float)
