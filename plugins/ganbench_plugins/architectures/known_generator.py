"""A generator whose law is known, moved and scaled, against the perceptron of `mlp` as its critic.

Arjovsky, Chintala, Bottou 2017, "Wasserstein GAN", arXiv:1701.07875, example 1: one line moves towards another.
Gulrajani et al. 2017, arXiv:1704.00028, figure 1b: a critic at its optimum against the data plus N(0, I).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Le
from ganbench import Ask, GanbenchError, Networks, Offer, Source, Space, hookimpl
from torch import Generator, Tensor, nn
from torch.special import ndtr

from ganbench_plugins.architectures.mlp import (
    Activation,
    Initialisation,
    make_critic,
    refuse_less_than_one,
    refuse_nothing_to_normalise,
)
from ganbench_plugins.architectures.part_names import Part, compares_samples, read_both
from ganbench_plugins.datasets.curves import swiss_roll, two_moons
from ganbench_plugins.datasets.known_laws import circles, parallel_lines
from ganbench_plugins.datasets.mixtures import grid, ring
from ganbench_plugins.laws import Circle, Discrete, Law, Line, Normal

BANK_SEED = 5_170_400_036
"""Seed of the bank of samples, the same for all members; other than that of any reference sample."""

LawName = Literal["normal", "line", "circle", "data", "tabular"]
Dataset = Literal["own", "ring", "grid", "swiss-roll", "two-moons", "parallel-lines", "circles"]
DATASETS: Mapping[str, Callable[[], Source]] = {
    "ring": ring,
    "grid": grid,
    "swiss-roll": swiss_roll,
    "two-moons": two_moons,
    "parallel-lines": parallel_lines,
    "circles": circles,
}


class Base(nn.Module):
    """A law before it is moved: samples [n, width] of noise z [n, latent] ~ N(0, I)."""

    scales = True
    """Whether the law has a scale to train, beside its place."""

    def __init__(self, latent: int, width: int, moving: int) -> None:
        super().__init__()
        self.latent, self.width, self.moving = latent, width, moving

    def forward(self, z: Tensor) -> Tensor:
        """Return z itself."""
        return z

    def place(self, shift: list[float], scale: float, noise: float) -> Law | None:
        """Return the law of shift + scale * sample + noise N(0, I); None if it is not known."""
        return Normal(shift[0], math.hypot(scale, noise)) if self.width == 1 else None


class Segment(Base):
    """The points (0, U), U = Phi(z) ~ U[0, 1]. Only the first coordinate moves, as in the paper."""

    scales = False

    def forward(self, z: Tensor) -> Tensor:
        """Return the points [n, 2]."""
        return torch.cat([torch.zeros_like(z), ndtr(z)], 1)

    def place(self, shift: list[float], scale: float, noise: float) -> Law:
        """Return the law of the segment at its place."""
        return Line(theta=shift[0], noise=noise)


class UnitCircle(Base):
    """Uniform points on the unit circle, z / |z|."""

    def forward(self, z: Tensor) -> Tensor:
        """Return the points [n, 2]."""
        return z / z.norm(dim=1, keepdim=True).clamp(min=1e-30)

    def place(self, shift: list[float], scale: float, noise: float) -> Law:
        """Return the law of the circle at its place; its scale is the radius."""
        return Circle(radius=abs(scale), centre=(shift[0], shift[1]), noise=noise)


class Bank(Base):
    """A fixed number of samples of a dataset, drawn once; Phi(z) chooses one."""

    def __init__(self, samples: Tensor) -> None:
        super().__init__(latent=1, width=samples[0].numel(), moving=samples[0].numel())
        self.register_buffer("bank", samples.flatten(1))
        self.bank: Tensor

    def forward(self, z: Tensor) -> Tensor:
        """Return the chosen samples [n, width]."""
        count = len(self.bank)
        return self.bank[(ndtr(z[:, 0]) * count).long().clamp(max=count - 1)]

    def place(self, shift: list[float], scale: float, noise: float) -> None:
        """Return None: the samples have no law in closed form."""


class Atoms(Base):
    """One-hot vectors [K] with fixed probabilities; Phi(z) chooses one, without a gradient."""

    def __init__(self, probabilities: tuple[float, ...]) -> None:
        self.law = Discrete(probabilities)
        super().__init__(latent=1, width=len(probabilities), moving=len(probabilities))
        self.register_buffer("below", torch.tensor([*accumulate(probabilities)][:-1]))
        self.register_buffer("one_hot", torch.eye(len(probabilities)))
        self.below: Tensor
        self.one_hot: Tensor

    def forward(self, z: Tensor) -> Tensor:
        """Return the vectors [n, K]."""
        return self.one_hot[(ndtr(z) >= self.below).sum(1)]

    def place(self, shift: list[float], scale: float, noise: float) -> Law | None:
        """Return the law, as long as its atoms are where they were."""
        return self.law if not any(shift) and scale == 1 and not noise else None


class KnownGenerator(nn.Module):
    """A generator of shift + scale * sample of a known law, plus noise N(0, I).

    Its parameters are the `shift`, a vector whose first number is given, and, if the law has one, the `scale` [1].
    """

    def __init__(self, base: Base, shape: tuple[int, ...], shift: float, scale: float, noise: float) -> None:
        super().__init__()
        self.base, self.shape, self.noise = base, shape, noise
        self.latent = base.latent + (base.width if noise else 0)
        self.shift = nn.Parameter(torch.tensor([shift] + [0.0] * (base.moving - 1)))
        if base.scales:
            self.scale = nn.Parameter(torch.tensor([scale]))

    def forward(self, z: Tensor) -> Tensor:
        """Return the samples [n, *shape]."""
        x = self.base(z[:, : self.base.latent])
        if self.base.scales:
            x = self.scale * x
        x = x + nn.functional.pad(self.shift, (0, self.base.width - self.base.moving))
        if self.noise:
            x = x + self.noise * z[:, self.base.latent :]
        return x.unflatten(1, self.shape)

    def law(self, parameters: Mapping[str, Tensor]) -> Law | None:
        """Return the law of the samples at these parameters; None if it is not known in closed form."""
        scale = float(parameters["scale"].detach()) if self.base.scales else 1.0
        return self.base.place(parameters["shift"].detach().tolist(), scale, self.noise)


def draw_bank(ask: Ask, dataset: Dataset, count: int) -> Tensor:
    """Return `count` samples of a dataset. Raise GanbenchError if it is the trial's own, and that one draws none."""
    draw = ask.draw if dataset == "own" else DATASETS[dataset]().draw
    if draw is None:
        raise GanbenchError(
            "architecture 'known-generator': dataset = 'own' draws samples of the trial's dataset, which is a finite "
            f"set here. Choose a dataset that is a distribution, or one of {', '.join(map(repr, DATASETS))}."
        )
    return draw(Generator().manual_seed(BANK_SEED), count)


