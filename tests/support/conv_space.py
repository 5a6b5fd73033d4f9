"""Random convolutional networks and sets of images for the tests of plans: the factors of the WGAN-GP paper's table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from ganbench import Ask, Networks, Offer, Source, Space, hookimpl
from torch import Tensor, nn

LATENT = 128
FACTORS: dict[str, tuple[Any, ...]] = {
    f"{player}_{name}": values
    for name, values in {
        "depth": (4, 8, 12, 20),
        "filters": (32, 64, 128),
        "normalised": (True, False),
        "activation": ("relu", "leaky", "tanh", "softplus"),
    }.items()
    for player in ("generator", "critic")
}
"""9,216 points; `depth` counts the layers with weights."""


class Shifted(nn.Module):
    """softplus(2x + 2) / 2 - 1, the paper's smooth rectifier."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.softplus(2 * x + 2) / 2 - 1


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky": lambda: nn.LeakyReLU(0.2),
    "tanh": nn.Tanh,
    "softplus": Shifted,
}


def normalise(norm: str, channels: int, side: int) -> list[nn.Module]:
    """Return the layer that normalises maps of this size; none for the norm ""."""
    if norm == "layer":
        return [nn.LayerNorm([channels, side, side])]
    return [nn.BatchNorm2d(channels, track_running_stats=False)] * bool(norm)


def spread(depth: int, stages: int) -> list[int]:
    """Return how many layers of size 3 each stage has beside its own, as evenly as can be; `depth` includes all."""
    extra = max(0, depth - stages - 1)
    return [extra // stages + (i < extra % stages) for i in range(stages)]


class Heads(nn.Module):
    """A critic with a score and heads on the same trunk."""

    def __init__(self, trunk: nn.Module, width: int, heads: Mapping[str, int]) -> None:
        super().__init__()
        self.trunk, self.score = trunk, nn.Linear(width, 1)
        self.heads = nn.ModuleDict({name: nn.Linear(width, size) for name, size in heads.items()})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        hidden = self.trunk(x)
        return {"score": self.score(hidden).squeeze(1)} | {name: head(hidden) for name, head in self.heads.items()}


def networks(spec: dict[str, Any], ask: Ask) -> Networks:
    """Return a generator and a critic that double or halve the side of images in each stage, from and to 4 pixels."""
    channels, side = ask.shape[0], ask.shape[-1]
    stages = (side // 4).bit_length() - 1
    g_widths = [spec["generator_filters"] * 2 ** (stages - 1 - i) for i in range(stages)]
    d_widths = [spec["critic_filters"] * 2**i for i in range(stages)]
    g_act, d_act = (ACTIVATIONS[spec[f"{player}_activation"]] for player in ("generator", "critic"))
    g_norm, d_norm = "batch" * spec["generator_normalised"], ask.critic_norm * spec["critic_normalised"]
    g: list[nn.Module] = [nn.Linear(LATENT + ask.latent, g_widths[0] * 16), nn.Unflatten(1, (g_widths[0], 4, 4))]
    g += [*normalise(g_norm, g_widths[0], 4), g_act()]
    for i, extra in enumerate(spread(spec["generator_depth"], stages)):
        width, size, last = g_widths[i], 4 * 2**i, i + 1 == stages
        for _ in range(extra):
            g += [nn.Conv2d(width, width, 3, padding=1), *normalise(g_norm, width, size), g_act()]
        after = channels if last else g_widths[i + 1]
        g += [nn.ConvTranspose2d(width, after, 4, 2, 1)]
        g += [nn.Tanh()] if last else [*normalise(g_norm, after, 2 * size), g_act()]
    d: list[nn.Module] = []
    for i, extra in enumerate(spread(spec["critic_depth"], stages)):
        before, width, size = (d_widths[i - 1] if i else channels * ask.pack), d_widths[i], side // 2 ** (i + 1)
        d += [nn.Conv2d(before, width, 4, 2, 1), *(normalise(d_norm, width, size) if i else []), d_act()]
        for _ in range(extra):
            d += [nn.Conv2d(width, width, 3, padding=1), *normalise(d_norm, width, size), d_act()]
    d, width = [*d, nn.Flatten()], d_widths[-1] * 16
    plain = nn.Sequential(*d, nn.Linear(width, 1), nn.Flatten(0))
    critic = Heads(nn.Sequential(*d), width, ask.heads) if ask.heads else plain
    return Networks(generator=nn.Sequential(*g), critic=critic, latent=LATENT, rowwise=d_norm in ("", "layer"))


def random_space() -> Space:
    """Return the space of the paper's factors."""
    return Space(
        sample=lambda rng: {name: rng.choice(values) for name, values in FACTORS.items()},
        networks=networks,
        size=math.prod(map(len, FACTORS.values())),
    )


def noise_images(side: int, channels: int, size: int = 64) -> Source:
    """Return a set of images of noise."""
    samples = torch.randn(size, channels, side, side, generator=torch.Generator().manual_seed(3)).tanh()
    return Source(shape=(channels, side, side), size=size, take=lambda i: samples[i], reference=lambda n: samples[:n])


class Images:
    """A plugin: the architectures `random-conv` and `conv`, and the dataset `noise-images`."""

    @hookimpl
    def ganbench_architectures(self) -> Iterator[Offer]:
        def conv(depth: int = 4, filters: int = 16, normalised: bool = False, activation: str = "relu") -> Space:
            values = {"depth": depth, "filters": filters, "normalised": normalised, "activation": activation}
            fixed = {f"{player}_{name}": value for name, value in values.items() for player in ("generator", "critic")}
            return Space(sample=lambda rng: fixed, networks=networks, size=1)

        yield Offer("random-conv", random_space, "Random convolutional networks.")
        yield Offer("conv", conv, "One convolutional network.")

    @hookimpl
    def ganbench_datasets(self) -> Iterator[Offer]:
        def build(side: int = 16, channels: int = 1) -> Source:
            return noise_images(side, channels)

        yield Offer("noise-images", build, "Images of noise.", metrics=("mmd",))
