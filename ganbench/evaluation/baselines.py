"""The data itself and untrained baselines: samplers that no method trained, from noise to a Gaussian fit."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from ganbench.api.data import Source
from ganbench.api.models import Networks
from ganbench.api.trials import digest
from ganbench.engine.pixels import scale_bytes
from ganbench.errors import GanbenchError

MOST_SAMPLES, MOST_ENTRIES = 10_000, 2**26
"""The most samples, and the most numbers altogether, that statistics of the data are computed from."""

PIECE = 1000
"""Samples that are drawn at once."""

MEMORISED = 10
"""The number of samples that the memorising baseline repeats."""

NO_NETWORKS = Networks(generator=nn.Identity(), critic=None, latent=1)
"""A placeholder for samplers, which have no networks; metrics on networks never see it."""


Draw = Callable[[Tensor, int, Generator], Iterator[Tensor]]
"""Draws n samples, in pieces, with the real samples that it knows."""


@dataclass(frozen=True)
class Sampler:
    """A sampler that no method trained.

    `sample(n, generator)` returns samples [n, *shape]; `iterate` yields the same ones in pieces. `trivial` is True for
    an untrained baseline, and False for real data or the perfect sampler.
    """

    name: str
    sample: Callable[[int, Generator], Tensor]
    trivial: bool = True
    pieces: Callable[[int, Generator], Iterator[Tensor]] | None = None

    def iterate(self, n: int, generator: Generator) -> Iterator[Tensor]:
        """Yield samples [k, *shape] until there are n."""
        if self.pieces is None:
            yield self.sample(n, generator)
        else:
            yield from self.pieces(n, generator)


def make_sampler(name: str, draw: Draw, real: Tensor, source: Source, trivial: bool = True) -> Sampler:
    """Return the sampler that draws with these real samples, which may be bytes."""

    def pieces(n: int, generator: Generator) -> Iterator[Tensor]:
        return (scale_bytes(piece, source) for piece in draw(real, n, generator))

    return Sampler(name, lambda n, generator: torch.cat([*pieces(n, generator)]), trivial, pieces)


def make_generator(name: str) -> Generator:
    """Return a sampler's random number generator, seeded by its name, so every run draws the same samples."""
    return Generator().manual_seed(int(digest(name)[:12], 16))


