"""The cluster bootstrap of a median: whole units are drawn again, and infinities are places in an order like others."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ganbench.statistics.intervals import FEWEST_UNITS, NOTHING, Interval

RESAMPLES = 2000
CELLS = 4_000_000
"""Of the table of resamples x values that is in memory at once."""


def bootstrap_median(
    values: ArrayLike, units: ArrayLike, level: float = 0.95, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Give the BCa interval of a median by the bootstrap over units, each drawn with all of its values.

    B. Efron, JASA 82 (1987), with the acceleration from the units' influence on the share below the median; A. C.
    Davison, D. V. Hinkley, Bootstrap Methods (1997), section 3.8, on drawing whole units. It is reckoned in ranks, as
    these know no infinity and any increasing scale leaves them alone: the ends are values of the sample, the next ones
    outwards.
    Seeded: the same sample has the same interval. NaN under six units, or if a value is NaN.
    """
    sample, codes = np.asarray(values, float), pd.factorize(np.asarray(units))[0]
    count = int(codes.max(initial=-1)) + 1
    if count < FEWEST_UNITS or np.isnan(sample).any():
        return NOTHING
    order = np.argsort(sample, kind="stable")
    ordered, n = sample[order], len(sample)
    rng = np.random.default_rng(seed)
    places = np.sort(resample_median_places(codes[order], count, resamples, rng))
    low, high = np.quantile(places, bca_levels(ordered, codes[order], places, level), method="inverted_cdf")
    return Interval(float(ordered[int(np.floor(low))]), float(ordered[min(n - 1, int(np.ceil(high)))]))


def resample_median_places(
    codes: NDArray[np.intp], count: int, resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Give the place in the ordered sample of every resample's median; `codes` are the units of the ordered values."""
    found, step = np.empty(resamples), max(1, CELLS // len(codes))
    for start in range(0, resamples, step):
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=min(step, resamples - start))
        heights = drawn[:, codes].cumsum(axis=1)
        middle = (heights[:, -1:] + 1) / 2
        ends = [(heights < np.floor(middle)).sum(axis=1), (heights < np.ceil(middle)).sum(axis=1)]
        found[start : start + len(drawn)] = (ends[0] + ends[1]) / 2
    return found


def bca_levels(
    ordered: NDArray[np.float64], codes: NDArray[np.intp], places: NDArray[np.float64], level: float
) -> list[float]:
    """Give the two shares of the resampled medians between which the interval lies (Efron 1987, eq. 2.3)."""
    from scipy.special import ndtr, ndtri

    middle = (len(ordered) - 1) / 2
    bias = float(ndtri(np.clip((places < middle).mean() + (places == middle).mean() / 2, 0.001, 0.999)))
    value = ordered[int(middle)], ordered[int(np.ceil(middle))]
    below = np.where(ordered <= value[0], 1.0, 0.0) - np.where(ordered >= value[1], 1.0, 0.0)
    influence = np.bincount(codes, below - below.mean())
    scale = float((influence**2).sum()) ** 1.5
    acceleration = float((influence**3).sum()) / (6 * scale) if scale > 0 else 0.0
    ends = bias + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    return [float(share) for share in ndtr(bias + ends / (1 - acceleration * ends))]
