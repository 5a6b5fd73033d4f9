"""Contract rules for metrics: they measure what they declare, and return a float or NaN for a diverged generator."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any, get_args

import torch
from torch import Tensor, nn

from ganbench.api.data import Extractor, Source
from ganbench.api.metrics import Direction, Metric, Profile
from ganbench.api.models import Ask, Networks, Space
from ganbench.api.trials import Part
from ganbench.engine.ensemble import PLAYERS
from ganbench.engine.global_random import read_global_random
from ganbench.engine.member_losses import MemberLosses
from ganbench.engine.play import open_play
from ganbench.engine.probe import ProbeStep
from ganbench.errors import GanbenchError
from ganbench.evaluation.evidence import ModelEvidence
from ganbench.evaluation.measuring import check_profile
from ganbench.evaluation.reference import Reference
from ganbench.evaluation.scoring import score_metric
from ganbench.registry.registry import Registry
from ganbench.testing.architecture_case import build_stages
from ganbench.testing.rule import Subject, require, rule
from ganbench.testing.small_game import make_program, make_space

SHAPES = ((2,), (1, 8, 8), (3, 16, 16), (6, 12))
SAMPLES, REFERENCE, CLASSES = 28, 60, 4
ROWS = 16  # of a batch of probes


@dataclass(frozen=True)
class Case:
    """A metric under test."""

    subject: Subject

    @cached_property
    def metric(self) -> Metric:
        """The metric that the offer builds."""
        built: Metric = self.subject.build()
        return built

    @cached_property
    def model(self) -> Model:
        """The first model that the metric can evaluate: small perceptrons, or an installed architecture."""
        for model in (*build_perceptrons(), *build_installed_architectures(self.subject.registry)):
            try:
                self._measure(model, model.make_samples())
                return model
            except GanbenchError:
                continue
            except Exception:
                return model  # the rules report what is wrong
        return next(build_perceptrons())

    def measure(self, samples: Tensor) -> Mapping[str, float | Profile]:
        """Return the metric's values and profiles for these samples."""
        return self._measure(self.model, samples)

    def _measure(self, model: Model, samples: Tensor) -> Mapping[str, float | Profile]:
        evidence = model.make_evidence(samples)
        evidence.focus(self.metric)
        return self.metric.measure(evidence)

    def prepare(self) -> Mapping[str, Tensor]:
        """Return what the metric prepares of a new reference."""
        return Reference(make_source(self.model.shape), REFERENCE).prepare(self.metric, "")


def cases(subject: Subject) -> list[Case]:
    """Return the one case of a metric."""
    return [Case(subject)]


@dataclass(frozen=True)
class Model:
    """A model to evaluate: networks for samples of one shape."""

    shape: tuple[int, ...]
    networks: Networks

    def make_samples(self) -> Tensor:
        """Draw normal samples with mean 0.2, other ones than the reference."""
        return 0.2 + torch.randn(SAMPLES, *self.shape, generator=torch.Generator().manual_seed(1))

    def make_evidence(self, samples: Tensor) -> ModelEvidence:
        """Return what a metric sees of the model when it generates these samples."""
        nets = [net or nn.Module() for net in (self.networks.generator, self.networks.critic)]
        generator, critic = ({name: p.detach() for name, p in net.named_parameters()} for net in nets)
        buffers = {player: dict(net.named_buffers()) for player, net in zip(PLAYERS, nets, strict=True)}
        program, progress = make_program(None), torch.zeros(())
        play = open_play(program, self.networks, buffers, generator, critic, progress)

        def step(number: int, real: Tensor | None, labels: Tensor | None) -> ProbeStep:
            rng = torch.Generator().manual_seed(number)
            inputs = {
                "real": torch.randn(ROWS, *self.shape, generator=rng) if real is None else real,
                "latent": {"noise": torch.randn(ROWS, self.networks.latent, generator=rng)},
            }
            losses = MemberLosses(program, self.networks, buffers, inputs, {}, progress, frozenset())
            return ProbeStep(losses=losses, device=progress.device)

        return ModelEvidence(
            samples,
            Reference(make_source(self.shape), REFERENCE),
            networks=self.networks,
            generator_parameters=generator,
            critic_parameters=critic,
            generator=lambda z, labels=None: play.generator(z),
            critic=lambda x, labels=None: play.score(x),
            step=step,
            draw_first=lambda player: {name: p / 2 for name, p in (generator, critic)[PLAYERS.index(player)].items()},
        )


def build_perceptrons() -> Iterator[Model]:
    """Yield small perceptrons for flat samples, for images and for sequences of six characters."""
    return (Model(shape, networks) for shape in SHAPES for networks in build_stages(make_space(), {}, Ask(shape=shape)))


def build_installed_architectures(registry: Registry) -> Iterator[Model]:
    """Yield the installed architectures' models of flat samples, for metrics that evaluate only some of them."""
    for name in registry.names("architectures"):
        for shape in ((1,), (2,)):
            try:
                space: Space = registry.build("architectures", name)
                yield Model(shape, build_stages(space, space.sample(Random(0)), Ask(shape=shape))[-1])
            except Exception:  # the architecture's own rules report it
                continue


