"""Scores of a trained model: the evidence that metrics see, and the calls of the metrics."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from ganbench.api.data import Extractor, Source
from ganbench.api.metrics import Metric
from ganbench.api.models import Networks
from ganbench.api.records import Score
from ganbench.api.training import Parameters
from ganbench.api.trials import Part, digest
from ganbench.engine.model import Model
from ganbench.engine.pixels import scale_bytes
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.train import Training
from ganbench.errors import GanbenchError
from ganbench.evaluation.measuring import Copies, measure
from ganbench.evaluation.outcomes import SPREAD, SPREAD_SAMPLES, spread_measurement
from ganbench.registry.exits import explaining_exits
from ganbench.registry.registry import Registry

RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""Two measurements of a model may differ by this much: libraries may add in another order. Chance differs by more."""


class Reference:
    """The real samples that a dataset's models are compared with: drawn once, shared by all models.

    `samples` [m, *shape] are on the CPU; a dataset that is a finite set may have fewer than requested. Their `features`
    are extracted when they are first read.
    """

    def __init__(self, source: Source, samples: int) -> None:
        self.source = source
        self.samples = scale_bytes(source.reference(samples).cpu(), source)
        self.copies = Copies()

    @cached_property
    def distance(self) -> float:
        """The mean distance of a pair of reference samples; the distance of a model's samples is divided by it."""
        return mean_pairwise_distance(self.samples)

    @cached_property
    def identity(self) -> tuple[int, str]:
        """What a measurement knows of the samples: their number, and the hash of a finite set's.

        The draws of a distribution may differ in the last bit between machines, so theirs is "".
        """
        if self.source.take is None:
            return len(self.samples), ""
        content = self.samples.contiguous().numpy().tobytes()
        return len(self.samples), hashlib.sha256(content).hexdigest()

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
        with torch.no_grad(), torch.random.fork_rng(devices=[]):  # building a network draws its weights before loading
            return self.extractor.extract(samples)

    @cached_property
    def features(self) -> Tensor:
        """The features [m, d] of the reference samples."""
        return self.extract(self.samples)["features"]


def refuse_call(x: Tensor, labels: Tensor | None = None) -> Tensor:
    """Raise GanbenchError: evidence without networks has no generator and no critic."""
    raise GanbenchError(
        "there are no networks here, only samples. A metric that calls `generator` or `critic` declares "
        'needs="networks".'
    )


class ModelEvidence:
    """The Evidence of one trained model, which metrics see; each part is computed when it is first read.

    `samples` [n, *shape] are detached and moved to the CPU in float32. Every tensor that a metric reads is a copy;
    `own_samples` is the original.
    """

    def __init__(
        self,
        samples: Tensor,
        reference: Reference,
        *,
        networks: Networks,
        generator_parameters: Parameters,
        critic_parameters: Parameters,
        generator: Callable[..., Tensor] = refuse_call,
        critic: Callable[..., Tensor] = refuse_call,
    ) -> None:
        self._reference, self._copies = reference, Copies()
        self.own_samples = samples.detach().to("cpu", torch.float32)
        self._parameters = {"generator_parameters": generator_parameters, "critic_parameters": critic_parameters}
        self.networks, self.generator, self.critic = networks, generator, critic

    @property
    def samples(self) -> Tensor:
        """The generated samples [n, *shape]."""
        return self._copies.show("samples", self.own_samples)

    @property
    def reference(self) -> Tensor:
        """The reference samples [m, *shape]; the same tensor for every model, so a metric may compute from it once."""
        return self._reference.copies.show("reference", self._reference.samples)

    @property
    def source(self) -> Source:
        """The dataset, with copies of the tensors in its facts."""
        source, show = self._reference.source, self._reference.copies.show
        tensors = {name: fact for name, fact in source.facts.items() if isinstance(fact, Tensor)}
        facts = {name: show(f"source.facts[{name!r}]", tensor) for name, tensor in tensors.items()}
        return replace(source, facts={**source.facts, **facts})

    @property
    def generator_parameters(self) -> Parameters:
        """The generator's parameters by name."""
        return self._show_parameters("generator_parameters")

    @property
    def critic_parameters(self) -> Parameters:
        """The critic's parameters by name."""
        return self._show_parameters("critic_parameters")

    def _show_parameters(self, field: str) -> Parameters:
        show = self._copies.show
        return {name: show(f"{field}[{name!r}]", tensor.cpu()) for name, tensor in self._parameters[field].items()}

    @cached_property
    def _extracted(self) -> Mapping[str, Tensor]:
        return self._reference.extract(self.own_samples)

    @property
    def features(self) -> Tensor:
        """The extractor's features [n, d] of the samples."""
        return self._copies.show("features", self._extracted["features"])

    @property
    def logits(self) -> Tensor:
        """The extractor's logits [n, classes] of the samples."""
        return self._copies.show("logits", self._extracted["logits"])

    @property
    def reference_features(self) -> Tensor:
        """The extractor's features [m, d] of the reference samples."""
        return self._reference.copies.show("reference_features", self._reference.features)

    def drop_changed(self) -> Iterator[str]:
        """Yield what a metric has changed in place, by name, and show the original values from now on."""
        yield from self._copies.drop_changed()
        yield from self._reference.copies.drop_changed()

    @property
    def reference_distance(self) -> float:
        """The mean distance of a pair of reference samples."""
        return self._reference.distance

    @property
    def reference_identity(self) -> tuple[int, str]:
        """The number of the reference samples, and the hash of a finite set's."""
        return self._reference.identity

    @property
    def extractor(self) -> Extractor:
        """The extractor these features come from."""
        return self._reference.extractor

    @cached_property
    def finite(self) -> bool:
        """Whether every number of every sample is finite."""
        return bool(self.own_samples.isfinite().all())

    @cached_property
    def finite_features(self) -> bool:
        """Whether every sample is finite, and everything that the extractor computes from it."""
        return self.finite and all(bool(values.isfinite().all()) for values in self._extracted.values())


