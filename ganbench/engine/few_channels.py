"""Transposed convolutions to few channels, as one product of matrices and a sum of overlapping patches.

Such are the last layer of a generator, and the gradient of a critic in its images. torch's CPU kernels pad each to the
width of a vector register: with one channel they take five times as long as the product, with three twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

MOST = 3
"""Up to so many channels the product is faster; with four it is as fast or faster, with eight it is not."""

aten = torch.ops.aten


class FewChannels(TorchDispatchMode):
    """Inside, such convolutions are products, also where they differentiate others: it is below autograd and vmap."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation, or what does the same faster."""
        if func is aten.convolution.default and not kwargs:
            x, weight, bias, *form = args
            return convolve(x, weight, bias, Form(*form))
        if func is aten.convolution_backward.default and not kwargs:
            gradient, x, weight, bias_sizes, *form, wanted = args
            return differentiate(gradient, x, weight, bias_sizes, Form(*form), wanted)
        return func(*args, **(kwargs or {}))


class Form(NamedTuple):
    """The form of a convolution, as torch's operations take it."""

    stride: Sequence[int]
    padding: Sequence[int]
    dilation: Sequence[int]
    transposed: bool
    output_padding: Sequence[int]
    groups: int


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, form: Form) -> Tensor:
    """Return torch's `aten::convolution` of these arguments."""
    if not (form.transposed and suits(x, weight)):
        return aten.convolution.default(x, weight, bias, *form)
    sides = zip(x.shape[2:], weight.shape[2:], *form[:3], form.output_padding, strict=True)
    size = [(n - 1) * s - 2 * p + d * (k - 1) + more + 1 for n, k, s, p, d, more in sides]
    y = spread(x, weight, size, form)
    return y if bias is None else y + bias.view(1, -1, 1, 1)


def differentiate(
    gradient: Tensor, x: Tensor, weight: Tensor, bias_sizes: Sequence[int] | None, form: Form, wanted: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return torch's `aten::convolution_backward`: the `wanted` gradients of input, weights and bias."""
    of_x = None
    if wanted[0] and not form.transposed and suits(gradient, weight):
        of_x = spread(gradient, weight, x.shape[2:], form)
        wanted = False, *wanted[1:]
    rest = None, None, None
    if any(wanted):
        rest = aten.convolution_backward.default(gradient, x, weight, bias_sizes, *form, wanted)
    return (rest[0] if of_x is None else of_x), rest[1], rest[2]


def suits(x: Tensor, weight: Tensor) -> bool:
    """Return whether a transposed convolution of x by these weights is one to few channels, of images on a CPU."""
    return (
        x.ndim == 4 and weight.shape[1] <= MOST and x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
    )


def spread(x: Tensor, weight: Tensor, size: Sequence[int], form: Form) -> Tensor:
    """Return the transposed convolution of x [N, C, H, W] by weights [C, c, kh, kw], [N, groups * c, *size]."""
    count, groups, channels, kernel = len(x), form.groups, x.shape[1] // form.groups, weight.shape[2:]
    factors = weight.reshape(groups, channels, -1).transpose(1, 2).expand(count, -1, -1, -1).flatten(0, 1)
    # of each pixel of x, what it adds to the pixels around it
    patches = torch.bmm(factors, x.reshape(count * groups, channels, -1)).view(count, -1, x.shape[2:].numel())
    return aten.col2im.default(patches, size, kernel, form.dilation, form.padding, form.stride)
