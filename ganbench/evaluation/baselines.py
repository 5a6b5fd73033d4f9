"""Untrained baselines: samplers that no method trained, from noise to a Gaussian fit, and the real data."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Generator, Tensor, nn

from ganbench.api.data import Source
from ganbench.api.models import Networks
from ganbench.api.trials import digest
from ganbench.errors import GanbenchError

ROWS, ENTRIES = 10_000, 2**26
"""Of how many rows, and of how many numbers altogether, statistics of the data are taken at the most."""

MEMORISED = 10

NO_NETWORKS = Networks(generator=nn.Identity(), critic=None, latent=1)
"""The networks of who has none: metrics on networks never see it."""


@dataclass(frozen=True)
class Sampler:
    """`sample(n, generator)` gives [n, *shape] without any training; not `trivial` is the ceiling alone."""

    name: str
    sample: Callable[[int, Generator], Tensor]
    trivial: bool = True


def sampler_generator(name: str) -> Generator:
    """Give a sampler's own random numbers, the same in every run."""
    return Generator().manual_seed(int(digest(name)[:12], 16))


def baseline_samplers(source: Source, n: int) -> tuple[Sampler, ...]:
    """Give a dataset's samplers, the ceiling first; `n` is how many samples of each will be asked for."""
    generator, count = sampler_generator("rows"), max(n, min(ROWS, ENTRIES // math.prod(source.shape)))
    if source.draw is not None:
        rows, ceiling = source.draw(generator, count), "perfect sampler"
        few = rows[:MEMORISED]
    elif source.take is not None:
        chosen = torch.randperm(source.size, generator=generator)[:count]
        turns = chosen if source.labels is None else alternate_classes(chosen, source.labels(chosen))
        rows, few, ceiling = source.take(chosen), source.take(turns[:MEMORISED]), "real data"
    else:
        raise GanbenchError("this dataset's Source has neither `draw` nor `take`. Give it one of them.")
    rows, few = rows.to("cpu", torch.float32), few.to("cpu", torch.float32)
    trivial = (
        image_samplers(rows, few) if len(source.shape) == 3 else point_samplers(rows, rows_of_one_mode(source, rows))
    )
    return (
        Sampler(ceiling, partial(draw_rows, rows), trivial=False),
        *(Sampler(name, partial(sample, some)) for name, sample, some in trivial),
    )


Trivial = tuple[str, Callable[[Tensor, int, Generator], Tensor], Tensor]


def image_samplers(rows: Tensor, few: Tensor) -> list[Trivial]:
    """Name the samplers of images, each with the rows it knows."""
    return [
        ("noise", draw_noise, rows),
        ("pixel-shuffled", shuffle_pixels, rows),
        ("Gaussian fit", draw_gaussian, rows),
        ("Gaussian fit, clamped", draw_clamped_gaussian, rows),
        ("mean image", draw_rows, rows.mean(0, keepdim=True)),
        ("ten memorised", draw_rows, few),
    ]


def point_samplers(rows: Tensor, one: Tensor) -> list[Trivial]:
    """Name the samplers of whatever is no image, each with the rows it knows."""
    return [("uniform", draw_uniform, rows), ("Gaussian fit", draw_gaussian, rows), ("one mode", draw_rows, one)]


def draw_rows(rows: Tensor, n: int, generator: Generator) -> Tensor:
    """Draw n of the rows, each as often as any other (give or take one)."""
    turns = [torch.randperm(len(rows), generator=generator) for _ in range(math.ceil(n / len(rows)))]
    return rows[torch.cat(turns)[:n]]


def draw_noise(rows: Tensor, n: int, generator: Generator) -> Tensor:
    """Draw every number uniformly between the least and the greatest of the data."""
    low, high = rows.aminmax()
    return low + (high - low) * torch.rand(n, *rows.shape[1:], generator=generator)


def draw_uniform(rows: Tensor, n: int, generator: Generator) -> Tensor:
    """Draw uniformly from the data's bounding box."""
    low, high = rows.amin(0), rows.amax(0)
    return low + (high - low) * torch.rand(n, *rows.shape[1:], generator=generator)


def shuffle_pixels(rows: Tensor, n: int, generator: Generator) -> Tensor:
    """Permute the pixels of each of n images [c, h, w], its channels together."""
    pixels = draw_rows(rows, n, generator).flatten(2)
    order = torch.rand(n, 1, pixels.shape[2], generator=generator).argsort(2)
    return pixels.gather(2, order.expand_as(pixels)).reshape(n, *rows.shape[1:])


def draw_gaussian(rows: Tensor, n: int, generator: Generator) -> Tensor:
    """Draw from the Gaussian that has the rows' mean and covariance.

    sum_i e_i (x_i - mean) / sqrt(m) with e ~ N(0, I_m) has exactly the covariance of m rows, however many columns they
    have and whether it is singular or not; nothing is factorised.
    """
    flat = rows[:ROWS].flatten(1)
    mean = flat.mean(0)
    roots = (flat - mean) / math.sqrt(len(flat))
    parts = [torch.randn(len(part), len(flat), generator=generator) @ roots for part in torch.empty(n, 0).split(1000)]
    return (mean + torch.cat(parts)).reshape(n, *rows.shape[1:])


def draw_clamped_gaussian(rows: Tensor, n: int, generator: Generator) -> Tensor:
    """Hold that Gaussian to the data's range, as a tanh holds a generator."""
    return draw_gaussian(rows, n, generator).clamp(*rows.aminmax())


def rows_of_one_mode(source: Source, rows: Tensor) -> Tensor:
    """Give the rows nearest to one of the modes that the dataset's facts know of; without any, one row."""
    centres = source.facts.get("centres")
    if not isinstance(centres, Tensor) or centres.shape[1:] != rows.shape[1:]:
        return rows[:1]
    nearest = torch.cdist(rows.flatten(1), centres.to(rows).flatten(1)).argmin(1)
    return rows[nearest == nearest[0]]


def alternate_classes(indices: Tensor, labels: Tensor) -> Tensor:
    """Order rows so that the classes take turns: the first few are of as many classes as they can be.

    So the ten memorised are one of each class where there are ten: what fools the Inception score.
    """
    seen: Counter[int] = Counter()
    turns = []
    for label in labels.tolist():
        turns.append(seen[label])
        seen[label] += 1
    return indices[torch.tensor(turns).argsort(stable=True)]
