"""Planted mistakes in parts of networks: layers over the batch, reference batches, run-time factors."""

from __future__ import annotations

import random

import torch
from ganbench import Networks
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from tests.support.more_planted_mistakes import Net, architecture, make_with_layer, networks


class GroupsOfFour(nn.Module):
    """Minibatch standard deviation for batches that four divides."""

    def forward(self, x: Tensor) -> Tensor:
        spread = x.view(4, len(x) // 4, x.shape[1]).std(0).mean(1).repeat(4)
        return x + spread.unsqueeze(1)


class OneForEachGroup(nn.Module):
    """Minibatch standard deviation that answers once for each group."""

    def forward(self, x: Tensor) -> Tensor:
        return x.view(4, -1, x.shape[1]).std(0)


class Closeness(nn.Module):
    """Minibatch discrimination without learned rows."""

    def forward(self, x: Tensor) -> Tensor:
        return x + (-(x.unsqueeze(1) - x.unsqueeze(0)).abs().sum(2)).exp().sum(1, keepdim=True)


class Reference(nn.Module):
    """A batch norm by reference rows; subclasses say which, and make a mistake."""

    def rows(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        rows = self.rows(x)
        return (x - rows.mean(0)) / (rows.var(0) + 1e-5).sqrt()


class DrawnAtEachCall(Reference):
    def rows(self, x: Tensor) -> Tensor:
        return torch.randn_like(x)


class FirstBatchSeen(Reference):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kept", torch.zeros(4, 6))

    def rows(self, x: Tensor) -> Tensor:
        if not self.kept.any():
            self.kept.copy_(x[:4].detach())
        return self.kept


class DrawnByPython(Reference):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kept", torch.tensor([[random.gauss(0, 1) for _ in range(6)] for _ in range(4)]))

    def rows(self, x: Tensor) -> Tensor:
        return self.kept


class ReturnsItsReference(nn.Module):
    """A generator whose reference batch stays in front of the samples."""

    def __init__(self, net: nn.Module, width: int) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("reference", torch.randn(5, width))

    def forward(self, z: Tensor) -> Tensor:
        return self.net(torch.cat([self.reference, z]))


class ScaledInPlace(nn.Linear):
    """An equalised layer that multiplies its weights where they are stored."""

    def forward(self, x: Tensor) -> Tensor:
        self.weight.data.mul_(0.5)
        return super().forward(x)


class MaxoutOverSamples(nn.Module):
    """Maxout over the wrong axis."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(x, x.flip(0))


def make_with_generator_layer(layer):
    return lambda ask: networks(ask, generator=Net(3 + ask.latent, ask.shape[0], layer()))


def make_with_reference_kept(ask) -> Networks:
    return networks(ask, generator=ReturnsItsReference(Net(3 + ask.latent, ask.shape[0]), 3 + ask.latent))


PART_MISTAKES = (
    architecture("groups of four only", "the critic fails on 3 samples", make_with_layer(GroupsOfFour, rowwise=False)),
    architecture("one score for each group", "it must be [4]", make_with_layer(OneForEachGroup, rowwise=False)),
    architecture("rowwise with closeness to others", "Declare rowwise=False", make_with_layer(Closeness)),
    architecture("rowwise with maxout over samples", "Declare rowwise=False", make_with_layer(MaxoutOverSamples)),
    architecture(
        "a reference batch drawn at each call",
        "use no dropout and no noise in the generator",
        make_with_generator_layer(DrawnAtEachCall),
    ),
    architecture(
        "a reference batch taken from the first call",
        "the generator's buffers ['layer.kept'] change when it is called",
        make_with_generator_layer(FirstBatchSeen),
    ),
    architecture(
        "a reference batch drawn by Python",
        "one seed gives two networks: draw weights only with torch",
        make_with_generator_layer(DrawnByPython),
    ),
    architecture("a reference batch among the samples", "makes [9, 2] from 4 latents", make_with_reference_kept),
    architecture(
        "weights scaled in place",
        "returns two different answers for one input",
        make_with_layer(lambda: ScaledInPlace(6, 6)),
    ),
    architecture(
        "torch's spectral norm", "change when it is called", make_with_layer(lambda: spectral_norm(nn.Linear(6, 6)))
    ),
)
