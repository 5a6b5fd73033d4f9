"""Architectures: a space to draw from, the requirements on its networks, and the networks it builds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ganbench.api.training import Conditional

if TYPE_CHECKING:
    from random import Random

    import torch
    from torch import Tensor, nn


Spec = Mapping[str, Any]
"""One architecture as plain data: names and numbers."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a method and a dataset require of an architecture.

    `shape` is the shape of one sample, without the batch axis.
    `classes` is the number of classes; 0 means that there are no labels.
    `latent` is the total width of the codes that the generator receives in addition to the noise.
    `heads` maps the name of each further answer of the critic to its width k; the answer is [n, k].
    `pack` is the number of samples in one input of the critic (PacGAN).
    `critic_norm` is the kind of normalisation that a normalised critic uses under this method; with "none" it is built
    like one that is not normalised.
    `head` is the answer of the critic that the loss reads: "score", "features", "reconstruction", or a name in `heads`.
    `conditional` says which networks shall take labels: "generator", "both", or "" for none.
    `draw(generator, n)` returns n new samples [n, *shape] of the data, for a generator that is made of them; None if
    the dataset is a finite set.
    """

    shape: tuple[int, ...]
    classes: int = 0
    latent: int = 0
    heads: Mapping[str, int] = field(default_factory=dict)
    pack: int = 1
    critic_norm: Literal["batch", "layer", "none"] = "layer"
    head: str = field(default="score", metadata={"since": "0.2"})
    conditional: Conditional = field(default="", metadata={"since": "0.2"})
    draw: Callable[[torch.Generator, int], Tensor] | None = field(default=None, metadata={"since": "0.2"})


@dataclass(frozen=True, kw_only=True)
class Networks:
    """The built networks of one architecture: ordinary modules, which the engine calls functionally.

    `generator(z)` maps z [n, latent + ask.latent] to samples [n, *shape].
    `critic(x)` returns the score [n], or a mapping of answers. The keys of the mapping are "score", "features",
    "reconstruction" and the names in `ask.heads`.
    `latent` is the width of the noise.
    With `conditional=True` both networks take the labels [n], integers from 0 to ask.classes - 1, as their second
    argument; with `conditional="generator"` the generator alone does. The labels of the real samples also condition the
    generated ones. The dataset must have labels, and samples are not packed.
    `rowwise=True` promises that, in the critic, no sample of a batch influences the answer to another sample.
    For progressive growing, a space returns several Networks, one per stage, in order. `share` is a stage's share of
    the generator steps, relative to the other stages. `prepare(x, progress)` makes real data x fit the stage, where
    `progress` is the progress within this stage, from 0 to 1. A network's buffer named `progress`, a floating-point
    scalar, has the same value, for layers that fade in. Early stages are compared with `prepare(x, 1)` of the real
    samples, and the last one with the data.
    """

    generator: nn.Module
    critic: nn.Module | None
    latent: int
    conditional: bool | Literal["generator"] = False
    rowwise: bool = False
    share: float = 1.0
    prepare: Callable[[Tensor, Tensor], Tensor] | None = None


@dataclass(frozen=True, kw_only=True)
class Space:
    """The space from which random architectures are drawn; a fixed architecture is a space of size 1.

    `sample(rng)` returns a spec: plain data, names and numbers.
    `networks(spec, ask)` builds the networks of a spec. It draws the initial weights from torch's global generator,
    which the engine seeds.
    `size` is the number of distinct specs, or None if it is not finite.
    """

    sample: Callable[[Random], Spec]
    networks: Callable[[Spec, Ask], Networks | tuple[Networks, ...]]
    size: int | None = None
