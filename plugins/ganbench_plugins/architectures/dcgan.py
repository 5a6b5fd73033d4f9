"""DCGAN, and the paper's space of 9,216 random relatives of it, for square images.

`dcgan` is Radford, Metz, Chintala 2015, "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks", arXiv:1511.06434. `random-dcgan` has the factors of Gulrajani et al. 2017, "Improved Training of
Wasserstein GANs", arXiv:1704.00028, table 1. The paper does not say how a depth becomes layers. Here, depth counts the
convolutions of a network; the generator's projection of the noise to maps of 4 x 4 pixels and the critic's score are
linear layers on top. So depth 4 at 64 pixels is DCGAN itself. `list_layers` of the module `convolutions` spreads more
layers over the sizes of the maps; `ganbench show random-dcgan` draws the layers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from ganbench import Ask, GanbenchError, Networks, Offer, Space, hookimpl

from ganbench_plugins.architectures.conditioning import find_conditional, label, with_label_codes
from ganbench_plugins.architectures.convolutions import (
    Initialisation,
    count_doublings,
    is_rowwise,
    make_critic,
    make_generator,
    read_side,
)
from ganbench_plugins.architectures.mlp import Activation, refuse_less_than_one
from ganbench_plugins.architectures.part_names import Part, Parts, add_reference, read_both

Spec = Mapping[str, Any]


def make_networks(
    name: str, spec: Spec, ask: Ask, latent: int, initialisation: str, parts: Mapping[str, Parts]
) -> Networks:
    """Build the networks of a spec; the generator's weights are drawn first, then the critic's, then its heads'."""
    generator_options, critic_options = (
        {factor: spec[f"{player}_{factor}"] for factor in ("activation", "depth", "filters", "normalised")}
        | {"initialisation": initialisation, "parts": parts[player]}
        for player in ("generator", "critic")
    )
    inner = with_label_codes(ask)
    chain = make_generator(name, inner, latent, **generator_options)
    critic = make_critic(name, ask, **critic_options, code=latent)
    normalised = spec["generator_normalised"]
    return Networks(
        generator=add_reference(label(chain, ask), latent, ask, normalised, parts["generator"]),
        critic=critic,
        latent=latent,
        conditional=find_conditional(ask),
        rowwise=is_rowwise(ask, spec["critic_normalised"], parts["critic"]),
    )


def build_dcgan(
    filters: int = 64,
    latent: int = 100,
    initialisation: Initialisation = "dcgan",
    generator_parts: tuple[Part, ...] = (),
    critic_parts: tuple[Part, ...] = (),
) -> Space:
    """Build a space of one architecture: as many convolutions as the side of the images has doublings from 4 pixels.

    `filters` are the channels at half the side of the images; they double at each halving. ReLU and batch norm in the
    generator, LeakyReLU and the method's norm in the critic, except in its first layer. Images are in [-1, 1].
    Parts: docs/reference/methods.md.
    """
    parts = read_both(generator_parts, critic_parts)
    refuse_less_than_one(filters=filters, latent=latent)

    def networks(spec: Spec, ask: Ask) -> Networks:
        depth = count_doublings(read_side("dcgan", ask.shape))
        common = {"depth": depth, "filters": filters, "normalised": True}
        players = (("generator", common | {"activation": "relu"}), ("critic", common | {"activation": "leaky-relu"}))
        full = {f"{player}_{factor}": value for player, factors in players for factor, value in factors.items()}
        return make_networks("dcgan", full, ask, latent, initialisation, parts)

    return Space(sample=lambda rng: {}, networks=networks, size=1)


def build_random_dcgan(
    activations: tuple[Activation, ...] = ("relu", "leaky-relu", "softplus-shifted", "tanh"),
    depths: tuple[int, ...] = (4, 8, 12, 20),
    filters: tuple[int, ...] = (32, 64, 128),
    normalised: tuple[bool, ...] = (False, True),
    latent: int = 128,
    initialisation: Initialisation = "he",
    generator_parts: tuple[Part, ...] = (),
    critic_parts: tuple[Part, ...] = (),
) -> Space:
    """Build the space in which each network's activation, depth, filters and normalisation are drawn independently.

    With the defaults it has the paper's 9,216 points; all are equally likely. `depths` count convolutions. `filters`
    are the channels at half the side of the images; they double at each halving. Images are in [-1, 1].
    All have the same parts (docs/reference/methods.md).
    """
    parts = read_both(generator_parts, critic_parts, without=("maxout",))  # the activation is a factor
    if not (activations and depths and filters and normalised):
        raise GanbenchError("an empty list: give at least one of each of activations, depths, filters, normalised.")
    refuse_less_than_one(depths=min(depths), filters=min(filters), latent=latent)
    factors = {"activation": activations, "depth": depths, "filters": filters, "normalised": normalised}

    def sample(rng: Random) -> Spec:
        players = ("generator", "critic")
        return {f"{player}_{factor}": rng.choice(values) for player in players for factor, values in factors.items()}

    def networks(spec: Spec, ask: Ask) -> Networks:
        return make_networks("random-dcgan", spec, ask, latent, initialisation, parts)

    return Space(sample=sample, networks=networks, size=math.prod(len(values) for values in factors.values()) ** 2)


@hookimpl
def ganbench_architectures() -> Iterator[Offer]:
    yield Offer(
        "dcgan",
        build_dcgan,
        "Strided convolutions with batch norm, for square images.",
        reference="Radford et al. 2015, arXiv:1511.06434, section 3",
    )
    yield Offer(
        "random-dcgan",
        build_random_dcgan,
        "DCGANs of random activation, depth, filters and normalisation on either side.",
        reference="Gulrajani et al. 2017, arXiv:1704.00028, table 1",
    )
