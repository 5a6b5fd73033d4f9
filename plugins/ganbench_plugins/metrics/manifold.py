"""Precision and recall on data whose manifold is a known, finite set: exact, without features and neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

import torch
from annotated_types import Gt
from ganbench import Evidence, GanbenchError, Metric, Offer, hookimpl
from torch import Tensor

ROWS = 1024
"""Samples whose distances are computed at once."""


def find_nearest(samples: Tensor, manifold: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distance of each sample from the manifold, per pixel (RMS), and the number of its nearest point."""
    points = manifold.flatten(1).double()
    parts = [torch.cdist(part.flatten(1).double(), points).min(dim=1) for part in samples.split(ROWS)]
    distance, nearest = (torch.cat(values) for values in zip(*parts, strict=True))
    return distance / points.shape[1] ** 0.5, nearest


def manifold_precision_recall(distance: Annotated[float, Gt(0)] = 0.1) -> Metric:
    """Build the metric; a sample lies on the manifold if its distance from it is below `distance`, strictly.

    The distance is the root of the mean squared difference of pixels. Raises GanbenchError for a dataset without the
    fact `manifold`.
    """

    def measure(evidence: Evidence) -> Mapping[str, float]:
        facts = evidence.source.facts
        if "manifold" not in facts:
            raise GanbenchError(
                f"the dataset's facts are {sorted(facts)}, without 'manifold'. Use it on 'polygons', or choose another "
                "metric."
            )
        manifold = facts["manifold"].to(evidence.samples.device)
        apart, nearest = find_nearest(evidence.samples, manifold)
        close = apart < distance
        covered = torch.bincount(nearest[close], minlength=len(manifold)) > 0
        return {
            "manifold-precision": float(close.double().mean()),
            "manifold-recall": float(covered.double().mean()),
            "manifold-recall-ceiling": 1 - (1 - 1 / len(manifold)) ** len(close),
        }

    return Metric(
        measure=measure,
        values={"manifold-precision": "higher", "manifold-recall": "higher", "manifold-recall-ceiling": "neutral"},
    )


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "manifold-precision-recall",
        manifold_precision_recall,
        "The share of samples on a known manifold, and the share of the manifold that they cover.",
        reference="after Lucic et al. 2018, Are GANs Created Equal? A Large-Scale Study, arXiv:1711.10337, section 5",
        formula="d(x) = min_k |x - m_k| / sqrt(pixels); precision: share of x with d(x) < distance; recall: share of "
        "the M points m_k that are nearest to such an x; ceiling, of n perfect samples: 1 - (1 - 1/M)^n",
    )
