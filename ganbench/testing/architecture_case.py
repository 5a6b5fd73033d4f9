"""An architecture space under test, and the networks and inputs that the contract rules for architectures use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ganbench.api.models import Ask, Networks, Space, Spec
from ganbench.api.training import Conditional
from ganbench.engine.labels import takes_labels
from ganbench.errors import GanbenchError
from ganbench.testing.rule import ContractError, Subject, require

SHAPES = ((2,), (1,), (1, 8, 8), (1, 16, 16), (3, 32, 32), (1, 28, 28), (3, 64, 64), (32, 32))
BATCH_SIZE, SPECS, CLASSES = 4, 3, 3
LARGE = 300_000
"""The number of parameters above which only one spec is checked."""


@dataclass(frozen=True)
class Case:
    """An architecture space under test, asked for networks for data with this number of classes.

    `asked` says which networks the method wants to take labels.
    """

    subject: Subject
    classes: int = 0
    asked: Conditional = ""

    @cached_property
    def space(self) -> Space:
        """The architecture space that the offer builds."""
        built: Space = self.subject.build()
        return built

    @cached_property
    def ask(self) -> Ask:
        """The request for the first shape of the usual datasets that the space builds for."""
        errors = []
        spec = self.space.sample(Random(0))
        for shape in SHAPES:
            try:
                build_stages(self.space, spec, ask := self.ask_for(shape))
                return ask
            except GanbenchError as error:
                errors.append(str(error))
        require(False, f"it builds for none of the shapes {SHAPES}. The last error: {errors[-1]}")
        raise AssertionError

    def ask_for(self, shape: tuple[int, ...]) -> Ask:
        """Return the request for samples of this shape."""
        return Ask(shape=shape, classes=self.classes, conditional=self.asked)

    @cached_property
    def follows(self) -> bool:
        """Whether exactly the networks that shall take labels take them."""
        try:
            built = build_stages(self.space, self.space.sample(Random(0)), self.ask)[0]
        except Exception:  # a space that refuses labels is tried without
            return False
        return built.conditional == (True if self.asked == "both" else self.asked)

    @cached_property
    def conditional(self) -> bool | None:
        """Whether its networks take labels; None if it refuses such data."""
        try:
            return bool(build_stages(self.space, self.space.sample(Random(0)), self.ask)[0].conditional)
        except (GanbenchError, ContractError):
            return None
        except Exception:  # the rules report what is wrong
            return self.classes > 0

    @cached_property
    def specs(self) -> list[Spec]:
        """Several specs; only one if its networks are large."""
        rng = Random(2017)
        specs = [self.space.sample(rng) for _ in range(SPECS)]
        first = build_stages(self.space, specs[0], self.ask)
        size = sum(p.numel() for p in tree_leaves([list(net.parameters()) for net in list_players(first[-1])]))
        return specs[:1] if size > LARGE or self.asked else specs

    def build_all(self, ask: Ask | None = None) -> Iterator[tuple[Spec, Networks]]:
        """Yield each spec with each stage of its networks."""
        for spec in self.specs:
            for networks in build_stages(self.space, spec, ask or self.ask):
                yield spec, networks


def cases(subject: Subject) -> list[Case]:
    """Return the cases of an architecture space: data without labels, and data with labels if its networks take them.

    A space that conditions networks where a method asks for it has a case for each such request. If it builds for
    neither kind of data, return the first case, so that a rule reports why.
    """
    requests: tuple[Conditional, ...] = ("generator", "both")
    named = ((who, replace(subject, circumstance=f"for {CLASSES} classes and labels for {who}")) for who in requests)
    asked = [case for who, variant in named if (case := Case(variant, CLASSES, who)).follows]
    plain, labelled = Case(subject), Case(replace(subject, circumstance=f"for {CLASSES} classes"), CLASSES)
    found = [case for case, expected in ((plain, False), (labelled, True)) if case.conditional is expected]
    return [*(found or [plain]), *(asked if labelled.conditional is False else [])]


def build_stages(space: Space, spec: Spec, ask: Ask, seed: int = 0) -> tuple[Networks, ...]:
    """Build the stages of one member from a seed, as the engine does."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = space.networks(spec, ask)
    return networks if isinstance(networks, tuple) else (networks,)


def list_players(networks: Networks) -> list[nn.Module]:
    """Return the networks' modules: generator, and critic if there is one."""
    return [net for net in (networks.generator, networks.critic) if net is not None]


def make_inputs(
    networks: Networks, ask: Ask, size: int = BATCH_SIZE, seed: int = 0
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return latents [n, width], and labels [n] where the networks are conditional."""
    rng = torch.Generator().manual_seed(seed)
    require(
        ask.classes > 0 or not networks.conditional,
        "conditional=True for data without labels: if ask.classes is 0, build unconditional networks or refuse with a "
        "GanbenchError.",
    )
    z = torch.randn(size, networks.latent + ask.latent, generator=rng)
    return z, (torch.randint(ask.classes, (size,), generator=rng),) if networks.conditional else ()


def make_samples(
    networks: Networks, ask: Ask, size: int = BATCH_SIZE, seed: int = 0
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return normal samples as the critic sees them, packed, and the labels that it takes."""
    z, labels = make_inputs(networks, ask, size, seed)
    shape = networks.generator(z, *labels).shape[1:]
    rng = torch.Generator().manual_seed(seed + 1)
    return torch.randn(size, ask.pack * shape[0], *shape[1:], generator=rng), choose_critic_labels(networks, labels)


def choose_critic_labels(networks: Networks, labels: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the labels that the critic takes, of those that the generator takes."""
    return labels if takes_labels(networks, "critic") else ()


def collect_answers(critic: Callable[..., Any], *inputs: Tensor) -> Mapping[str, Tensor]:
    """Return every answer of a critic by name."""
    answers = critic(*inputs)
    return {"score": answers} if isinstance(answers, Tensor) else answers
