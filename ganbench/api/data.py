"""Datasets, and the pretrained networks whose features metrics compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Extractor:
    """A pretrained network that turns samples into features for metrics.

    `extract(x)` takes samples x [n, *shape] and returns {"features": [n, d], "logits": [n, classes]}.
    `name` is the network's name.
    `digest` is the hash of its weights. It is part of the measurement hash of every score on features, so scores of
    different networks never mix.
    """

    name: str
    digest: str
    extract: Callable[[Tensor], Mapping[str, Tensor]]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A dataset: either a distribution, with `draw`, or a finite set of samples, with `take`.

    `shape` is the shape of one sample, without the batch axis.
    `draw(generator, n)` returns n new samples [n, *shape] of the distribution.
    `take(indices)` returns the samples [n, *shape] of the set at `indices` [n]. `size` is the number of samples in the
    set.
    `reference(n)` returns the n real samples [n, *shape] that metrics compare with. A set returns held-out samples, and
    fewer than n if it has fewer.
    `classes` is the number of classes; 0 means that there are no labels.
    `labels(indices)` returns the labels [n] of the samples at `indices`; a dataset with classes needs it.
    `facts` are known properties of the data that metrics use, such as the `centres` of its modes.
    `extractor` computes the features for metrics on features; without it, these metrics cannot be used.
    `digest` is the hash of the data's content, such as `ganbench.hash_files(*paths)`. Results of other content are
    stale. A set without it is hashed row by row. A distribution that reads files needs it; "" means that its samples
    follow from its code and its options.
    """

    shape: tuple[int, ...]
    draw: Callable[[torch.Generator, int], Tensor] | None = None
    size: int = 0
    take: Callable[[Tensor], Tensor] | None = None
    reference: Callable[[int], Tensor]
    classes: int = 0
    labels: Callable[[Tensor], Tensor] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    extractor: Extractor | None = None
    digest: str = ""
