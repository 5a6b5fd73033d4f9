"""Adam for games: the two players of a bilinear game cycle under Adam, and approach the equilibrium under these two.

Daskalakis, Ilyas, Syrgkanis, Zeng 2018, "Training GANs with Optimism", arXiv:1711.00141; Gidel, Berard, Vignoud,
Vincent, Lacoste-Julien 2018, "A Variational Inequality Perspective on Generative Adversarial Networks",
arXiv:1802.10551. The state of a parameter is tensors of its shape, so stacked seeds move as each alone.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import Any

import torch
from ganbench import GanbenchError, Offer, Scalar, Spec, hookimpl
from torch import Tensor
from torch.optim import Optimizer

Factory = Callable[[Iterable[Tensor]], Optimizer]
Tensors = list[Tensor]


class GameAdam(Optimizer):
    """Adam's direction, m^ / (sqrt v^ + eps); how parameters move along it is left to `move`.

    `names` are the tensors that `move` keeps of each parameter.
    """

    names: tuple[str, ...] = ()

    def __init__(self, parameters: Iterable[Tensor], lr: Scalar, beta1: float, beta2: float, eps: float) -> None:
        super().__init__(parameters, {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "steps": 0})

    @abstractmethod
    def move(self, parameters: Tensors, update: Tensors, lr: Scalar, steps: int, *kept: Tensors) -> None:
        """Move the parameters in place along the direction of step number `steps`, counted from 1."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all parameters that have a gradient."""
        for group in self.param_groups:
            group["steps"] += 1
            parameters = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            for p in parameters:
                if not self.state[p]:
                    self.state[p] = {name: torch.zeros_like(p) for name in ("first", "second", *self.names)}
            first, second, *kept = ([self.state[p][n] for p in parameters] for n in ("first", "second", *self.names))
            update = find_direction(group, [p.grad for p in parameters], first, second)
            self.move(parameters, update, group["lr"], group["steps"], *kept)


def find_direction(group: dict[str, Any], gradients: Tensors, first: Tensors, second: Tensors) -> Tensors:
    """Return m^ / (sqrt v^ + eps) after these gradients; the moments m and v are updated in place."""
    beta1, beta2, steps = group["beta1"], group["beta2"], group["steps"]
    torch._foreach_lerp_(first, gradients, 1 - beta1)
    torch._foreach_mul_(second, beta2)
    torch._foreach_addcmul_(second, gradients, gradients, 1 - beta2)
    scale = torch._foreach_div(second, 1 - beta2**steps)
    torch._foreach_sqrt_(scale)
    torch._foreach_add_(scale, group["eps"])
    torch._foreach_mul_(scale, 1 - beta1**steps)
    return list(torch._foreach_div(first, scale))


class OptimisticAdam(GameAdam):
    """w <- w - 2 lr u_t + lr u_(t-1), u Adam's direction."""

    names = ("previous",)

    def move(self, parameters: Tensors, update: Tensors, lr: Scalar, steps: int, *kept: Tensors) -> None:
        """Move twice along this step's direction, and back along the last step's, which is 0 at first."""
        (previous,) = kept
        torch._foreach_add_(parameters, torch._foreach_mul(torch._foreach_sub(previous, update, alpha=2), lr))
        torch._foreach_copy_(previous, update)


class ExtraAdam(GameAdam):
    """Odd steps move to the extrapolated point, even steps move from where the odd step began."""

    names = ("start",)

    def move(self, parameters: Tensors, update: Tensors, lr: Scalar, steps: int, *kept: Tensors) -> None:
        """Move along the direction: from the parameters in odd steps, from the kept ones in even steps."""
        (start,) = kept
        if steps % 2:
            torch._foreach_copy_(start, parameters)
        else:
            torch._foreach_copy_(parameters, start)
        torch._foreach_sub_(parameters, torch._foreach_mul(update, lr))


def make_factory(kind: type[GameAdam], lr: Scalar, beta1: float, beta2: float, eps: float) -> Factory:
    """Return a factory of such an optimizer; raise GanbenchError for a number that it cannot use."""
    for name, value in {"lr": lr, "eps": eps}.items():
        if not isinstance(value, Tensor) and not 0 <= value < inf:
            raise GanbenchError(f"{name} = {value}: give a finite number, 0 or more.")
    for name, value in {"beta1": beta1, "beta2": beta2}.items():
        if not 0 <= value < 1:
            raise GanbenchError(f"{name} = {value}: give a number from 0 to below 1.")
    return lambda parameters: kind(parameters, lr, beta1, beta2, eps)


def optimistic_adam(lr: Scalar = 1e-4, beta1: float = 0.5, beta2: float = 0.9, eps: float = 1e-8) -> Factory:
    """Return a factory of Adam that counts on the next direction to be like this one. The first step is 2 lr long.

    The default betas are those of the authors' experiment on CIFAR-10.
    """
    return make_factory(OptimisticAdam, lr, beta1, beta2, eps)


def extra_adam(lr: Scalar = 1e-4, beta1: float = 0.5, beta2: float = 0.9, eps: float = 1e-8) -> Factory:
    """Return a factory of extragradient with Adam: one update takes two steps, each with a batch of its own.

    As in the authors' code, odd steps extrapolate, even steps update from the point before, and both update the
    moments. So a run of N steps makes N / 2 updates, and an evaluation after an odd number of steps sees the
    extrapolated point: evaluate after even ones. It is meant for dynamics `simultaneous`; in alternating steps, each
    player extrapolates where the other one stands. The default betas are the authors'.
    """
    return make_factory(ExtraAdam, lr, beta1, beta2, eps)


def caution(recipe: Any, spec: Spec) -> Iterator[str]:
    """Yield cautions for players that do not look ahead together, and for a lookahead that cuts a look ahead off."""
    name, options = recipe.dynamics.name, recipe.dynamics.options
    if name == "alternating" or (name == "lookahead" and not options.get("together")):
        yield (
            "the optimizer 'extra-adam' with alternating steps: in the paper both players look ahead from one point, "
            "and update together (Gidel et al. 2018, algorithm 4). Use dynamics = 'simultaneous'."
        )
    if recipe.critic_optimizer.name != recipe.generator_optimizer.name:
        yield (
            "the optimizer 'extra-adam' for one player: the other one moves while this one looks ahead (Gidel et al. "
            "2018, algorithm 4). Use it for both."
        )
    if name == "lookahead" and options.get("steps", 5) % 2:
        yield (
            "the optimizer 'extra-adam' under lookahead after an odd number of steps: it cuts off between a look ahead "
            "and its update. Use an even number, such as dynamics = { name = 'lookahead', steps = 6 }."
        )


@hookimpl
def ganbench_optimizers() -> Iterator[Offer]:
    yield Offer(
        "optimistic-adam",
        optimistic_adam,
        "Adam that steps twice along its direction and takes back the last one.",
        reference="Daskalakis et al. 2018, arXiv:1711.00141, algorithm 1",
        formula="w <- w - 2 lr u_t + lr u_(t-1), u = m^ / (sqrt v^ + eps)",
        proportional_to="lr",
    )
    yield Offer(
        "extra-adam",
        extra_adam,
        "Adam whose gradient is taken one step ahead: odd steps extrapolate, even steps update.",
        reference="Gidel et al. 2018, arXiv:1802.10551, algorithm 4, and the authors' code",
        formula="w' = w - lr u(w); w <- w - lr u(w'), u = m^ / (sqrt v^ + eps)",
        caution=caution,
    )
