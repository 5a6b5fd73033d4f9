"""Data whose law is known exactly, as the fact `law`: lines, circles and tables of probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import accumulate
from typing import Annotated

import torch
from annotated_types import Ge, Le
from ganbench import Offer, Source, hookimpl
from torch import Generator, Tensor

from ganbench_plugins.laws import Circle, Discrete, Law, Line

REFERENCE_SEED = 5_170_400_035
"""Seed of the reference sample, which has its own random stream; any constant would do."""

Place = Annotated[float, Ge(-1e6), Le(1e6)]
Length = Annotated[float, Ge(0), Le(1e6)]


def known(law: Law, width: int, at: Callable[[Tensor], Tensor], noise: float) -> Source:
    """Return the source of at(U) + noise N(0, I) with U ~ U[0, 1]; `at` maps [n] to samples [n, width]."""

    def draw(generator: Generator, n: int) -> Tensor:
        samples = at(torch.rand(n, generator=generator, device=generator.device))
        around = torch.randn(n, width, generator=generator, device=generator.device)
        return samples + noise * around

    return Source(
        shape=(width,),
        draw=draw,
        reference=lambda n: draw(Generator().manual_seed(REFERENCE_SEED), n),
        facts={"law": law},
    )


def round_to_single(number: float) -> float:
    """Return a number as samples and parameters hold it, so that equal laws are equal to the last bit."""
    return float(torch.tensor(number, dtype=torch.float32))


def parallel_lines(theta: Place = 0.0, noise: Length = 0.0) -> Source:
    """Return the source of the points (theta, U) + noise N(0, I)."""
    return known(
        Line(theta=round_to_single(theta), noise=noise),
        2,
        lambda u: torch.stack((torch.full_like(u, theta), u), dim=1),
        noise,
    )


def circles(radius: Length = 1.0, noise: Length = 0.0) -> Source:
    """Return the source of a uniform point on the circle of this radius about 0, plus noise N(0, I)."""

    def at(u: Tensor) -> Tensor:
        angle = 2 * torch.pi * u
        return radius * torch.stack((angle.cos(), angle.sin()), dim=1)

    return known(Circle(radius=round_to_single(radius), noise=noise), 2, at, noise)


def tabular(probabilities: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1)) -> Source:
    """Return the source of one-hot vectors [K], the k-th with the k-th of these probabilities.

    Raise GanbenchError for numbers below 0, and for a sum other than 1.
    """
    law, count = Discrete(tuple(probabilities)), len(probabilities)
    below = torch.tensor([*accumulate(law.probabilities)][:-1])

    @cache
    def on(device: torch.device) -> Tensor:
        return below.to(device)

    def at(u: Tensor) -> Tensor:
        chosen = (u.unsqueeze(1) >= on(u.device)).sum(1)
        return torch.eye(count, device=u.device)[chosen]

    return known(law, count, at, noise=0.0)


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    yield Offer(
        "parallel-lines",
        parallel_lines,
        "A segment of the line x = theta: against another one, W1 falls with the distance, and JS does not.",
        reference="Arjovsky, Chintala, Bottou 2017, Wasserstein GAN, arXiv:1701.07875, example 1",
        formula="(theta, u) + noise, u ~ U[0, 1]",
        metrics=("sliced-w1",),
    )
    yield Offer(
        "circles",
        circles,
        "A circle about 0: two of them of other radii have disjoint supports.",
        reference="after Arjovsky, Bottou 2017, Towards Principled Methods for Training Generative Adversarial "
        "Networks, arXiv:1701.04862, section 2: supports of low dimension",
        formula="r (cos a, sin a) + noise, a ~ U[0, 2 pi]",
        metrics=("sliced-w1",),
    )
    yield Offer(
        "tabular",
        tabular,
        "One-hot vectors with known probabilities: every divergence and every optimal critic is a finite sum.",
        reference="after Goodfellow et al. 2014, Generative Adversarial Networks, arXiv:1406.2661, proposition 1",
        formula="x = e_k with probability p_k",
        metrics=("sliced-w1",),
    )
