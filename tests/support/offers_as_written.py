"""Losses and networks as people write them, as a plugin file: each trains in a loop over seeds, some only there."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import torch
from ganbench import Ask, Constraint, Networks, Objective, Offer, Space, hookimpl
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.nn.utils.parametrizations import spectral_norm


def critic(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-real).mean() + softplus(fake).mean()


def generator(real: Tensor | None, fake: Tensor) -> Tensor:
    return softplus(-fake).mean()


def critic_that_rests(real: Tensor, fake: Tensor) -> Tensor:
    """Train the critic less when it wins."""
    loss = critic(real, fake)
    return loss * 0.0 if loss < 0.5 else loss


def critic_with_item(real: Tensor, fake: Tensor) -> Tensor:
    loss = critic(real, fake)
    return loss * min(1.0, 1.0 / max(loss.item(), 1e-3))


def critic_in_numpy(real: Tensor, fake: Tensor) -> Tensor:
    return critic(real, fake) + 0 * float(real.detach().numpy().mean())


def critic_with_late_import(real: Tensor, fake: Tensor) -> Tensor:
    import a_library_that_is_not_here  # noqa: F401

    return critic(real, fake)


def critic_for_each_sample(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-real) + softplus(fake)


def critic_by_chance(real: Tensor, fake: Tensor) -> Tensor:
    return critic(real, fake) * (1 + random.random())


def generator_that_reads_real(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(real - fake).mean()


def critic_in_single_precision(real: Tensor, fake: Tensor) -> Tensor:
    return critic(real.float(), fake.float())


def critic_in_place(real: Tensor, fake: Tensor) -> Tensor:
    return critic(real.clone().mul_(1.0), fake)


def critic_with_a_constant(real: Tensor, fake: Tensor) -> Tensor:
    """Make a tensor in every step, which only a CUDA graph cannot do."""
    return critic(real, fake) * torch.tensor(1.0)


def build_random_loss() -> Objective:
    scale = torch.rand(())
    return Objective(lambda real, fake: scale * critic(real, fake), generator)


def penalty_with_item(play: Any) -> Tensor:
    return 0.1 * play.scores_real.square().mean() * max(play.scores_fake.mean().item(), 0.0)


def penalty_of_an_own_answer(play: Any) -> Tensor:
    """Read an answer that only an architecture of the same author has."""
    return play.answers_real["texture"].square().mean()


def make_space(middle: Callable[[], list[nn.Module]], wrap: Callable[[nn.Module], nn.Module] = lambda m: m) -> Any:
    """Return the build of a space of one small architecture."""

    def networks(spec: Any, ask: Ask) -> Networks:
        net = nn.Sequential(nn.Linear(4 + ask.latent, 8), nn.ReLU(), nn.Linear(8, ask.shape[0]))
        judge = nn.Sequential(wrap(nn.Linear(ask.shape[0], 8)), *middle(), nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0))
        return Networks(generator=net, critic=judge, latent=4)

    return lambda: Space(sample=lambda rng: {}, networks=networks, size=1)


@hookimpl
def ganbench_losses() -> Iterator[Offer]:
    """Offer losses; what follows "loop-" is declared to be trained in a loop."""
    for name, function in (
        ("rests", critic_that_rests),
        ("item", critic_with_item),
        ("numpy", critic_in_numpy),
        ("late-import", critic_with_late_import),
        ("each-sample", critic_for_each_sample),
        ("chance", critic_by_chance),
        ("single", critic_in_single_precision),
        ("in-place", critic_in_place),
        ("constant", critic_with_a_constant),
    ):
        yield Offer(name, lambda function=function: Objective(function, generator), "As written.")
    yield Offer("reads-real", lambda: Objective(critic, generator_that_reads_real), "As written.")
    yield Offer("random-build", build_random_loss, "As written.")
    for name, function in (("rests", critic_that_rests), ("item", critic_with_item)):
        build = lambda function=function: Objective(function, generator)  # noqa: E731
        yield Offer(f"loop-{name}", build, "As written.", stackable=False)


@hookimpl
def ganbench_constraints() -> Iterator[Offer]:
    yield Offer("item-penalty", lambda: Constraint(critic=penalty_with_item), "As written.")
    yield Offer("texture-penalty", lambda: Constraint(critic=penalty_of_an_own_answer), "As written.")


@hookimpl
def ganbench_architectures() -> Iterator[Offer]:
    yield Offer("plain", make_space(list), "Small.")
    yield Offer("dropout", make_space(lambda: [nn.Dropout(0.3)]), "With dropout.")
    yield Offer("batch-norm", make_space(lambda: [nn.BatchNorm1d(8)]), "With running statistics.")
    yield Offer("torch-norm", make_space(list, spectral_norm), "With torch's spectral norm.")
    yield Offer("loop-torch-norm", make_space(list, spectral_norm), "In a loop.", stackable=False)
