"""Correct conditional architectures for flat data, and some with a planted mistake."""

from __future__ import annotations

import torch
from ganbench import GanbenchError, Networks, Space
from torch import Tensor, nn


class Conditioned(nn.Module):
    """A network that reads a one-hot vector of each sample's label besides its input."""

    def __init__(self, classes: int, net: nn.Module) -> None:
        super().__init__()
        self.register_buffer("one_hot", torch.eye(classes))
        self.net = net

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return self.net(torch.cat([x.flatten(1), self.one_hot[labels]], 1))


class Projection(nn.Module):
    """A projection discriminator: the score is psi(h(x)) + embedding(label).h(x)."""

    def __init__(self, classes: int, size: int) -> None:
        super().__init__()
        self.hidden, self.embedding, self.psi = nn.Linear(size, 8), nn.Embedding(classes, 8), nn.Linear(8, 1)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        hidden = self.hidden(x.flatten(1)).tanh()
        return self.psi(hidden).squeeze(1) + (self.embedding(labels) * hidden).sum(1)


class MixedProjection(Projection):
    """A projection on the mean of the batch's embeddings: a sample's score depends on the labels of the others."""

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        hidden = self.hidden(x.flatten(1)).tanh()
        return self.psi(hidden).squeeze(1) + (self.embedding(labels).mean(0) * hidden).sum(1)


class OneHotProjection(Projection):
    """A projection by `one_hot`, which reads the largest label where it is not mapped over seeds."""

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        hidden = self.hidden(x.flatten(1)).tanh()
        one_hot = nn.functional.one_hot(labels, len(self.embedding.weight)).to(x.dtype)
        return self.psi(hidden).squeeze(1) + ((one_hot @ self.embedding.weight) * hidden).sum(1)


def conditional() -> Space:
    """Return a space of networks that are conditional where the data has labels."""

    def networks(spec, ask):
        if ask.heads or len(ask.shape) > 1:
            raise GanbenchError("it is for flat data, and has a score only.")
        size, classes = ask.shape[0], ask.classes
        generator = nn.Sequential(nn.Linear(3 + ask.latent + classes, 8), nn.Tanh(), nn.Linear(8, size))
        critic = nn.Sequential(nn.Linear(ask.pack * size + classes, 8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0))
        if not classes:
            return Networks(generator=generator, critic=critic, latent=3, rowwise=True)
        players = {"generator": Conditioned(classes, generator), "critic": Conditioned(classes, critic)}
        return Networks(**players, latent=3, conditional=True, rowwise=True)

    return Space(sample=lambda rng: {}, networks=networks, size=1)


def projection(critic: type[Projection] = Projection) -> Space:
    """Return a space of projection discriminators, for data with labels only."""

    def networks(spec, ask):
        if ask.heads or len(ask.shape) > 1 or ask.classes == 0:
            raise GanbenchError("it is for flat data with labels, and has a score only.")
        generator = Conditioned(ask.classes, nn.Linear(3 + ask.latent + ask.classes, ask.shape[0]))
        score = critic(ask.classes, ask.shape[0])
        return Networks(generator=generator, critic=score, latent=3, conditional=True, rowwise=True)

    return Space(sample=lambda rng: {}, networks=networks, size=1)
