"""Methods that ganbench does not ship, each written for a small model, to test that the plugin API can express them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from ganbench import Ask, Networks, Space
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

LATENT = 4


class MultiAnswerCritic(nn.Module):
    """A critic of one hidden layer that returns every answer that a loss may read."""

    def __init__(self, ask: Ask, width: int = 8) -> None:
        super().__init__()
        self.hidden = nn.Linear(ask.pack * ask.shape[0], width)
        self.score, self.decoder = nn.Linear(width, 1), nn.Linear(width, ask.pack * ask.shape[0])
        self.heads = nn.ModuleDict({name: nn.Linear(width, size) for name, size in ask.heads.items()})

    def forward(self, x: Tensor) -> Mapping[str, Tensor]:
        code = self.hidden(x).tanh()
        answers = {"score": self.score(code).squeeze(1), "features": code, "embedding": code}
        answers["reconstruction"] = self.decoder(code)
        return answers | {name: head(code) for name, head in self.heads.items()}


def make_space() -> Space:
    def networks(spec: Any, ask: Ask) -> Networks:
        inputs = LATENT + ask.latent
        generator = nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, ask.shape[0]))
        return Networks(generator=generator, critic=MultiAnswerCritic(ask), latent=LATENT)

    return Space(sample=lambda rng: {}, networks=networks)


def make_critic_free_space() -> Space:
    def networks(spec: Any, ask: Ask) -> Networks:
        return Networks(generator=nn.Linear(LATENT, ask.shape[0]), critic=None, latent=LATENT)

    return Space(sample=lambda rng: {}, networks=networks)


# Terms


# Architectures


class SmallGenerator(nn.Module):
    """The generator of the first stage: 2 x 2 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.to_small = nn.Linear(LATENT, 16), nn.Conv2d(4, 1, 1)

    def hidden(self, z: Tensor) -> Tensor:
        return self.first(z).view(-1, 4, 2, 2).tanh()

    def forward(self, z: Tensor) -> Tensor:
        return self.to_small(self.hidden(z))


class GrownGenerator(SmallGenerator):
    """The generator of the second stage: 4 x 4 pixels, with new layers that fade in."""

    def __init__(self) -> None:
        super().__init__()
        self.block, self.to_large = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 1, 1)
        self.register_buffer("progress", torch.zeros(()))

    def forward(self, z: Tensor) -> Tensor:
        hidden = self.hidden(z)
        large = self.to_large(self.block(interpolate(hidden, scale_factor=2)).tanh())
        return torch.lerp(interpolate(self.to_small(hidden), scale_factor=2), large, self.progress)


class SmallCritic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.from_small, self.score = nn.Conv2d(1, 4, 1), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.score_hidden(self.from_small(x))

    def score_hidden(self, hidden: Tensor) -> Tensor:
        return self.score(hidden.tanh().flatten(1)).squeeze(1)


class GrownCritic(SmallCritic):
    def __init__(self) -> None:
        super().__init__()
        self.from_large = nn.Conv2d(1, 4, 3, padding=1)
        self.register_buffer("progress", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        hidden = avg_pool2d(self.from_large(x).tanh(), 2)
        return self.score_hidden(torch.lerp(self.from_small(avg_pool2d(x, 2)), hidden, self.progress))


def crossfade(x: Tensor, progress: Tensor) -> Tensor:
    """Return real images that fade from low to full resolution, as the generator's new layers do."""
    return torch.lerp(interpolate(avg_pool2d(x, 2), scale_factor=2), x, progress)


def make_growing_space() -> Space:
    """Karras et al. 2017, arXiv:1710.10196, section 2: a growing network with two stages."""

    def networks(spec: Any, ask: Ask) -> tuple[Networks, ...]:
        return (
            Networks(
                generator=SmallGenerator(),
                critic=SmallCritic(),
                latent=LATENT,
                prepare=lambda x, progress: avg_pool2d(x, 2),
            ),
            Networks(generator=GrownGenerator(), critic=GrownCritic(), latent=LATENT, prepare=crossfade),
        )

    return Space(sample=lambda rng: {}, networks=networks)
