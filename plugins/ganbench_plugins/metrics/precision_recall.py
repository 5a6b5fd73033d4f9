"""Improved precision and recall: are generated samples realistic, and are real samples generated?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Annotated

from annotated_types import Ge
from ganbench import Evidence, GanbenchError, Metric, Offer, hookimpl


def precision_recall(neighbours: Annotated[int, Ge(1)] = 3) -> Metric:
    """Build the metric; a row belongs to a set if some row of the set has it within its k-th neighbour's distance.

    Raises GanbenchError if a set has no k-th neighbour. A generator that always returns one image has recall 0, unless
    that image is a real one.
    """

    def measure(evidence: Evidence) -> Mapping[str, float]:
        from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

        fake, real = evidence.features.double(), evidence.reference_features.double()
        if (fewest := min(len(fake), len(real))) <= neighbours:
            raise GanbenchError(
                f"neighbours = {neighbours}, of {len(fake)} generated and {len(real)} real samples. Use at most "
                f"{fewest - 1}, or more samples."
            )
        values = prc_features_to_metric(fake, real, prc_neighborhood=neighbours, verbose=False)
        return {"precision": values[KEY_METRIC_PRECISION], "recall": values[KEY_METRIC_RECALL]}

    return Metric(
        measure=measure,
        values={"precision": "higher", "recall": "higher"},
        needs="features",
        final=True,
        least_samples=neighbours + 1,
        software=f"torch-fidelity {version('torch-fidelity')}",
    )


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "precision-recall",
        precision_recall,
        "The share of generated samples among the real ones, and of real samples among the generated.",
        reference="Kynkaanniemi et al. 2019, Improved Precision and Recall Metric for Assessing Generative Models, "
        "arXiv:1904.06991; computed by torch-fidelity, k = 3",
        formula="precision: share of x_i with |x_i - y_j| <= NN_k(y_j) for some j; recall: the roles exchanged",
    )
