"""The six architectures of the LSUN figure of WGAN-GP, each of which is hard to train in its own way.

Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", arXiv:1704.00028, figure 2, with the details of its
authors' code for 64 pixels. Kernels and initial weights are those of `dcgan` here, He's by default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from random import Random
from typing import Any, Literal

from ganbench import Ask, GanbenchError, Networks, Offer, Space, hookimpl
from torch import Tensor, nn

from ganbench_plugins.architectures.convolutions import (
    NORMS,
    SMALLEST,
    Critic,
    Initialisation,
    count_doublings,
    is_rowwise,
    make_critic,
    make_generator,
    make_layer,
    read_side,
    spread,
)
from ganbench_plugins.architectures.mlp import make_generator as make_perceptron
from ganbench_plugins.architectures.mlp import refuse_less_than_one
from ganbench_plugins.architectures.part_names import choose_critic_norm

Name = Literal["dcgan-constant", "mlp-512", "dcgan-unnormalised", "dcgan-gated", "dcgan-tanh", "resnet-101"]
SIX: tuple[Name, ...] = (
    "dcgan-constant",
    "mlp-512",
    "dcgan-unnormalised",
    "dcgan-gated",
    "dcgan-tanh",
    "resnet-101",
)
OFFER = "six-architectures"


class Scale(nn.Module):
    """A constant factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Return factor x."""
        return self.factor * x


class Bottleneck(nn.Module):
    """Three convolutions (1 x 1, resampling or 3 x 3, 1 x 1), each after ReLU; their norm times 0.3 joins the shortcut.

    `norm` is its name, or "" for none. `resample` is "same", "up" or "down". A shortcut to other maps is one 1 x 1
    convolution.
    """

    def __init__(self, inputs: int, outputs: int, norm: str, resample: str, initialisation: str) -> None:
        super().__init__()
        make = partial(make_layer, initialisation=initialisation)
        narrow, narrow_out = max(1, inputs // 2), max(1, outputs // 2)
        self.main = nn.Sequential(
            nn.ReLU(),
            make("point", inputs, narrow),
            nn.ReLU(),
            make(resample, narrow, narrow_out),
            nn.ReLU(),
            make("point", narrow_out, outputs, bias=not norm),
        )
        if norm:
            self.main.append(NORMS[norm](outputs))
        if resample == "up":
            self.shortcut = nn.Sequential(make("point", inputs, 4 * outputs, gain=1.0), nn.PixelShuffle(2))
        elif resample == "down":
            self.shortcut = nn.Sequential(make("skip", inputs, outputs, gain=1.0))
        else:
            self.shortcut = nn.Sequential()

    def forward(self, x: Tensor) -> Tensor:
        """Return shortcut(x) + 0.3 main(x)."""
        total: Tensor = self.shortcut(x) + 0.3 * self.main(x)
        return total


def list_blocks(layers: int, side: int) -> list[tuple[str, int]]:
    """Return the kind ("up" or "same") of each block of the generator, and the side of its maps.

    Two layers are the first and the last one, three make a block; the blocks that do not double are spread over the
    sizes of the maps as evenly as possible, smaller maps first. So 101 layers at 64 pixels are the authors', and
    smaller images have as many layers on fewer sizes.
    """
    doublings, blocks = count_doublings(side), (layers - 2) // 3
    if blocks * 3 + 2 != layers or blocks < doublings:
        raise GanbenchError(
            f"architecture {OFFER!r}: layers = {layers} for {side} pixels: use 2 + 3 n, n at least {doublings}."
        )
    listed = []
    for stage, count in enumerate(spread(blocks - doublings, doublings + 1)):
        listed += (stage > 0) * [("up", SMALLEST * 2**stage)] + count * [("same", SMALLEST * 2**stage)]
    return listed


def make_residual(ask: Ask, latent: int, filters: int, layers: int, initialisation: str) -> tuple[nn.Module, nn.Module]:
    """Build the residual generator, and the critic with its blocks in reverse; half of `filters` at the full side."""
    side = ask.shape[1]
    blocks = list_blocks(layers, side)

    def width(at: int) -> int:
        return max(1, filters * side // (2 * at))

    generator = nn.Sequential()
    generator.add_module(
        "project", make_layer("linear", latent + ask.latent, width(SMALLEST) * SMALLEST**2, initialisation, gain=1.0)
    )
    generator.add_module("maps", nn.Unflatten(1, (width(SMALLEST), SMALLEST, SMALLEST)))
    for index, (kind, at) in enumerate(blocks, start=1):
        inputs = width(at // 2) if kind == "up" else width(at)
        generator.add_module(f"block{index}", Bottleneck(inputs, width(at), "batch", kind, initialisation))
    generator.add_module("output", make_layer("point", width(side), ask.shape[0], initialisation, gain=1.0))
    generator.add_module("scale", Scale(0.2))
    generator.add_module("squash", nn.Tanh())

    trunk, norm = nn.Sequential(), choose_critic_norm(ask, normalised=True)
    trunk.add_module("input", make_layer("point", ask.pack * ask.shape[0], width(side), initialisation, gain=1.0))
    for index, (kind, at) in enumerate(reversed(blocks), start=1):
        kind, outputs = ("down", width(at // 2)) if kind == "up" else (kind, width(at))
        trunk.add_module(f"block{index}", Bottleneck(width(at), outputs, norm, kind, initialisation))
    trunk.add_module("flatten", nn.Flatten())
    trunk.add_module("scale", Scale(0.2))
    return generator, Critic(trunk, width(SMALLEST) * SMALLEST**2, ask, initialisation)


def build(
    architectures: tuple[Name, ...] = SIX,
    filters: int = 64,
    width: int = 512,
    layers: int = 101,
    latent: int = 128,
    initialisation: Initialisation = "he",
) -> Space:
    """Build the space of the six: each is a DCGAN but for what its name says.

    `dcgan-constant`: no batch norm and a constant number of filters in the generator; `mlp-512`: a generator of 4 ReLU
    layers of `width` units; `dcgan-unnormalised`: no norm in either network; `dcgan-gated`: sigmoid(a) tanh(b)
    everywhere; `dcgan-tanh`: tanh everywhere; `resnet-101`: residual networks of `layers` layers. Images are in
    [-1, 1].
    """
    if not architectures or len(set(architectures)) < len(architectures):
        raise GanbenchError(f"architectures = {list(architectures)}: name at least one of the six, each once.")
    refuse_less_than_one(filters=filters, width=width, latent=latent)

    def networks(spec: Mapping[str, Any], ask: Ask) -> Networks:
        name, side = spec["architecture"], read_side(OFFER, ask.shape)
        if "resnet-101" in architectures:
            list_blocks(layers, side)  # refuses layers that fit no image of this size, whichever of the six was drawn
        normalised = name != "dcgan-unnormalised"
        if name == "resnet-101":
            generator, critic = make_residual(ask, latent, filters, layers, initialisation)
        else:
            depth, everywhere = count_doublings(side), {"dcgan-gated": "gated", "dcgan-tanh": "tanh"}.get(name)
            if name == "mlp-512":
                factors = {"depth": 4, "width": width, "activation": "relu", "normalised": False}
                spec = {f"generator_{factor}": value for factor, value in factors.items()}
                generator = make_perceptron(spec, ask, latent, "tanh", "he")
            else:
                constant = name == "dcgan-constant"
                generator = make_generator(
                    OFFER,
                    ask,
                    latent,
                    depth=depth,
                    filters=filters,
                    activation=everywhere or "relu",
                    normalised=normalised and not constant,
                    initialisation=initialisation,
                    constant=constant,
                )
            critic = make_critic(
                OFFER,
                ask,
                depth=depth,
                filters=filters,
                activation=everywhere or "leaky-relu",
                normalised=normalised,
                initialisation=initialisation,
            )
        return Networks(generator=generator, critic=critic, latent=latent, rowwise=is_rowwise(ask, normalised))

    def sample(rng: Random) -> Mapping[str, Any]:
        return {"architecture": rng.choice(architectures)}

    return Space(sample=sample, networks=networks, size=len(architectures))


@hookimpl
def ganbench_architectures() -> Iterator[Offer]:
    yield Offer(
        OFFER,
        build,
        "Six that are hard to train: no norms, gates, tanh, perceptron, constant filters, 101 layers.",
        reference="Gulrajani et al. 2017, arXiv:1704.00028, figure 2",
    )
