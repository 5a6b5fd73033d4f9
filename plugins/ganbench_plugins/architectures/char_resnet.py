"""The residual networks of WGAN-GP for sequences of characters, with convolutions along the sequence.

Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", arXiv:1704.00028, section 5.4, and the authors' code.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from ganbench import Ask, GanbenchError, Networks, Offer, Space, hookimpl
from torch import Tensor, nn
from torch.nn.utils import skip_init

from ganbench_plugins.architectures.convolutions import Critic, make_layer
from ganbench_plugins.architectures.mlp import refuse_less_than_one

KERNEL, SCALE = 5, 0.3
"""The width of a block's convolutions, and the factor of its main path."""


class Block(nn.Module):
    """A residual block of two convolutions, each after ReLU: x + 0.3 main(x)."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        layers = (nn.ReLU(), make_convolution(filters, filters, KERNEL, gain=2.0))
        self.main = nn.Sequential(*layers, nn.ReLU(), make_convolution(filters, filters, KERNEL, gain=2.0))

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, filters, length]."""
        total: Tensor = x + SCALE * self.main(x)
        return total


def make_convolution(inputs: int, outputs: int, kernel: int, gain: float) -> nn.Module:
    """Build a convolution that keeps the length; normal weights of variance gain / (inputs * kernel), biases of 0."""
    layer = skip_init(nn.Conv1d, inputs, outputs, kernel_size=kernel, padding=kernel // 2)
    nn.init.normal_(layer.weight, std=(gain / (inputs * kernel)) ** 0.5)
    nn.init.zeros_(layer.bias)
    return layer


def make_blocks(filters: int, blocks: int) -> OrderedDict[str, nn.Module]:
    """Build the residual blocks by name."""
    return OrderedDict((f"block{index}", Block(filters)) for index in range(1, blocks + 1))


def build(filters: int = 512, blocks: int = 5, latent: int = 128) -> Space:
    """Build a space of one architecture, for one-hot sequences [V, length].

    The generator has a linear layer, `blocks` residual blocks of `filters` channels, and a softmax over the characters,
    which the critic reads as it is. The critic has the same blocks in front of a linear score. No layer has a norm.
    The paper's sizes are the defaults; 64 filters and 2 blocks train on a CPU in minutes.
    """
    refuse_less_than_one(filters=filters, blocks=blocks, latent=latent)

    def networks(spec: Mapping[str, Any], ask: Ask) -> Networks:
        if len(ask.shape) != 2:
            raise GanbenchError(
                f"architecture 'char-resnet' needs one-hot sequences [V, length], and this dataset has shape "
                f"{ask.shape}: use 'mlp' or 'dcgan', or the dataset 'char-lines'."
            )
        characters, length = ask.shape
        generator = nn.Sequential(
            OrderedDict(
                project=make_layer("linear", latent + ask.latent, filters * length, "he", gain=1.0),
                sequence=nn.Unflatten(1, (filters, length)),
                **make_blocks(filters, blocks),
                output=make_convolution(filters, characters, 1, gain=1.0),
                softmax=nn.Softmax(1),
            )
        )
        trunk = nn.Sequential(
            OrderedDict(
                input=make_convolution(ask.pack * characters, filters, 1, gain=1.0),
                **make_blocks(filters, blocks),
                flatten=nn.Flatten(),
            )
        )
        critic = Critic(trunk, filters * length, ask, "he")
        return Networks(generator=generator, critic=critic, latent=latent, rowwise=True)

    return Space(sample=lambda rng: {}, networks=networks, size=1)


@hookimpl
def ganbench_architectures() -> Iterator[Offer]:
    yield Offer(
        "char-resnet",
        build,
        "Residual networks with convolutions along a sequence of characters; softmax straight into the critic.",
        reference="Gulrajani et al. 2017, arXiv:1704.00028, section 5.4",
        formula="block: x + 0.3 conv5(relu(conv5(relu(x))))",
    )
