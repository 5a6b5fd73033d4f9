"""Where training data comes from, and the networks that metrics look at it through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Extractor:
    """A network that metrics look through: `extract(x)` -> {"features": [n, d], "logits": [n, classes]}."""

    name: str
    digest: str
    extract: Callable[[Tensor], Mapping[str, Tensor]]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A dataset: a law with `draw(generator, n)` -> [n, *shape], or a set of `size` with `take(indices)`.

    `reference(n)` gives the n samples that metrics compare with (held out where it is a set; fewer where it has
    fewer). `labels(indices)` -> [n] where there are classes. `facts` are what metrics need to know (mode centres).
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
