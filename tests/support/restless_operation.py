"""An operation whose values do not repeat, as of a kernel that adds numbers in an order of its own."""

from __future__ import annotations

from itertools import count
from typing import Any

import torch
from torch import Tensor

CALLS = count()


@torch.library.custom_op("ganbench_tests::restless", mutates_args=())
def restless(x: Tensor) -> Tensor:
    """Return the tensor, in each call with its numbers a little larger than before."""
    return x * (1 + 1e-4 * next(CALLS))


@torch.library.register_vmap("ganbench_tests::restless")
def restless_stacked(info: Any, in_dims: tuple[int | None, ...], x: Tensor) -> tuple[Tensor, int | None]:
    """Return the tensors of all members."""
    return restless(x), in_dims[0]


def pass_gradient(context: Any, gradient: Tensor) -> Tensor:
    """Return the gradient, as that of an identity."""
    return gradient


torch.library.register_autograd("ganbench_tests::restless", pass_gradient)
