"""Improved precision and recall: what is generated is real, what is real is generated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ganbench import Evidence, Metric, Offer, hookimpl


def precision_recall(neighbours: int = 3) -> Metric:
    """Give the metric; a row belongs to a set if it is no farther from some row than that row's k-th neighbour.

    NaN where a set has no k-th neighbour. A generator that puts out one image has recall 0 unless it is a real one.
    """

    def measure(evidence: Evidence) -> Mapping[str, float]:
        from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

        fake, real = evidence.features.double(), evidence.reference_features.double()
        if min(len(fake), len(real)) <= neighbours:
            return {"precision": float("nan"), "recall": float("nan")}
        found = prc_features_to_metric(fake, real, prc_neighborhood=neighbours, verbose=False)
        return {"precision": found[KEY_METRIC_PRECISION], "recall": found[KEY_METRIC_RECALL]}

    return Metric(measure=measure, values={"precision": "higher", "recall": "higher"}, needs="features", final=True)


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    """Yield precision and recall."""
    yield Offer(
        "precision-recall",
        precision_recall,
        "The share of generated samples among the real ones, and of real samples among the generated.",
        reference="Kynkaanniemi et al. 2019, Improved Precision and Recall Metric for Assessing Generative Models, "
        "arXiv:1904.06991; computed by torch-fidelity, k = 3",
        formula="precision: share of x_i with |x_i - y_j| <= NN_k(y_j) for some j; recall: the roles exchanged",
    )
