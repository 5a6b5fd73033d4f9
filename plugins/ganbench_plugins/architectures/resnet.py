"""Residual networks for square images: those of WGAN-GP on CIFAR-10, and those of spectral normalisation.

Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", arXiv:1704.00028, appendix C; Miyato et al. 2018,
"Spectral Normalization for Generative Adversarial Networks", arXiv:1802.05957, table 4. Both are for 32 pixels. Here,
the generator has a block for each doubling from 4 pixels, and the critic halves the maps to 8 pixels (at least once),
then has two blocks more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from ganbench import Ask, Networks, Offer, Space, hookimpl
from torch import Tensor, nn

from ganbench_plugins.architectures.convolutions import (
    NORMS,
    SMALLEST,
    Critic,
    count_doublings,
    is_rowwise,
    make_layer,
    read_side,
)
from ganbench_plugins.architectures.mlp import refuse_less_than_one

Resample = Literal["", "up", "down"]


class Residual(nn.Module):
    """The sum of a block's main path and its shortcut."""

    def __init__(self, main: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.main, self.shortcut = main, shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Return shortcut(x) + main(x)."""
        total: Tensor = self.shortcut(x) + self.main(x)
        return total


class GlobalPool(nn.Module):
    """The mean or the sum of each map over its pixels."""

    def __init__(self, total: bool) -> None:
        super().__init__()
        self.total = total

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, channels]."""
        return x.sum((2, 3)) if self.total else x.mean((2, 3))


def make_block(channels: int, norm: str, resample: Resample) -> Residual:
    """Build a block of two convolutions, each after its norm ("" for none) and ReLU.

    "up" doubles the side by nearest neighbours before the first convolution, "down" halves it by means after the
    second. The 1 x 1 convolution of a shortcut commutes with both, so it is applied to the smaller maps.
    """
    main = nn.Sequential()
    for index in (1, 2):
        if norm:
            main.add_module(f"norm{index}", NORMS[norm](channels))
        main.add_module(f"activation{index}", nn.ReLU())
        if index == 1 and resample == "up":
            main.add_module("up", nn.Upsample(scale_factor=2))
        bias = index == 2 or not norm
        main.add_module(f"conv{index}", make_layer("same", channels, channels, "he", bias=bias))
    if not resample:
        return Residual(main, nn.Identity())
    point = make_layer("point", channels, channels, "he", gain=1.0)
    if resample == "up":
        return Residual(main, nn.Sequential(point, nn.Upsample(scale_factor=2)))
    main.add_module("down", nn.AvgPool2d(2))
    return Residual(main, nn.Sequential(nn.AvgPool2d(2), point))


def make_first_block(inputs: int, channels: int) -> Residual:
    """Build the critic's first block, which halves the images and has neither norm nor ReLU before them."""
    main = nn.Sequential(
        make_layer("same", inputs, channels, "he", gain=1.0),
        nn.ReLU(),
        make_layer("same", channels, channels, "he"),
        nn.AvgPool2d(2),
    )
    return Residual(main, nn.Sequential(nn.AvgPool2d(2), make_layer("point", inputs, channels, "he", gain=1.0)))


def make_generator(side: int, ask: Ask, latent: int, channels: int) -> nn.Sequential:
    """Build the generator, [n, latent + ask.latent] -> [n, *shape] in (-1, 1), with batch norm."""
    net = nn.Sequential()
    net.add_module("project", make_layer("linear", latent + ask.latent, channels * SMALLEST**2, "he", gain=1.0))
    net.add_module("maps", nn.Unflatten(1, (channels, SMALLEST, SMALLEST)))
    for index in range(1, count_doublings(side) + 1):
        net.add_module(f"block{index}", make_block(channels, "batch", "up"))
    net.add_module("norm", NORMS["batch"](channels))
    net.add_module("activation", nn.ReLU())
    net.add_module("output", make_layer("same", channels, ask.shape[0], "he", gain=1.0))
    net.add_module("squash", nn.Tanh())
    return net


def make_critic(side: int, ask: Ask, channels: int, normalised: bool, total: bool) -> Critic:
    """Build the critic, [n, pack * channels, side, side] -> score [n]; its last maps are pooled by mean or `total`."""
    norm = ask.critic_norm if normalised else ""
    net = nn.Sequential()
    net.add_module("block1", make_first_block(ask.pack * ask.shape[0], channels))
    rest: list[Resample] = [*["down"] * (count_doublings(side) - 2), "", ""]  # type: ignore[list-item]
    for index, resample in enumerate(rest, start=2):
        net.add_module(f"block{index}", make_block(channels, norm, resample))
    net.add_module("activation", nn.ReLU())
    net.add_module("pool", GlobalPool(total))
    return Critic(net, channels, ask, "he")


def make_space(
    name: str, generator_channels: int, critic_channels: int, critic_normalised: bool, latent: int, total: bool
) -> Space:
    """Build a space of one architecture; the generator's weights are drawn first, then the critic's and its heads'."""
    refuse_less_than_one(generator_channels=generator_channels, critic_channels=critic_channels, latent=latent)

    def networks(spec: Mapping[str, Any], ask: Ask) -> Networks:
        side = read_side(name, ask.shape)
        generator = make_generator(side, ask, latent, generator_channels)
        critic = make_critic(side, ask, critic_channels, critic_normalised, total)
        return Networks(generator=generator, critic=critic, latent=latent, rowwise=is_rowwise(ask, critic_normalised))

    return Space(sample=lambda rng: {}, networks=networks, size=1)


def build_wgan_gp(
    generator_channels: int = 128, critic_channels: int = 128, critic_normalised: bool = False, latent: int = 128
) -> Space:
    """Build a space of one architecture: batch norm in the generator, no norm in the critic, means over its last maps.

    `critic_normalised` means the norm that the method asks for, in all blocks but the first. Images are in [-1, 1].
    """
    return make_space("resnet-wgan-gp", generator_channels, critic_channels, critic_normalised, latent, total=False)


def build_sngan(
    generator_channels: int = 256, critic_channels: int = 128, critic_normalised: bool = False, latent: int = 128
) -> Space:
    """Build a space of one architecture: a wider generator than `resnet-wgan-gp` has, and sums over the last maps.

    The paper's critic has no norm in its layers: a method constrains its weights, such as `hinge-sn`. Images are in
    [-1, 1].
    """
    return make_space("resnet-sngan", generator_channels, critic_channels, critic_normalised, latent, total=True)


@hookimpl
def ganbench_architectures() -> Iterator[Offer]:
    yield Offer(
        "resnet-wgan-gp",
        build_wgan_gp,
        "The residual networks of WGAN-GP on CIFAR-10, for square images.",
        reference="Gulrajani et al. 2017, arXiv:1704.00028, appendix C",
    )
    yield Offer(
        "resnet-sngan",
        build_sngan,
        "The residual networks of spectral normalisation on CIFAR-10, for square images.",
        reference="Miyato et al. 2018, arXiv:1802.05957, table 4",
    )
