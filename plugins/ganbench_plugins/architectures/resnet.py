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

from ganbench_plugins.architectures.conditioning import find_conditional, label, with_label_codes
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
from ganbench_plugins.architectures.part_names import (
    NO_PARTS,
    Part,
    Parts,
    add_minibatch_discrimination,
    add_minibatch_std,
    add_nonlinearity,
    add_reference,
    choose_critic_norm,
    choose_initialisation,
    make_norm,
    read_both,
)

RELU = {"relu": nn.ReLU}
WITHOUT = ("maxout",)  # its wider layers would not fit the sums of residual blocks

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


def make_block(channels: int, norm: str, resample: Resample, parts: Parts = NO_PARTS) -> Residual:
    """Build a block of two convolutions, each after its norm ("" for none) and ReLU.

    "up" doubles the side by nearest neighbours before the first convolution, "down" halves it by means after the
    second. The 1 x 1 convolution of a shortcut commutes with both, so it is applied to the smaller maps.
    """
    main, initialisation = nn.Sequential(), choose_initialisation(parts, "he")
    for index in (1, 2):
        if norm:
            main.add_module(f"norm{index}", make_norm(norm, channels, NORMS, parts))
        add_nonlinearity(main, index, "relu", RELU, parts)
        if index == 1 and resample == "up":
            main.add_module("up", nn.Upsample(scale_factor=2))
        bias = index == 2 or not norm
        main.add_module(f"conv{index}", make_layer("same", channels, channels, initialisation, bias=bias))
    if not resample:
        return Residual(main, nn.Identity())
    point = make_layer("point", channels, channels, initialisation, gain=1.0)
    if resample == "up":
        return Residual(main, nn.Sequential(point, nn.Upsample(scale_factor=2)))
    main.add_module("down", nn.AvgPool2d(2))
    return Residual(main, nn.Sequential(nn.AvgPool2d(2), point))


def make_first_block(inputs: int, channels: int, initialisation: str) -> Residual:
    """Build the critic's first block, which halves the images and has neither norm nor ReLU before them."""
    main = nn.Sequential(
        make_layer("same", inputs, channels, initialisation, gain=1.0),
        nn.ReLU(),
        make_layer("same", channels, channels, initialisation),
        nn.AvgPool2d(2),
    )
    return Residual(
        main, nn.Sequential(nn.AvgPool2d(2), make_layer("point", inputs, channels, initialisation, gain=1.0))
    )


def make_generator(side: int, ask: Ask, latent: int, channels: int, parts: Parts) -> nn.Sequential:
    """Build the generator, [n, latent + ask.latent] -> [n, *shape] in (-1, 1), with batch norm."""
    net, initialisation = nn.Sequential(), choose_initialisation(parts, "he")
    net.add_module(
        "project", make_layer("linear", latent + ask.latent, channels * SMALLEST**2, initialisation, gain=1.0)
    )
    net.add_module("maps", nn.Unflatten(1, (channels, SMALLEST, SMALLEST)))
    for index in range(1, count_doublings(side) + 1):
        net.add_module(f"block{index}", make_block(channels, "batch", "up", parts))
    net.add_module("norm", make_norm("batch", channels, NORMS, parts))
    net.add_module("activation", nn.ReLU())
    net.add_module("output", make_layer("same", channels, ask.shape[0], initialisation, gain=1.0))
    net.add_module("squash", nn.Tanh())
    return net


def make_critic(side: int, ask: Ask, channels: int, normalised: bool, total: bool, parts: Parts) -> Critic:
    """Build the critic, [n, pack * channels, side, side] -> score [n]; its last maps are pooled by mean or `total`."""
    norm = choose_critic_norm(ask, normalised)
    net, initialisation = nn.Sequential(), choose_initialisation(parts, "he")
    net.add_module("block1", make_first_block(ask.pack * ask.shape[0], channels, initialisation))
    rest: list[Resample] = [*["down"] * (count_doublings(side) - 2), "", ""]  # type: ignore[list-item]
    for index, resample in enumerate(rest, start=2):
        net.add_module(f"block{index}", make_block(channels, norm, resample, parts))
    net.add_module("activation", nn.ReLU())
    width = add_minibatch_std(net, channels, parts)
    net.add_module("pool", GlobalPool(total))
    return Critic(net, add_minibatch_discrimination(net, width, parts), ask, initialisation)


def make_space(
    name: str,
    generator_channels: int,
    critic_channels: int,
    critic_normalised: bool,
    latent: int,
    total: bool,
    parts: Mapping[str, Parts],
) -> Space:
    """Build a space of one architecture; the generator's weights are drawn first, then the critic's and its heads'."""
    refuse_less_than_one(generator_channels=generator_channels, critic_channels=critic_channels, latent=latent)

    def networks(spec: Mapping[str, Any], ask: Ask) -> Networks:
        side = read_side(name, ask.shape)
        inner = with_label_codes(ask)
        chain = make_generator(side, inner, latent, generator_channels, parts["generator"])
        critic = make_critic(side, ask, critic_channels, critic_normalised, total, parts["critic"])
        return Networks(
            generator=add_reference(label(chain, ask), latent, ask, True, parts["generator"]),
            critic=critic,
            latent=latent,
            conditional=find_conditional(ask),
            rowwise=is_rowwise(ask, critic_normalised, parts["critic"]),
        )

    return Space(sample=lambda rng: {}, networks=networks, size=1)


def build_wgan_gp(
    generator_channels: int = 128,
    critic_channels: int = 128,
    critic_normalised: bool = False,
    latent: int = 128,
    generator_parts: tuple[Part, ...] = (),
    critic_parts: tuple[Part, ...] = (),
) -> Space:
    """Build a space of one architecture: batch norm in the generator, no norm in the critic, means over its last maps.

    `critic_normalised` means the norm that the method asks for, in all blocks but the first. Images are in [-1, 1].
    Parts: docs/reference/methods.md.
    """
    parts = read_both(generator_parts, critic_parts, WITHOUT)
    return make_space("resnet-wgan-gp", generator_channels, critic_channels, critic_normalised, latent, False, parts)


def build_sngan(
    generator_channels: int = 256,
    critic_channels: int = 128,
    critic_normalised: bool = False,
    latent: int = 128,
    generator_parts: tuple[Part, ...] = (),
    critic_parts: tuple[Part, ...] = (),
) -> Space:
    """Build a space of one architecture: a wider generator than `resnet-wgan-gp` has, and sums over the last maps.

    The paper's critic has no norm in its layers: a method constrains its weights, such as `hinge-sn`. Images are in
    [-1, 1]. Parts: docs/reference/methods.md.
    """
    parts = read_both(generator_parts, critic_parts, WITHOUT)
    return make_space("resnet-sngan", generator_channels, critic_channels, critic_normalised, latent, True, parts)


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
