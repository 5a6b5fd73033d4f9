"""A recipe made real: the functions behind its names, chained in the order the suite wrote them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganbench.api import schedules
from ganbench.api.data import Source
from ganbench.api.models import Ask
from ganbench.api.training import Constraint, CriticFunction, Dynamics, Input, Objective, OptimizerFactory, Term
from ganbench.api.trials import Part, Recipe
from ganbench.errors import GanbenchError

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry


class ScheduledScalars:
    """The scheduled numbers of a program: 0-d tensors that plugins hold and that the engine fills before each step."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype
        self.dials: list[tuple[Tensor, Callable[[float], float]]] = []

    def __call__(self, value: Any) -> float | Tensor:
        """Give a plain number as it is, a schedule as a tensor that follows it."""
        if not isinstance(value, Mapping):
            return float(value)
        course = schedules.parse_scalar(value)
        dial = torch.full((), course(0.0), device=self.device, dtype=self.dtype)
        self.dials.append((dial, course))
        return dial

    def set_progress(self, progress: float) -> None:
        """Set every dial to its value at this progress in [0, 1]."""
        for dial, course in self.dials:
            dial.fill_(course(progress))


@dataclass(frozen=True)
class Link:
    """One term of the chain: its name in streams and states, its weight, the functions."""

    name: str
    weight: float | Tensor
    part: Any


@dataclass(frozen=True, kw_only=True)
class Program:
    """What the engine runs; built plugins never travel, so every worker assembles its own."""

    objective: Objective
    constraints: tuple[Link, ...] = ()
    inputs: tuple[Link, ...] = ()
    dynamics: Dynamics = field(default_factory=Dynamics)
    critic_steps: Callable[[int], int] = lambda step: 1
    generator_first: bool = False
    ema: float = 0.0

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "terms", (*self.constraints, *self.inputs))
        set_(self, "wraps", tuple(link.part.wrap for link in self.constraints if link.part.wrap is not None))
        set_(self, "pack", math.prod(link.part.pack for link in self.inputs))

    terms: tuple[Link, ...] = field(init=False)
    wraps: tuple[Callable[[CriticFunction], CriticFunction], ...] = field(init=False)
    pack: int = field(init=False)

    @property
    def stateful(self) -> Iterator[Link]:
        """The terms that remember something."""
        return (link for link in self.terms if link.part.init is not None)

    def ask(self, source: Source, critic_norm: Any) -> Ask:
        """Give what this program and a dataset want of an architecture."""
        codes = [draw for link in self.inputs for draw in link.part.latent.values()]
        heads = {name: size for link in self.inputs for name, size in link.part.heads.items()}
        return Ask(
            shape=source.shape,
            classes=source.classes,
            latent=sum(1 if draw.shape == "sample" else math.prod(draw.shape) for draw in codes),
            heads=heads,
            pack=self.pack,
            critic_norm=critic_norm,
        )


def chain_constraints(
    registry: Registry, kind: str, parts: tuple[Part, ...], dials: ScheduledScalars
) -> tuple[Link, ...]:
    """Build the terms of one kind; the second of a name is called `name.2`."""
    links: list[Link] = []
    for part in parts:
        built: Term = registry.build(kind, part.name, part.options, scalar=dials)
        if part.every is not None:
            built = replace(built, every=part.every)
        again = sum(link.name.split(".")[0] == part.name for link in links)
        name = f"{part.name}.{again + 1}" if again else part.name
        links.append(Link(name, dials(1.0 if part.weight is None else part.weight), built))
    return tuple(links)


def assemble(recipe: Recipe, registry: Registry, dials: ScheduledScalars) -> Program:
    """Build every plugin that a recipe names and refuse combinations that have no meaning."""
    program = Program(
        objective=registry.build("losses", recipe.loss.name, recipe.loss.options, scalar=dials),
        constraints=chain_constraints(registry, "constraints", recipe.constraints, dials),
        inputs=chain_constraints(registry, "inputs", recipe.inputs, dials),
        dynamics=registry.build("dynamics", recipe.dynamics.name, recipe.dynamics.options, scalar=dials),
        critic_steps=schedules.parse_critic_steps(recipe.critic_steps),
        generator_first=recipe.order == "generator-first",
        ema=recipe.ema,
    )
    if program.pack > 1 and any(link.part.latent for link in program.inputs):
        raise GanbenchError("inputs: packing and latent codes cannot be combined: a packed critic has fewer rows.")
    for link in program.terms:
        _refuse_idle(link, program)
    if program.objective.head is None and program.critic_steps(0) > 0:
        raise GanbenchError(f"loss {recipe.loss.name!r} has no critic: write critic_steps = 0.")
    return program


def _refuse_idle(link: Link, program: Program) -> None:
    part = link.part
    if program.objective.head is None and isinstance(part, Constraint) and part.generator is None:
        raise GanbenchError(f"{link.name!r} is requested but never called: this loss has no critic to hold back.")
    acts = [part.critic, part.generator]
    if isinstance(part, Constraint):
        acts += [part.reparametrise, part.wrap, part.project]
    if isinstance(part, Input):
        acts += [part.view, part.latent or None, part.pack if part.pack > 1 else None]
    if all(act is None for act in acts):
        raise GanbenchError(f"{link.name!r} is requested but does nothing: none of its functions is set.")


def optimizer_factory(registry: Registry, part: Part, dials: ScheduledScalars) -> OptimizerFactory:
    """Build the factory of one player's optimizer."""
    return registry.build("optimizers", part.name, part.options, scalar=dials)
