"""Improved precision and recall: are generated samples realistic, and are real samples generated?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

import torch
from annotated_types import Ge
from ganbench import Evidence, GanbenchError, Metric, Offer, hookimpl
from torch import Tensor

BLOCK = 1000
"""Rows whose distances are computed at once: 8 MB for a pair of blocks, however many rows the sets have."""


def find_radii(x: Tensor, neighbours: int) -> Tensor:
    """Return the distance of each row of x [n, d] to its k-th neighbour among the others, [n], in double precision."""
    radii = []
    for rows in x.split(BLOCK):
        nearest = torch.empty(len(rows), 0, dtype=torch.double)
        for others in x.split(BLOCK):
            distances = torch.cat([nearest, torch.cdist(rows.double(), others.double())], 1)
            nearest = distances.topk(min(neighbours + 1, distances.shape[1]), largest=False).values  # one is itself
        radii.append(nearest.amax(1))
    return torch.cat(radii)


def find_shares(fake: Tensor, real: Tensor, fake_radii: Tensor, real_radii: Tensor) -> tuple[float, float]:
    """Return the share of fake rows within the radius of some real row, and of real rows within that of a fake one."""
    realistic, covered = (torch.zeros(len(rows), dtype=torch.bool) for rows in (fake, real))
    for i in range(0, len(fake), BLOCK):
        for j in range(0, len(real), BLOCK):
            rows, columns = slice(i, i + BLOCK), slice(j, j + BLOCK)
            distances = torch.cdist(fake[rows].double(), real[columns].double())
            realistic[rows] |= (distances <= real_radii[columns]).any(1)
            covered[columns] |= (distances <= fake_radii[rows].unsqueeze(1)).any(0)
    return float(realistic.double().mean()), float(covered.double().mean())


def precision_recall(neighbours: Annotated[int, Ge(1)] = 3) -> Metric:
    """Build the metric; a row belongs to a set if some row of the set has it within its k-th neighbour's distance.

    Raises GanbenchError if a set has no k-th neighbour. A generator that always returns one image has recall 0, unless
    that image is a real one.
    """

    def prepare(evidence: Evidence) -> Mapping[str, Tensor]:
        return {"radii": find_radii(evidence.reference_features, neighbours)}

    def measure(evidence: Evidence) -> Mapping[str, float]:
        fake, real = evidence.features, evidence.reference_features
        if (fewest := min(len(fake), len(real))) <= neighbours:
            raise GanbenchError(
                f"neighbours = {neighbours}, of {len(fake)} generated and {len(real)} real samples. Use at most "
                f"{fewest - 1}, or more samples."
            )
        precision, recall = find_shares(fake, real, find_radii(fake, neighbours), evidence.prepared["radii"])
        return {"precision": precision, "recall": recall}

    return Metric(
        measure=measure,
        values={"precision": "higher", "recall": "higher"},
        needs="features",
        final=True,
        least_samples=neighbours + 1,
        prepare=prepare,
    )


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "precision-recall",
        precision_recall,
        "The share of generated samples among the real ones, and of real samples among the generated.",
        reference="Kynkaanniemi et al. 2019, Improved Precision and Recall Metric for Assessing Generative Models, "
        "arXiv:1904.06991; equal to torch-fidelity's, k = 3",
        formula="precision: share of x_i with |x_i - y_j| <= NN_k(y_j) for some j; recall: the roles exchanged",
    )
