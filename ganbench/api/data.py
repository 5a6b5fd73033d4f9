"""Datasets, and the pretrained networks whose features metrics compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ganbench.api.training import Draw

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Extractor:
    """A pretrained network that turns samples into features for metrics.

    `extract(x)` takes samples x [n, *shape] and returns {"features": [n, d], "logits": [n, classes]}. It is called with
    at most `chunk` samples at a time, and its answer to a sample must not depend on the others.
    `name` is the network's name.
    `digest` is the hash of its weights. It is part of the measurement hash of every score on features, so scores of
    different networks never mix.
    `module` is the network that `extract` calls, if it is one: it is moved to the device of the evaluation, as are the
    samples. Without it, `extract` receives samples on the CPU.
    With `sees="bytes"` it receives uint8 images from 0 to 255: samples are clamped to the dataset's `range`, scaled and
    rounded. With `channels=3`, images of one channel are repeated to three before.
    """

    name: str
    digest: str
    extract: Callable[[Tensor], Mapping[str, Tensor]]
    module: nn.Module | None = None
    sees: Literal["float", "bytes"] = "float"
    channels: int | None = None
    chunk: int = 256


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
    `range` is the range of the numbers in an image. `take` and `reference` may return uint8: then 0 to 255 are scaled
    to `range`, and a set rests as bytes on the device.
    With `stream=True`, `take` is called with the indices of each step in place of once with all: for a set that does
    not fit into memory. Its rows are read from the CPU. It needs a `digest`, and trains to the same numbers.
    `augment(x, draws)` changes real training samples x [n, *shape] only, such as by random flips; never generated ones,
    and never those that metrics see. `draws` declares its random numbers. Each sample is changed by its own numbers:
    the rows of several seeds come in one call.
    `text(x)` returns samples x [n, *shape], real or generated, as n strings, for people to read.
    `reference_labels(n)` returns the labels [n] of the samples that `reference(n)` returns, for metrics by class.
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
    range: tuple[float, float] = (-1.0, 1.0)
    stream: bool = False
    augment: Callable[[Tensor, Mapping[str, Tensor]], Tensor] | None = None
    draws: Mapping[str, Draw] = field(default_factory=dict)
    reference_labels: Callable[[int], Tensor] | None = field(default=None, metadata={"since": "0.2"})
    text: Callable[[Tensor], list[str]] | None = field(default=None, metadata={"since": "0.2"})
