"""The inception score, on the logits of the dataset's extractor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Annotated

from annotated_types import Ge
from ganbench import Evidence, Metric, Offer, hookimpl

LEAST_LOGIT = -100.0
"""Relative to the largest. A probability of e^-100 changes no score; one of exactly 0 would give 0 log 0 = NaN."""


def inception_score(splits: Annotated[int, Ge(1)] = 1) -> Metric:
    """Build the metric, averaged over `splits` parts of the samples; undefined (NaN) for fewer samples than parts.

    Papers use ten parts of 50,000 samples, 5,000 in each part. Here all samples together are fewer than one such part,
    and more parts would only lower the score.
    """

    def measure(evidence: Evidence) -> Mapping[str, float]:
        from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric

        if len(evidence.logits) < splits:
            return {"is": float("nan")}
        logits = evidence.logits.double()
        logits = (logits - logits.amax(dim=1, keepdim=True)).clamp(min=LEAST_LOGIT)
        return {"is": isc_features_to_metric(logits, splits=splits)[KEY_METRIC_ISC_MEAN]}

    return Metric(
        measure=measure,
        values={"is": "higher"},
        needs="logits",
        least_samples=splits,
        software=f"torch-fidelity {version('torch-fidelity')}",
    )


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "inception-score",
        inception_score,
        "How sure the classifier is of each sample, and how many classes it finds; from 1 to the number of classes.",
        reference="Salimans et al. 2016, Improved Techniques for Training GANs, arXiv:1606.03498; "
        "computed by torch-fidelity",
        formula="exp E_x KL(p(y given x), p(y))",
    )
