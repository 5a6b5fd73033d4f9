"""The networks of the smallest GAN, a point and a line, whose training is known in closed form.

Mescheder, Geiger, Nowozin 2018, "Which Training Methods for GANs do actually Converge?", arXiv:1801.04406, section 2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

import torch
from ganbench import Ask, GanbenchError, Networks, Offer, Space, hookimpl
from torch import Tensor, nn


class Point(nn.Module):
    """A generator that returns its one parameter as every sample and ignores the latent."""

    def __init__(self, shape: tuple[int, ...], theta: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.full(shape, theta))

    def forward(self, z: Tensor) -> Tensor:
        """Return the point once for each row of z, [n, *shape]."""
        return self.theta.expand(len(z), *self.theta.shape)


class Line(nn.Module):
    """A critic that is linear in its input, without a bias: score psi . x, [n]."""

    def __init__(self, size: int, psi: float) -> None:
        super().__init__()
        self.psi = nn.Parameter(torch.full((1, size), psi))

    def forward(self, x: Tensor) -> Tensor:
        """Return the score of each sample, [n]."""
        return (x.flatten(1) @ self.psi.T).squeeze(1)


def build(theta: float = 1.0, psi: float = -1.0) -> Space:
    """Build a space of one architecture: generator theta, critic psi . x; every coordinate starts at these values.

    Scores are high on real here and high on fake in the paper, so the paper's start (1, 1) is (1, -1) here.
    """

    def networks(spec: Mapping[str, Any], ask: Ask) -> Networks:
        if ask.heads:
            raise GanbenchError(
                f"architecture 'linear' has a score alone, and the method asks for {', '.join(ask.heads)}. Use 'mlp'."
            )
        critic = Line(ask.pack * math.prod(ask.shape), psi)
        return Networks(generator=Point(ask.shape, theta), critic=critic, latent=1, rowwise=True)

    def sample(rng: Random) -> Mapping[str, Any]:
        return {}

    return Space(sample=sample, networks=networks, size=1)


@hookimpl
def ganbench_architectures() -> Iterator[Offer]:
    yield Offer(
        "linear",
        build,
        "The Dirac-GAN's networks: one point, and a line through the origin.",
        reference="Mescheder et al. 2018, arXiv:1801.04406, definition 2.1",
        formula="G(z) = theta, D(x) = psi . x",
    )
