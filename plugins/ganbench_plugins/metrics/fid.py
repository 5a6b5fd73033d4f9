"""The Frechet inception distance, on the features of the dataset's extractor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from ganbench import Evidence, Metric, Offer, hookimpl
from torch import Tensor


def prepare(evidence: Evidence) -> Mapping[str, Tensor]:
    """Return the root [d, d] of the reference's covariance, in double precision; nothing for a single sample."""
    real = evidence.reference_moments
    if real.count < 2:
        return {}
    values, vectors = torch.linalg.eigh(real.covariance)
    return {"root": (vectors * values.clamp(min=0).sqrt()) @ vectors.T}


def measure(evidence: Evidence) -> Mapping[str, float]:
    """Return the Frechet distance between the Gaussians fitted to both sets of features.

    Undefined (NaN) if a set has fewer than two rows. With R the root of S_r, the trace of (S S_r)^(1/2) is that of
    (R S R)^(1/2), which is symmetric, and its rank is below the number of rows of either set. Eigenvalues beyond the
    rank are rounding errors, whose roots are not small.
    """
    fake, real = evidence.moments, evidence.reference_moments
    if min(fake.count, real.count) < 2:
        return {"fid": float("nan")}
    root = evidence.prepared["root"]
    rank = min(len(root), fake.count - 1, real.count - 1)
    largest = torch.linalg.eigvalsh(root @ fake.covariance @ root)[-rank:]
    traces = fake.covariance.trace() + real.covariance.trace() - 2 * largest.clamp(min=0).sqrt().sum()
    return {"fid": float((fake.mean - real.mean).square().sum() + traces)}


def fid() -> Metric:
    """Build the metric; its value depends on the numbers of samples, which are stored with every score."""
    return Metric(measure=measure, values={"fid": "lower"}, needs="moments", prepare=prepare)


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "fid",
        fid,
        "The distance between Gaussians fitted to the features of generated and of real samples.",
        reference="Heusel et al. 2017, GANs Trained by a Two Time-Scale Update Rule, arXiv:1706.08500; "
        "equal to torch-fidelity's",
        formula="|m - m_r|^2 + tr(S + S_r - 2 (S S_r)^(1/2))",
    )
