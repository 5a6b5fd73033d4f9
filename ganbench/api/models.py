"""Architectures: a space to draw from, what it is asked for, and the networks it builds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from random import Random

    from torch import Tensor, nn


Spec = Mapping[str, Any]
"""One architecture as names and numbers."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a method and a dataset want of an architecture.

    `shape` of a sample; `classes` (0: no labels); `latent`: width of codes beside the noise; `heads`: further answers
    of the critic and their widths; `pack`: samples per critic input; `critic_norm`: the kind of normalisation that a
    normalised critic uses under this method.
    """

    shape: tuple[int, ...]
    classes: int = 0
    latent: int = 0
    heads: Mapping[str, int] = field(default_factory=dict)
    pack: int = 1
    critic_norm: Literal["batch", "layer"] = "layer"


@dataclass(frozen=True, kw_only=True)
class Networks:
    """One architecture made real: ordinary modules, called functionally.

    `generator(z[, labels])`: z [n, latent + ask.latent] -> [n, *shape]. `critic(x[, labels])` -> score [n], or a
    mapping of answers with the keys "score", "features", "reconstruction" and the heads asked for. `rowwise` claims
    that no row of a batch sees another in the critic. For progressive growing a space gives several, in order:
    `share` of the steps each, and `prepare(x, progress)` makes real data fit the stage, whose progress it is.
    """

    generator: nn.Module
    critic: nn.Module | None
    latent: int
    conditional: bool = False
    rowwise: bool = False
    share: float = 1.0
    prepare: Callable[[Tensor, Tensor], Tensor] | None = None


@dataclass(frozen=True, kw_only=True)
class Space:
    """What random architectures are drawn from; a fixed architecture is a space of one.

    `sample(rng)` gives a spec of names and numbers; `networks(spec, ask)` builds it, drawing its weights from torch's
    global generator, which the engine seeds. `size` is the number of distinct specs, where finite.
    """

    sample: Callable[[Random], Spec]
    networks: Callable[[Spec, Ask], Networks | tuple[Networks, ...]]
    size: int | None = None
