"""A batch at an evaluation point: what is judged, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from safetensors.torch import save
from torch import Tensor

from ganbench.engine.ensemble import Ensemble, Stacked

Trace = dict[str, tuple[list[int], Tensor]]
"""Signals by name: generator steps and values [S, T]."""

Numbers = dict[str, Any]
"""Plain data, as JSON keeps it."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A batch, or some `members` of it, at one evaluation point: `generators` [S, ...] by name, how it went so far."""

    step: int
    final: bool
    members: tuple[int, ...]
    ensemble: Ensemble
    generators: Stacked
    average: Stacked | None
    diverged_at: list[int]
    signals: Trace
    updates: Mapping[str, int]

    def only(self, members: Sequence[int]) -> Snapshot:
        """Give these members' share in tensors of its own, which stay as they are while training goes on."""
        rows = [self.members.index(member) for member in members]

        def own(stacked: Stacked) -> Stacked:
            return {name: tensor.detach()[rows] for name, tensor in stacked.items()}  # a list of rows copies them

        whole, generators = self.ensemble, own(self.generators)
        critics = own(whole.parameters["critic"])
        buffers = {player: own(held) for player, held in whole.buffers.items()}
        return replace(
            self,
            members=tuple(members),
            ensemble=Ensemble(whole.networks, {"generator": generators, "critic": critics}, buffers),
            generators=generators,
            average=None if self.average is None else own(self.average),
            diverged_at=[self.diverged_at[row] for row in rows],
            signals={},
        )

    def generator_file(self, member: int) -> bytes:
        """Give one member's generator as safetensors: `generator.*`, `buffer.*`, and `average.*` where kept."""
        kept = {"generator": self.generators, "buffer": self.ensemble.buffers["generator"]}
        if self.average is not None:
            kept["average"] = self.average
        return save({f"{of}.{n}": t[member].cpu().contiguous() for of, own in kept.items() for n, t in own.items()})


def pack(snapshot: Snapshot, built: Sequence[Ensemble]) -> tuple[Stacked, Numbers]:
    """Give a snapshot as tensors on the CPU and numbers, without its signals; `built` are its training's stages."""
    networks = snapshot.ensemble.networks
    numbers = {
        "stage": next(i for i, ensemble in enumerate(built) if ensemble.networks is networks),
        "step": snapshot.step,
        "final": snapshot.final,
        "members": list(snapshot.members),
        "averaged": snapshot.average is not None,
        "diverged_at": snapshot.diverged_at,
        "updates": dict(snapshot.updates),
    }
    return {name: tensor.detach().cpu().contiguous() for name, tensor in unpack_tensors(snapshot)}, numbers


def unpack_tensors(snapshot: Snapshot) -> Iterator[tuple[str, Tensor]]:
    """Give a snapshot's tensors by name."""
    groups = {f"parameters/{player}": own for player, own in snapshot.ensemble.detached.items()}
    groups |= {f"buffers/{player}": own for player, own in snapshot.ensemble.buffers.items()}
    groups["average"] = snapshot.average or {}
    for group, own in groups.items():
        yield from ((f"{group}/{name}", tensor) for name, tensor in own.items())


def unpack(tensors: Stacked, numbers: Numbers, built: Sequence[Ensemble]) -> Snapshot:
    """Give a snapshot back as it was packed; KeyError or IndexError for what is not of these stages."""
    whole = built[numbers["stage"]]

    def own(group: str, like: Stacked) -> Stacked:
        return {name: tensors[f"{group}/{name}"].to(tensor.device) for name, tensor in like.items()}

    parameters = {player: own(f"parameters/{player}", names) for player, names in whole.parameters.items()}
    buffers = {player: own(f"buffers/{player}", names) for player, names in whole.buffers.items()}
    return Snapshot(
        step=numbers["step"],
        final=numbers["final"],
        members=tuple(numbers["members"]),
        ensemble=Ensemble(whole.networks, parameters, buffers),
        generators=parameters["generator"],
        average=own("average", whole.parameters["generator"]) if numbers["averaged"] else None,
        diverged_at=list(numbers["diverged_at"]),
        signals={},
        updates=dict(numbers["updates"]),
    )
