"""Wasserstein-1 distances between generated and reference samples: exact, and along random lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Annotated

import torch
from annotated_types import Ge
from ganbench import Evidence, Metric, Offer, hookimpl
from torch import Tensor

DIRECTIONS_SEED = 2015
"""Seed of the random lines of `sliced-w1`; any constant would do."""


def compute_w1(x: Tensor, y: Tensor) -> float:
    """Return W1 between two equally large, equally weighted sets [n, *shape], with Euclidean distances of samples.

    Both are first divided by their largest absolute entry, because the solver's tolerance is absolute.
    """
    import ot

    x, y = x.flatten(1).double(), y.flatten(1).double()
    unit = torch.maximum(x.abs().amax(), y.abs().amax()).clamp(min=1e-300)
    cost = torch.cdist(x / unit, y / unit, compute_mode="donot_use_mm_for_euclid_dist")
    # Empty weights mean uniform ones. The default of 1e5 pivots is too few for some sets of 1,000 samples.
    return float(ot.emd2([], [], cost.numpy(), numItermax=10_000_000)) * float(unit)


@lru_cache(maxsize=8)
def compute_floor(reference: Tensor, n: int) -> float:
    """Return W1 between two disjoint sets of n reference samples: the score of a perfect sampler.

    Every snapshot passes the same tensor, hence the cache (a tensor is hashed by identity).
    """
    return compute_w1(reference[::2][:n], reference[1::2][:n])


def w1(limit: Annotated[int, Ge(1)] = 500) -> Metric:
    """Build the metric on n = min(limit, half the reference, the samples) of each set; undefined (NaN) for n = 0.

    The cost grows like n^3, hence `limit`. The samples are compared with half of the reference. The distance of the
    two halves is `w1-floor`, the distance between two sets of samples from the same distribution.
    """

    def measure(evidence: Evidence) -> Mapping[str, float]:
        n = min(limit, len(evidence.reference) // 2, len(evidence.samples))
        if n < 1:
            return {"w1": float("nan"), "w1-floor": float("nan")}
        distance = compute_w1(evidence.samples[:n], evidence.reference[::2][:n])
        return {"w1": distance, "w1-floor": compute_floor(evidence.reference, n)}

    return Metric(measure=measure, values={"w1": "lower", "w1-floor": "neutral"})


def sliced_w1(projections: Annotated[int, Ge(1)] = 64) -> Metric:
    """Build the mean W1 along `projections` random lines, which are the same in every measurement."""

    def measure(evidence: Evidence) -> Mapping[str, float]:
        import ot

        x, y = evidence.samples.flatten(1).double(), evidence.reference.flatten(1).double()
        lines = torch.randn(
            x.shape[1], projections, dtype=torch.double, generator=torch.Generator().manual_seed(DIRECTIONS_SEED)
        )
        lines /= lines.norm(dim=0)
        distance = ot.sliced_wasserstein_distance(x.numpy(), y.numpy(), p=1, projections=lines.numpy())
        return {"sliced-w1": float(distance)}

    return Metric(measure=measure, values={"sliced-w1": "lower"})


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "w1",
        w1,
        "The exact Wasserstein-1 distance, beside the score of a perfect sampler.",
        reference="Arjovsky, Chintala, Bottou 2017, Wasserstein GAN, arXiv:1701.07875; computed by POT",
        formula="min over couplings p of sum_ij p_ij |x_i - y_j|",
    )
    yield Offer(
        "sliced-w1",
        sliced_w1,
        "The mean Wasserstein-1 distance of the samples' shadows on random lines.",
        reference="Bonneel et al. 2015, Sliced and Radon Wasserstein Barycenters of Measures; computed by POT",
        formula="E_u W1(u.x, u.y), u uniform on the sphere",
    )
