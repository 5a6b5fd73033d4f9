"""What metrics see of a trained model: copies of its samples, of what an extractor computes from them, its networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from ganbench.api.data import Extractor, Source
from ganbench.api.metrics import Metric, Moments, ProbeStep
from ganbench.api.models import Networks
from ganbench.api.training import Parameters
from ganbench.engine.model import Model
from ganbench.engine.probe import open_step
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.train import Training
from ganbench.errors import GanbenchError
from ganbench.evaluation.baselines import NO_NETWORKS
from ganbench.evaluation.measuring import Copies
from ganbench.evaluation.pieces import Parts, hold, undefined
from ganbench.evaluation.reference import Reference, ReferenceView


def refuse_step(number: int, real: Tensor | None, labels: Tensor | None) -> ProbeStep:
    """Raise GanbenchError: evidence without networks has no losses."""
    raise GanbenchError('there are no networks here, only samples. A metric on losses declares needs="networks".')


def refuse_first(player: str) -> Parameters:
    """Raise GanbenchError: evidence without networks has no parameters."""
    raise GanbenchError('there are no networks here, only samples. A metric on parameters declares needs="networks".')


def refuse_call(x: Tensor, labels: Tensor | None = None) -> Tensor:
    """Raise GanbenchError: evidence without networks has no generator and no critic."""
    raise GanbenchError(
        "there are no networks here, only samples. A metric that calls `generator` or `critic` declares "
        'needs="networks".'
    )


class ModelEvidence(ReferenceView):
    """The Evidence of one trained model, which metrics see; each part is computed when it is first read.

    `samples` are all samples [n, *shape], or what was collected of them (`pieces.Parts`). Every tensor that a metric
    reads is a copy on the CPU, in float32 or, for moments, in float64.
    """

    def __init__(
        self,
        samples: Tensor | Parts,
        reference: Reference,
        *,
        networks: Networks,
        generator_parameters: Parameters,
        critic_parameters: Parameters,
        generator: Callable[..., Tensor] = refuse_call,
        critic: Callable[..., Tensor] = refuse_call,
        step: Callable[[int, Tensor | None, Tensor | None], Any] = refuse_step,
        draw_first: Callable[[str], Parameters] = refuse_first,
        draw_labels: Callable[[int], Tensor | None] = lambda count: None,
        draw_codes: Callable[[int], Mapping[str, Tensor]] = lambda count: {},
    ) -> None:
        super().__init__(reference)
        self._copies = Copies()
        self.parts = hold(samples, reference) if isinstance(samples, Tensor) else samples
        self._parameters = {"generator_parameters": generator_parameters, "critic_parameters": critic_parameters}
        self.networks, self.generator, self.critic = networks, generator, critic
        self._draw_labels, self._draw_codes, self._step = draw_labels, draw_codes, step
        self._draw_first = draw_first
        self._metric: Metric | None = None
        self._metric_identity = ""

    def focus(self, metric: Metric, identity: str = "") -> None:
        """Show what this metric sees: the first `images` samples, and what it prepared.

        `identity` is the hash of the metric, its options and its software, by which the latter is kept in the cache.
        """
        self._metric, self._metric_identity = metric, identity

    @property
    def count(self) -> int:
        """The number of the model's samples that the metric sees, or that its features are of."""
        metric = self._metric
        limited = metric is not None and metric.needs == "samples" and metric.images
        return min(self.parts.count, limited or self.parts.count)

    @property
    def samples(self) -> Tensor:
        """The generated samples [n, *shape]."""
        name = "samples" if self.count == self.parts.count else f"samples[:{self.count}]"
        return self._copies.show(name, self.parts.read_samples(self.count))

    @cached_property
    def _all_labels(self) -> Tensor | None:
        return self._draw_labels(self.parts.count)

    @cached_property
    def _all_codes(self) -> Mapping[str, Tensor]:
        return self._draw_codes(self.parts.count)

    @property
    def labels(self) -> Tensor | None:
        """The labels [n] by which the samples were generated; None if the generator takes none."""
        labels = self._all_labels
        return None if labels is None else self._copies.show(f"labels[:{self.count}]", labels[: self.count])

    @property
    def codes(self) -> Mapping[str, Tensor]:
        """The codes of the samples that inputs added, [n, ...] by name."""
        show = self._copies.show
        return {name: show(f"codes[{name!r}][:{self.count}]", c[: self.count]) for name, c in self._all_codes.items()}

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

    def first_parameters(self, player: str) -> Parameters:
        """Return the parameters of "generator" or "critic" before the first step, by name; copies for the caller."""
        return {name: tensor.cpu().clone() for name, tensor in self._draw_first(player).items()}

    def _show_parameters(self, field: str) -> Parameters:
        show = self._copies.show
        return {name: show(f"{field}[{name!r}]", tensor.cpu()) for name, tensor in self._parameters[field].items()}

    def step(self, number: int = 0, held_out: bool = False) -> ProbeStep:
        """Return the losses on batch `number` of this model's probes; with `held_out`, on reference samples."""
        if not held_out:
            drawn: ProbeStep = self._step(number, None, None)
            return drawn
        rows = self._step(number, None, None).losses.step_inputs["real"].shape[0]
        chosen = torch.arange(number * rows, (number + 1) * rows) % len(self._reference.samples)
        labels = self._reference.labels
        chosen_labels = None if labels is None else labels[chosen]
        held: ProbeStep = self._step(number, self._reference.samples[chosen], chosen_labels)
        return held

    @property
    def features(self) -> Tensor:
        """The extractor's features [n, d] of the samples."""
        return self._copies.show("features", self._read_answer("features"))

    @property
    def logits(self) -> Tensor:
        """The extractor's logits [n, classes] of the samples."""
        return self._copies.show("logits", self._read_answer("logits"))

    @property
    def moments(self) -> Moments:
        """The moments of these features."""
        return self._copies.show_moments("moments", self._read_answer("moments"))

    def _read_answer(self, name: str) -> Any:
        """Return what the extractor computes from the samples; raise GanbenchError if there is none, or not this."""
        extractor = self.extractor
        answer = self.parts.read(name)
        if answer is None:
            raise GanbenchError(f"extractor {extractor.name!r} has features only, and no {name}.")
        return answer

    @property
    def prepared(self) -> Mapping[str, Tensor]:
        """What the metric's `prepare` returned for the reference."""
        if self._metric is None:
            raise GanbenchError("no metric is being measured, so nothing is prepared.")
        prepared = self._reference.prepare(self._metric, self._metric_identity)
        prefix = self._metric_identity or str(id(self._metric.prepare))
        show = self._reference.copies.show
        return {name: show(f"prepared[{name!r}]", tensor, prefix) for name, tensor in prepared.items()}

    def drop_changed(self) -> Iterator[str]:
        """Yield what a metric has changed in place, by name, and show the original values from now on."""
        yield from self._copies.drop_changed()
        yield from self._reference.copies.drop_changed()

    @property
    def reference_distance(self) -> float:
        """The mean distance of a pair of reference samples."""
        return self._reference.distance

    @property
    def protocol(self) -> tuple[object, ...]:
        """What a measurement depends on besides the metric, its samples and the extractor."""
        return self._reference.protocol

    @property
    def reference_identity(self) -> tuple[object, ...]:
        """The number of the reference samples, the hash of a finite set's, and their shape in an early stage."""
        return self._reference.identity

    @property
    def extractor(self) -> Extractor:
        """The extractor these features come from."""
        return self._reference.extractor

    @property
    def extractor_identity(self) -> str:
        """The hash of all that features depend on besides the samples."""
        return self._reference.extractor_identity

    @property
    def spread_samples(self) -> Tensor:
        """The samples that the spread is measured on."""
        rows: Tensor = self.parts.read("spread")
        return rows

    @property
    def finite(self) -> bool:
        """Whether every number of every sample is finite."""
        return bool(self.parts.read("finite"))

    @property
    def finite_features(self) -> bool:
        """Whether every sample is finite, and everything that the extractor computes from it."""
        if not self.finite:
            return False
        if self._metric is not None and self._metric.on_features:
            self.parts.read(self._metric.needs)  # which is extracted together with what is asked here
        return bool(self.parts.read("finite_features"))


def make_undefined(count: int, reference: Reference) -> ModelEvidence:
    """Return the evidence of `count` samples that could not be judged: all its scores are NaN."""
    parts = undefined(count, reference)
    return ModelEvidence(parts, reference, networks=NO_NETWORKS, generator_parameters={}, critic_parameters={})


def open_evidence(
    training: Training, snapshot: Snapshot, row: int, samples: Tensor | Parts, reference: Reference
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
        step=partial(open_step, model),
        draw_first=model.draw_first_parameters,
        draw_labels=model.draw_labels,
        draw_codes=model.draw_codes,
    )
