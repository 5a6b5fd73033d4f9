"""The program of each member of a batch as if it trained alone: for what runs outside of the steps of all members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganbench.api.trials import Precision, Recipe
from ganbench.engine import plateau
from ganbench.engine.ensemble import Ensemble, cast_floating
from ganbench.engine.init_parameters import choose_parameters
from ganbench.engine.program import Program, assemble
from ganbench.engine.random_streams import Member
from ganbench.engine.scalars import ScheduledScalars

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry


class MemberPrograms:
    """The programs of members whose recipes differ in numbers, each built when it is first asked for.

    Their `precision` is that of the batch.
    """

    def __init__(
        self,
        recipes: Sequence[Recipe],
        registry: Registry,
        precision: Precision,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.recipes, self.registry, self.precision = recipes, registry, precision
        self.device, self.dtype = device, dtype
        self.built: dict[int, tuple[Program, ScheduledScalars]] = {}

    def __getitem__(self, member: int) -> tuple[Program, ScheduledScalars]:
        """Return a member's program and its scalars."""
        first = self.recipes.index(self.recipes[member])
        if first not in self.built:
            scalars = ScheduledScalars(self.device, self.dtype)
            program = assemble(self.recipes[first], self.registry, scalars)
            self.built[first] = replace(program, precision=self.precision), scalars
        return self.built[first]


def draw_first_state(
    programs: Sequence[Program], members: Sequence[Member], ensemble: Ensemble, device: torch.device, dtype: torch.dtype
) -> dict[str, dict[str, Tensor]]:
    """Return the state of every plugin with a state before the first step, [S, ...] by plugin and name.

    `programs` are those of the members alone.
    """
    states: dict[str, list[Mapping[str, Tensor]]] = {}
    home = ensemble.stage_progress.device  # not that of the data, where an ensemble has no numbers (engine.cost)
    for i, (program, member) in enumerate(zip(programs, members, strict=True)):
        critic = {name: p[i] for name, p in ensemble.detached["critic"].items()}
        for link in program.stateful:
            rng = torch.Generator(device).manual_seed(member.stream_seed(f"{link.name}.init"))
            seen = choose_parameters(link.part, critic, ensemble.networks.critic)
            states.setdefault(link.name, []).append(link.part.init(seen, rng))
        if program.objective.init is not None:
            states.setdefault("objective", []).append(program.objective.init())
    followed = plateau.initial_state(len(members), home, dtype) if programs[0].plateau else {}
    return ({plateau.NAME: followed} if followed else {}) | {
        name: {
            leaf: cast_floating(torch.stack([state[leaf] for state in member_states]).to(home), dtype)
            for leaf in member_states[0]
        }
        for name, member_states in states.items()
    }
