"""Many seeds of one architecture as one: parameters with a leading seed axis, and the two ways to map over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ganbench.api.models import Ask, Networks, Space, Spec
from ganbench.engine.functional import iterate_leaves, map_leaves
from ganbench.engine.random_streams import Member
from ganbench.errors import GanbenchError

Stacked = dict[str, Tensor]
"""Tensors with the seed axis in front, by name."""

PLAYERS = ("generator", "critic")


@dataclass
class Ensemble:
    """One stage of one architecture for S members: `parameters[player]` and `buffers[player]` are [S, ...] by name.

    `networks` holds the modules of the first member, used as shapes for functional calls.
    """

    networks: Networks
    parameters: dict[str, Stacked]
    buffers: dict[str, Stacked]

    def __post_init__(self) -> None:
        self.detached = {player: {n: p.detach() for n, p in own.items()} for player, own in self.parameters.items()}

        self.within = next(p for own in self.detached.values() for p in own.values()).new_zeros(())

    def set_progress(self, progress: float) -> None:
        """Fill the progress within this stage, and the buffers so named (the fade-in of a growing network)."""
        self.within.fill_(progress)
        for own in self.buffers.values():
            for name, buffer in own.items():
                if name.rsplit(".", 1)[-1] == "progress":
                    buffer.fill_(progress)

    def inherit(self, before: Ensemble) -> None:
        """Take over every parameter that the stage before had under the same name."""
        for player, own in before.parameters.items():
            for name, value in own.items():
                self.detached[player][name].copy_(value.detach())


def build_stages(
    space: Space, spec: Spec, ask: Ask, members: Sequence[Member], device: torch.device, dtype: torch.dtype
) -> list[Ensemble]:
    """Build every member from its own seed and stack them, an ensemble for each stage of the architecture."""
    built: list[tuple[Networks, ...]] = []
    for member in members:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(member.stream_seed("initialisation"))
            made = space.networks(spec, ask)
        built.append(made if isinstance(made, tuple) else (made,))
    return [stack([stage[k] for stage in built], device, dtype) for k in range(len(built[0]))]


def stack(members: Sequence[Networks], device: torch.device, dtype: torch.dtype) -> Ensemble:
    """Stack one stage of several members."""
    parameters: dict[str, Stacked] = {}
    buffers: dict[str, Stacked] = {}
    for player in PLAYERS:
        modules: list[nn.Module] = [getattr(networks, player) or nn.Module() for networks in members]
        refuse_tied_parameters(modules[0], player)
        held = [dict(module.named_parameters()) for module in modules]
        parameters[player] = {
            name: torch.stack([own[name].detach() for own in held]).to(device, dtype).requires_grad_()
            for name in held[0]
        }
        constant = [dict(module.named_buffers()) for module in modules]
        buffers[player] = {
            name: cast_floating(torch.stack([own[name] for own in constant]).to(device), dtype) for name in constant[0]
        }
    return Ensemble(members[0], parameters, buffers)


def refuse_tied_parameters(module: nn.Module, player: str) -> None:
    """Raise GanbenchError if two modules own one parameter: a functional call by name would split it."""
    owners: dict[int, str] = {}
    for place, owner in module.named_modules():
        for name, parameter in owner.named_parameters(place, recurse=False):
            first = owners.setdefault(id(parameter), name)
            if first != name:
                raise GanbenchError(
                    f"the {player}'s parameters {first!r} and {name!r} are one tensor in two modules. Register the "
                    "module that owns it once and call it twice."
                )


def cast_floating(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Give a tensor of real numbers in this precision; others (integers, booleans) stay as they are."""
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


Run = Callable[[Callable[..., Any]], Callable[..., Any]]
"""From a function of one member to a function of all, each argument with the seed axis in front."""


def map_over_seeds(member: Callable[..., Any]) -> Callable[..., Any]:
    """Map a member's function over the seed axis as one program."""
    return torch.func.vmap(member)


def loop_over_seeds(member: Callable[..., Any]) -> Callable[..., Any]:
    """Call a member's function once for each seed and stack what it gives."""

    def run(*stacked: Any) -> Any:
        count = next(iterate_leaves(stacked)).shape[0]
        if count == 1:  # a view, so that nothing is copied on the way back
            return map_leaves(lambda t: t.unsqueeze(0), member(*map_leaves(lambda t: t.squeeze(0), stacked)))
        parts = map_leaves(lambda t: list(t.unbind(0)), stacked)
        given = [member(*map_leaves(lambda part, i=i: part[i], parts)) for i in range(count)]
        return map_leaves(lambda *leaves: torch.stack(leaves), *given)

    return run


RUNS: Mapping[str, Run] = {"stack": map_over_seeds, "loop": loop_over_seeds}


class GlobalRandomGuard:
    """Notices, in the loop form, a plugin that throws torch's own dice (mapping refuses them by itself)."""

    def __init__(self) -> None:
        self.state = torch.random.get_rng_state()

    def check(self, label: str) -> None:
        """Raise if torch's global generator has moved since the start."""
        if not torch.equal(self.state, torch.random.get_rng_state()):
            raise GanbenchError(
                f"{label}: a plugin draws from torch's global generator during training, so its results cannot be "
                "repeated. Declare the numbers as `draws={...: Draw(...)}` and read them from `play.draws`."
            )
