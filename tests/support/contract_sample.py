"""A third party's plugin file: one correct loss, and a penalty and a loss with a mistake."""

from __future__ import annotations

import torch
from ganbench import Constraint, Example, Objective, Offer, hookimpl


def critic(real, fake):
    return fake.mean() - real.mean()


def generator(real, fake):
    return -fake.mean()


def upside_down(real, fake):
    return real.mean() - fake.mean()


def penalty(play):
    gradient = torch.func.grad(lambda x: play.critic(x).sum())(play.real)
    return ((gradient.square().sum(1) + 1e-12).sqrt() - 1).square().mean()


@hookimpl
def ganbench_losses():
    example = Example({"real": [1.0], "fake": [0.0]}, {"critic": -1.0, "generator": 0.0}, "by hand")
    yield Offer("good-loss", lambda: Objective(critic, generator), "Correct.", reference="here", examples=(example,))
    yield Offer("bad-loss", lambda: Objective(upside_down, generator), "Wrong.")


@hookimpl
def ganbench_constraints():
    yield Offer("mine", lambda: Constraint(critic=penalty), "Wrong too.")
