"""Optimizers of one player whose members have different options: one for each group of members side by side.

Members that differ only in an option to which each step is proportional, such as the learning rate, are one group: its
optimizer has the rate 1, and the weights of each member go its own rate of the way. The step is rounded once more than
that of a member alone, but relative to the weights by less than their own rounding, as long as its rate is below 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from itertools import accumulate, groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.optim import Optimizer

from ganbench.api.shared_program import is_scalar
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
    `rates` [S] multiply the members' steps.
    """

    def __init__(self, groups: Sequence[Group], rates: Tensor | None, parameters: Iterable[Tensor]) -> None:
        self.parameters, self.sizes, self.rates = list(parameters), [size for _, size in groups], rates
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
        with nullcontext() if self.rates is None else self._scaled(self.rates):
            for optimizer in self.optimizers:
                optimizer.step()

    @contextmanager
    def _scaled(self, rates: Tensor) -> Iterator[None]:
        """Let what is done to the parameters inside go only each member's rate of the way."""
        weights = [parameter.detach() for parameter in self.parameters]
        before = [p.clone() for p in weights]
        yield
        torch._foreach_sub_(weights, before)
        torch._foreach_mul_(weights, [rates.to(p.dtype).reshape(-1, *(1 for _ in p.shape[1:])) for p in weights])
        torch._foreach_add_(weights, before)


def build_optimizer_factory(registry: Registry, parts: Sequence[Part], scalars: ScheduledScalars) -> OptimizerFactory:
    """Return the factory of one player's optimizer, of which each member has one of these parts.

    Where they are equal, it is as its offer builds it.
    """
    name, rates = parts[0].name, None
    option: str = registry.get("optimizers", name).offer.proportional_to
    defaults = registry.scalar_defaults("optimizers", name)
    values = [part.options.get(option, defaults.get(option)) for part in parts] if option in defaults else []
    if any(value != values[0] for value in values) and all(map(is_scalar, values)):
        rates = scalars.stack(values)
        parts = [replace(part, options={**part.options, option: 1.0}) for part in parts]
    runs = [(part, len(list(run))) for part, run in groupby(parts)]
    groups = [(registry.build("optimizers", name, part.options, scalar=scalars), size) for part, size in runs]
    if len(groups) == 1 and rates is None:
        return groups[0][0]
    return partial(MemberOptimizers, groups, rates)  # type: ignore[return-value]
