"""The critic's value surface: its scores over a square of the plane, whose level sets show what it has learnt."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Annotated

import torch
from annotated_types import Ge, Le
from ganbench import Evidence, GanbenchError, Metric, Offer, Profile, hookimpl
from torch import Tensor

PROMINENCE = 0.01
"""The share of the surface's range by which a peak rises above the pass to a higher one."""

Place = Annotated[float, Ge(-1e6), Le(1e6)]


def value_surface(lo: Place = -2.0, hi: Place = 2.0, points: Annotated[int, Ge(2), Le(300)] = 64) -> Metric:
    """Build the metric: scores on a lattice of points x points in [lo, hi]^2, edges included.

    The score is what the loss reads of the complete critic. `surface-range` is the largest score minus the smallest.
    `surface-peaks` is the number of peaks that rise by more than 1% of this range above the pass to a higher one, those
    on the edge included; 0 for a flat critic, NaN for one that is not finite.
    Raises GanbenchError for data that is not in the plane, and for a critic without one score for each sample.
    """
    if not lo < hi:
        raise GanbenchError(f"lo = {lo:g} and hi = {hi:g}: give lo below hi.")

    def measure(evidence: Evidence) -> Mapping[str, float | Profile]:
        shape = tuple(evidence.source.shape)
        if shape != (2,):
            raise GanbenchError(
                f"the value surface is over the plane, and the data has shape {shape}. Use a dataset of points in the "
                "plane, such as 'ring' or 'swiss-roll', or leave the metric out."
            )
        ticks = torch.linspace(lo, hi, points)
        places = torch.cartesian_prod(ticks, ticks)
        scores = evidence.critic(places).detach().double()
        if scores.shape != (len(places),):
            raise GanbenchError(
                f"the critic answers with {list(scores.shape)} to {len(places)} samples, and the value surface has one "
                "score for each. Use a loss on scores, without packing."
            )
        x, y = places.double().T.tolist()
        surface = Profile(values=scores.tolist(), x=x, y=y)
        return {
            "surface-range": float(scores.max() - scores.min()),
            "surface-peaks": count_peaks(scores.reshape(points, points)),
            "critic-surface": surface,
        }

    return Metric(
        measure=measure,
        values={"surface-range": "neutral", "surface-peaks": "neutral"},
        profiles={"critic-surface": "x1, x2"},
        needs="networks",
    )


def count_peaks(heights: Tensor, share: float = PROMINENCE) -> float:
    """Return how many peaks of a surface [n, m] rise by more than `share` of its range above the pass to a higher one.

    Points are added from the highest down. A point without a neighbour begins an island; where islands meet, all but
    that with the highest peak end, and count if they have risen by so much (persistence: Edelsbrunner et al. 2002).
    """
    low, high = float(heights.min()), float(heights.max())
    if not math.isfinite(high - low):
        return math.nan
    if high == low:
        return 0.0
    count, columns = 1, heights.shape[1]
    flat: list[float] = heights.flatten().tolist()
    island: dict[int, int] = {}  # each point's way to the peak of its island

    def find_peak(point: int) -> int:
        while island[point] != point:
            island[point] = point = island[island[point]]
        return point

    for point in sorted(range(len(flat)), key=flat.__getitem__, reverse=True):
        island[point] = point
        row, column = divmod(point, columns)
        around = product((row - 1, row, row + 1), range(max(0, column - 1), min(columns, column + 2)))
        peaks = {find_peak(i * columns + j) for i, j in around if i * columns + j in island}
        highest = max(peaks, key=flat.__getitem__)
        count += sum(flat[peak] - flat[point] > share * (high - low) for peak in peaks - {highest})
        island.update(dict.fromkeys(peaks, highest))
    return float(count)


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "value-surface",
        value_surface,
        "The critic's scores over a square of the plane: are its level sets those of the data?",
        reference="Gulrajani et al. 2017, Improved Training of Wasserstein GANs, arXiv:1704.00028, figure 1a",
        formula="D(x1, x2) on a lattice of [lo, hi]^2",
    )
