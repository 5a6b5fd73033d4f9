"""Small networks for losses on any answer of the critic, and for losses without a critic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganbench import Ask, Networks, Space
from torch import Tensor, nn

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
