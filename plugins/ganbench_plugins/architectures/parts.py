"""Parts of networks by the papers that brought them: equalised layers, pixel norm, statistics of a minibatch."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

EPSILON = 1e-8

GROUP = 4
"""The samples of a group of MinibatchStd, as in Karras et al. 2017."""


class EqualLinear(nn.Linear):
    """A linear layer with weights from N(0, 1), which are multiplied by `gain` / sqrt(inputs) at run time.

    So Adam's steps have the same size relative to the weights in every layer. With gain = sqrt(2) the factor is He's.
    Karras et al. 2017, arXiv:1710.10196, section 4.1. Biases begin at 0.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True, gain: float = 2**0.5) -> None:
        super().__init__(inputs, outputs, bias)
        self.scale = gain / inputs**0.5

    def reset_parameters(self) -> None:
        """Draw the weights from N(0, 1), and set the biases to 0."""
        draw_standard_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, outputs] for x [n, inputs]."""
        return linear(x, self.weight * self.scale, self.bias)


class EqualConv2d(nn.Conv2d):
    """A convolution with weights from N(0, 1), multiplied by `gain` / sqrt(channels * kernel^2) at run time.

    It has a stride of 1 and does not change the side of maps. See `EqualLinear`.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, bias: bool = True, gain: float = 2**0.5) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, bias=bias)
        self.scale = gain / prod(self.weight.shape[1:]) ** 0.5

    def reset_parameters(self) -> None:
        """Draw the weights from N(0, 1), and set the biases to 0."""
        draw_standard_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, outputs, side, side] for x [n, inputs, side, side]."""
        return self._conv_forward(x, self.weight * self.scale, self.bias)


def draw_standard_normal(layer: nn.Linear | nn.Conv2d) -> None:
    """Draw a layer's weights from N(0, 1), and set its biases to 0."""
    nn.init.normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


class PixelNorm(nn.Module):
    """Divide each pixel's channels by the root of their mean square: x / sqrt(mean_c x^2 + 1e-8).

    Karras et al. 2017, arXiv:1710.10196, section 4.2.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return x [n, channels, ...] normalised over its second axis."""
        return x * (x.square().mean(1, keepdim=True) + EPSILON).rsqrt()


class MinibatchStd(nn.Module):
    """Append the mean standard deviation of a group of samples as one more map: [n, c, ...] -> [n, c + 1, ...].

    Karras et al. 2017, arXiv:1710.10196, section 3. As in the authors' code, a group has 4 samples of the batch, n / 4
    apart; the biased standard deviation over the group is averaged over channels and pixels. A batch that 4 does not
    divide has groups of 3 or 2 where that divides it; otherwise it is one group.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return x with its further map: the same number everywhere for all samples of a group."""
        n = len(x)
        size = next((size for size in (GROUP, 3, 2) if n % size == 0), n)
        groups = x.view(size, n // size, *x.shape[1:])
        deviations = (groups.var(0, correction=0) + EPSILON).sqrt()
        means = deviations.flatten(1).mean(1).repeat(size)
        return torch.cat([x, means.view(n, *[1] * (x.dim() - 1)).expand(n, 1, *x.shape[2:])], 1)
