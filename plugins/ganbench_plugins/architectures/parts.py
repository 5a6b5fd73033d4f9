"""Parts of networks by the papers that brought them: equalised layers, pixel norm, statistics of a minibatch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d, linear

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

    By default it does not change the side of maps. See `EqualLinear`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_size: int,
        bias: bool = True,
        gain: float = 2**0.5,
        stride: int = 1,
        padding: int | None = None,
    ) -> None:
        padding = kernel_size // 2 if padding is None else padding
        super().__init__(inputs, outputs, kernel_size, stride, padding, bias=bias)
        self.scale = gain / prod(self.weight.shape[1:]) ** 0.5

    def reset_parameters(self) -> None:
        """Draw the weights from N(0, 1), and set the biases to 0."""
        draw_standard_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, outputs, side, side] for x [n, inputs, side, side]."""
        return self._conv_forward(x, self.weight * self.scale, self.bias)


def draw_standard_normal(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d) -> None:
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


class EqualConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution with weights from N(0, 1), multiplied by `gain` / (root of the numbers a pixel reads).

    One pixel of its output reads inputs (kernel_size / stride)^2 numbers. See `EqualLinear`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_size: int,
        bias: bool = True,
        gain: float = 2**0.5,
        stride: int = 1,
        padding: int = 0,
    ) -> None:
        super().__init__(inputs, outputs, kernel_size, stride, padding, bias=bias)
        self.scale = gain * stride / (kernel_size * inputs**0.5)

    def reset_parameters(self) -> None:
        """Draw the weights from N(0, 1), and set the biases to 0."""
        draw_standard_normal(self)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Return [n, outputs, ...] for x [n, inputs, ...]."""
        stride, padding = self.stride[0], int(self.padding[0])
        return conv_transpose2d(x, self.weight * self.scale, self.bias, stride, padding)


EQUALISED: Mapping[type[nn.Module], Callable[..., nn.Module]] = {
    nn.Linear: EqualLinear,
    nn.Conv2d: EqualConv2d,
    nn.ConvTranspose2d: EqualConvTranspose2d,
}


class Maxout(nn.Module):
    """The largest of each `pieces` neighbouring channels (Goodfellow et al. 2013, arXiv:1302.4389, section 2)."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, channels / pieces, ...] of x [n, channels, ...]."""
        return x.unflatten(1, (x.shape[1] // self.pieces, self.pieces)).amax(2)


class MinibatchDiscrimination(nn.Module):
    """Further features: how close a sample is to the others of its batch.

    Salimans et al. 2016, arXiv:1606.03498, section 3.2. M_i = f_i T has `kernels` rows of `width` numbers, and o_ib is
    the sum of exp(-|M_ib - M_jb|_1) over j != i, as in the authors' code. T is drawn with variance 1 / inputs; the
    authors normalise its columns to length 1.
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
    """Batch norm by a reference batch, which is the first `rows` of the input.

    Salimans et al. 2016, arXiv:1606.03498, section 3.5. A sample is normalised by the moments of the reference batch
    and of itself, whose weight is 1 / (rows + 1); the reference batch by its own. So no sample depends on another one
    outside the reference batch.
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