def make_source(shape: tuple[int, ...]) -> Source:
    """Return normal data with all that metrics need of a dataset: an extractor, and facts of all kinds."""
    size = math.prod(shape)
    weights = torch.randn(size, 3 + CLASSES, generator=torch.Generator().manual_seed(2)) / size**0.5

    def extract(x: Tensor) -> dict[str, Tensor]:
        columns = x.flatten(1) @ weights
        return {"features": columns[:, :3], "logits": 3 * columns[:, 3:]}

    law = {"law": {"kind": "normal", "mean": 0.0, "std": 1.0}} if size == 1 else {}
    centres = torch.cat([torch.eye(size)[:2], -torch.eye(size)[:2]])
    return Source(
        shape=shape,
        draw=lambda generator, n: torch.randn(n, *shape, generator=generator),
        reference=lambda n: torch.randn(n, *shape, generator=torch.Generator().manual_seed(0)),
        facts={"centres": centres, "std": 0.5, "manifold": centres.unflatten(1, shape), **law},
        extractor=Extractor(name="contracts", digest="0" * 64, extract=extract),
    )


@rule()
def measures_what_it_declares(case: Case) -> None:
    """Returns a float for each of its declared values, a Profile for each of its profiles, and nothing else."""
    metric = case.metric
    require(isinstance(metric, Metric), f"build returns {metric!r}. It must return a Metric.")
    declared = {*metric.values, *metric.profiles}
    require(bool(declared), "it declares no `values`: name each with its direction.")
    for name, direction in metric.values.items():
        directions = ", ".join(get_args(Direction))
        require(direction in get_args(Direction), f"the direction of {name!r} is {direction!r}. Known: {directions}.")
    values: Mapping[str, Any] = case.measure(case.model.make_samples())
    require(
        values.keys() == declared,
        f"it measures {sorted(values)}, and declares {sorted(declared)}: return a float for each value, a Profile for "
        "each profile, and nothing else.",
    )
    floats = {name: value for name, value in values.items() if name in metric.values}
    types = {name: type(value).__name__ for name, value in floats.items() if not isinstance(value, float)}
    require(not types, f"it returns {types}: return floats (float(tensor)).")
    for name in metric.profiles:
        check_profile(name, values[name])


@rule()
def repeats_its_values(case: Case) -> None:
    """Returns the same values twice, draws from no global generator, and changes nothing that it reads."""
    evidence = case.model.make_evidence(case.model.make_samples())
    score_metric(Part(case.subject.offer.name), case.metric, evidence, step=1, twice=True)  # as a run does


def flatten(measured: Mapping[str, float | Profile]) -> dict[str, float]:
    """Return the values, and the points of profiles, each under a name of its own."""
    points = {
        f"{name} at point {i}": value
        for name, profile in measured.items()
        if isinstance(profile, Profile)
        for i, value in enumerate(profile.values)
    }
    return {name: value for name, value in measured.items() if not isinstance(value, Profile)} | points


@rule()
def ignores_the_order_of_samples(case: Case) -> None:
    """Does not depend on the order of the samples."""
    samples = case.model.make_samples()
    shuffled = samples[torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(3))]
    values, reordered = flatten(case.measure(samples)), flatten(case.measure(shuffled))
    for name, value in values.items():
        equal = math.isclose(value, reordered[name], rel_tol=1e-4, abs_tol=1e-6) or math.isnan(value)
        require(equal, f"{name!r} is {value:g}, and {reordered[name]:g} for the same samples in another order.")


@rule()
def measures_degenerate_samples(case: Case) -> None:
    """Returns floats for a generator that makes one sample only, and NaN for a diverged one, without an exception."""
    equal = case.model.make_samples()[:1].expand(SAMPLES, *case.model.shape).clone()
    values = case.measure(equal)
    require(
        values.keys() == {*case.metric.values, *case.metric.profiles},
        f"for equal samples it measures {sorted(values)}: return all that it declares.",
    )
    part = Part(case.subject.offer.name)
    diverged = score_metric(part, case.metric, case.model.make_evidence(torch.full_like(equal, torch.nan)), step=1)
    require(all(math.isnan(score.value) for score in diverged), "the score of NaN samples must be NaN.")


@rule(lambda case: getattr(case.metric, "prepare", None) is not None)
def prepares_from_the_reference_alone(case: Case) -> None:
    """Prepares the same tensors of the same reference, and draws from no global generator."""
    first, before = case.prepare(), read_global_random()
    again, after = case.prepare(), read_global_random()
    drawn = [library for library, state in after.items() if state != before[library]]
    require(
        not drawn,
        f"`prepare` draws from {', '.join(drawn)}'s global generator: use a generator of its own with a fixed seed.",
    )
    require(first.keys() == again.keys(), f"`prepare` returns {sorted(first)} at first, and then {sorted(again)}.")
    for name, tensor in first.items():
        close = tensor.shape == again[name].shape and torch.allclose(tensor, again[name], rtol=1e-6, equal_nan=True)
        require(close, f"`prepare` returns another {name!r} the second time: keep no state, and read no clock.")


RULES = (
    measures_what_it_declares,
    repeats_its_values,
    ignores_the_order_of_samples,
    measures_degenerate_samples,
    prepares_from_the_reference_alone,
)
