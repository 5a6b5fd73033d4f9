"""Layers that several papers share; `part_names` has the names by which architectures use them.

Salimans et al. 2016, "Improved Techniques for Training GANs", arXiv:1606.03498; Karras et al. 2018, "Progressive
Growing of GANs for Improved Quality, Stability, and Variation", arXiv:1710.10196; Goodfellow et al. 2013, "Maxout
Networks", arXiv:1302.4389.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d, linear


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


class EqualisedConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution with the weights of `EqualisedConv2d`.

    One output pixel reads inputs (kernel_size / stride)^2 numbers.
    """

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
        self.scale = math.sqrt(gain / (inputs * (kernel_size / stride) ** 2))

    def reset_parameters(self) -> None:
        """Draw the initial weights."""
        start_equalised(self)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Return [n, outputs, ...] of x [n, inputs, ...]."""
        stride, padding = self.stride[0], int(self.padding[0])
        return conv_transpose2d(x, self.weight * self.scale, self.bias, stride, padding)


EQUALISED: Mapping[type[nn.Module], Callable[..., nn.Module]] = {
    nn.Linear: EqualisedLinear,
    nn.Conv2d: EqualisedConv2d,
    nn.ConvTranspose2d: EqualisedConvTranspose2d,
}


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


class Maxout(nn.Module):
    """The largest of each `pieces` neighbouring channels (Goodfellow et al. 2013, section 2)."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, channels / pieces, ...] of x [n, channels, ...]."""
        return x.unflatten(1, (x.shape[1] // self.pieces, self.pieces)).amax(2)


class MinibatchDiscrimination(nn.Module):
    """Further features: how close a sample is to the others of its batch (Salimans et al. 2016, section 3.2).

    M_i = f_i T has `kernels` rows of `width` numbers, and o_ib is the sum of exp(-|M_ib - M_jb|_1) over j != i, as in
    the authors' code. T is drawn with variance 1 / inputs; the authors normalise its columns to length 1.
    """

    def __init__(self, inputs: int, kernels: int, width: int) -> None:
        super().__init__()
        self.sizes = (kernels, width)
        self.weight = nn.Parameter(torch.empty(inputs, kernels * width))
        nn.init.normal_(self.weight, std=inputs**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, inputs + kernels] of x [n, inputs]."""
        rows = (x @ self.weight).unflatten(1, self.sizes)
        distances = (rows.unsqueeze(1) - rows.unsqueeze(0)).abs().sum(3)
        return torch.cat([x, (-distances).exp().sum(1) - 1], 1)  # less exp(0), the sample's closeness to itself


class VirtualBatchNorm(nn.Module):
    """Batch norm by a reference batch, which is the first `rows` of the input (Salimans et al. 2016, section 3.5).

    A sample is normalised by the moments of the reference batch and of itself, whose weight is 1 / (rows + 1); the
    reference batch by its own. So no sample depends on another one outside the reference batch.
    """

    def __init__(self, channels: int, rows: int) -> None:
        super().__init__()
        self.rows = rows
        self.weight, self.bias = nn.Parameter(torch.ones(channels, 1)), nn.Parameter(torch.zeros(channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return x [rows + n, channels, ...] normalised, with a gain and an offset for each channel."""
        flat = x.flatten(2) if x.dim() > 2 else x.unsqueeze(2)
        reference, samples = flat[: self.rows], flat[self.rows :]
        variance, mean = torch.var_mean(reference, (0, 2), correction=0, keepdim=True)
        own_variance, own_mean = torch.var_mean(samples, 2, correction=0, keepdim=True)
        share, shift = 1 / (self.rows + 1), own_mean - mean
        joint = variance + share * (own_variance - variance) + share * (1 - share) * shift.square()
        normalised = [
            (reference - mean) * (variance + 1e-5).rsqrt(),
            (samples - mean - share * shift) * (joint + 1e-5).rsqrt(),
        ]
        return (torch.cat(normalised) * self.weight + self.bias).view(x.shape)


class WithReference(nn.Module):
    """A generator with virtual batch norm: each call runs on the reference batch and on what is asked.

    The reference batch is constant: noise (and codes) from N(0, 1), drawn with the weights, and each label in turn.
    """

    reference: Tensor
    reference_labels: Tensor

    def __init__(self, net: nn.Module, latent: int, classes: int, rows: int) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("reference", torch.randn(rows, latent))
        self.register_buffer("reference_labels", torch.arange(rows) % classes if classes else None)

    def forward(self, z: Tensor, *labels: Tensor) -> Tensor:
        """Return samples [n, *shape] of z [n, latent], and of labels [n] if the generator takes them."""
        latents = torch.cat([self.reference, z])
        all_labels = [torch.cat([self.reference_labels, given]) for given in labels]
        samples: Tensor = self.net(latents, *all_labels)[len(self.reference) :]
        return samples
