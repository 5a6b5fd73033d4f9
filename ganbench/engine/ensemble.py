"""Many seeds of one architecture in one ensemble: parameters with a leading seed axis, and two ways to map over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from ganbench.api.models import Ask, Networks, Space, Spec
from ganbench.engine.functional import iterate_leaves, map_leaves
from ganbench.engine.random_streams import Member
from ganbench.errors import GanbenchError

Stacked = dict[str, Tensor]
"""Tensors by name, each with the seed axis first."""

PLAYERS = ("generator", "critic")


@dataclass
class Ensemble:
    """One stage of one architecture for S members: `parameters[player]` and `buffers[player]` are [S, ...] by name.

    `networks` are the modules of the first member. They serve for functional calls; their own parameters are not used.
    """

    networks: Networks
    parameters: dict[str, Stacked]
    buffers: dict[str, Stacked]

    def __post_init__(self) -> None:
        self.detached = {
            player: {name: p.detach() for name, p in parameters.items()}
            for player, parameters in self.parameters.items()
        }
        any_parameter = next(p for parameters in self.detached.values() for p in parameters.values())
        self.stage_progress = any_parameter.new_zeros(())

    def set_progress(self, progress: float) -> None:
        """Set the progress of this stage, in [0, 1], and the buffers named `progress` (a growing network's fade-in)."""
        self.stage_progress.fill_(progress)
        for buffers in self.buffers.values():
            for name, buffer in buffers.items():
                if name.rsplit(".", 1)[-1] == "progress":
                    buffer.fill_(progress)

    def inherit(self, before: Ensemble) -> None:
        """Copy every parameter of the previous stage into the parameter of the same name."""
        for player, parameters in before.parameters.items():
            for name, value in parameters.items():
                self.detached[player][name].copy_(value.detach())


def list_convolutions(networks: Networks) -> list[_ConvNd]:
    """Return the convolutions of both networks."""
    modules = [each for net in (networks.generator, networks.critic) if net is not None for each in net.modules()]
    return [each for each in modules if isinstance(each, _ConvNd)]


def build_stages(
    space: Space, spec: Spec, ask: Ask, members: Sequence[Member], device: torch.device, dtype: torch.dtype
) -> list[Ensemble]:
    """Build every member from its own seed, and return one ensemble of all members for each stage."""
    stages_of_members: list[tuple[Networks, ...]] = []
    for member in members:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(member.stream_seed("initialisation"))
            networks = space.networks(spec, ask)
        stages_of_members.append(networks if isinstance(networks, tuple) else (networks,))
    count = len(stages_of_members[0])
    return [stack([stages[k] for stages in stages_of_members], device, dtype) for k in range(count)]


def stack(members: Sequence[Networks], device: torch.device, dtype: torch.dtype) -> Ensemble:
    """Stack the networks of one stage of several members into an ensemble; parameters and buffers are [S, ...]."""
    parameters: dict[str, Stacked] = {}
    buffers: dict[str, Stacked] = {}
    for player in PLAYERS:
        modules: list[nn.Module] = [getattr(networks, player) or nn.Module() for networks in members]
        refuse_tied_parameters(modules[0], player)
        member_parameters = [dict(module.named_parameters()) for module in modules]
        parameters[player] = {
            name: torch.stack([tensors[name].detach() for tensors in member_parameters])
            .to(device, dtype)
            .requires_grad_()
            for name in member_parameters[0]
        }
        member_buffers = [dict(module.named_buffers()) for module in modules]
        buffers[player] = {
            name: cast_floating(torch.stack([tensors[name] for tensors in member_buffers]).to(device), dtype)
            for name in member_buffers[0]
        }
    return Ensemble(members[0], parameters, buffers)


def refuse_tied_parameters(module: nn.Module, player: str) -> None:
    """Raise GanbenchError if two modules share one parameter: a functional call by name would split it in two."""
    first_names: dict[int, str] = {}
    for prefix, submodule in module.named_modules():
        for name, parameter in submodule.named_parameters(prefix, recurse=False):
            first = first_names.setdefault(id(parameter), name)
            if first != name:
                raise GanbenchError(
                    f"the {player}'s parameters {first!r} and {name!r} are one tensor in two modules. Register the "
                    "module that owns it once and call it twice."
                )


def cast_floating(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a floating-point tensor in this precision; return any other tensor (integers, booleans) unchanged."""
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


SeedMap = Callable[[Callable[..., Any]], Callable[..., Any]]
"""From a function of one member to a function of all members, whose arguments and values are [S, ...]."""


def map_over_seeds(member: Callable[..., Any]) -> Callable[..., Any]:
    """Map a member's function over the seed axis by `torch.func.vmap`, as one program."""
    return torch.func.vmap(member)


def loop_over_seeds(member: Callable[..., Any]) -> Callable[..., Any]:
    """Map a member's function over the seed axis by one call for each seed; the results are stacked."""

    def run(*stacked: Any) -> Any:
        count = next(iterate_leaves(stacked)).shape[0]
        if count == 1:  # squeeze and unsqueeze are views: nothing is copied
            return map_leaves(lambda t: t.unsqueeze(0), member(*map_leaves(lambda t: t.squeeze(0), stacked)))
        parts = map_leaves(lambda t: list(t.unbind(0)), stacked)
        results = [member(*map_leaves(lambda part, i=i: part[i], parts)) for i in range(count)]
        return map_leaves(lambda *leaves: torch.stack(leaves), *results)

    return run


SEED_MAPS: Mapping[str, SeedMap] = {"stack": map_over_seeds, "loop": loop_over_seeds}
