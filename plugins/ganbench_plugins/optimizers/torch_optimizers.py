"""torch's elementwise optimizers, which treat the stacked parameters of many seeds like one large parameter.

A learning rate may be a 0-d tensor that the engine fills between steps; every kernel chosen here reads it at each step.
On a GPU, where whole updates are captured as CUDA graphs, Adam, AdamW and RMSprop are made `capturable`: their count of
steps is on the GPU then. On a CPU they must not be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import Any

from ganbench import GanbenchError, Offer, Scalar, hookimpl
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

Factory = Callable[[Iterable[Tensor]], Optimizer]


def check(lr: Scalar, eps: float = 1e-8, **shares: float) -> None:
    """Raise GanbenchError for a number that no optimizer can use; tensors of schedules are left to the engine."""
    for name, value in {"lr": lr, "eps": eps}.items():
        if not isinstance(value, Tensor) and not 0 <= value < inf:
            raise GanbenchError(f"{name} = {value}: give a finite number, 0 or more.")
    for name, value in shares.items():
        if not 0 <= value < 1:
            raise GanbenchError(f"{name} = {value}: give a number from 0 to below 1.")


def make_factory(kind: type[Optimizer], **options: Any) -> Factory:
    """Return a factory of these optimizers, which a CUDA graph can capture if their parameters are on a GPU."""

    def build(parameters: Iterable[Tensor]) -> Optimizer:
        leaves = list(parameters)
        return kind(leaves, capturable=any(leaf.is_cuda for leaf in leaves), **options)  # type: ignore[call-arg]

    return build


def adam(lr: Scalar = 1e-4, beta1: float = 0.5, beta2: float = 0.999, eps: float = 1e-8) -> Factory:
    """Return a factory of Adam as one fused kernel, 2.5 times as fast as one kernel per operation on a CPU."""
    check(lr, eps, beta1=beta1, beta2=beta2)
    return make_factory(Adam, lr=lr, betas=(beta1, beta2), eps=eps, fused=True)


def adamw(
    lr: Scalar = 1e-4, beta1: float = 0.5, beta2: float = 0.999, eps: float = 1e-8, weight_decay: float = 1e-2
) -> Factory:
    """Return a factory of Adam with decoupled decay: parameters shrink by lr * weight_decay in each step.

    The decay does not depend on the gradients.
    """
    check(lr, eps, beta1=beta1, beta2=beta2)
    return make_factory(AdamW, lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay, fused=True)


def rmsprop(lr: Scalar = 5e-5, alpha: float = 0.99, eps: float = 1e-8) -> Factory:
    """Return a factory of RMSprop with torch's smoothing (TensorFlow's alpha is .9); it has no fused kernel."""
    check(lr, eps, alpha=alpha)
    return make_factory(RMSprop, lr=lr, alpha=alpha, eps=eps, foreach=True)


def sgd(lr: Scalar = 1e-2, momentum: float = 0.0) -> Factory:
    """Return a factory of gradient descent, with heavy-ball momentum if `momentum` is above 0."""
    check(lr, momentum=momentum)
    return lambda parameters: SGD(parameters, lr=lr, momentum=momentum, fused=True)


@hookimpl
def ganbench_optimizers() -> Iterator[Offer]:
    yield Offer(
        "adam",
        adam,
        "Adam, with the low first momentum that GANs want.",
        reference="Kingma, Ba 2014, arXiv:1412.6980, algorithm 1; beta1 of Radford et al. 2015, arXiv:1511.06434",
        formula="w <- w - lr m^ / (sqrt v^ + eps)",
        proportional_to="lr",
    )
    yield Offer(
        "adamw",
        adamw,
        "Adam with decoupled weight decay.",
        reference="Loshchilov, Hutter 2017, arXiv:1711.05101, algorithm 2",
        formula="w <- w - lr (m^ / (sqrt v^ + eps) + decay w)",
        proportional_to="lr",
    )
    yield Offer(
        "rmsprop",
        rmsprop,
        "Gradients divided by the root of their running mean square.",
        reference="Tieleman, Hinton 2012, Coursera lecture 6.5; lr of Arjovsky et al. 2017, arXiv:1701.07875",
        formula="v <- alpha v + (1 - alpha) g^2; w <- w - lr g / (sqrt v + eps)",
        proportional_to="lr",
    )
    yield Offer(
        "sgd",
        sgd,
        "Gradient descent, with or without momentum.",
        reference="Polyak 1964, doi:10.1016/0041-5553(64)90137-5",
        formula="b <- momentum b + g; w <- w - lr b",
        proportional_to="lr",
    )
