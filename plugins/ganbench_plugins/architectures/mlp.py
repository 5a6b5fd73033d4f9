"""Multilayer perceptrons for data of any shape: one fixed architecture, and a space of random ones.

The space transfers the factors of Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", arXiv:1704.00028,
table 1 (nonlinearity, depth, width and normalisation of either network) from convolutions to perceptrons. As in Radford
et al. 2015, arXiv:1511.06434, section 3, the critic's first layer is never normalised: its input would lose its scale.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from random import Random
from typing import Any, Literal

from ganbench import Ask, GanbenchError, Networks, Offer, Space, hookimpl
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.nn.utils import skip_init

from ganbench_plugins.architectures.conditioning import (
    find_conditional,
    label,
    project,
    refuse_labels_in_autoencoder,
    with_label_codes,
)
from ganbench_plugins.architectures.part_names import (
    NO_PARTS,
    Part,
    Parts,
    add_minibatch_discrimination,
    add_minibatch_std,
    add_nonlinearity,
    add_reference,
    choose_critic_norm,
    choose_initialisation,
    compares_samples,
    count_pieces,
    make_norm,
    read_both,
)
from ganbench_plugins.architectures.parts import EqualLinear
from ganbench_plugins.architectures.reconstructing import AutoencoderCritic

Activation = Literal["relu", "leaky-relu", "softplus-shifted", "tanh"]
Initialisation = Literal["he", "glorot"]
Output = Literal["linear", "tanh"]
Spec = Mapping[str, Any]


class ShiftedSoftplus(nn.Module):
    """A smooth relative of ReLU, softplus(2x + 2) / 2 - 1: near x for large x, near -1 for very negative x."""

    def forward(self, x: Tensor) -> Tensor:
        """Return softplus(2x + 2) / 2 - 1 of each element."""
        return softplus(2 * x + 2) / 2 - 1


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky-relu": lambda: nn.LeakyReLU(0.2),  # the slope of Radford et al. 2015, section 4
    "softplus-shifted": ShiftedSoftplus,
    "tanh": nn.Tanh,
}
NORMS: dict[str, Callable[[int], nn.Module]] = {
    # running statistics are state that a functional call cannot return
    "batch": lambda width: nn.BatchNorm1d(width, track_running_stats=False),
    "layer": nn.LayerNorm,
}


class Critic(nn.Module):
    """A trunk of hidden layers with a linear score [n] and linear heads [n, width] on the last layer.

    If the method reads features, the last layer itself [n, width] is an answer too. If it conditions the critic, the
    score has a projection of this layer on an embedding of the label.
    """

    def __init__(self, trunk: nn.Module, width: int, ask: Ask, initialisation: str = "glorot") -> None:
        super().__init__()
        self.trunk, self.shows_features = trunk, ask.head == "features"
        self.score = linear(width, 1, initialisation, gain=1.0)
        self.heads = nn.ModuleDict(
            {name: linear(width, wide, initialisation, gain=1.0) for name, wide in ask.heads.items()}
        )
        self.by_class: nn.Module | None = None
        if ask.conditional == "both":
            self.by_class = linear(width, ask.classes, initialisation, bias=False, gain=1.0)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor | dict[str, Tensor]:
        """Return the score [n], or a dict of all answers by name if the method asks for more."""
        hidden = self.trunk(x.flatten(1))
        answers = {"score": self.score(hidden).squeeze(1)} | {name: head(hidden) for name, head in self.heads.items()}
        if self.by_class is not None:
            answers["score"] = project(answers["score"], self.by_class(hidden), labels)
        if self.shows_features:
            answers["features"] = hidden
        return answers if len(answers) > 1 else answers["score"]


def linear(inputs: int, outputs: int, initialisation: str, bias: bool = True, gain: float = 2.0) -> nn.Linear:
    """Build a layer with uniform weights of variance 2 / inputs (He) or 2 / (inputs + outputs) (Glorot), biases 0.

    He et al. 2015, arXiv:1502.01852, equation 10; Glorot, Bengio 2010, equation 16. "equalised" layers have normal
    weights, and multiply them by sqrt(gain / inputs).
    """
    if initialisation == "equalised":
        return EqualLinear(inputs, outputs, bias, gain**0.5)
    layer: nn.Linear = skip_init(nn.Linear, inputs, outputs, bias)  # draws no weights; those below are the only ones
    if initialisation == "he":
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    else:
        nn.init.xavier_uniform_(layer.weight)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def hidden_layers(
    widths: Sequence[int], norms: Sequence[str], activation: str, initialisation: str, parts: Parts = NO_PARTS
) -> nn.Sequential:
    """Build layers from each width to the next; `norms` names the norm of each layer, "" for none."""
    layers, pieces = nn.Sequential(), count_pieces(parts)
    for index, ((inputs, outputs), norm) in enumerate(zip(pairwise(widths), norms, strict=True), start=1):
        # before a norm, a bias has only rounding noise as gradient, which an adaptive optimizer turns into drift
        layers.add_module(f"linear{index}", linear(inputs, pieces * outputs, initialisation, bias=not norm))
        if norm:
            layers.add_module(f"norm{index}", make_norm(norm, pieces * outputs, NORMS, parts))
        add_nonlinearity(layers, index, activation, ACTIVATIONS, parts)
    return layers


def add_output(net: nn.Sequential, inputs: int, shape: tuple[int, ...], output: str, initialisation: str) -> None:
    """Append what makes samples [n, *shape] of the last hidden layer [n, inputs]."""
    net.add_module("output", linear(inputs, math.prod(shape), initialisation, gain=1.0))
    if output == "tanh":
        net.add_module("squash", nn.Tanh())
    net.add_module("shape", nn.Unflatten(1, shape))


def make_generator(
    spec: Spec, ask: Ask, latent: int, output: str, initialisation: str, parts: Parts = NO_PARTS
) -> nn.Sequential:
    """Build the generator, [n, latent + ask.latent] -> [n, *shape]; if normalised, by batch norm."""
    depth, width = spec["generator_depth"], spec["generator_width"]
    widths = [latent + ask.latent] + depth * [width]
    norms = depth * ["batch" if spec["generator_normalised"] else ""]
    generator = hidden_layers(
        widths, norms, spec["generator_activation"], choose_initialisation(parts, initialisation), parts
    )
    add_output(generator, widths[-1], ask.shape, output, choose_initialisation(parts, "glorot"))
    return generator


def make_critic(
    spec: Spec, ask: Ask, code: int, output: str, initialisation: str, parts: Parts = NO_PARTS
) -> nn.Module:
    """Build the critic, [n, pack * channels, ...] -> score [n].

    If it is normalised, all hidden layers but the first have the norm that the method asks for.
    If the method reads a reconstruction, these layers are the encoder of an autoencoder: a linear layer makes `code`
    numbers of the last one, and the decoder is the encoder in reverse.
    """
    depth, width = spec["critic_depth"], spec["critic_width"]
    norm, activation = choose_critic_norm(ask, spec["critic_normalised"]), spec["critic_activation"]
    shape = (ask.pack * ask.shape[0], *ask.shape[1:])
    widths = [math.prod(shape)] + depth * [width]
    norms = ([""] + (depth - 1) * [norm])[:depth]
    hidden, last = choose_initialisation(parts, initialisation), choose_initialisation(parts, "glorot")
    trunk = hidden_layers(widths, norms, activation, hidden, parts)
    features = add_minibatch_discrimination(trunk, add_minibatch_std(trunk, widths[-1], parts), parts)
    if ask.head != "reconstruction":
        return Critic(trunk, features, ask, last)
    refuse_labels_in_autoencoder(ask)
    innermost = linear(features, code, last, gain=1.0)
    encoder = nn.Sequential(OrderedDict(flatten=nn.Flatten(), hidden=trunk, code=innermost))
    widths = [code] + depth * [width]
    decoder = hidden_layers(widths, depth * [norm], activation, hidden, parts)
    add_output(decoder, widths[-1], shape, output, last)
    heads = {name: linear(code, wide, last, gain=1.0) for name, wide in ask.heads.items()}
    return AutoencoderCritic(encoder, decoder, heads)


def make_space(
    sample: Callable[[Random], Spec],
    size: int,
    latent: int,
    output: Output,
    initialisation: Initialisation,
    parts: Mapping[str, Parts],
) -> Space:
    """Build a space of perceptrons; the generator's weights are drawn first, then the critic's, then its heads'.

    So one seed gives the same weights for every method, with or without heads. The code of an autoencoder critic is as
    wide as the noise.
    """

    def networks(spec: Spec, ask: Ask) -> Networks:
        inner = with_label_codes(ask)
        generator: nn.Module = make_generator(spec, inner, latent, output, initialisation, parts["generator"])
        critic = make_critic(spec, ask, latent, output, initialisation, parts["critic"])
        generator = add_reference(label(generator, ask), latent, ask, spec["generator_normalised"], parts["generator"])
        mixed = spec["critic_normalised"] and ask.critic_norm == "batch"
        rowwise = not (mixed or compares_samples(parts["critic"]))
        return Networks(
            generator=generator,
            critic=critic,
            latent=latent,
            conditional=find_conditional(ask),
            rowwise=rowwise,
        )

    return Space(sample=sample, networks=networks, size=size)


def refuse_less_than_one(**sizes: int) -> None:
    """Raise GanbenchError if one of these sizes is below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise GanbenchError(f"{name} = {size}: give an integer of 1 or more.")


