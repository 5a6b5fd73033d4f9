"""Methods that ganbench does not ship, each written for a small model, to test that the plugin API can express them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from ganbench import Ask, Networks, Objective, Space, State
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


def make_space(generator: type[nn.Module] | None = None) -> Space:
    def networks(spec: Any, ask: Ask) -> Networks:
        inputs = LATENT + ask.latent
        plain = nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, ask.shape[0]))
        return Networks(generator=generator() if generator else plain, critic=MultiAnswerCritic(ask), latent=LATENT)

    return Space(sample=lambda rng: {}, networks=networks)


def make_critic_free_space() -> Space:
    def networks(spec: Any, ask: Ask) -> Networks:
        return Networks(generator=nn.Linear(LATENT, ask.shape[0]), critic=None, latent=LATENT)

    return Space(sample=lambda rng: {}, networks=networks)


# Losses


def began(gamma: float = 0.5, rate: float = 0.5) -> Objective:
    """Berthelot et al. 2017, arXiv:1703.10717, section 3.3; the state also has both energies, for checks by hand."""

    def critic(real: Tensor, fake: Tensor, state: State) -> tuple[Tensor, State]:
        real_energy, fake_energy = real.mean(), fake.mean()
        balance = gamma * real_energy - fake_energy
        k = (state["k"] + rate * balance).clamp(0, 1)
        value = real_energy - state["k"] * fake_energy
        return value, {"k": k, "measure": real_energy + balance.abs(), "real": real_energy, "fake": fake_energy}

    def generator(real: Tensor | None, fake: Tensor, state: State) -> tuple[Tensor, State]:
        return fake.mean(), state

    def energy(answer: Tensor, x: Tensor) -> Tensor:
        return (answer - x).abs().flatten(1).mean(1)

    def init() -> State:
        return {name: torch.zeros(()) for name in ("k", "measure", "real", "fake")}

    return Objective(critic, generator, init=init, head="reconstruction", read=energy)


# Terms


# Architectures


class VirtualNorm(nn.Module):
    """Normalises each row by the reference rows and itself (Salimans et al. 2016, arXiv:1606.03498, section 3.5).

    It returns the normalised reference rows and the normalised rows.
    """

    def forward(self, reference: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        m = len(reference)
        mean, square = reference.mean(0), reference.square().mean(0)
        joint_mean, joint_square = (m * mean + x) / (m + 1), (m * square + x.square()) / (m + 1)
        rows = (x - joint_mean) / (joint_square - joint_mean.square() + 1e-5).sqrt()
        return (reference - mean) / (square - mean.square() + 1e-5).sqrt(), rows


class VirtualNormGenerator(nn.Module):
    """A generator with virtual batch norm; its reference latents are a constant buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last, self.norm = nn.Linear(LATENT, 8, bias=False), nn.Linear(8, 2), VirtualNorm()
        self.register_buffer("reference", torch.randn(6, LATENT))

    def forward(self, z: Tensor) -> Tensor:
        return self.last(self.norm(self.first(self.reference), self.first(z))[1].tanh())