def make_base(law: LawName, ask: Ask, probabilities: tuple[float, ...], dataset: Dataset, bank: int) -> Base:
    """Build the law before it is moved, for the data's shape. Raise GanbenchError if its samples have another."""
    shape = ask.shape
    width = math.prod(shape)
    base: Base
    if law == "normal":
        return Base(width, width, width)
    if law == "line":
        base = Segment(latent=1, width=2, moving=1)
    elif law == "circle":
        base = UnitCircle(latent=2, width=2, moving=2)
    elif law == "tabular":
        base = Atoms(probabilities)
    else:
        base = Bank(draw_bank(ask, dataset, bank))
    if shape != (base.width,):
        raise GanbenchError(
            f"architecture 'known-generator': law = {law!r} makes samples of shape {(base.width,)}, and the data has "
            f"{shape}. Choose a dataset of that shape, or law = 'normal', which has any."
        )
    return base


def build(
    law: LawName = "normal",
    shift: Annotated[float, Ge(-1e6), Le(1e6)] = 0.0,
    scale: Annotated[float, Ge(-1e6), Le(1e6)] = 1.0,
    noise: Annotated[float, Ge(0), Le(1e6)] = 0.0,
    probabilities: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1),
    dataset: Dataset = "swiss-roll",
    bank: Annotated[int, Ge(1), Le(1_000_000)] = 20_000,
    critic_depth: int = 3,
    critic_width: int = 64,
    critic_activation: Activation = "relu",
    critic_normalised: bool = False,
    initialisation: Initialisation = "he",
    critic_parts: tuple[Part, ...] = (),
) -> Space:
    """Build a space of one architecture: a generator that makes shift + scale * x + noise N(0, I), x of the `law`.

    "normal" is N(0, I) of the data's shape; "line" the points (0, u) of the plane, which have no scale; "circle" the
    unit circle; "data" a `bank` of samples of a `dataset` with its default options, or, with "own", of the trial's, if
    that is a distribution; "tabular" one-hot vectors with these `probabilities`. The parameters are the shift, of which
    the option is the first number, and the scale. They are trained, unless the dynamics train the critic alone. The
    probabilities never are: "tabular" chooses its atoms without a gradient, and its law is known only while they are at
    one-hot vectors.
    """
    parts = read_both((), critic_parts)["critic"]
    refuse_less_than_one(critic_width=critic_width)
    refuse_nothing_to_normalise("known-generator", critic_depth, critic_normalised)
    if law == "line" and scale != 1:
        raise GanbenchError(f"scale = {scale:g}: law = 'line' has the length of the data. Leave it out.")
    spec: dict[str, Any] = {
        "law": law,
        "critic_activation": "maxout" if "maxout" in parts else critic_activation,
        "critic_depth": critic_depth,
        "critic_width": critic_width,
        "critic_normalised": critic_normalised,
    }

    def networks(spec: Mapping[str, Any], ask: Ask) -> Networks:
        if ask.latent:
            raise GanbenchError(
                "architecture 'known-generator' reads no codes, and the method's inputs add some. Use 'mlp'."
            )
        base = make_base(law, ask, probabilities, dataset, bank)
        generator = KnownGenerator(base, ask.shape, shift, scale, noise)
        critic = make_critic(spec, ask, generator.latent, "linear", initialisation, parts)
        mixed = critic_normalised and ask.critic_norm == "batch"
        rowwise = not (mixed or compares_samples(parts))
        return Networks(generator=generator, critic=critic, latent=generator.latent, rowwise=rowwise)

    return Space(sample=lambda rng: dict(spec), networks=networks, size=1)


@hookimpl
def ganbench_architectures() -> Iterator[Offer]:
    yield Offer(
        "known-generator",
        build,
        "A normal law, a line, a circle, a table or data plus noise as the generator, and a perceptron as the critic.",
        reference="Arjovsky, Chintala, Bottou 2017, arXiv:1701.07875, example 1; Gulrajani et al. 2017, "
        "arXiv:1704.00028, figure 1b",
        formula="G(z) = shift + scale * x(z) + noise",
    )
