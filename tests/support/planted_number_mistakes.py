"""Planted mistakes with numbers of which each member of a batch has its own."""

from __future__ import annotations

import torch
from ganbench import Constraint, Dynamics, Input, Objective, Offer, Scalar
from torch.func import grad

from tests.support.planted_mistakes import Planted, critic, generator

OFF = "remove proportional_to"
WHILE_BUILT = "computes with an option annotated Scalar while it is built"


def build_halved(scale: Scalar = 0.1) -> Constraint:
    half = scale / 2
    return Constraint(critic=lambda play: half * play.scores_real.square().mean())


def build_by_value(margin: Scalar = 0.25) -> Objective:
    """Build a loss that takes another form for margins from 0.2 on, of which there is one below and two above."""
    if margin >= 0.2:
        return Objective(lambda r, f: critic(r - margin, f), generator)
    return Objective(lambda r, f: critic(r, f + margin), generator)


def build_noise_read_once(sigma: Scalar = 0.1) -> Input:
    width = float(sigma)
    return Input(view=lambda x, draws, progress: x + width)


def build_pull_read_once(gamma: Scalar = 0.1) -> Dynamics:
    share = torch.as_tensor(gamma).clone()

    def move(losses, g, d):
        slopes, memory = grad(losses.generator, has_aux=True)(g, d)
        return {name: slope * (1 + share) for name, slope in slopes.items()}, memory

    return Dynamics(generator=move)


class SquareRoot(torch.optim.SGD):
    """Descent by the root of the learning rate."""

    def __init__(self, parameters, lr: float) -> None:
        super().__init__(parameters, lr=lr**0.5)


def build_root(lr: Scalar = 0.1):
    return lambda parameters: SquareRoot(parameters, lr)


def build_float(lr: float = 0.1):
    return lambda parameters: torch.optim.SGD(parameters, lr)


class DecaysTowardsItsStart(torch.optim.SGD):
    """Descent from a mean of the weights and the first ones."""

    @torch.no_grad()
    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            start = self.state[p].setdefault("start", p.clone())
            p.lerp_(start, 0.01)
        return super().step(closure)


def build_decay(lr: Scalar = 0.1):
    return lambda parameters: DecaysTowardsItsStart(parameters, lr)


NUMBER_MISTAKES = (
    Planted("constraints", Offer("a number halved while built", build_halved, "A term."), WHILE_BUILT),
    Planted("losses", Offer("a form by the number", build_by_value, "A loss."), WHILE_BUILT),
    Planted("inputs", Offer("noise read once", build_noise_read_once, "Noise."), WHILE_BUILT),
    Planted("dynamics", Offer("a pull read once", build_pull_read_once, "Moves."), WHILE_BUILT),
    Planted("optimizers", Offer("a root of the rate", build_root, "Descent.", proportional_to="lr"), OFF),
    Planted("optimizers", Offer("a decay of its own", build_decay, "Descent.", proportional_to="lr"), OFF),
    Planted("optimizers", Offer("a float rate", build_float, "Descent.", proportional_to="lr"), "annotated Scalar"),
)
