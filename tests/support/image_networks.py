"""Convolutional architectures of our own, with options that make them tiny, and what tests ask of their networks."""

from __future__ import annotations

from random import Random
from typing import Any

import torch
from ganbench import Ask, Networks
from torch import Tensor, nn

from ganbench_plugins.architectures import autoencoder, dcgan, resnet, six_architectures

DCGAN, RANDOM = dcgan.ganbench_architectures()
WGAN_GP, SNGAN = resnet.ganbench_architectures()
(SIX,) = six_architectures.ganbench_architectures()
(AUTOENCODER,) = autoencoder.ganbench_architectures()
OFFERS = [DCGAN, RANDOM, WGAN_GP, SNGAN, SIX, AUTOENCODER]
SIX_NAMES = six_architectures.SIX
TINY: dict[str, dict[str, Any]] = {
    "dcgan": {"filters": 4},
    "random-dcgan": {"filters": [4, 6], "depths": [4, 6]},
    "resnet-wgan-gp": {"generator_channels": 4, "critic_channels": 6, "critic_normalised": True},
    "resnet-sngan": {"generator_channels": 4, "critic_channels": 6},
    "six-architectures": {"filters": 4, "width": 8, "layers": 14},
    "autoencoder": {"filters": 4, "code": 6},
}
NORM_LAYERS = nn.BatchNorm2d | nn.GroupNorm
CONVOLUTIONS = nn.Conv2d | nn.ConvTranspose2d


def build(offer: Any, ask: Ask, spec: dict[str, Any] | None = None, seed: int = 0, **options: Any) -> Networks:
    """Return the networks of a spec (default: the first that is drawn), with weights from this seed."""
    space = offer.build(**options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = space.networks(space.sample(Random(0)) if spec is None else spec, ask)
    assert isinstance(networks, Networks)
    return networks


def build_tiny(offer: Any, ask: Ask, **options: Any) -> Networks:
    lists = {name: tuple(v) if isinstance(v, list) else v for name, v in TINY[offer.name].items()}
    return build(offer, ask, **{**lists, **options})


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def count_weights(net: nn.Module | None) -> int:
    assert net is not None
    return sum(weight.numel() for weight in net.parameters())


def list_modules(net: nn.Module | None, kind: Any) -> list[Any]:
    assert net is not None
    return [module for module in net.modules() if isinstance(module, kind)]


def random_spec(depth: int, filters: int = 4, normalised: bool = False, activation: str = "relu") -> dict[str, Any]:
    factors = {"depth": depth, "filters": filters, "normalised": normalised, "activation": activation}
    return {f"{player}_{factor}": value for player in ("generator", "critic") for factor, value in factors.items()}
