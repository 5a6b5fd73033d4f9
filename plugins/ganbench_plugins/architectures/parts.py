"""Parts of networks that architectures use by name: layers that several papers share.

Salimans et al. 2016, "Improved Techniques for Training GANs", arXiv:1606.03498; Karras et al. 2018, "Progressive
Growing of GANs for Improved Quality, Stability, and Variation", arXiv:1710.10196; Goodfellow et al. 2013, "Maxout
Networks", arXiv:1302.4389.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


def start_equalised(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Draw weights of variance 1, and set biases to 0."""
    nn.init.normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


class EqualisedLinear(nn.Linear):
    """A linear layer whose weights of variance 1 are multiplied by sqrt(gain / inputs) at each call.

    So an adaptive optimizer changes all layers at one relative rate (Karras et al. 2018, section 4.1). `gain` is 2
    before a rectifier, 1 before an output.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True, gain: float = 2.0) -> None:
        super().__init__(inputs, outputs, bias)
        self.scale = math.sqrt(gain / inputs)

    def reset_parameters(self) -> None:
        """Draw the initial weights."""
        start_equalised(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, outputs] of x [n, inputs]."""
        return linear(x, self.weight * self.scale, self.bias)


class EqualisedConv2d(nn.Conv2d):
    """A convolution whose weights of variance 1 are multiplied by sqrt(gain / (inputs kernel_size^2)) at each call."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        gain: float = 2.0,
    ) -> None:
        super().__init__(inputs, outputs, kernel_size, stride, padding, bias=bias)
        self.scale = math.sqrt(gain / (inputs * kernel_size**2))

    def reset_parameters(self) -> None:
        """Draw the initial weights."""
        start_equalised(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, outputs, ...] of x [n, inputs, ...]."""
        return self._conv_forward(x, self.weight * self.scale, self.bias)


class PixelNorm(nn.Module):
    """Each pixel divided by its root mean square over the channels (Karras et al. 2018, section 4.2)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x / sqrt(mean of x^2 over axis 1 + 1e-8)."""
        return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class MinibatchStd(nn.Module):
    """One more channel: the standard deviation over a group of samples, a mean over channels and pixels.

    Karras et al. 2018, section 3, with the groups of the authors' code: with M groups, sample i is in group i mod M.
    The samples that are left over make a group with those before them. The standard deviation is biased.
    """

    def __init__(self, group: int = 4) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, channels + 1, ...] of x [n, channels, ...]."""
        size = min(self.group, len(x))
        whole = len(x) - len(x) % size
        means = average_spread(x[:whole].unflatten(0, (size, whole // size))).repeat(size)
        if whole < len(x):
            means = torch.cat([means, average_spread(x[-size:].unsqueeze(1)).expand(len(x) - whole)])
        return torch.cat([x, means.view(-1, *[1] * (x.dim() - 1)).expand(-1, 1, *x.shape[2:])], 1)


def average_spread(groups: Tensor) -> Tensor:
    """Return the mean standard deviation [m] of each group in [size, m, channels, ...] over its first axis."""
    return (groups.var(0, correction=0) + 1e-8).sqrt().flatten(1).mean(1)