def refuse_nothing_to_normalise(name: str, depth: int, normalised: bool) -> None:
    """Raise GanbenchError for a normalised critic without a layer to normalise: its spec would be wrong."""
    if normalised and depth < 2:
        raise GanbenchError(
            f"architecture {name!r}: a critic of depth {depth} has no layer to normalise (the first never is). "
            "Use a depth of at least 2, or no normalisation."
        )


def build_mlp(
    generator_depth: int = 3,
    generator_width: int = 64,
    generator_activation: Activation = "relu",
    generator_normalised: bool = False,
    critic_depth: int = 3,
    critic_width: int = 64,
    critic_activation: Activation = "relu",
    critic_normalised: bool = False,
    latent: int = 16,
    output: Output = "linear",
    initialisation: Initialisation = "he",
    generator_parts: tuple[Part, ...] = (),
    critic_parts: tuple[Part, ...] = (),
) -> Space:
    """Build a space of one architecture: `depth` hidden layers of `width` units in each network.

    `generator_normalised` means batch norm; the method chooses the norm of a normalised critic. `output="tanh"` is for
    data in [-1, 1]. Parts: docs/reference/methods.md; "maxout" takes the place of the activation.
    """
    parts = read_both(generator_parts, critic_parts)
    if "virtual-batch-norm" in parts["generator"] and not generator_normalised:
        raise GanbenchError("generator_parts: 'virtual-batch-norm' has no norm to replace: set generator_normalised.")
    refuse_less_than_one(generator_width=generator_width, critic_width=critic_width, latent=latent)
    refuse_nothing_to_normalise("mlp", critic_depth, critic_normalised)
    spec: dict[str, Any] = {
        "generator_activation": generator_activation,
        "generator_depth": generator_depth,
        "generator_width": generator_width,
        "generator_normalised": generator_normalised,
        "critic_activation": critic_activation,
        "critic_depth": critic_depth,
        "critic_width": critic_width,
        "critic_normalised": critic_normalised,
    }
    spec |= {f"{player}_activation": "maxout" for player in parts if "maxout" in parts[player]}
    return make_space(lambda rng: dict(spec), 1, latent, output, initialisation, parts)


