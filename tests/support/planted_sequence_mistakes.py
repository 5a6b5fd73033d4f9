"""Planted mistakes in what makes, holds and measures sequences of characters."""

from __future__ import annotations

import random

import torch
from ganbench import GanbenchError, Metric, Networks, Offer, Source, Space
from torch import nn
from torch.nn.functional import one_hot

from tests.support.planted_mistakes import Planted

CODES = torch.randint(5, (40, 12), generator=torch.Generator().manual_seed(0))
LINES = one_hot(CODES, 5).transpose(1, 2).float()


def read(x):
    return ["".join("abcde"[place] for place in row) for row in x.argmax(1).tolist()]


def dataset(mistake: str, message: str, text=read, lines=LINES) -> Planted:
    """Return a set of lines with a planted mistake."""

    def build() -> Source:
        return Source(
            shape=(5, 12), size=20, take=lambda i: lines[:20][i], reference=lambda n: lines[20:][:n], text=text
        )

    return Planted("datasets", Offer(mistake, build, "Lines."), message)


def architecture(mistake: str, message: str, last: nn.Module) -> Planted:
    """Return networks for sequences alone, whose generator ends in this layer."""

    def networks(spec, ask) -> Networks:
        if len(ask.shape) != 2:
            raise GanbenchError("it needs sequences.")
        size = ask.shape[0] * ask.shape[1]
        generator = nn.Sequential(nn.Linear(3 + ask.latent, size), nn.Unflatten(1, ask.shape), last)
        critic = nn.Sequential(nn.Flatten(), nn.Linear(ask.pack * size, 1), nn.Flatten(0))
        return Networks(generator=generator, critic=critic, latent=3)

    return Planted(
        "architectures",
        Offer(mistake, lambda: Space(sample=lambda rng: {}, networks=networks, size=1), "Sequences."),
        message,
    )


def metric(mistake: str, message: str, measure) -> Planted:
    """Return a metric of sequences alone with a planted mistake."""

    def checked(evidence):
        if evidence.samples.ndim != 3:
            raise GanbenchError("it needs sequences.")
        return {"letters": measure(evidence.samples)}

    build = lambda: Metric(measure=checked, values={"letters": "lower"})  # noqa: E731
    return Planted("metrics", Offer(mistake, build, "Letters."), message)


SEQUENCES = (
    dataset("one text for all", "return a list with one string for each", lambda x: "".join(read(x))),
    dataset("codes as text", "return a list with one string for each", lambda x: x.argmax(1).tolist()),
    dataset("text of a position", "different strings for", lambda x: [line[0] for line in read(x)]),
    dataset("text by chance", "random", lambda x: [f"{line}{random.random()}" for line in read(x)]),
    dataset("soft lines", "are not one-hot", lines=0.9 * LINES + 0.02),
    dataset("two characters at a position", "are not one-hot", lines=(LINES + LINES.roll(1, 1))),
    architecture("a softmax over positions", "use a softmax over axis 1", nn.Softmax(2)),
    architecture("a sigmoid for each character", "use a softmax over axis 1", nn.Sigmoid()),
    metric("letters of the first line", "in another order", lambda x: float(x[0].argmax(0).double().mean())),
)
