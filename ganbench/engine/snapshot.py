"""The state of a batch at an evaluation point: what is scored, and what is stored of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from ganbench.engine.ensemble import Ensemble, Stacked

Trace = dict[str, tuple[list[int], Tensor]]
"""Signals by name: the generator steps, and the values [S, T] at these steps."""

Numbers = dict[str, Any]
"""Plain data that JSON can store: numbers, strings, lists and mappings."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The state of a batch, or of some `members` of it, at one evaluation point.

    `generators` are the generators' parameters [S, ...] by name, `average` their moving average if the recipe has one,
    `critic_average` that of the critics.
    `diverged_at`, `signals` and `updates` describe the training so far. `state` are the plugins' states [S, ...] by
    plugin and name. `critic_trained` is False for a snapshot without critics, such as one of stored generators.
    """

    step: int
    final: bool
    members: tuple[int, ...]
    ensemble: Ensemble
    generators: Stacked
    average: Stacked | None
    diverged_at: list[int]
    signals: Trace
    updates: Mapping[str, int]
    state: Mapping[str, Stacked] = field(default_factory=dict)
    critic_trained: bool = True
    critic_average: Stacked | None = None

    def select(self, members: Sequence[int]) -> Snapshot:
        """Return the snapshot of these members alone, without signals.

        Its tensors are copies, so they stay as they are while the training continues.
        """
        rows = [self.members.index(member) for member in members]

        def copy_rows(stacked: Stacked) -> Stacked:
            return {name: tensor.detach()[rows] for name, tensor in stacked.items()}  # an index list makes a copy

        ensemble, generators = self.ensemble, copy_rows(self.generators)
        critics = copy_rows(ensemble.parameters["critic"])
        buffers = {player: copy_rows(tensors) for player, tensors in ensemble.buffers.items()}
        return replace(
            self,
            members=tuple(members),
            ensemble=Ensemble(ensemble.networks, {"generator": generators, "critic": critics}, buffers),
            generators=generators,
            average=None if self.average is None else copy_rows(self.average),
            critic_average=None if self.critic_average is None else copy_rows(self.critic_average),
            diverged_at=[self.diverged_at[row] for row in rows],
            signals={},
            state={plugin: copy_rows(tensors) for plugin, tensors in self.state.items()},
        )

    def without_critics(self) -> Snapshot:
        """Return the snapshot with its generators only, which is all that its samples need."""
        ensemble = self.ensemble
        parameters = {"generator": ensemble.parameters["generator"], "critic": {}}
        buffers = {"generator": ensemble.buffers["generator"], "critic": {}}
        alone = Ensemble(ensemble.networks, parameters, buffers)
        return replace(self, ensemble=alone, state={}, critic_trained=False, critic_average=None)

    def generator_file(self, member: int, *, half: bool = False) -> bytes:
        """Return one member's generator as a safetensors file.

        The names are `generator.*`, `buffer.*`, and `average.*` if there is an average. `member` is its row here. With
        `half`, weights and averages are rounded to float16.
        """
        groups = {"generator": self.generators, "buffer": self.ensemble.buffers["generator"]}
        if self.average is not None:
            groups["average"] = self.average
        return save(
            {
                f"{group}.{name}": (round_to_half(tensor[member]) if half and group != "buffer" else tensor[member])
                .cpu()
                .contiguous()
                for group, tensors in groups.items()
                for name, tensor in tensors.items()
            }
        )


def round_to_half(tensor: Tensor) -> Tensor:
    """Return a tensor in float16; as it is if one of its numbers is too large for that, 65,504 or more."""
    half = tensor.to(torch.float16)
    return half if bool((half.isfinite() == tensor.isfinite()).all()) else tensor


def pack(snapshot: Snapshot, ensembles: Sequence[Ensemble]) -> tuple[Stacked, Numbers]:
    """Return a snapshot as tensors on the CPU and plain numbers, without its signals.

    `ensembles` are the stages of its training.
    """
    networks = snapshot.ensemble.networks
    numbers = {
        "stage": next(i for i, ensemble in enumerate(ensembles) if ensemble.networks is networks),
        "step": snapshot.step,
        "final": snapshot.final,
        "members": list(snapshot.members),
        "averaged": snapshot.average is not None,
        "critic_averaged": snapshot.critic_average is not None,
        "critic": snapshot.critic_trained,
        "diverged_at": snapshot.diverged_at,
        "updates": dict(snapshot.updates),
        "state": {plugin: list(tensors) for plugin, tensors in snapshot.state.items()},
    }
    return {name: tensor.detach().cpu().contiguous() for name, tensor in iterate_tensors(snapshot)}, numbers


def iterate_tensors(snapshot: Snapshot) -> Iterator[tuple[str, Tensor]]:
    """Yield each tensor of a snapshot with its name, `<group>/<name>`."""
    groups = {f"parameters/{player}": parameters for player, parameters in snapshot.ensemble.detached.items()}
    groups |= {f"buffers/{player}": buffers for player, buffers in snapshot.ensemble.buffers.items()}
    groups |= {"average": snapshot.average or {}, "critic_average": snapshot.critic_average or {}}
    groups |= {f"state/{plugin}": tensors for plugin, tensors in snapshot.state.items()}
    for group, tensors in groups.items():
        yield from ((f"{group}/{name}", tensor) for name, tensor in tensors.items())


def unpack(tensors: Stacked, numbers: Numbers, ensembles: Sequence[Ensemble]) -> Snapshot:
    """Return the snapshot that `pack` packed.

    Raise KeyError or IndexError if the tensors do not belong to these stages.
    """
    stage = ensembles[numbers["stage"]]
    device = stage.stage_progress.device

    def get_group(group: str, like: Stacked) -> Stacked:
        return {name: tensors[f"{group}/{name}"].to(tensor.device) for name, tensor in like.items()}

    def get_players(group: str, players: Mapping[str, Stacked]) -> dict[str, Stacked]:
        stored = {} if numbers["critic"] else {"critic": Stacked()}
        return {player: get_group(f"{group}/{player}", like) for player, like in {**players, **stored}.items()}

    parameters, buffers = get_players("parameters", stage.parameters), get_players("buffers", stage.buffers)
    return Snapshot(
        step=numbers["step"],
        final=numbers["final"],
        members=tuple(numbers["members"]),
        ensemble=Ensemble(stage.networks, parameters, buffers),
        generators=parameters["generator"],
        average=get_group("average", stage.parameters["generator"]) if numbers["averaged"] else None,
        critic_average=(
            get_group("critic_average", stage.parameters["critic"]) if numbers.get("critic_averaged") else None
        ),
        diverged_at=list(numbers["diverged_at"]),
        critic_trained=numbers["critic"],
        signals={},
        updates=dict(numbers["updates"]),
        state={
            plugin: {name: tensors[f"state/{plugin}/{name}"].to(device) for name in names}
            for plugin, names in numbers["state"].items()
        },
    )
