"""Transposed convolutions to few channels, as one product of matrices and a sum of overlapping patches.

Such are the last layer of a generator, and the gradient of a critic in its images. torch's CPU kernels pad each to the
width of a vector register: with one channel they take five times as long as the product, with three twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
            return convolve(*args)
        if func is aten.convolution_backward.default and not kwargs:
            return differentiate(*args)
        return func(*args, **(kwargs or {}))


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    more: Sequence[int],
    groups: int,
) -> Tensor:
    """Return torch's `aten::convolution` of these arguments; `more` is its `output_padding`."""
    if not (transposed and suits(x, weight)):
        return aten.convolution.default(x, weight, bias, stride, padding, dilation, transposed, more, groups)
    sides = zip(x.shape[2:], weight.shape[2:], stride, padding, dilation, more, strict=True)
    size = [(n - 1) * s - 2 * p + d * (k - 1) + extra + 1 for n, k, s, p, d, extra in sides]
    y = spread(x, weight, size, stride, padding, dilation, groups)
    return y if bias is None else y + bias.view(1, -1, 1, 1)


def differentiate(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bias_sizes: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    more: Sequence[int],
    groups: int,
    wanted: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return torch's `aten::convolution_backward`: the `wanted` gradients of input, weights and bias."""
    of_x = None
    if wanted[0] and not transposed and suits(grad, weight):
        of_x = spread(grad, weight, x.shape[2:], stride, padding, dilation, groups)
        wanted = False, *wanted[1:]
    rest = None, None, None
    if any(wanted):
        rest = aten.convolution_backward.default(
            grad, x, weight, bias_sizes, stride, padding, dilation, transposed, more, groups, wanted
        )
    return (rest[0] if of_x is None else of_x), rest[1], rest[2]


def suits(x: Tensor, weight: Tensor) -> bool:
    """Return whether a transposed convolution of x by these weights is one to few channels, of images on a CPU."""
    return (
        x.ndim == 4 and weight.shape[1] <= MOST and x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
    )


def spread(
    x: Tensor,
    weight: Tensor,
    size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """Return the transposed convolution of x [N, C, H, W] by weights [C, c, kh, kw], [N, groups * c, *size]."""
    count, channels, kernel = len(x), x.shape[1] // groups, weight.shape[2:]
    factors = weight.reshape(groups, channels, -1).transpose(1, 2).expand(count, -1, -1, -1).flatten(0, 1)
    # of each pixel of x, what it adds to the pixels around it
    patches = torch.bmm(factors, x.reshape(count * groups, channels, -1))
    return aten.col2im.default(patches.view(count, -1, patches.shape[2]), size, kernel, dilation, padding, stride)
