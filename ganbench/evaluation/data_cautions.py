"""What is odd about a dataset and may not be meant, though it can be trained on."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ganbench.api.data import Source
from ganbench.api.models import Ask, Networks, Space, Spec
from ganbench.engine.pixels import scale_bytes
from ganbench.evaluation.baselines import make_generator

SAMPLES = 1000
"""Samples that are looked at."""
ENTRIES = 2**22
"""The most numbers in them."""
MANY = 0.01
"""The share of a dataset's numbers out of a generator's reach from which on there is a caution."""
FEW = 100
"""A set of fewer images is a caution: a generator can learn each of them by heart."""
LATENTS = 16
"""Samples of a generator that are looked at."""
LARGE = 1e3
"""A factor of a generator's weights that drives a bounded output to its bounds."""


def find_oddities(source: Source, space: Space, spec: Spec) -> Iterator[str]:
    """Yield a sentence for each oddity of a dataset that may not be meant; `spec` is an architecture of the `space`."""
    samples = draw_some(source)
    if len(samples) > 1 and bool((samples == samples[0]).all()):
        yield "all its samples are equal, so a generator of one sample is perfect, and spreads are undefined."
    if len(source.reference(2)) < 2:
        yield (
            "its reference is a single sample: scores say how near a model is to this one, not to a distribution. "
            "Let `reference` return more samples."
        )
    if len(source.shape) == 3 and source.take is not None:
        yield from find_poor_images(source, samples)
    if len(source.shape) == 3:
        reach = find_reach(space, spec, source)
        if reach is not None and (share := measure_share_outside(samples, reach)) > MANY:
            low, high = (float(end) for end in samples.aminmax())
            yield (
                f"{share:.0%} of its numbers are out of reach: they run from {low:.4g} to {high:.4g}, and the "
                f"generator makes numbers from {reach[0]:.4g} to {reach[1]:.4g} only. Scale the samples to that range; "
                "pixels of 0..255 become -1..1 by x / 127.5 - 1."
            )


def find_poor_images(source: Source, samples: Tensor) -> Iterator[str]:
    """Yield a sentence if a set of images is very small, or if some of these samples of it are copies of others."""
    if source.size < FEW:
        yield (
            f"it has only {source.size} training images: a generator can learn them by heart, and nothing here notices "
            "it. Add images."
        )
    different = len(samples.unique(dim=0))
    if 1 < different < (1 - MANY) * len(samples):
        yield (
            f"{len(samples) - different} of {len(samples)} images that were looked at are copies of others, so a "
            "generator that repeats itself looks better than it is. Take copies out."
        )


def draw_some(source: Source) -> Tensor:
    """Return some samples that are trained on, [n, *shape]: the same ones every time."""
    generator, count = make_generator("cautions"), max(2, min(SAMPLES, ENTRIES // math.prod(source.shape)))
    if source.draw is not None:
        return source.draw(generator, count)
    assert source.take is not None
    return scale_bytes(source.take(torch.randperm(source.size, generator=generator)[:count]), source)


def measure_share_outside(samples: Tensor, reach: tuple[float, float]) -> float:
    """Return the share of numbers that are outside a range by more than a hundredth of its width."""
    margin = (reach[1] - reach[0]) / 100
    return float(((samples < reach[0] - margin) | (samples > reach[1] + margin)).float().mean())


def find_reach(space: Space, spec: Spec, source: Source) -> tuple[float, float] | None:
    """Return the least and the largest number that a generator makes, None if its output has no bounds.

    Nobody declares this, so it is measured on one network: weights a thousand times as large drive a bounded output
    (tanh, sigmoid, a clamp) to its bounds, and a million times as large to the same ones; no other output stays.
    """
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            built = space.networks(spec, Ask(shape=source.shape, classes=source.classes, draw=source.draw))
        networks = built[-1] if isinstance(built, tuple) else built
        first, second = (make_with_large_weights(networks, source.classes) for _ in range(2))
    except Exception:  # training reports what is wrong with the architecture
        return None
    (low, high), again = ([float(end) for end in made.aminmax()] for made in (first, second))
    at_bounds = float(((first == low) | (first == high)).double().mean())
    return (low, high) if [low, high] == again and low < high and at_bounds > 0.5 else None


@torch.no_grad()
def make_with_large_weights(networks: Networks, classes: int) -> Tensor:
    """Return samples of a generator after multiplying its weights by `LARGE`, in double precision."""
    generator = networks.generator.double()
    for weights in generator.parameters():
        weights.mul_(LARGE)
    latents = torch.randn(LATENTS, networks.latent, generator=make_generator("cautions"), dtype=torch.float64)
    labels = (torch.arange(LATENTS) % max(1, classes),) if networks.conditional else ()
    made: Tensor = generator(latents, *labels)
    return made
