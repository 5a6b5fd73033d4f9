"""The two-sample test of nearest neighbours: can the neighbour of a sample tell whether it is real?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

import torch
from annotated_types import Ge
from ganbench import Evidence, Metric, Offer, hookimpl
from torch import Tensor

NAMES = ("nn-accuracy", "nn-real", "nn-fake")
BLOCK = 1000
"""Rows whose distances to all others are computed at once: 16 MB for 1,000 samples of each set."""


def share_of_own(own: Tensor, other: Tensor) -> float:
    """Return how many rows of a set [n, d] have their nearest neighbour in it, and not in the other set [m, d].

    It is a share, from 0 to 1. A row is no neighbour of itself. Of several nearest ones, each counts by its part: so
    two equal laws of few atoms give 1/2, as two equal densities do.
    """
    total, everyone = 0.0, torch.cat([own, other])
    for start in range(0, len(own), BLOCK):
        rows = own[start : start + BLOCK]
        distances = torch.cdist(rows, everyone, compute_mode="donot_use_mm_for_euclid_dist")
        places = torch.arange(len(rows))
        distances[places, places + start] = torch.inf
        nearest = distances == distances.amin(1, keepdim=True)
        total += float((nearest[:, : len(own)].sum(1).double() / nearest.sum(1)).sum())
    return total / len(own)


def one_nearest_neighbour(count: Annotated[int, Ge(2)] = 1000) -> Metric:
    """Build the metric on the first n = min(count, the samples, the reference) of each set; NaN for n < 2.

    The accuracy is 1 for disjoint sets and near 1/2 for equal laws: (n - 1) / (2 n - 1) for a density. It is 0 if every
    sample has a copy on the other side. So none of the values has a better direction.
    """

    def measure(evidence: Evidence) -> Mapping[str, float]:
        n = min(count, len(evidence.samples), len(evidence.reference))
        if n < 2:
            return dict.fromkeys(NAMES, float("nan"))
        fake, real = (x[:n].flatten(1).double() for x in (evidence.samples, evidence.reference))
        on_real, on_fake = share_of_own(real, fake), share_of_own(fake, real)
        return dict(zip(NAMES, ((on_real + on_fake) / 2, on_real, on_fake), strict=True))

    return Metric(measure=measure, values=dict.fromkeys(NAMES, "neutral"))


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "one-nearest-neighbour",
        one_nearest_neighbour,
        "The leave-one-out accuracy of a 1-nearest-neighbour classifier of real and generated samples.",
        reference="Lopez-Paz, Oquab 2016, Revisiting Classifier Two-Sample Tests, arXiv:1610.06545, section 3",
        formula="share of all samples whose nearest other sample is of the same set",
    )
