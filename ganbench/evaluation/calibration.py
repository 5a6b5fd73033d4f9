"""Samplers that no method trained, and what they score: the frame in which every other score is read.

    images       real data; noise, pixel-shuffled, Gaussian fit (also clamped), mean image, ten memorised
    other data   real data; uniform, Gaussian fit, one mode

A law's own draws are called "perfect sampler" in place of "real data". These are the ceiling; the rest is trivial: it
knows a few statistics, or a few rows, of the data. Every dataset gets them, whoever offers it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from ganbench.api.data import Source
from ganbench.api.metrics import Metric
from ganbench.api.records import Calibration, Score
from ganbench.api.trials import Batch, Measurement, Part, digest
from ganbench.errors import GanbenchError
from ganbench.evaluation.baselines import NO_NETWORKS, Sampler, baseline_samplers, sampler_generator
from ganbench.evaluation.scoring import ModelEvidence, Reference, score_model, score_spread
from ganbench.registry.registry import Registry

SAMPLERS = 1
"""Raised when the numbers of a sampler change; part of every protocol's key."""


@dataclass(frozen=True, kw_only=True)
class MeasurementProtocol:
    """What untrained samplers are scored by: a dataset and its measurement. `key` also knows the dataset's code."""

    dataset: Part
    measurement: Measurement
    key: str


def collect_protocols(batches: Iterable[Batch], plugins: Registry) -> dict[str, MeasurementProtocol]:
    """Give the protocol of every dataset of a plan, by what tables call the dataset."""
    found: dict[str, MeasurementProtocol] = {}
    for batch in batches:
        trial, measurement = batch.trials[0], batch.measurement
        if (label := trial.labels["dataset"]) not in found:
            code = plugins.code("datasets", trial.dataset.name)
            key = digest([SAMPLERS, asdict(trial.dataset), code, asdict(measurement)])
            found[label] = MeasurementProtocol(dataset=trial.dataset, measurement=measurement, key=key)
    return found


class BaselineScorer:
    """Where the samplers of one protocol are judged, by the metrics of its trials on as many samples.

    Metrics on networks are left out, and those on features where the dataset has no extractor; without any other there
    are no `samplers`. A metric that fails on such samples gives NaN, but for a GanbenchError.
    """

    def __init__(self, protocol: MeasurementProtocol, plugins: Registry) -> None:
        self.samples = protocol.measurement.samples
        built = [(part, plugins.build("metrics", part.name, part.options)) for part in protocol.measurement.metrics]
        self.metrics: list[tuple[Part, Metric]] = [each for each in built if each[1].needs != "networks"]
        self.samplers: tuple[Sampler, ...] = ()
        if self.metrics:
            source: Source = plugins.build("datasets", protocol.dataset.name, protocol.dataset.options)
            self.reference = Reference(source, self.samples)
            self.samplers = baseline_samplers(source, self.samples)
            if source.extractor is None:
                self.metrics = [each for each in self.metrics if each[1].needs != "features"]

    @torch.no_grad()
    def score(self, sampler: Sampler) -> list[Calibration]:
        """Draw from a sampler and give all that it scores, its spread included."""
        sight = self._sight(sampler.sample(self.samples, sampler_generator(sampler.name)))
        found = [score for part, metric in self.metrics for score in self._judged(part, metric, sight)]
        return [
            Calibration(sampler.name, sampler.trivial, s.name, s.value, s.direction, s.measurement, s.samples)
            for s in (*found, score_spread(sight, step=0))
        ]

    def _judged(self, part: Part, metric: Metric, sight: ModelEvidence) -> Sequence[Score]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # metrics warn of what is singular, as a mean image is
                return score_model([(part, metric)], sight, step=0, final=True)
        except GanbenchError:  # what the user can mend, as weights that could not be downloaded
            raise
        except Exception:
            unknown = self._sight(torch.full_like(sight.samples, math.nan))
            return score_model([(part, metric)], unknown, step=0, final=True)

    def _sight(self, samples: Tensor) -> ModelEvidence:
        return ModelEvidence(
            samples, self.reference, networks=NO_NETWORKS, generator_parameters={}, critic_parameters={}
        )


@contextmanager
def single_thread() -> Iterator[None]:
    """Compute as a worker does, then give the threads back."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
