"""The probability that one method outperforms another: on pairs of trials, or on runs that have no partner."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ganbench.statistics.intervals import NO_INTERVAL, Interval, effective_size, wilson
from ganbench.statistics.paired_tests import sign_flip_exact

GAMMA = 0.75
"""The probability of outperforming from which on a difference is called meaningful (Bouthillier et al. 2021)."""

Direction = Literal["lower", "higher"]


class Outperformance(NamedTuple):
    """How often A is better than B on pairs: counts, the probability with its interval, and the p of the sign test."""

    wins: int
    ties: int
    losses: int
    probability: float
    interval: Interval
    p: float


def paired_outperformance(
    a: ArrayLike, b: ArrayLike, units: ArrayLike, direction: Direction = "lower", level: float = 0.95
) -> Outperformance:
    """Return the probability that A is better than B on a pair: (wins + ties / 2) / n.

    `a` and `b` [n] are the scores of each pair and may be infinite, as for a dead trial; two equal infinities are a
    tie. `units` [n] names the unit of each pair; `direction` is which scores are better; `level` is the confidence.

    X. Bouthillier et al., MLSys 2021. The interval is Wilson's at the effective sample size: a percentile bootstrap
    would be a single point where all pairs agree. `p` is that of the exact sign-flip test over units on their wins less
    their losses, which with one pair per unit is the sign test. Both are NaN without pairs, and p also without a win or
    a loss. Raise ValueError for a NaN.
    """
    x, y = np.asarray(a, float), np.asarray(b, float)
    if np.isnan(x).any() or np.isnan(y).any():
        raise ValueError("a score is NaN, so it is neither better nor worse")
    wins, losses = (x < y, x > y) if direction == "lower" else (x > y, x < y)
    n, points = len(x), wins + (x == y) / 2
    codes = pd.factorize(np.asarray(units))[0]
    size = effective_size(points, codes)
    share = float(points.mean()) if n else np.nan
    return Outperformance(
        wins=int(wins.sum()),
        ties=n - int(wins.sum()) - int(losses.sum()),
        losses=int(losses.sum()),
        probability=share,
        interval=wilson(share * size, size, level) if n else NO_INTERVAL,
        p=sign_flip_exact(np.bincount(codes, wins.astype(float) - losses).astype(int).tolist()) if n else np.nan,
    )


def read_evidence(interval: Interval, gamma: float = GAMMA) -> str:
    """Return what an interval of the probability says: "no evidence", "detectable but small" or "meaningful".

    Bouthillier et al. 2021: no evidence unless the interval lies above one half, and meaningful only if it also reaches
    beyond `gamma`. "" without an interval.
    """
    if np.isnan(interval.low):
        return ""
    if interval.low <= 0.5:
        return "no evidence"
    return "meaningful" if interval.high > gamma else "detectable but small"


def unpaired_outperformance(x: ArrayLike, y: ArrayLike, direction: Direction = "lower") -> float:
    """Return the probability that a run of X is better than a run of Y, which has other seeds: U / (n_x n_y).

    `x` [runs of X, tasks] and `y` [runs of Y, tasks] are scores; the result is the mean over tasks, and ties count one
    half. H. B. Mann, D. R. Whitney, Annals of Mathematical Statistics 18 (1947); R. Agarwal et al., NeurIPS 2021.
    """
    first, second = np.asarray(x, float)[:, None], np.asarray(y, float)[None]
    better = first < second if direction == "lower" else first > second
    return float(np.mean(better + (first == second) / 2))