def baseline_samplers(source: Source, n: int) -> tuple[Sampler, ...]:
    """Return a dataset's samplers, the real data (or perfect sampler) first, then the untrained baselines.

    `n` is the number of samples that each will draw. The baselines of images (a `shape` of three axes) differ
    from those of all other data. Raise GanbenchError if the source has neither `draw` nor `take`.
    """
    generator, count = make_generator("rows"), max(n, min(MOST_SAMPLES, MOST_ENTRIES // math.prod(source.shape)))
    if source.draw is not None:
        real, name = source.draw(generator, count), "perfect sampler"
        memorised = real[:MEMORISED]
    elif source.take is not None:
        indices = torch.randperm(source.size, generator=generator)[:count]
        ordered = indices if source.labels is None else alternate_classes(indices, source.labels(indices))
        real, memorised, name = source.take(indices), source.take(ordered[:MEMORISED]), "real data"
    else:
        raise GanbenchError("this dataset's Source has neither `draw` nor `take`. Provide one of them.")
    real, memorised = real.cpu(), memorised.cpu()
    known = real if real.dtype != torch.uint8 else real[:MOST_SAMPLES]
    known = scale_bytes(known, source)
    baselines = (
        list_image_samplers(real, memorised, known)
        if len(source.shape) == 3
        else list_point_samplers(known, select_one_mode(source, known))
    )
    return (
        make_sampler(name, resample, real, source, trivial=False),
        *(make_sampler(baseline, draw, samples, source) for baseline, draw, samples in baselines),
    )


Baseline = tuple[str, Draw, Tensor]
"""The name of a baseline, the function that draws from it, and the real samples that the function is given."""


def list_image_samplers(real: Tensor, memorised: Tensor, known: Tensor) -> list[Baseline]:
    """Return the untrained baselines for images, each with the real samples that it knows: `known` are floats."""
    return [
        ("noise", draw_noise, known),
        ("pixel-shuffled", shuffle_pixels, real),
        ("Gaussian fit", draw_gaussian, known),
        ("Gaussian fit, clamped", draw_clamped_gaussian, known),
        ("mean image", resample, known.mean(0, keepdim=True)),
        ("ten memorised", resample, memorised),
    ]


def list_point_samplers(real: Tensor, mode: Tensor) -> list[Baseline]:
    """Return the untrained baselines for data other than images, each with the real samples that it knows."""
    return [("uniform", draw_uniform, real), ("Gaussian fit", draw_gaussian, real), ("one mode", resample, mode)]


def list_sizes(n: int) -> list[int]:
    """Return the sizes of the pieces of n samples."""
    return [min(PIECE, n - start) for start in range(0, n, PIECE)]


def resample(real: Tensor, n: int, generator: Generator) -> Iterator[Tensor]:
    """Draw n of the samples, each equally often; the counts of two samples differ by one at most."""
    orders = [torch.randperm(len(real), generator=generator) for _ in range(math.ceil(n / len(real)))]
    return (real[rows] for rows in torch.cat(orders)[:n].split(PIECE))


def draw_noise(real: Tensor, n: int, generator: Generator) -> Iterator[Tensor]:
    """Draw every number uniformly between the smallest and the largest number of the data."""
    low, high = real.aminmax()
    return (low + (high - low) * torch.rand(size, *real.shape[1:], generator=generator) for size in list_sizes(n))


def draw_uniform(real: Tensor, n: int, generator: Generator) -> Iterator[Tensor]:
    """Draw uniformly from the data's bounding box."""
    low, high = real.amin(0), real.amax(0)
    return (low + (high - low) * torch.rand(size, *real.shape[1:], generator=generator) for size in list_sizes(n))


def shuffle_pixels(real: Tensor, n: int, generator: Generator) -> Iterator[Tensor]:
    """Draw n real images [c, h, w] and permute the pixels of each; a pixel keeps its channels."""
    for images in resample(real, n, generator):
        pixels = images.flatten(2)
        order = torch.rand(len(pixels), 1, pixels.shape[2], generator=generator).argsort(2)
        yield pixels.gather(2, order.expand_as(pixels)).reshape(images.shape)


def draw_gaussian(real: Tensor, n: int, generator: Generator) -> Iterator[Tensor]:
    """Draw from the Gaussian that has the mean and the covariance of the real samples.

    sum_i e_i (x_i - mean) / sqrt(m) with e ~ N(0, I_m) has exactly the covariance of m samples, in any dimension and
    also if it is singular. No matrix is factorised.
    """
    flat = real[:MOST_SAMPLES].flatten(1)
    mean = flat.mean(0)
    roots = (flat - mean) / math.sqrt(len(flat))
    for size in list_sizes(n):
        yield (mean + torch.randn(size, len(flat), generator=generator) @ roots).reshape(size, *real.shape[1:])


def draw_clamped_gaussian(real: Tensor, n: int, generator: Generator) -> Iterator[Tensor]:
    """Draw from that Gaussian and clamp to the data's range, as a tanh bounds the output of a generator."""
    low, high = real.aminmax()
    return (piece.clamp(low, high) for piece in draw_gaussian(real, n, generator))


def select_one_mode(source: Source, real: Tensor) -> Tensor:
    """Return the samples nearest to one of the modes in the dataset's facts; without known modes, a single sample."""
    centres = source.facts.get("centres")
    if not isinstance(centres, Tensor) or centres.shape[1:] != real.shape[1:]:
        return real[:1]
    nearest = torch.cdist(real.flatten(1), centres.to(real).flatten(1)).argmin(1)
    return real[nearest == nearest[0]]


def alternate_classes(indices: Tensor, labels: Tensor) -> Tensor:
    """Return the indices reordered so that the classes alternate; the first few then cover as many classes as possible.

    Of ten classes, the ten memorised images are one of each: such a sampler fools the Inception score.
    """
    counts: Counter[int] = Counter()
    rounds = []
    for label in labels.tolist():
        rounds.append(counts[label])
        counts[label] += 1
    return indices[torch.tensor(rounds).argsort(stable=True)]
