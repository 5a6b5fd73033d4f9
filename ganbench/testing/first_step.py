"""Contract rules for a first step: what training relies on, in the form of the engine's own step, which is quick.

A run asks these rules before it trains. They map over seeds and go backward once, as the engine does; the other rules
for mapping also nest derivatives, and for that torch imports a computer algebra system.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import softplus
from torch.utils._pytree import tree_leaves, tree_map

from ganbench.api.models import Ask, Networks
from ganbench.engine.ensemble import SeedMap, loop_over_seeds, map_over_seeds, stack
from ganbench.testing import architecture_case, architectures, constraints, loss_case
from ganbench.testing.purity import largest_difference, require_no_global_random
from ganbench.testing.rule import TOLERANCE, always, is_stackable, require, rule
from ganbench.testing.small_game import train

SEEDS = 3


def require_same(mapped: Any, alone: Any, tolerance: float) -> None:
    """Raise ContractError unless the values and gradients of mapped seeds are those of each seed alone."""
    gap = largest_difference(mapped, alone)
    require(
        gap <= tolerance,
        f"the values and gradients of mapped seeds differ by {gap:.2g} from each seed alone: it mixes seeds, or keeps "
        "a state.",
    )


def differentiate(total: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    """Return the gradients of all seeds by one backward pass of their sum; zeros where there is none."""
    return list(torch.autograd.grad(total.sum(), leaves, allow_unused=True, materialize_grads=True))


@rule(is_stackable, vital=always)
def loss_steps_as_alone(case: loss_case.Case) -> None:
    """Has the same values and gradients for mapped seeds as for each seed alone, by one backward pass."""
    members = [case.sides(seed) for seed in range(SEEDS)]
    stacked = tree_map(lambda *leaves: torch.stack(leaves), members[0], *members[1:])
    states = {name: torch.stack([leaf] * SEEDS) for name, leaf in case.state().items()}

    def play(sides: loss_case.Sides, state: Any) -> tuple[Tensor, Any]:
        critic, generator, after = case.play_both(sides, state)
        return critic + 0.7 * generator, after

    def step(seed_map: SeedMap) -> list[Tensor]:
        sides = tree_map(torch.clone, stacked)
        leaves = loss_case.require_gradients(sides)
        values, after = seed_map(play)(sides, states)
        return [values.detach(), *(leaf.detach() for leaf in after.values()), *differentiate(values, leaves)]

    require_same(step(map_over_seeds), step(loop_over_seeds), TOLERANCE)


@rule(is_stackable, vital=always)
def term_steps_as_alone(case: constraints.Case) -> None:
    """Trains mapped seeds to the same result as seeds in a loop."""
    mapped, looped = (train(case.part, case.shape, mode=mode) for mode in ("stack", "loop"))
    gap = largest_difference(mapped, looped)
    require(
        gap <= TOLERANCE,
        f"three seeds trained in a loop end {gap:.2g} away from mapped seeds: it mixes seeds, or keeps a state outside "
        "`init`.",
    )


@rule(vital=always)
def networks_step_as_alone(case: architecture_case.Case) -> None:
    """Has networks without chance, and the same scores and gradients for mapped seeds as for each seed alone."""
    for spec in case.specs:
        seeds = [architecture_case.build_stages(case.space, spec, case.ask, seed) for seed in range(2)]
        for members in zip(*seeds, strict=True):
            with require_no_global_random("use no dropout and no noise in networks (an input's `view` may draw)"):
                alone = step_networks(members, case.ask, loop_over_seeds)
            if is_stackable(case):
                require_same(step_networks(members, case.ask, map_over_seeds), alone, architectures.NUDGE)


def step_networks(members: Sequence[Networks], ask: Ask, seed_map: SeedMap) -> list[Tensor]:
    """Return a loss of all answers of the members' critics to their generators' samples, [S], and its gradients."""
    networks, ensemble = members[0], stack(members, torch.device("cpu"), torch.float64)
    z, labels = architecture_case.make_inputs(networks, ask, ask.pack * architecture_case.BATCH_SIZE)
    stacked = tree_map(lambda t: torch.stack([t, t.flip(0)]), (z.double(), labels))

    def play(parameters: Any, buffers: Any, z: Tensor, labels: tuple[Tensor, ...]) -> Tensor:
        def call(player: str, *inputs: Tensor) -> Any:
            module = networks.generator if player == "generator" else networks.critic
            assert module is not None
            return functional_call(module, {**parameters[player], **buffers[player]}, inputs)

        fake: Tensor = call("generator", z, *labels)
        if networks.critic is None:
            return fake.square().mean()
        packed = fake.unflatten(0, (-1, ask.pack)).flatten(1, 2)
        rows = (each[:: ask.pack] for each in architecture_case.choose_critic_labels(networks, labels))
        answers = architecture_case.collect_answers(partial(call, "critic"), packed, *rows)
        return sum((softplus(-answer).mean() for answer in answers.values()), packed.new_zeros(()))

    values = seed_map(play)(ensemble.parameters, ensemble.buffers, *stacked)
    return [values.detach(), *differentiate(values, tree_leaves(ensemble.parameters))]


LOSS_RULES = (loss_steps_as_alone,)
TERM_RULES = (term_steps_as_alone,)
ARCHITECTURE_RULES = (networks_step_as_alone,)
