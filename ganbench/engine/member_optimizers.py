"""Optimizers of one player whose members have different options: one for each group of members side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import accumulate, groupby
from typing import TYPE_CHECKING

from torch import Tensor
from torch.optim import Optimizer

from ganbench.api.training import OptimizerFactory
from ganbench.api.trials import Part
from ganbench.engine.scalars import ScheduledScalars

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry

Group = tuple[OptimizerFactory, int]
"""The factory of the optimizer of members side by side, and how many they are."""


class MemberOptimizers:
    """Steps stacked parameters [S, ...], each group of members by its own optimizer.

    An optimizer works on views of the parameters. This is exact because it is elementwise: `ganbench check` asks it.
    """

    def __init__(self, groups: Sequence[Group], parameters: Iterable[Tensor]) -> None:
        self.parameters, self.sizes = list(parameters), [size for _, size in groups]
        starts = accumulate(self.sizes, initial=0)
        self.views = [
            [parameter.detach().narrow(0, start, size).requires_grad_() for parameter in self.parameters]
            for start, size in zip(starts, self.sizes, strict=False)
        ]
        self.optimizers: list[Optimizer] = [
            factory(views) for (factory, _), views in zip(groups, self.views, strict=True)
        ]

    def step(self) -> None:
        """Update every member along the gradients of the stacked parameters."""
        for place, parameter in enumerate(self.parameters):
            if parameter.grad is not None:
                for views, gradient in zip(self.views, parameter.grad.split(self.sizes), strict=True):
                    views[place].grad = gradient
        for optimizer in self.optimizers:
            optimizer.step()


def build_optimizer_factory(registry: Registry, parts: Sequence[Part], scalars: ScheduledScalars) -> OptimizerFactory:
    """Return the factory of one player's optimizer, of which each member has one of these parts.

    Where they are equal, it is as its offer builds it.
    """
    runs = [(part, len(list(run))) for part, run in groupby(parts)]
    groups = [(registry.build("optimizers", part.name, part.options, scalar=scalars), size) for part, size in runs]
    return groups[0][0] if len(groups) == 1 else partial(MemberOptimizers, groups)  # type: ignore[return-value]
