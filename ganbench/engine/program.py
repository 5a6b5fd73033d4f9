"""The program of a recipe: the built plugins that it names, chained in the order of the suite."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ganbench.api import schedules
from ganbench.api.data import Source
from ganbench.api.models import Ask
from ganbench.api.training import (
    Conditional,
    Constraint,
    CriticFunction,
    Dynamics,
    Input,
    Objective,
)
from ganbench.api.trials import Part, Precision, Recipe
from ganbench.engine.scalars import ScheduledScalars
from ganbench.errors import GanbenchError

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry


@dataclass(frozen=True)
class Link:
    """One constraint or input of a program: its name in streams and states, its weight, and its functions."""

    name: str
    weight: float | Tensor
    part: Any


@dataclass(frozen=True, kw_only=True)
class Program:
    """The built plugins of a recipe. They are never sent between processes: every worker assembles its own program.

    `precision` is that of the networks' matrix products and convolutions while they train.
    """

    objective: Objective
    constraints: tuple[Link, ...] = ()
    inputs: tuple[Link, ...] = ()
    dynamics: Dynamics = field(default_factory=Dynamics)
    critic_steps: Callable[[int], int] = lambda step: 1
    generator_first: bool = False
    ema: float = 0.0
    ema_start: int = 0
    ema_rampup: float = 0.0
    critic_ema: float = 0.0
    plateau: Mapping[str, Any] | None = None
    loss_name: str = "the loss"
    dynamics_name: str = "the dynamics"
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        set_field(self, "terms", (*self.constraints, *self.inputs))
        set_field(self, "wraps", tuple(link.part.wrap for link in self.constraints if link.part.wrap is not None))
        decays = {"generator": self.ema, "critic": self.critic_ema}
        averages = {
            player: schedules.AverageDecay(decay, self.ema_start, self.ema_rampup) for player, decay in decays.items()
        }
        set_field(self, "average_decays", averages)
        set_field(self, "pack", math.prod(link.part.pack for link in self.inputs))

    terms: tuple[Link, ...] = field(init=False)
    wraps: tuple[Callable[[CriticFunction], CriticFunction], ...] = field(init=False)
    pack: int = field(init=False)
    average_decays: Mapping[str, schedules.AverageDecay] = field(init=False)

    @property
    def stateful(self) -> Iterator[Link]:
        """The terms that have a state."""
        return (link for link in self.terms if link.part.init is not None)

    @property
    def conditional(self) -> Conditional:
        """The networks that the inputs want to take labels; "both" if one input wants both."""
        wanted = {link.part.conditional for link in self.inputs}
        return "both" if "both" in wanted else "generator" if "generator" in wanted else ""

    def list_steps(self, t: int) -> list[str]:
        """Return the players of generator step `t` in order, each once for each of its updates."""
        critics = ["critic"] * self.critic_steps(t)
        steps = ["generator", *critics] if self.generator_first else [*critics, "generator"]
        return [player for player in steps if player in self.dynamics.players]

    def list_rounds(self, t: int) -> list[tuple[str, ...]]:
        """Return the updates of generator step `t` in order, each as the players that it updates at one point."""
        return [self.dynamics.players] if self.dynamics.together else [(player,) for player in self.list_steps(t)]

    @property
    def reads_labels(self) -> bool:
        """Whether a term reads labels."""
        return any(link.part.labels for link in self.terms)

    def build_ask(self, source: Source, critic_norm: Any) -> Ask:
        """Return what this program and a dataset require of an architecture.

        Raise GanbenchError if the program takes labels, and the dataset has none.
        """
        codes = [draw for link in self.inputs for draw in link.part.latent.values()]
        parts = [self.objective, *(link.part for link in self.inputs)]
        widths = {name: width for part in parts for name, width in part.heads.items()}
        by_class = [name for name, width in widths.items() if callable(width)]
        if source.classes < 1 and (self.conditional or self.reads_labels or by_class):
            raise GanbenchError(
                f"{self.loss_name} or an input of this method reads labels, and the dataset has none (classes = "
                f"{source.classes}). Choose a dataset with labels, or a method without."
            )
        heads = {name: width(source.classes) if callable(width) else width for name, width in widths.items()}
        return Ask(
            shape=source.shape,
            classes=source.classes,
            latent=sum(1 if draw.shape == "sample" else math.prod(draw.shape) for draw in codes),
            heads=heads,
            pack=self.pack,
            critic_norm=critic_norm,
            head=self.objective.head or "score",
            conditional=self.conditional,
            draw=source.draw,
        )


def build_part(registry: Registry, kind: str, parts: Sequence[Part], scalars: ScheduledScalars) -> Any:
    """Build one offer for all members, which have these parts of their recipes: a number that differs is a handle."""
    first, defaults = parts[0], registry.scalar_defaults(kind, parts[0].name) if len(parts) > 1 else {}
    values = {name: [part.options.get(name, default) for part in parts] for name, default in defaults.items()}
    made = {name: scalars.spread(each) for name, each in values.items() if any(value != each[0] for value in each)}
    return registry.build(kind, first.name, first.options, scalar=scalars, made=made)


def chain_constraints(
    registry: Registry, kind: str, members: Sequence[tuple[Part, ...]], scalars: ScheduledScalars
) -> tuple[Link, ...]:
    """Build the terms of one kind, in order, for members with these parts; the second of a name is called `name.2`."""
    links: list[Link] = []
    for parts in zip(*members, strict=True):
        first, built = parts[0], build_part(registry, kind, parts, scalars)
        if first.every is not None:
            built = replace(built, every=first.every)
        earlier = sum(link.name.split(".")[0] == first.name for link in links)
        name = f"{first.name}.{earlier + 1}" if earlier else first.name
        weight = scalars.spread([1.0 if part.weight is None else part.weight for part in parts])
        links.append(Link(name, weight, built))
    return tuple(links)


def assemble(recipe: Recipe, registry: Registry, scalars: ScheduledScalars, members: Sequence[Recipe] = ()) -> Program:
    """Build every plugin that a recipe names.

    `members` are the recipes of the members of a batch, where they differ in numbers: the first one is `recipe`. Raise
    GanbenchError for combinations without a meaning: packing with latent codes, a term that is never called, and
    critic steps of a loss without a critic.
    """
    recipes = members or [recipe]
    program = Program(
        objective=build_part(registry, "losses", [each.loss for each in recipes], scalars),
        constraints=chain_constraints(registry, "constraints", [each.constraints for each in recipes], scalars),
        inputs=chain_constraints(registry, "inputs", [each.inputs for each in recipes], scalars),
        dynamics=build_part(registry, "dynamics", [each.dynamics for each in recipes], scalars),
        critic_steps=schedules.parse_critic_steps(recipe.critic_steps),
        generator_first=recipe.order == "generator-first",
        ema=recipe.ema,
        ema_start=recipe.ema_start,
        ema_rampup=recipe.ema_rampup,
        critic_ema=recipe.critic_ema,
        plateau=recipe.plateau,
        loss_name=f"loss {recipe.loss.name!r}",
        dynamics_name=f"dynamics {recipe.dynamics.name!r}",
    )
    if program.pack > 1 and any(link.part.latent for link in program.inputs):
        raise GanbenchError(
            "inputs: packing and latent codes cannot be combined: a packed critic sees fewer rows than there are "
            "codes. Remove one of the two."
        )
    for link in program.terms:
        _refuse_idle(link, program)
    if program.objective.head is None and program.critic_steps(0) > 0:
        raise GanbenchError(f"loss {recipe.loss.name!r} has no critic: write critic_steps = 0.")
    return program


def _refuse_idle(link: Link, program: Program) -> None:
    part = link.part
    if program.objective.head is None and isinstance(part, Constraint) and part.generator is None:
        raise GanbenchError(
            f"{link.name!r} is requested but never called: this loss has no critic to constrain. Remove it, or choose "
            "another loss."
        )
    effects = [part.critic, part.generator]
    if isinstance(part, Constraint):
        effects += [part.reparametrise, part.wrap, part.project]
    if isinstance(part, Input):
        effects += [part.view, part.latent or None, part.pack if part.pack > 1 else None, part.conditional or None]
    if all(effect is None for effect in effects):
        raise GanbenchError(
            f"{link.name!r} is requested but does nothing: none of its functions is set. Set one in the plugin, or "
            "remove it."
        )
