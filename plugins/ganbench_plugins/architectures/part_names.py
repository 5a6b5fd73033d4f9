"""Parts of networks by name, as the options `critic_parts` and `generator_parts` of architectures have them.

A part is a name, or a table with its numbers, as in `["minibatch-stddev", { name = "maxout", pieces = 3 }]`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ganbench import Ask, GanbenchError
from torch import nn

from ganbench_plugins.architectures.parts import (
    Maxout,
    MinibatchDiscrimination,
    MinibatchStd,
    PixelNorm,
    VirtualBatchNorm,
    WithReference,
)

Part = str | Mapping[str, Any]
"""A part as a suite names it: its name, or a table of its name and its numbers."""

Parts = Mapping[str, Mapping[str, int]]
"""The numbers of each part of a network, by the part's name."""

NO_PARTS: Parts = MappingProxyType({})
NUMBERS = {"pieces": (5, 2), "kernels": (100, 1), "width": (5, 1), "rows": (64, 2)}
"""The numbers of all parts: the default, which is that of the paper or of its authors' code, and the least value."""

CRITIC_PARTS = {
    "equalised": (),
    "maxout": ("pieces",),
    "minibatch-discrimination": ("kernels", "width"),
    "minibatch-stddev": (),
}
GENERATOR_PARTS = {"equalised": (), "maxout": ("pieces",), "pixel-norm": (), "virtual-batch-norm": ("rows",)}


def read_both(
    generator_parts: tuple[Part, ...], critic_parts: tuple[Part, ...], without: tuple[str, ...] = ()
) -> Mapping[str, Parts]:
    """Return the parts of both networks by "generator" and "critic"; an architecture may be `without` some of them."""
    options = {"generator": (generator_parts, GENERATOR_PARTS), "critic": (critic_parts, CRITIC_PARTS)}
    return {
        player: read_parts(f"{player}_parts", given, {name: known[name] for name in known if name not in without})
        for player, (given, known) in options.items()
    }


def read_parts(option: str, given: tuple[Part, ...], known: Mapping[str, tuple[str, ...]]) -> Parts:
    """Return parts with all their numbers; raise GanbenchError, which names the option, for one that is not known."""
    parts: dict[str, Mapping[str, int]] = {}
    for part in given:
        numbers: dict[str, Any] = {"name": part} if isinstance(part, str) else dict(part)
        name = numbers.pop("name", None)
        if not isinstance(name, str) or name not in known:
            raise GanbenchError(f"{option}: no part {name!r} here. There are {', '.join(known)}.")
        if name in parts:
            raise GanbenchError(f"{option}: {name!r} is named twice. Name each part once.")
        for number, value in numbers.items():
            if number not in known[name]:
                there = f"Its numbers are {', '.join(known[name])}." if known[name] else "It takes no numbers."
                raise GanbenchError(f"{option}: {name!r} has no number {number!r}. {there}")
            least = NUMBERS[number][1]
            if type(value) is not int or value < least:
                raise GanbenchError(f"{option}: {name!r}: {number} = {value!r}: give an integer of {least} or more.")
        parts[name] = {number: NUMBERS[number][0] for number in known[name]} | numbers
    return parts


def choose_initialisation(parts: Parts, otherwise: str) -> str:
    """Return how the weights of a network with these parts are initialised."""
    return "equalised" if "equalised" in parts else otherwise


def count_pieces(parts: Parts) -> int:
    """Return how many linear functions each unit is the maximum of: 1 without maxout."""
    return parts["maxout"]["pieces"] if "maxout" in parts else 1


def choose_critic_norm(ask: Ask, normalised: bool) -> str:
    """Return the norm of the critic's layers that have one, or "" if there is none: in this network or this method."""
    return ask.critic_norm if normalised and ask.critic_norm != "none" else ""


def make_norm(name: str, channels: int, norms: Mapping[str, Callable[[int], nn.Module]], parts: Parts) -> nn.Module:
    """Build a norm by its name in `norms`; virtual batch norm takes the place of batch norm."""
    if name == "batch" and "virtual-batch-norm" in parts:
        return VirtualBatchNorm(channels, **parts["virtual-batch-norm"])
    return norms[name](channels)


def add_nonlinearity(
    net: nn.Sequential, index: int, name: str, nonlinearities: Mapping[str, Callable[[], nn.Module]], parts: Parts
) -> None:
    """Append a nonlinearity by its name, or maxout in its place, and pixel norm if it is one of the parts."""
    pieces = count_pieces(parts)
    net.add_module(f"activation{index}", Maxout(pieces) if pieces > 1 else nonlinearities[name]())
    if "pixel-norm" in parts:
        net.add_module(f"pixel_norm{index}", PixelNorm())


def add_minibatch_std(net: nn.Sequential, channels: int, parts: Parts) -> int:
    """Append minibatch standard deviation if it is one of the parts; return the channels after it."""
    if "minibatch-stddev" not in parts:
        return channels
    net.add_module("minibatch_std", MinibatchStd())
    return channels + 1


def add_minibatch_discrimination(net: nn.Sequential, width: int, parts: Parts) -> int:
    """Append minibatch discrimination if it is one of the parts; return the width [n, width] after it."""
    if "minibatch-discrimination" not in parts:
        return width
    net.add_module("minibatch_discrimination", MinibatchDiscrimination(width, **parts["minibatch-discrimination"]))
    return width + parts["minibatch-discrimination"]["kernels"]


def compares_samples(parts: Parts) -> bool:
    """Return whether a critic with these parts compares the samples of a batch: then it is not `rowwise`."""
    return "minibatch-discrimination" in parts or "minibatch-stddev" in parts


def add_reference(generator: nn.Module, latent: int, ask: Ask, normalised: bool, parts: Parts) -> nn.Module:
    """Return a generator with the reference batch that its virtual batch norm needs; without such a norm, as it is.

    It takes [n, latent + ask.latent], and labels if the method wants it to.
    """
    if not normalised or "virtual-batch-norm" not in parts:
        return generator
    classes = ask.classes if ask.conditional else 0
    return WithReference(generator, latent + ask.latent, classes, **parts["virtual-batch-norm"])