def build_random_mlp(
    activations: tuple[Activation, ...] = ("relu", "leaky-relu", "softplus-shifted", "tanh"),
    depths: tuple[int, ...] = (2, 4, 6, 8),
    widths: tuple[int, ...] = (32, 64, 128),
    normalised: tuple[bool, ...] = (False, True),
    latent: int = 16,
    output: Output = "linear",
    initialisation: Initialisation = "he",
    generator_parts: tuple[Part, ...] = (),
    critic_parts: tuple[Part, ...] = (),
) -> Space:
    """Build the space in which each network's activation, depth, width and normalisation are drawn independently.

    With the defaults it has 9,216 points, as many as the paper's space; all are equally likely. All have the same
    parts (docs/reference/methods.md).
    """
    parts = read_both(generator_parts, critic_parts, without=("maxout",))  # the activation is a factor
    if not (activations and depths and widths and normalised):
        raise GanbenchError("an empty list: give at least one of each of activations, depths, widths, normalised.")
    refuse_less_than_one(depths=min(depths), widths=min(widths), latent=latent)
    refuse_nothing_to_normalise("random-mlp", min(depths), True in normalised)
    factors = {"activation": activations, "depth": depths, "width": widths, "normalised": normalised}

    def sample(rng: Random) -> Spec:
        players = ("generator", "critic")
        return {f"{player}_{factor}": rng.choice(values) for player in players for factor, values in factors.items()}

    size = math.prod(len(values) for values in factors.values()) ** 2
    return make_space(sample, size, latent, output, initialisation, parts)


@hookimpl
def ganbench_architectures() -> Iterator[Offer]:
    yield Offer(
        "mlp",
        build_mlp,
        "One perceptron for either player, for data of any shape.",
        reference="Gulrajani et al. 2017, arXiv:1704.00028, whose toys have 3 x 512 and ReLU",
    )
    yield Offer(
        "random-mlp",
        build_random_mlp,
        "Perceptrons of random activation, depth, width and normalisation on either side.",
        reference="Gulrajani et al. 2017, arXiv:1704.00028, table 1, carried from convolutions to perceptrons",
    )
