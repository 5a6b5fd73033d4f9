"""Scores of a trained model: the evidence that metrics see, and the calls of the metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from ganbench.api.data import Extractor, Source
from ganbench.api.metrics import Metric
from ganbench.api.models import Networks
from ganbench.api.records import Score
from ganbench.api.training import Parameters
from ganbench.api.trials import Part, digest
from ganbench.errors import GanbenchError
from ganbench.evaluation.outcomes import SPREAD, SPREAD_SAMPLES, spread_measurement


class Reference:
    """The real samples that a dataset's models are compared with: drawn once, shared by all models.

    `samples` [m, *shape] are on the CPU; a dataset that is a finite set may have fewer than requested. Their `features`
    are extracted when they are first read.
    """

    def __init__(self, source: Source, samples: int) -> None:
        self.source = source
        self.samples = source.reference(samples).to("cpu", torch.float32)

    @cached_property
    def distance(self) -> float:
        """The mean distance of a pair of reference samples; the distance of a model's samples is divided by it."""
        return mean_pairwise_distance(self.samples)

    @property
    def extractor(self) -> Extractor:
        """The dataset's feature extractor; reading it raises GanbenchError if there is none."""
        if self.source.extractor is None:
            raise GanbenchError(
                f"this dataset (samples of shape {tuple(self.source.shape)}) has no feature extractor: "
                "give its Source one, or use metrics that need samples only."
            )
        return self.source.extractor

    def extract(self, samples: Tensor) -> Mapping[str, Tensor]:
        """Return what the extractor computes from samples: "features" [n, d] and "logits" [n, classes]."""
        with torch.no_grad():
            return self.extractor.extract(samples)

    @cached_property
    def features(self) -> Tensor:
        """The features [m, d] of the reference samples."""
        return self.extract(self.samples)["features"]


class ModelEvidence:
    """The Evidence of one trained model, which metrics see; each part is computed when it is first read.

    `samples` [n, *shape] are detached and moved to the CPU in float32.
    """

    def __init__(
        self,
        samples: Tensor,
        reference: Reference,
        *,
        networks: Networks,
        generator_parameters: Parameters,
        critic_parameters: Parameters,
    ) -> None:
        self._reference = reference
        self.samples = samples.detach().to("cpu", torch.float32)
        self.reference = reference.samples
        self.source = reference.source
        self.networks = networks
        self.generator_parameters = generator_parameters
        self.critic_parameters = critic_parameters

    @cached_property
    def _extracted(self) -> Mapping[str, Tensor]:
        return self._reference.extract(self.samples)

    @property
    def features(self) -> Tensor:
        """The extractor's features [n, d] of the samples."""
        return self._extracted["features"]

    @property
    def logits(self) -> Tensor:
        """The extractor's logits [n, classes] of the samples."""
        return self._extracted["logits"]

    @property
    def reference_features(self) -> Tensor:
        """The extractor's features [m, d] of the reference samples."""
        return self._reference.features

    @property
    def reference_distance(self) -> float:
        """The mean distance of a pair of reference samples."""
        return self._reference.distance

    @property
    def extractor(self) -> Extractor:
        """The extractor these features come from."""
        return self._reference.extractor

    @cached_property
    def finite(self) -> bool:
        """Whether every number of every sample is finite."""
        return bool(self.samples.isfinite().all())

    @cached_property
    def finite_features(self) -> bool:
        """Whether every sample is finite, and everything that the extractor computes from it."""
        return self.finite and all(bool(values.isfinite().all()) for values in self._extracted.values())


def score_model(
    metrics: Sequence[tuple[Part, Metric]], evidence: ModelEvidence, *, step: int, final: bool
) -> tuple[Score, ...]:
    """Return the scores of one model at one snapshot, in the metrics' order; `final` metrics only if `final` is true.

    A model whose samples are not all finite (or, for metrics on features, their features) has NaN for every value. So
    its row stays in the table, and metrics need not handle this case. Raise GanbenchError like `score_metric`.
    """
    return tuple(
        score
        for part, metric in metrics
        if final or not metric.final
        for score in score_metric(part, metric, evidence, step=step)
    )


def score_metric(part: Part, metric: Metric, evidence: ModelEvidence, *, step: int) -> tuple[Score, ...]:
    """Return one metric's scores of one model, a score for each of its values.

    Raise GanbenchError if the metric returns other values than it declares, or if it needs features and the dataset has
    no extractor; the message begins with the metric's name.
    """
    on_features = metric.needs == "features"
    try:
        finite = evidence.finite_features if on_features else evidence.finite
        values = metric.measure(evidence) if finite else dict.fromkeys(metric.values, math.nan)
        extractor = evidence.extractor.digest if on_features else ""
    except GanbenchError as error:
        raise GanbenchError(f"metric {part.name!r}: {error}") from error
    if values.keys() != metric.values.keys():
        raise GanbenchError(
            f"metric {part.name!r} measured {sorted(values)}, but declares {sorted(metric.values)}: "
            "`measure` must return a float for each of `values`, and for nothing else."
        )
    samples = len(evidence.samples)
    measurement = digest([part.name, part.version, dict(part.options), samples, extractor])
    return tuple(
        Score(step, name, float(values[name]), direction, measurement, samples)
        for name, direction in metric.values.items()
    )


def score_spread(evidence: ModelEvidence, *, step: int) -> Score:
    """Return the spread of a model's samples: their mean pairwise distance over that of the reference samples.

    It is 1 for a model of the right distribution and 0 for a model that generates a single sample, so it detects
    collapse without any metric. It uses at most `SPREAD_SAMPLES` samples of each, so it costs milliseconds. The value
    is NaN if a sample is not finite, if there are fewer than two samples, or if the data is a single point.
    """
    value = (
        mean_pairwise_distance(evidence.samples) / evidence.reference_distance
        if evidence.finite and evidence.reference_distance
        else math.nan
    )
    samples = min(len(evidence.samples), SPREAD_SAMPLES)
    return Score(step, SPREAD, value, "neutral", spread_measurement(samples), samples)


def mean_pairwise_distance(samples: Tensor) -> float:
    """Return the mean Euclidean distance of the pairs among at most `SPREAD_SAMPLES` of the samples [n, ...].

    They are taken at even steps, because some datasets are sorted by class. NaN if there is no pair.
    """
    count = min(len(samples), SPREAD_SAMPLES)
    subset = samples[torch.linspace(0, len(samples) - 1, count).long()].flatten(1).double()
    return float(torch.pdist(subset).mean())
