"""Labelled images in memory: their rows, a split into training and held-out rows, and the set that they make."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from ganbench import Extractor, Source
from torch import Tensor


class Rows(NamedTuple):
    """One side of a split: images [n, channels, height, width] in [-1, 1], or bytes, and their labels [n]."""

    images: Tensor
    labels: Tensor


def number_in_class(labels: Tensor, classes: int) -> Tensor:
    """Return for each row how many rows of its class come before it, [n]."""
    belongs = torch.nn.functional.one_hot(labels, classes)
    return belongs.cumsum(0).gather(1, labels.unsqueeze(1)).squeeze(1) - 1


def hold_out(images: Tensor, labels: Tensor, classes: int, every: int) -> tuple[Rows, Rows]:
    """Return the training rows and the held-out rows: in each class, every `every`-th row is held out.

    No random numbers are used, so the split is the same with every version of every library. Both sides keep the order.
    """
    held_out = (number_in_class(labels, classes) + 1) % every == 0
    return Rows(images[~held_out], labels[~held_out]), Rows(images[held_out], labels[held_out])


def make_set(
    training: Rows, held_out: Rows, classes: int, extractor: Extractor | None = None, digest: str = ""
) -> Source:
    """Return the source of the training rows; the reference is the first of the held-out rows."""

    @cache
    def on(device: torch.device) -> Rows:
        return Rows(training.images.to(device), training.labels.to(device))

    return Source(
        shape=tuple(training.images.shape[1:]),
        size=len(training.images),
        take=lambda indices: on(indices.device).images[indices],
        reference=lambda n: held_out.images[:n],
        classes=classes,
        labels=lambda indices: on(indices.device).labels[indices],
        extractor=extractor,
        digest=digest,
        reference_labels=lambda n: held_out.labels[:n],
    )
