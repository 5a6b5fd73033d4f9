"""Wasserstein-1 distances between generated and reference samples: exact, and along random lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import torch
from ganbench import Evidence, Metric, Offer, hookimpl
from torch import Tensor

DIRECTIONS_SEED = 2015


def exact(x: Tensor, y: Tensor) -> float:
    """Give the W1 of two equally large, equally weighted sets [n, *shape] under the Euclidean distance of rows.

    Both are divided by their largest entry first: the solver's tolerance is absolute.
    """
    import ot

    x, y = x.flatten(1).double(), y.flatten(1).double()
    unit = torch.maximum(x.abs().amax(), y.abs().amax()).clamp(min=1e-300)
    cost = torch.cdist(x / unit, y / unit, compute_mode="donot_use_mm_for_euclid_dist")
    # An empty weight means uniform; the default of 1e5 pivots is too few for some 1,000 rows.
    return float(ot.emd2([], [], cost.numpy(), numItermax=10_000_000)) * float(unit)


@lru_cache(maxsize=8)
def floor(reference: Tensor, n: int) -> float:
    """Give the W1 between two disjoint sets of n reference rows: what a perfect generator would score.

    The same tensor is asked for at every snapshot, hence the cache (a tensor is hashed by identity).
    """
    return exact(reference[::2][:n], reference[1::2][:n])


def w1(limit: int = 500) -> Metric:
    """Give the metric, on n = min(limit, half the reference, the samples) rows of each; NaN without any.

    The cost grows like n^3, hence `limit`. Half the reference is compared with, so that the other half can say what
    the distance is between two samples of the same law: `w1-floor`.
    """

    def measure(evidence: Evidence) -> Mapping[str, float]:
        n = min(limit, len(evidence.reference) // 2, len(evidence.samples))
        if n < 1:
            return {"w1": float("nan"), "w1-floor": float("nan")}
        near = exact(evidence.samples[:n], evidence.reference[::2][:n])
        return {"w1": near, "w1-floor": floor(evidence.reference, n)}

    return Metric(measure=measure, values={"w1": "lower", "w1-floor": "neutral"})


def sliced_w1(projections: int = 64) -> Metric:
    """Give the mean W1 along `projections` random lines, the same at every measurement."""

    def measure(evidence: Evidence) -> Mapping[str, float]:
        import ot

        x, y = evidence.samples.flatten(1).double(), evidence.reference.flatten(1).double()
        lines = torch.randn(
            x.shape[1], projections, dtype=torch.double, generator=torch.Generator().manual_seed(DIRECTIONS_SEED)
        )
        lines /= lines.norm(dim=0)
        found = ot.sliced_wasserstein_distance(x.numpy(), y.numpy(), p=1, projections=lines.numpy())
        return {"sliced-w1": float(found)}

    return Metric(measure=measure, values={"sliced-w1": "lower"})


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    """Yield the exact and the sliced distance."""
    yield Offer(
        "w1",
        w1,
        "The exact Wasserstein-1 distance, beside what a perfect generator would score.",
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
