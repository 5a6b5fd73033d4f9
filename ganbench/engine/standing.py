"""Standing statistics of batch normalisation: fixed after the training, so a sample depends on no other.

They are the mean over `BATCHES` batches of what each layer computed for its batch, as torch's own layers keep it with
`momentum=None`. Brock, Donahue and Simonyan 2019, "Large Scale GAN Training for High Fidelity Natural Image Synthesis",
arXiv:1809.11096, section 4.1, name them so.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ganbench.errors import GanbenchError

BATCHES = 32
"""The batches that the statistics are accumulated over; part of every measurement with standing statistics."""

STREAM = "standing"
"""The latents of these batches come from a stream of their own: that of the evaluation, with this suffix."""


class StandingNorm(nn.Module):
    """A batch normalisation with the parameters of another one, and with its statistics in two buffers.

    While `collects` is true it normalises by the batch, and appends its mean and its unbiased variance to `collected`.
    """

    standing_mean: Tensor
    standing_var: Tensor
    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__()
        self.register_parameter("weight", norm.weight)
        self.register_parameter("bias", norm.bias)
        self.register_buffer("standing_mean", torch.zeros(norm.num_features))
        self.register_buffer("standing_var", torch.ones(norm.num_features))
        self.eps = norm.eps
        self.collects = False
        self.collected: list[tuple[Tensor, Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        """Return x [n, c, ...] normalised by the statistics of the batch, or by the standing ones."""
        axes = [0, *range(2, x.ndim)]
        shape = [1, -1, *(1 for _ in axes[1:])]
        mean, variance = self.standing_mean, self.standing_var
        if self.collects:
            mean, variance = x.mean(axes), x.var(axes, correction=0)
            count = x.numel() // x.shape[1]
            self.collected.append((mean, variance * (count / max(1, count - 1))))
        scale = (variance + self.eps).rsqrt()
        scale = scale if self.weight is None else scale * self.weight
        shift = -mean * scale if self.bias is None else self.bias - mean * scale
        return x * scale.view(shape) + shift.view(shape)


def make_standing(generator: nn.Module) -> nn.Module:
    """Return a copy of a generator whose batch normalisations are standing; parameters have the same names.

    Raise GanbenchError for a class derived from torch's that computes something else.
    """
    copy = nn.Sequential(deepcopy(generator))
    made: dict[int, StandingNorm] = {}
    for parent in [*copy.modules()]:
        for name, child in [*parent._modules.items()]:
            if not isinstance(child, _BatchNorm):
                continue
            if type(child).forward is not _BatchNorm.forward:
                raise GanbenchError(
                    f'normalisation = "standing": the layer {type(child).__name__!r} of the generator is a batch '
                    'normalisation of its own kind, whose statistics cannot be fixed. Use normalisation = "batch".'
                )
            setattr(parent, name, made.setdefault(id(child), StandingNorm(child)))
    return copy[0]


def find_norms(generator: nn.Module) -> dict[str, StandingNorm]:
    """Return the standing normalisations of a generator by name."""
    return {name: module for name, module in generator.named_modules() if isinstance(module, StandingNorm)}


def collect_statistics(generator: nn.Module, call: Callable[[], Tensor]) -> dict[str, Tensor]:
    """Return the statistics of the batch that `call()` shows to the generator, by the names of the buffers.

    Those of a layer that is called several times are the mean over its calls.
    """
    norms = find_norms(generator)
    try:
        for norm in norms.values():
            norm.collects, norm.collected = True, []
        call()
        return {
            f"{name}.{buffer}": torch.stack([statistics[i] for statistics in norm.collected]).mean(0)
            for name, norm in norms.items()
            for i, buffer in enumerate(("standing_mean", "standing_var"))
            if norm.collected
        }
    finally:
        for norm in norms.values():
            norm.collects, norm.collected = False, []


def refuse_neighbours(first: Tensor, second: Tensor) -> None:
    """Raise GanbenchError unless the first samples of two batches [S, n, *shape] that differ in all others are equal.

    Members that are not finite are not compared.
    """
    one, other = first[:, 0].flatten(1), second[:, 0].flatten(1)
    allowed = 1e-3 * one.abs().amax(1, keepdim=True).clamp(min=1e-6)
    if bool(((one - other).abs() > allowed).any()):  # false where either is NaN
        raise GanbenchError(
            'normalisation = "standing": a sample depends on its neighbours also without batch normalisation, so the '
            'generator compares the samples of a batch in a way of its own. Use normalisation = "batch".'
        )
