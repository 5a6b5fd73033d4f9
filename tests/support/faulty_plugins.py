"""Losses and architectures that go wrong in every way a run must outlive; a plugin file as a user would write one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from ganbench import Ask, Networks, Objective, Offer, Space, hookimpl
from torch import Tensor, nn
from torch.nn.functional import softplus

STEPS = 8


def farewell() -> None:
    """Die as the kernel kills who takes too much memory, with a last word."""
    os.write(2, b"the loss says farewell\n")
    os.kill(os.getpid(), signal.SIGKILL)


def give_up() -> None:
    raise ArithmeticError("the loss gives up")


def late(act: Callable[[], None], after: int = 0) -> Callable[[], Objective]:
    """Make a loss that does something terrible at the critic's call after so many."""

    def build() -> Objective:
        calls: list[int] = []

        def critic(real: Tensor, fake: Tensor) -> Tensor:
            calls.append(1)
            if len(calls) > after:
                act()
            return softplus(-real).mean() + softplus(fake).mean()

        return Objective(critic, lambda real, fake: softplus(-fake).mean())

    return build


def hang() -> None:
    """Wait for what never comes."""
    while True:
        time.sleep(1)


class Bent(nn.Module):
    """A generator whose samples are bent by a function of them."""

    def __init__(self, ask: Ask, bend: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.bend = nn.Linear(2 + ask.latent, ask.shape[0]), bend

    def forward(self, z: Tensor) -> Tensor:
        return self.bend(self.layer(z))


def bent(bend: Callable[[Tensor], Tensor]) -> Callable[[], Space]:
    """Make a space of one generator, bent, against an ordinary critic."""

    def networks(spec: Any, ask: Ask) -> Networks:
        critic = nn.Sequential(nn.Linear(ask.shape[0], 8), nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0))
        return Networks(generator=Bent(ask, bend), critic=critic, latent=2)

    return lambda: Space(sample=lambda rng: {}, networks=networks)


def hungry(eat: Callable[[], object], most: int) -> Callable[[], Space]:
    """Make a space that takes more memory than there is for more than so many members."""

    def build() -> Space:
        members: list[int] = []

        def bend(x: Tensor) -> Tensor:
            if len(members) > most:
                eat()
            return x

        inner = bent(bend)()

        def networks(spec: Any, ask: Ask) -> Networks:
            members.append(1)
            return inner.networks(spec, ask)

        return Space(sample=lambda rng: {}, networks=networks)

    return build


@hookimpl
def ganbench_losses() -> Iterator[Offer]:
    """Offer losses that end their worker, hang, or raise."""
    yield Offer("farewell", late(farewell), "Kills its process.")
    yield Offer("hangs", late(hang), "Never answers.")
    yield Offer("gives-up", late(give_up, after=STEPS // 2 + 1), "Raises in the middle.")


@hookimpl
def ganbench_architectures() -> Iterator[Offer]:
    """Offer generators that give no numbers, one sample, or too much work for the memory."""
    yield Offer("not-a-number", bent(lambda x: x * torch.nan), "Makes NaN.")
    yield Offer("constant", bent(lambda x: 0 * x + 0.5), "Makes one sample.")
    yield Offer("hungry-torch", hungry(lambda: torch.empty(1 << 60), most=2), "Asks torch for an exabyte.")
    yield Offer("hungry-python", hungry(lambda: bytearray(1 << 60), most=2), "Asks Python for an exabyte.")
    yield Offer("insatiable", hungry(lambda: torch.empty(1 << 60), most=0), "Asks for an exabyte, even alone.")
