"""Contract rules for the derivatives of an architecture: first, second, and mapped over seeds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import softplus
from torch.utils._pytree import tree_leaves, tree_map

from ganbench.api.models import Networks
from ganbench.engine.ensemble import loop_over_seeds, map_over_seeds, stack
from ganbench.testing.architecture_case import (
    Case,
    build_stages,
    choose_critic_labels,
    collect_answers,
    list_players,
    make_inputs,
)
from ganbench.testing.architectures import NUDGE
from ganbench.testing.purity import Capture, largest_difference
from ganbench.testing.rule import require, rule


@rule()
def uses_every_parameter(case: Case) -> None:
    """Has a gradient for every parameter of both players, under the loss -log D."""
    for _, networks in case.build_all():
        if networks.critic is None:
            continue
        z, labels = make_inputs(networks, case.ask)
        answers = collect_answers(
            networks.critic, networks.generator(z, *labels), *choose_critic_labels(networks, labels)
        )
        loss = sum((softplus(-answer).mean() for answer in answers.values()), torch.zeros(()))
        for player, net in zip(("generator", "critic"), list_players(networks), strict=True):
            names = dict(net.named_parameters())
            slopes = torch.autograd.grad(loss, list(names.values()), allow_unused=True, retain_graph=True)
            unused = [name for name, slope in zip(names, slopes, strict=True) if slope is None]
            require(
                not unused, f"the {player}'s parameters {unused} are used by no answer of the critic: leave them out."
            )


def make_penalised_gradients(networks: Networks) -> Callable[..., Any]:
    """Return a function of one member: the gradients of a loss with a penalty on the critic's slope."""

    def loss(g: Any, d: Any, buffers: Any, z: Tensor, labels: Any) -> Tensor:
        assert networks.critic is not None
        critic: nn.Module = networks.critic
        seen = choose_critic_labels(networks, labels)

        def score(x: Tensor) -> Tensor:
            return sum(
                a.flatten(1).sum(1) if a.ndim > 1 else a for a in collect_answers(call_critic, x, *seen).values()
            )  # type: ignore[return-value]

        def call_critic(*inputs: Tensor) -> Any:
            return functional_call(critic, {**d, **buffers["critic"]}, inputs)

        x = functional_call(networks.generator, {**g, **buffers["generator"]}, (z, *labels))
        slope = torch.func.grad(lambda at: score(at).sum())(x)
        return softplus(-score(x)).mean() + slope.flatten(1).square().sum(1).mean()

    return torch.func.grad(loss, argnums=(0, 1))


@rule(lambda case: case.subject.offer.stackable)
def maps_over_seeds_through_a_second_derivative(case: Case) -> None:
    """Has the same gradients for mapped seeds as for each seed alone, through a penalty on the critic's slope."""
    for spec in case.specs:
        seeds = [build_stages(case.space, spec, case.ask, seed) for seed in (0, 1)]
        for members in zip(*seeds, strict=True):
            networks = members[0]
            if networks.critic is None:
                continue
            ensemble = stack(list(members), torch.device("cpu"), torch.float64)
            z, labels = make_inputs(networks, case.ask)
            stacked = tree_map(lambda t: torch.stack([t, t.flip(0)]), (z.double(), labels))
            inputs = (ensemble.detached["generator"], ensemble.detached["critic"], ensemble.buffers, *stacked)
            gap = largest_difference(
                map_over_seeds(make_penalised_gradients(networks))(*inputs),
                loop_over_seeds(make_penalised_gradients(networks))(*inputs),
            )
            require(
                gap <= NUDGE, f"the gradients of mapped seeds differ by {gap:.2g} from each seed alone ({dict(spec)})."
            )


@rule(lambda case: not case.subject.offer.stackable)
def has_second_derivatives(case: Case) -> None:
    """Has finite gradients through a penalty on the critic's slope, with seeds in a loop."""
    for _, networks in case.build_all():
        if networks.critic is not None:
            ensemble = stack([networks], torch.device("cpu"), torch.float64)
            z, labels = make_inputs(networks, case.ask)
            inputs = (ensemble.detached["generator"], ensemble.detached["critic"], ensemble.buffers)
            gradients = loop_over_seeds(make_penalised_gradients(networks))(
                *inputs, z.double().unsqueeze(0), tree_map(lambda t: t[None], labels)
            )
            require(
                all(bool(leaf.isfinite().all()) for leaf in tree_leaves(gradients)),
                "its second derivatives are not finite.",
            )


@rule(lambda case: case.subject.offer.stackable)
def can_be_captured(case: Case) -> None:
    """Uses only operations that a CUDA graph can replay."""
    for _, networks in case.build_all():
        z, labels = make_inputs(networks, case.ask)
        with Capture():
            fake = networks.generator(z, *labels)
            if networks.critic is not None:
                collect_answers(networks.critic, fake, *choose_critic_labels(networks, labels))


RULES = (
    uses_every_parameter,
    maps_over_seeds_through_a_second_derivative,
    has_second_derivatives,
    can_be_captured,
)
