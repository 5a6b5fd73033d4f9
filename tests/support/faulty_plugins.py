"""Losses and architectures that fail in every way that a run must handle, as a plugin file that a user could write."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import torch
from ganbench import Ask, Networks, Objective, Offer, Space, hookimpl
from torch import Tensor, nn
from torch.nn.functional import softplus

STEPS = 8
"""The generator steps of a trial in the tests of these plugins."""


def kill_worker() -> None:
    """Write a line to stderr, then kill this process as the kernel does when memory runs out."""
    os.write(2, b"the loss kills its worker\n")
    os.kill(os.getpid(), signal.SIGKILL)


def raise_error() -> None:
    raise ArithmeticError("the loss raises")


class Unprintable(RuntimeError):
    """An error that cannot say what it means, and cannot be pickled either."""

    def __init__(self) -> None:
        super().__init__()
        self.unpicklable = lambda: None

    def __str__(self) -> str:
        raise ValueError("no words")


class NotAnException(BaseException):
    """An error that `except Exception` does not catch."""


def raising(make: Callable[[], BaseException]) -> Callable[[], Objective]:
    """Build the non-saturating loss that raises an error in the middle of training."""

    def fail() -> None:
        raise make()

    return failing_loss(fail, after=STEPS // 2 + 1)


def failing_loss(fail: Callable[[], None], after: int = 0) -> Callable[[], Objective]:
    """Build the non-saturating loss; from the critic's call number `after` + 1 on it calls `fail`."""

    def build() -> Objective:
        calls: SimpleQueue[int] = SimpleQueue()  # a list that grows would be found out before the loss fails

        def critic(real: Tensor, fake: Tensor) -> Tensor:
            calls.put(1)
            if calls.qsize() > after:
                fail()
            return softplus(-real).mean() + softplus(fake).mean()

        return Objective(critic, lambda real, fake: softplus(-fake).mean())

    return build


def hang() -> None:
    """Sleep without end."""
    while True:
        time.sleep(1)


class TransformedGenerator(nn.Module):
    """A linear generator whose samples go through a function."""

    def __init__(self, ask: Ask, transform: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.transform = nn.Linear(2 + ask.latent, ask.shape[0]), transform

    def forward(self, z: Tensor) -> Tensor:
        return self.transform(self.layer(z))


def transformed_space(transform: Callable[[Tensor], Tensor]) -> Callable[[], Space]:
    """Build a space with one architecture: a transformed generator and an ordinary critic."""

    def networks(spec: Any, ask: Ask) -> Networks:
        critic = nn.Sequential(nn.Linear(ask.shape[0], 8), nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0))
        return Networks(generator=TransformedGenerator(ask, transform), critic=critic, latent=2)

    return lambda: Space(sample=lambda rng: {}, networks=networks)


def memory_filling_space(allocate: Callable[[], object], fitting_members: int) -> Callable[[], Space]:
    """Build a space that calls `allocate`, which runs out of memory, for batches of more than `fitting_members`."""

    def build() -> Space:
        members: list[int] = []

        def transform(x: Tensor) -> Tensor:
            if len(members) > fitting_members:
                allocate()
            return x

        inner = transformed_space(transform)()

        def networks(spec: Any, ask: Ask) -> Networks:
            members.append(1)
            return inner.networks(spec, ask)

        return Space(sample=lambda rng: {}, networks=networks)

    return build


@hookimpl
def ganbench_losses() -> Iterator[Offer]:
    """Offer losses that kill their worker, hang, or raise."""
    yield Offer("kills-worker", failing_loss(kill_worker), "Kills its process.")
    yield Offer("hangs", failing_loss(hang), "Never returns.")
    yield Offer("raises-millions", raising(lambda: ValueError(5_000_000 * "x")), "Raises with a very long message.")
    yield Offer("raises-unprintable", raising(Unprintable), "Raises an error that cannot be printed.")
    yield Offer("raises-base", raising(lambda: NotAnException("planted")), "Raises what is no Exception.")
    yield Offer("exits", raising(lambda: SystemExit(5)), "Calls sys.exit.")
    yield Offer("interrupts", raising(KeyboardInterrupt), "Raises KeyboardInterrupt by itself.")
    yield Offer("raises", failing_loss(raise_error, after=STEPS // 2 + 1), "Raises in the middle of training.")


@hookimpl
def ganbench_architectures() -> Iterator[Offer]:
    """Offer generators that return NaN, return a single sample, or run out of memory."""
    yield Offer("not-a-number", transformed_space(lambda x: x * torch.nan), "Returns NaN.")
    yield Offer("constant", transformed_space(lambda x: 0 * x + 0.5), "Returns a single sample.")
    for name, allocate, fitting_members, summary in (
        ("fills-memory-torch", lambda: torch.empty(1 << 60), 2, "Requests an exabyte from torch."),
        ("fills-memory-python", lambda: bytearray(1 << 60), 2, "Requests an exabyte from Python."),
        ("fills-memory-alone", lambda: torch.empty(1 << 60), 0, "Requests an exabyte even for one member."),
    ):
        yield Offer(name, memory_filling_space(allocate, fitting_members), summary)
