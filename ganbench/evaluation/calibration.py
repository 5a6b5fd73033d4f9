"""Scores of the data itself and of untrained baselines: the scale on which every other score is read.

    images       real data; noise, pixel-shuffled, Gaussian fit (also clamped), mean image, ten memorised
    other data   real data; uniform, Gaussian fit, one mode

The draws of a distribution are called "perfect sampler" in place of "real data". All other samplers are trivial: they
know a few statistics, or a few samples, of the data. Every dataset gets them, also those of third-party plugins.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from ganbench.api.data import Source
from ganbench.api.metrics import Metric
from ganbench.api.records import Calibration, Score
from ganbench.api.trials import Batch, Measurement, Part, digest
from ganbench.errors import GanbenchError, describe
from ganbench.evaluation.baselines import NO_NETWORKS, Sampler, baseline_samplers, make_generator
from ganbench.evaluation.evidence import ModelEvidence, make_undefined
from ganbench.evaluation.memory import is_out_of_memory
from ganbench.evaluation.pieces import Parts, collect, find_wanted
from ganbench.evaluation.reference import open_reference
from ganbench.evaluation.scoring import build_metric, score_metric, score_spread
from ganbench.registry.registry import Registry

SAMPLERS_VERSION = 2
"""Raised when a sampler's numbers change, or what a measurement is the hash of; part of the key of every protocol."""


@dataclass(frozen=True, kw_only=True)
class MeasurementProtocol:
    """A dataset and the measurement that its samplers are scored by.

    `key` is a hash of both, of the dataset's code and content, of the metrics' code and software, and of
    `SAMPLERS_VERSION`.
    """

    dataset: Part
    measurement: Measurement
    key: str


def collect_protocols(batches: Iterable[Batch], plugins: Registry) -> dict[str, MeasurementProtocol]:
    """Return the protocol of every dataset of a plan, by the label of the dataset in tables."""
    protocols: dict[str, MeasurementProtocol] = {}
    for batch in batches:
        trial, measurement = batch.trials[0], batch.measurement
        if (label := trial.labels["dataset"]) not in protocols:
            code = [trial.sources.get(name, "") for name in (f"datasets/{trial.dataset.name}", "data")]
            metrics = [build_metric(part, plugins)[1].software for part in measurement.metrics]
            key = digest([SAMPLERS_VERSION, asdict(trial.dataset), code, measurement.plain, metrics])
            protocols[label] = MeasurementProtocol(dataset=trial.dataset, measurement=measurement, key=key)
    return protocols


class BaselineScorer:
    """The scorer of one protocol's samplers, by the metrics of its trials and on as many samples.

    Metrics on networks are left out, and metrics on features if the dataset has no extractor. Without metrics on
    samples or features `samplers` is empty. A metric that fails on a sampler has the value NaN there, unless it fails
    with a GanbenchError, which is raised. The real data is measured twice, and a metric whose values differ is refused.
    `source` is the dataset if it is already built.
    `tell` is called with what is being scored, in words. Features are extracted on `device`, the CPU by default.
    `reasons` are the exceptions of metrics on the real data, by the name of the value.
    """

    def __init__(
        self,
        protocol: MeasurementProtocol,
        plugins: Registry,
        source: Source | None = None,
        tell: Callable[[str], None] = lambda doing: None,
        device: torch.device | None = None,
    ) -> None:
        self.tell = tell
        self.samples = protocol.measurement.samples
        metrics = [build_metric(part, plugins) for part in protocol.measurement.metrics]
        self.metrics: list[tuple[Part, Metric]] = [each for each in metrics if each[1].needs != "networks"]
        self.samplers: tuple[Sampler, ...] = ()
        self.reasons: dict[str, str] = {}
        if self.metrics:
            source = source or plugins.build("datasets", protocol.dataset.name, protocol.dataset.options)
            assert source is not None
            self.reference = open_reference(source, protocol.measurement, plugins, device)
            self.samplers = baseline_samplers(source, self.samples)
            if not self.reference.has_extractor:
                self.metrics = [each for each in self.metrics if not each[1].on_features]

    @torch.no_grad()
    def score(self, sampler: Sampler) -> list[Calibration]:
        """Draw samples and return their scores by every metric, and their spread."""
        self.tell(f"drawing {sampler.name!r}")
        evidence = self._collect_evidence(sampler)
        scores = [
            score for part, metric in self.metrics for score in self._score_metric(part, metric, evidence, sampler)
        ]
        return [
            Calibration(sampler.name, sampler.trivial, s.name, s.value, s.direction, s.measurement, s.samples)
            for s in (*scores, score_spread(evidence, step=0))
        ]

    def _score_metric(self, part: Part, metric: Metric, evidence: ModelEvidence, sampler: Sampler) -> Sequence[Score]:
        self.tell(f"scoring {sampler.name!r} by metric {part.name!r}")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # metrics warn about singular samples, such as a single mean image
                # one sampler is enough to find a metric that gives other values each time
                return score_metric(part, metric, evidence, step=0, twice=not sampler.trivial)
        except Exception as error:
            if isinstance(error, GanbenchError) and not is_out_of_memory(error):
                raise  # the user can mend it, such as weights that are missing
            if not sampler.trivial:
                self.reasons |= dict.fromkeys(metric.values, describe(error))
            return score_metric(part, metric, make_undefined(self.samples, self.reference), step=0)

    def _collect_evidence(self, sampler: Sampler) -> ModelEvidence:
        """Return the evidence of a sampler's samples, collected as that of a trained model is, on the same device."""

        def draw() -> Iterator[Tensor]:
            pieces = sampler.iterate(self.samples, make_generator(sampler.name))
            return (piece.to(self.reference.device, torch.float32).unsqueeze(0) for piece in pieces)

        wanted = find_wanted([metric for _, metric in self.metrics], self.samples, self.reference.has_extractor)
        try:
            (collected,) = collect(draw(), self.samples, wanted, self.reference)
        except Exception:  # of the extractor: it is called again for each metric, which fails by its name
            collected = {}
        parts = Parts(self.samples, self.reference, draw, collected)
        return ModelEvidence(parts, self.reference, networks=NO_NETWORKS, generator_parameters={}, critic_parameters={})


def find_undefined(rows: Iterable[Calibration]) -> dict[str, Calibration]:
    """Return the scores of the real data (or the perfect sampler) that are not finite, by the name of the value."""
    return {row.name: row for row in rows if not row.trivial and not math.isfinite(row.value)}


def describe_undefined(row: Calibration, reason: str = "") -> str:
    """Return in words that the real data itself has no such score; `reason` is why, if it is known."""
    why = f" ({' '.join(reason.split())[:300]})" if reason else ""
    return f"the real data itself has no {row.name!r}: it is {row.value:g} for {row.samples} of its samples{why}"


@contextmanager
def single_thread() -> Iterator[None]:
    """Let torch compute on one thread, as in a worker, and restore the number of threads afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
