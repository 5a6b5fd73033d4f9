"""A trained model in, scores out: what metrics see, and how they are asked."""

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
    """What a dataset's models are compared with: made once, shared by all of them.

    `samples` [m, *shape] on the CPU, where a set may have fewer than were asked for; their `features` are extracted
    when first read.
    """

    def __init__(self, source: Source, samples: int) -> None:
        self.source = source
        self.samples = source.reference(samples).to("cpu", torch.float32)

    @cached_property
    def distance(self) -> float:
        """The mean distance of a pair of reference samples: what a model's is compared with."""
        return mean_pairwise_distance(self.samples)

    @property
    def extractor(self) -> Extractor:
        """The dataset's extractor; GanbenchError where it has none."""
        if self.source.extractor is None:
            raise GanbenchError(
                f"this dataset (samples of shape {tuple(self.source.shape)}) has no feature extractor: "
                "give its Source one, or judge it by metrics that need samples only."
            )
        return self.source.extractor

    def answers(self, samples: Tensor) -> Mapping[str, Tensor]:
        """Give what the extractor says of samples: "features" [n, d] and "logits" [n, classes]."""
        with torch.no_grad():
            return self.extractor.extract(samples)

    @cached_property
    def features(self) -> Tensor:
        """The features [m, d] of the reference samples."""
        return self.answers(self.samples)["features"]


class ModelEvidence:
    """What metrics see of one trained model: the Evidence, each part computed when first read."""

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
    def _answers(self) -> Mapping[str, Tensor]:
        return self._reference.answers(self.samples)

    @property
    def features(self) -> Tensor:
        """The extractor's features [m, d] of the samples."""
        return self._answers["features"]

    @property
    def logits(self) -> Tensor:
        """The extractor's logits [m, classes] of the samples."""
        return self._answers["logits"]

    @property
    def reference_features(self) -> Tensor:
        """The extractor's features of the reference samples."""
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
        """Whether every sample is a number."""
        return bool(self.samples.isfinite().all())

    @cached_property
    def finite_features(self) -> bool:
        """Whether every sample, and all that the extractor says of it, is a number."""
        return self.finite and all(bool(answer.isfinite().all()) for answer in self._answers.values())


def score_model(
    metrics: Sequence[tuple[Part, Metric]], sight: ModelEvidence, *, step: int, final: bool
) -> tuple[Score, ...]:
    """Give the scores of one model at one snapshot, in the metrics' order; `final` metrics only at the end.

    A model whose samples (or, for metrics on features, their features) are not all finite gets NaN for every value:
    its row stays in the table, and no metric has to think of it.
    """
    return tuple(
        score
        for part, metric in metrics
        if final or not metric.final
        for score in score_metric(part, metric, sight, step=step)
    )


def score_metric(part: Part, metric: Metric, sight: ModelEvidence, *, step: int) -> tuple[Score, ...]:
    """Give one metric's scores; GanbenchError if it measures other values than it declares, or sees no features."""
    on_features = metric.needs == "features"
    try:
        finite = sight.finite_features if on_features else sight.finite
        values = metric.measure(sight) if finite else dict.fromkeys(metric.values, math.nan)
        extractor = sight.extractor.digest if on_features else ""
    except GanbenchError as error:
        raise GanbenchError(f"metric {part.name!r}: {error}") from error
    if values.keys() != metric.values.keys():
        raise GanbenchError(
            f"metric {part.name!r} measured {sorted(values)}, but declares {sorted(metric.values)}: "
            "`measure` must give a float for each of `values`, and for nothing else."
        )
    samples = len(sight.samples)
    measurement = digest([part.name, part.version, dict(part.options), samples, extractor])
    return tuple(
        Score(step, name, float(values[name]), direction, measurement, samples)
        for name, direction in metric.values.items()
    )


def score_spread(sight: ModelEvidence, *, step: int) -> Score:
    """Give how far apart a model's samples lie: their mean pairwise distance over that of the reference.

    1 for a model that is right, 0 for one that makes a single sample; with it collapse is told without any metric. On
    at most `SPREAD_SAMPLES` of each, so it costs milliseconds. NaN where a sample is not finite, where there are fewer
    than two, or where the data is a point.
    """
    value = (
        mean_pairwise_distance(sight.samples) / sight.reference_distance
        if sight.finite and sight.reference_distance
        else math.nan
    )
    samples = min(len(sight.samples), SPREAD_SAMPLES)
    return Score(step, SPREAD, value, "neutral", spread_measurement(samples), samples)


def mean_pairwise_distance(samples: Tensor) -> float:
    """Give the mean Euclidean distance of the pairs among at most `SPREAD_SAMPLES`, evenly taken; NaN for no pair.

    Evenly, because some sets lie in the order of their classes.
    """
    count = min(len(samples), SPREAD_SAMPLES)
    kept = samples[torch.linspace(0, len(samples) - 1, count).long()].flatten(1).double()
    return float(torch.pdist(kept).mean())
