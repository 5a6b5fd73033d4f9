"""Critics that are autoencoders, for losses on a reconstruction: EBGAN and BEGAN.

Berthelot, Schumm, Metz 2017, "BEGAN: Boundary Equilibrium Generative Adversarial Networks", arXiv:1703.10717, section
3.5; Zhao, Mathieu, LeCun 2017, "Energy-based Generative Adversarial Network", arXiv:1609.03126.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from ganbench import Ask, Networks, Offer, Space, hookimpl
from torch import nn

from ganbench_plugins.architectures.convolutions import count_doublings, make_layer, read_side
from ganbench_plugins.architectures.mlp import refuse_less_than_one
from ganbench_plugins.architectures.reconstructing import AutoencoderCritic

INNER = 8
"""The side of the smallest maps, in pixels."""


def add_pair(net: nn.Sequential, stage: int, inputs: int, channels: int) -> None:
    """Append two 3 x 3 convolutions, each with ELU."""
    for index, channels_in in enumerate((inputs, channels), start=1):
        net.add_module(f"conv{stage}_{index}", make_layer("same", channels_in, channels, "he"))
        net.add_module(f"activation{stage}_{index}", nn.ELU())


def make_decoder(code: int, channels: int, stages: int, filters: int, output: str) -> nn.Sequential:
    """Build a decoder, [n, code] -> [n, channels, side, side]: a pair of convolutions at each size, doubled between."""
    net = nn.Sequential()
    net.add_module("project", make_layer("linear", code, filters * INNER**2, "he", gain=1.0))
    net.add_module("maps", nn.Unflatten(1, (filters, INNER, INNER)))
    for stage in range(1, stages + 1):
        if stage > 1:
            net.add_module(f"up{stage}", nn.Upsample(scale_factor=2))
        add_pair(net, stage, filters, filters)
    net.add_module("output", make_layer("same", filters, channels, "he", gain=1.0))
    if output == "tanh":
        net.add_module("squash", nn.Tanh())
    return net


def make_encoder(code: int, channels: int, stages: int, filters: int) -> nn.Sequential:
    """Build an encoder, [n, channels, side, side] -> [n, code]: pairs of convolutions, halved between.

    The channels are `filters`, and as many more after each halving.
    """
    net = nn.Sequential()
    net.add_module("input", make_layer("same", channels, filters, "he", gain=1.0))
    net.add_module("activation", nn.ELU())
    for stage in range(1, stages + 1):
        add_pair(net, stage, filters * stage, filters * stage)
        if stage < stages:
            net.add_module(f"down{stage}", make_layer("down", filters * stage, filters * (stage + 1), "he"))
            net.add_module(f"activation{stage}", nn.ELU())
    net.add_module("flatten", nn.Flatten())
    net.add_module("code", make_layer("linear", filters * stages * INNER**2, code, "he", gain=1.0))
    return net


def build(filters: int = 64, code: int = 64, latent: int = 64, output: Literal["linear", "tanh"] = "linear") -> Space:
    """Build a space of one architecture: BEGAN's, whose generator is a decoder like the critic's, with other weights.

    `code` is the width of the critic's innermost layer. `output="tanh"` is for data in [-1, 1], in the generator and in
    the decoder.
    """
    refuse_less_than_one(filters=filters, code=code, latent=latent)

    def networks(spec: Mapping[str, Any], ask: Ask) -> Networks:
        stages = count_doublings(read_side("autoencoder", ask.shape))
        channels = ask.pack * ask.shape[0]
        generator = make_decoder(latent + ask.latent, ask.shape[0], stages, filters, output)
        encoder = make_encoder(code, channels, stages, filters)
        decoder = make_decoder(code, channels, stages, filters, output)
        heads = {name: make_layer("linear", code, k, "he", gain=1.0) for name, k in ask.heads.items()}
        critic = AutoencoderCritic(encoder, decoder, heads)
        return Networks(generator=generator, critic=critic, latent=latent, rowwise=True)

    return Space(sample=lambda rng: {}, networks=networks, size=1)


@hookimpl
def ganbench_architectures() -> Iterator[Offer]:
    yield Offer(
        "autoencoder",
        build,
        "A critic that reconstructs its input, and a generator like its decoder, for square images.",
        reference="Berthelot et al. 2017, arXiv:1703.10717, section 3.5",
    )
