"""The rules for metrics: they measure what they declare, and give a dead generator a number or NaN, no exception."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any, get_args

import torch
from torch import Tensor

from ganbench.api.data import Extractor, Source
from ganbench.api.metrics import Direction, Metric
from ganbench.api.models import Ask, Networks, Space
from ganbench.api.trials import Part
from ganbench.errors import GanbenchError
from ganbench.evaluation.scoring import ModelEvidence, Reference, score_metric
from ganbench.registry.registry import Registry
from ganbench.testing.architectures import build_stages
from ganbench.testing.purity import require_no_global_random, require_unchanged
from ganbench.testing.rule import Subject, require, rule
from ganbench.testing.small_game import space

SHAPES = ((2,), (1, 8, 8), (3, 16, 16))
SAMPLES, REFERENCE, CLASSES = 28, 60, 4


@dataclass(frozen=True)
class Case:
    """A metric under test."""

    subject: Subject

    @cached_property
    def metric(self) -> Metric:
        """The metric."""
        built: Metric = self.subject.build()
        return built

    @cached_property
    def model(self) -> Model:
        """The first model that it judges: small perceptrons, or one of the installed architectures."""
        for model in (*perceptrons(), *installed(self.subject.registry)):
            try:
                self.metric.measure(model.sight(model.samples()))
                return model
            except GanbenchError:
                continue
            except Exception:
                return model  # the rules tell what is wrong
        return next(perceptrons())

    def measured(self, samples: Tensor) -> Mapping[str, float]:
        """Give what it measures of these samples."""
        return self.metric.measure(self.model.sight(samples))


def cases(subject: Subject) -> list[Case]:
    """Give the one case of a metric."""
    return [Case(subject)]


@dataclass(frozen=True)
class Model:
    """A model to judge: networks for samples of a shape."""

    shape: tuple[int, ...]
    networks: Networks

    def samples(self) -> Tensor:
        """Give normal samples, apart from the reference."""
        return 0.2 + torch.randn(SAMPLES, *self.shape, generator=torch.Generator().manual_seed(1))

    def sight(self, samples: Tensor) -> ModelEvidence:
        """Give the evidence of it, if these are its samples."""
        held = [
            {} if net is None else {name: p.detach() for name, p in net.named_parameters()}
            for net in (self.networks.generator, self.networks.critic)
        ]
        return ModelEvidence(
            samples,
            Reference(source(self.shape), REFERENCE),
            networks=self.networks,
            generator_parameters=held[0],
            critic_parameters=held[1],
        )


def perceptrons() -> Iterator[Model]:
    """Give small perceptrons for flat and for image samples."""
    return (Model(shape, made) for shape in SHAPES for made in build_stages(space(), {}, Ask(shape=shape)))


def installed(registry: Registry) -> Iterator[Model]:
    """Give what the installed architectures make for flat samples, for metrics that judge only some."""
    for name in registry.names("architectures"):
        for shape in ((1,), (2,)):
            try:
                made: Space = registry.build("architectures", name)
                yield Model(shape, build_stages(made, made.sample(Random(0)), Ask(shape=shape))[-1])
            except Exception:  # its own rules tell
                continue


def source(shape: tuple[int, ...]) -> Source:
    """Give normal data with everything that metrics ask of a dataset: an extractor, and where its modes would be."""
    size = math.prod(shape)
    weights = torch.randn(size, 3 + CLASSES, generator=torch.Generator().manual_seed(2)) / size**0.5

    def extract(x: Tensor) -> dict[str, Tensor]:
        both = x.flatten(1) @ weights
        return {"features": both[:, :3], "logits": 3 * both[:, 3:]}

    centres = torch.cat([torch.eye(size)[:2], -torch.eye(size)[:2]])
    return Source(
        shape=shape,
        draw=lambda generator, n: torch.randn(n, *shape, generator=generator),
        reference=lambda n: torch.randn(n, *shape, generator=torch.Generator().manual_seed(0)),
        facts={"centres": centres, "std": 0.5},
        extractor=Extractor(name="contracts", digest="0" * 64, extract=extract),
    )


@rule()
def measures_what_it_declares(case: Case) -> None:
    """Gives a float for each of its declared values, and for nothing else."""
    metric = case.metric
    require(isinstance(metric, Metric), f"build gives {metric!r}. It must give a Metric.")
    require(bool(metric.values), "it declares no values: name each with its direction.")
    for name, direction in metric.values.items():
        known = ", ".join(get_args(Direction))
        require(direction in get_args(Direction), f"the direction of {name!r} is {direction!r}. Known: {known}.")
    found: Mapping[str, Any] = case.measured(case.model.samples())
    require(
        found.keys() == metric.values.keys(),
        f"it measures {sorted(found)}, and declares {sorted(metric.values)}: one float for each, and nothing else.",
    )
    odd = {name: type(value).__name__ for name, value in found.items() if not isinstance(value, float)}
    require(not odd, f"it gives {odd}: floats, please (float(tensor)).")


@rule()
def repeats(case: Case) -> None:
    """Gives the same values twice, draws from no global generator, and leaves the samples alone."""
    samples = case.model.samples()
    evidence = case.model.sight(samples)
    with (
        require_no_global_random("use a generator of its own, with a fixed seed"),
        require_unchanged("the samples it judges", [evidence.samples, evidence.reference]),
    ):
        one, again = (case.metric.measure(evidence) for _ in range(2))
    for name, value in one.items():
        alike = value == again[name] or (math.isnan(value) and math.isnan(again[name]))
        require(alike, f"{name!r} is {value:g} at first and {again[name]:g} when measured again.")


@rule()
def does_not_see_an_order(case: Case) -> None:
    """Gives the same values whatever the order of the samples."""
    samples = case.model.samples()
    turned = samples[torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(3))]
    one, other = case.measured(samples), case.measured(turned)
    for name, value in one.items():
        alike = math.isclose(value, other[name], rel_tol=1e-4, abs_tol=1e-6) or math.isnan(value)
        require(alike, f"{name!r} is {value:g}, and {other[name]:g} for the same samples in another order.")


@rule()
def judges_degenerate_samples(case: Case) -> None:
    """Gives floats for a generator with one sample only, and NaN for one that blew up, without an exception."""
    same = case.model.samples()[:1].expand(SAMPLES, *case.model.shape).clone()
    found = case.measured(same)
    require(found.keys() == case.metric.values.keys(), f"of samples that are all equal it measures {sorted(found)}.")
    part = Part(case.subject.offer.name)
    dead = score_metric(part, case.metric, case.model.sight(torch.full_like(same, torch.nan)), step=1)
    require(all(math.isnan(score.value) for score in dead), "samples of NaN must score NaN.")


RULES = (measures_what_it_declares, repeats, does_not_see_an_order, judges_degenerate_samples)
