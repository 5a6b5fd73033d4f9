"""Unrolling: the generator plays against the critic as it would be a few steps later.

Metz, Poole, Pfau, Sohl-Dickstein 2016, "Unrolled Generative Adversarial Networks", arXiv:1611.02163.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from ganbench import Dynamics, GanbenchError, Losses, Offer, Parameters, Scalar, hookimpl
from torch import Tensor
from torch.func import grad


def descend(losses: Losses, g: Parameters, d: Parameters, steps: int, lr: Scalar) -> Parameters:
    """Return the critic after `steps` steps of gradient descent on this step's batch, differentiable in g and d."""
    for _ in range(steps):
        slope, _ = grad(losses.critic, argnums=1, has_aux=True)(g, d)
        d = {name: weights - lr * slope[name] for name, weights in d.items()}
    return d


def descend_by_adam(
    losses: Losses, g: Parameters, d: Parameters, steps: int, lr: Scalar, beta1: Scalar, beta2: Scalar, eps: Scalar
) -> Parameters:
    """Return the critic after `steps` steps of a new Adam on this step's batch, differentiable in g and d."""
    first: dict[str, Tensor] = {name: weights.new_zeros(weights.shape) for name, weights in d.items()}
    second = dict(first)
    for step in range(1, steps + 1):
        slope, _ = grad(losses.critic, argnums=1, has_aux=True)(g, d)
        first = {name: beta1 * m + (1 - beta1) * slope[name] for name, m in first.items()}
        second = {name: beta2 * v + (1 - beta2) * slope[name].square() for name, v in second.items()}
        d = {
            name: weights - lr * (first[name] / (1 - beta1**step)) / (root(second[name] / (1 - beta2**step)) + eps)
            for name, weights in d.items()
        }
    return d


def root(v: Tensor) -> Tensor:
    """Return the square root with a finite derivative at zero, where Adam's second moment starts."""
    return (v + 1e-30).sqrt()


def build(
    steps: int = 5,
    lr: Scalar = 1e-4,
    inner: Literal["adam", "sgd"] = "adam",
    beta1: Scalar = 0.5,
    beta2: Scalar = 0.999,
    eps: Scalar = 1e-8,
) -> Dynamics:
    """Build the generator's gradient at the critic after `steps` inner steps (section 2.2).

    The inner steps are differentiated through and not kept, and they see the training step's own batch. Adam starts
    with zero moments in every training step (the paper's demo starts from the critic's moments). The critic itself
    takes plain gradient steps, and `steps=0` is the plain game. The defaults are the demo's.
    """
    if steps < 0:
        raise GanbenchError(f"steps = {steps}: give an integer, 0 for the plain game.")

    def ahead(losses: Losses, g: Parameters, d: Parameters) -> Parameters:
        if inner == "sgd":
            return descend(losses, g, d, steps, lr)
        return descend_by_adam(losses, g, d, steps, lr, beta1, beta2, eps)

    def generator(losses: Losses, g: Parameters, d: Parameters) -> tuple[Parameters, Any]:
        def loss(g: Parameters) -> tuple[Tensor, Any]:
            return losses.generator(g, ahead(losses, g, d))

        return grad(loss, has_aux=True)(g)

    return Dynamics(generator=generator)


@hookimpl
def ganbench_dynamics() -> Iterator[Offer]:
    yield Offer(
        "unrolled",
        build,
        "The generator follows its loss at the critic a few steps ahead, through those steps.",
        reference="Metz et al. 2016, arXiv:1611.02163, section 2.2",
        formula="grad_g L_G(g, d_k(g)), d_0 = d, d_(i+1) = d_i - h grad_d L_D(g, d_i)",
    )