def open_evidence(
    training: Training, snapshot: Snapshot, row: int, samples: Tensor, reference: Reference
) -> ModelEvidence:
    """Return the evidence of one member of a snapshot, by its row there; `samples` are its samples."""
    model = Model(training, snapshot, row)
    return ModelEvidence(
        samples,
        reference,
        networks=model.networks,
        generator_parameters=model.generator_parameters,
        critic_parameters=model.critic_parameters,
        generator=model.generator,
        critic=model.critic,
    )


def score_model(
    metrics: Sequence[tuple[Part, Metric]],
    evidence: ModelEvidence,
    *,
    step: int,
    final: bool,
    twice: Container[Metric] = (),
) -> tuple[Score, ...]:
    """Return the scores of one model at one snapshot, in the metrics' order; `final` metrics only if `final` is true.

    The metrics in `twice` are measured twice, and refused if their values differ.

    A model whose samples are not all finite (or, for metrics on features, their features) has NaN for every value. So
    its row stays in the table, and metrics need not handle this case. Raise GanbenchError like `score_metric`.
    """
    return tuple(
        score
        for part, metric in metrics
        if final or not metric.final
        for score in score_metric(part, metric, evidence, step=step, twice=metric in twice)
    )


def build_metric(part: Part, plugins: Registry) -> tuple[Part, Metric]:
    """Build a metric; the code behind it counts as part of its software, so edited code is another measurement."""
    metric: Metric = plugins.build("metrics", part.name, part.options)
    return part, replace(metric, software=f"{metric.software} {plugins.code('metrics', part.name)}")


def score_metric(
    part: Part, metric: Metric, evidence: ModelEvidence, *, step: int, twice: bool = False
) -> tuple[Score, ...]:
    """Return one metric's scores of one model, a score for each of its values.

    The measurement is the hash of all that the numbers depend on besides the model: the metric with its version and
    options, the number of samples, the extractor, the reference samples and the metric's software (`build_metric`).
    The size of the batches that samples are generated in is not in it, although batch normalisation depends on it. It
    is the batch size of the training: it belongs to the model, is in the trial's key, and is one for all trials of a
    suite. Baselines have none, and are thus measured as the trials are.

    With `twice` it is measured again, and GanbenchError is raised if a value differs.

    Raise GanbenchError if the metric returns other values than it declares, if it needs features and the dataset has no
    extractor, and where `measure` does; the message begins with the metric's name.
    """
    on_features = metric.needs == "features"
    try:
        with explaining_exits("`measure`"):
            finite = evidence.finite_features if on_features else evidence.finite
            values = measure(metric, evidence) if finite else dict.fromkeys(metric.values, math.nan)
            extractor = evidence.extractor.digest if on_features else ""
    except GanbenchError as error:
        raise GanbenchError(f"metric {part.name!r}: {error}") from error
    if values.keys() != metric.values.keys():
        raise GanbenchError(
            f"metric {part.name!r} measured {sorted(map(str, values))}, but declares {sorted(metric.values)}: "
            "`measure` must return a float for each of `values`, and for nothing else."
        )
    if twice:
        refuse_other_values(part.name, values, score_metric(part, metric, evidence, step=step))
    samples = len(evidence.own_samples)
    measurement = digest(
        [part.name, part.version, dict(part.options), samples, extractor, *evidence.reference_identity, metric.software]
    )
    return tuple(
        Score(step, name, values[name], direction, measurement, samples) for name, direction in metric.values.items()
    )


def refuse_other_values(name: str, values: Mapping[str, float], again: Sequence[Score]) -> None:
    """Raise GanbenchError if a metric measured other values the second time; NaN equals NaN."""
    for score in again:
        first, second = values[score.name], score.value
        close = math.isclose(first, second, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
        if not close and not (math.isnan(first) and math.isnan(second)):
            raise GanbenchError(
                f"metric {name!r}: {score.name!r} is {first:g} at first and {second:g} the second time, for the same "
                "model: draw random numbers from a generator with a fixed seed, and keep no state."
            )


def score_spread(evidence: ModelEvidence, *, step: int) -> Score:
    """Return the spread of a model's samples: their mean pairwise distance over that of the reference samples.

    It is 1 for a model of the right distribution and 0 for a model that generates a single sample, so it detects
    collapse without any metric. It uses at most `SPREAD_SAMPLES` samples of each, so it costs milliseconds. The value
    is NaN if a sample is not finite, if there are fewer than two samples, or if the data is a single point.
    """
    value = (
        mean_pairwise_distance(evidence.own_samples) / evidence.reference_distance
        if evidence.finite and evidence.reference_distance
        else math.nan
    )
    samples = min(len(evidence.own_samples), SPREAD_SAMPLES)
    return Score(step, SPREAD, value, "neutral", spread_measurement(samples), samples)


def mean_pairwise_distance(samples: Tensor) -> float:
    """Return the mean Euclidean distance of the pairs among at most `SPREAD_SAMPLES` of the samples [n, ...].

    They are taken at even steps, because some datasets are sorted by class. NaN if there is no pair.
    """
    count = min(len(samples), SPREAD_SAMPLES)
    subset = samples[torch.linspace(0, len(samples) - 1, count).long()].flatten(1).double()
    return float(torch.pdist(subset).mean())
