"""What convolutional architectures share: the images that they take, their layers, and the plain chains of DCGAN.

The layers were chosen by their speed under a stack of seeds and a second derivative (docs/background/images.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import log2
from typing import Any, Literal

from ganbench import Ask, GanbenchError
from torch import Tensor, nn
from torch.nn.utils import skip_init

from ganbench_plugins.architectures.conditioning import project, refuse_labels_in_autoencoder
from ganbench_plugins.architectures.mlp import ACTIVATIONS
from ganbench_plugins.architectures.part_names import (
    NO_PARTS,
    Parts,
    add_minibatch_discrimination,
    add_minibatch_std,
    add_nonlinearity,
    choose_critic_norm,
    choose_initialisation,
    compares_samples,
    count_pieces,
    make_norm,
)
from ganbench_plugins.architectures.parts import EQUALISED
from ganbench_plugins.architectures.reconstructing import AutoencoderCritic

Initialisation = Literal["he", "dcgan"]

SIDES = (8, 16, 32, 64)
SMALLEST = 4
"""The side of the smallest maps, in pixels: the generator begins with it, the critic ends with it."""

NORMS: dict[str, Callable[[int], nn.Module]] = {
    # running statistics are state that a functional call cannot return
    "batch": lambda channels: nn.BatchNorm2d(channels, track_running_stats=False),
    # one group: the moments of a sample over [channels, height, width], a gain and an offset for each channel: the
    # layer norm in the code of Gulrajani et al. 2017
    "layer": lambda channels: nn.GroupNorm(1, channels),
}

LAYERS: dict[str, tuple[type[nn.Module], dict[str, int]]] = {
    "linear": (nn.Linear, {}),
    "point": (nn.Conv2d, {"kernel_size": 1}),
    "skip": (nn.Conv2d, {"kernel_size": 1, "stride": 2}),
    "same": (nn.Conv2d, {"kernel_size": 3, "padding": 1}),
    # a kernel of 4 as in the Torch code of DCGAN's authors: each pixel of a doubled map is a sum of as many terms
    "down": (nn.Conv2d, {"kernel_size": 4, "stride": 2, "padding": 1}),
    "up": (nn.ConvTranspose2d, {"kernel_size": 4, "stride": 2, "padding": 1}),
}


class Gate(nn.Module):
    """The gated multiplicative nonlinearity sigmoid(a) tanh(b), where a and b are the two halves of the channels.

    Van den Oord et al. 2016, arXiv:1606.05328, equation 2.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, channels / 2, ...]."""
        a, b = x.chunk(2, 1)
        return a.sigmoid() * b.tanh()


NONLINEARITIES = {**ACTIVATIONS, "gated": Gate}


class Critic(nn.Module):
    """A trunk [n, channels, side, side] -> [n, width], with a linear score [n] and linear heads [n, k] on it.

    If the method reads features, those of the trunk [n, width] are an answer too. If it conditions the critic,
    the score has a projection of them on an embedding of the label.
    """

    def __init__(self, trunk: nn.Module, width: int, ask: Ask, initialisation: str) -> None:
        super().__init__()
        self.trunk, self.shows_features = trunk, ask.head == "features"
        self.score = make_layer("linear", width, 1, initialisation, gain=1.0)
        self.heads = nn.ModuleDict(
            {name: make_layer("linear", width, wide, initialisation, gain=1.0) for name, wide in ask.heads.items()}
        )
        self.by_class: nn.Module | None = None
        if ask.conditional == "both":
            self.by_class = make_layer("linear", width, ask.classes, initialisation, bias=False, gain=1.0)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor | dict[str, Tensor]:
        """Return the score [n], or a dict of all answers by name if the method asks for more."""
        hidden = self.trunk(x)
        answers = {"score": self.score(hidden).squeeze(1)} | {name: head(hidden) for name, head in self.heads.items()}
        if self.by_class is not None:
            answers["score"] = project(answers["score"], self.by_class(hidden), labels)
        if self.shows_features:
            answers["features"] = hidden
        return answers if len(answers) > 1 else answers["score"]


def read_side(name: str, shape: tuple[int, ...]) -> int:
    """Return the side of square images in pixels; raise GanbenchError, which names the architecture, for other data."""
    if len(shape) != 3:
        raise GanbenchError(
            f"architecture {name!r} needs images [channels, height, width], and this dataset has shape {shape}: "
            "use 'mlp' or 'random-mlp'."
        )
    if shape[1] != shape[2] or shape[1] not in SIDES:
        raise GanbenchError(
            f"architecture {name!r} needs square images of {', '.join(map(str, SIDES))} pixels, not of {shape[1]} x "
            f"{shape[2]}: resize or pad them, or use 'mlp' or 'random-mlp'."
        )
    return shape[1]


def count_doublings(side: int) -> int:
    """Return how often the smallest maps are doubled until they have this side."""
    return int(log2(side // SMALLEST))


def spread(count: int, parts: int) -> list[int]:
    """Return `count` in parts that are as equal as possible; the first ones are the larger ones."""
    return [count // parts + (part < count % parts) for part in range(parts)]


def make_layer(
    kind: str, inputs: int, outputs: int, initialisation: str, bias: bool = True, gain: float = 2.0
) -> nn.Module:
    """Build a layer of this kind with normal weights and biases of 0.

    "he": variance gain / (the number of inputs that one output reads): 2 before a rectifier (He et al. 2015,
    arXiv:1502.01852, equation 10), 1 before an output. "dcgan": standard deviation 0.02 (Radford et al. 2015).
    "equalised": variance 1, and "he" as a factor at each call.
    """
    layer_type, sizes = LAYERS[kind]
    if initialisation == "equalised":
        return EQUALISED[layer_type](inputs, outputs, bias=bias, gain=gain**0.5, **sizes)
    layer: Any = skip_init(layer_type, inputs, outputs, bias=bias, **sizes)  # draws no weights
    read = layer.weight.numel() / outputs / (4 if kind == "up" else 1)  # every fourth weight meets one output pixel
    nn.init.normal_(layer.weight, std=0.02 if initialisation == "dcgan" else (gain / read) ** 0.5)
    if bias:
        nn.init.zeros_(layer.bias)
    built: nn.Module = layer
    return built


def add_block(
    net: nn.Sequential,
    kind: str,
    inputs: int,
    outputs: int,
    norm: str,
    activation: str,
    initialisation: str,
    parts: Parts = NO_PARTS,
) -> None:
    """Append a layer, its norm ("" for none) and its nonlinearity; `outputs` are the channels after a gate."""
    index = sum(isinstance(module, nn.Conv2d | nn.ConvTranspose2d) for module in net) + 1
    outputs = 2 * outputs if activation == "gated" else count_pieces(parts) * outputs
    # before a norm, a bias has only rounding noise as gradient, which an adaptive optimizer turns into drift
    net.add_module(f"conv{index}", make_layer(kind, inputs, outputs, initialisation, bias=not norm))
    if norm:
        net.add_module(f"norm{index}", make_norm(norm, outputs, NORMS, parts))
    add_nonlinearity(net, index, activation, NONLINEARITIES, parts)


def add_projection(
    net: nn.Sequential,
    inputs: int,
    channels: int,
    norm: str,
    activation: str,
    initialisation: str,
    parts: Parts = NO_PARTS,
) -> None:
    """Append what makes the first maps [n, channels, 4, 4] of noise [n, inputs], their norm and nonlinearity."""
    wide = 2 * channels if activation == "gated" else count_pieces(parts) * channels
    net.add_module("project", make_layer("linear", inputs, wide * SMALLEST**2, initialisation, bias=not norm))
    net.add_module("maps", nn.Unflatten(1, (wide, SMALLEST, SMALLEST)))
    if norm:
        net.add_module("norm0", make_norm(norm, wide, NORMS, parts))
    add_nonlinearity(net, 0, activation, NONLINEARITIES, parts)


def list_layers(name: str, depth: int, side: int) -> list[tuple[str, int]]:
    """Return the kind ("up" or "same") of each convolution of a generator, and the side of its maps.

    The layers are spread over the doublings of the side as evenly as possible, where smaller maps have the larger
    share; the first layer of each share doubles. A critic has the same layers in reverse, where the last layer of each
    share halves. Raise GanbenchError if there are fewer layers than doublings.
    """
    doublings = count_doublings(side)
    if depth < doublings:
        raise GanbenchError(
            f"architecture {name!r}: {depth} convolutions cannot make {side} pixels of {SMALLEST}, which takes "
            f"{doublings} that double the side. Use a depth of at least {doublings}, or smaller images."
        )
    layers = []
    for stage, count in enumerate(spread(depth, doublings), start=1):
        layers += [("up", SMALLEST * 2**stage)] + (count - 1) * [("same", SMALLEST * 2**stage)]
    return layers


def count_filters(filters: int, side: int, at: int) -> int:
    """Return the channels of maps of side `at`: `filters` at the full and at half the side, then doubled each time."""
    return filters * max(1, side // (2 * at))


def make_generator(
    name: str,
    ask: Ask,
    latent: int,
    depth: int,
    filters: int,
    activation: str,
    normalised: bool,
    initialisation: str,
    constant: bool = False,
    parts: Parts = NO_PARTS,
    norm: str = "batch",
) -> nn.Sequential:
    """Build DCGAN's generator, [n, latent + ask.latent] -> [n, *shape] in (-1, 1).

    It has a projection of the noise and `depth` convolutions. If it is `normalised`, all of them but the last have
    `norm`. With `constant`, all maps have `filters` channels.
    """
    side, norm = read_side(name, ask.shape), norm if normalised else ""
    initialisation = choose_initialisation(parts, initialisation)

    def width(at: int) -> int:
        return filters if constant else count_filters(filters, side, at)

    *hidden, (last, _) = list_layers(name, depth, side)
    net, inputs = nn.Sequential(), width(SMALLEST)
    add_projection(net, latent + ask.latent, inputs, norm, activation, initialisation, parts)
    for kind, at in hidden:
        add_block(net, kind, inputs, width(at), norm, activation, initialisation, parts)
        inputs = width(at)
    net.add_module("output", make_layer(last, inputs, ask.shape[0], initialisation, gain=1.0))
    net.add_module("squash", nn.Tanh())
    return net


def make_critic(
    name: str,
    ask: Ask,
    depth: int,
    filters: int,
    activation: str,
    normalised: bool,
    initialisation: str,
    parts: Parts = NO_PARTS,
    code: int = 64,
) -> nn.Module:
    """Build DCGAN's critic, [n, pack * channels, side, side] -> score [n]: `depth` convolutions, then the score.

    If it is `normalised`, all convolutions but the first have the norm that the method asks for.
    If the method reads a reconstruction, these convolutions are the encoder of an autoencoder: a linear layer makes
    `code` numbers of the last one, and the decoder is a generator with the critic's factors.
    """
    side, inputs, net = read_side(name, ask.shape), ask.pack * ask.shape[0], nn.Sequential()
    initialisation = choose_initialisation(parts, initialisation)
    for index, (kind, at) in enumerate(reversed(list_layers(name, depth, side))):
        kind, at = ("down", at // 2) if kind == "up" else (kind, at)
        norm = choose_critic_norm(ask, normalised) if index else ""
        outputs = count_filters(filters, side, at)
        add_block(net, kind, inputs, outputs, norm, activation, initialisation, parts)
        inputs = outputs
    inputs = add_minibatch_std(net, inputs, parts)
    net.add_module("flatten", nn.Flatten())
    features = add_minibatch_discrimination(net, inputs * SMALLEST**2, parts)
    if ask.head != "reconstruction":
        return Critic(net, features, ask, initialisation)
    refuse_labels_in_autoencoder(ask)
    net.add_module("code", make_layer("linear", features, code, initialisation, gain=1.0))
    whole = replace(ask, shape=(ask.pack * ask.shape[0], side, side), latent=0)
    norm = choose_critic_norm(ask, normalised)
    decoder = make_generator(
        name, whole, code, depth, filters, activation, normalised, initialisation, parts=parts, norm=norm
    )
    heads = {name: make_layer("linear", code, wide, initialisation, gain=1.0) for name, wide in ask.heads.items()}
    return AutoencoderCritic(net, decoder, heads)


def is_rowwise(ask: Ask, normalised: bool, parts: Parts = NO_PARTS) -> bool:
    """Return whether a critic scores each sample on its own: without batch norm or a part that compares samples."""
    return not ((normalised and ask.critic_norm == "batch") or compares_samples(parts))
