"""One step of both players: losses of one member, gradients of all, an ordinary optimizer on the stacked leaves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ganbench.api.models import Networks
from ganbench.api.training import Parameters, State
from ganbench.engine.ensemble import Ensemble, Run, Stacked
from ganbench.engine.flops import Counter
from ganbench.engine.functional import map_leaves
from ganbench.engine.play import Play
from ganbench.engine.program import Program
from ganbench.engine.replay import RecordedStep

Memory = dict[str, Any]
"""What a loss leaves behind: `state` of every stateful plugin by name, and the `loss` itself."""

Held = tuple[Any, ...]
"""What lies still in memory while its numbers change: parameters, buffers, states, progress, schedules' dials."""

Computation = Callable[[Any], tuple[Stacked, Memory]]
"""From a step's chance to gradients and memory."""


@dataclass(frozen=True)
class MemberLosses:
    """`ganbench.Losses` of one member on one batch: pure in both players' parameters."""

    program: Program
    networks: Networks
    buffers: Mapping[str, Parameters]
    chance: Mapping[str, Any]
    state: Mapping[str, State]
    progress: Tensor
    due: frozenset[str]
    within: Tensor | None = None

    def critic(self, g: Parameters, d: Parameters) -> tuple[Tensor, Memory]:
        """Give the critic's loss and memory."""
        return self._loss("critic", g, d)

    def generator(self, g: Parameters, d: Parameters) -> tuple[Tensor, Memory]:
        """Give the generator's loss and memory."""
        return self._loss("generator", g, d)

    def _loss(self, player: str, g: Parameters, d: Parameters) -> tuple[Tensor, Memory]:
        state, objective = dict(self.state), self.program.objective
        for link in self.program.constraints:
            if link.part.reparametrise is not None:
                d = _keep(link.name, link.part.init, link.part.reparametrise, (d,), state)
        both = player == "critic" or objective.paired
        play = Play(
            self.program, self.networks, self.buffers, g, d, self.chance, self.progress, joint=both, within=self.within
        )
        seen = (play.scores_real if both else None, play.scores_fake)
        value = _keep("objective", objective.init, getattr(objective, player), seen, state)
        for link in self.program.terms:
            term = getattr(link.part, player)
            if term is not None and link.name in self.due:
                play.draws = self.chance["draws"].get(link.name, {})
                extra = _keep(link.name, link.part.init, term, (play,), state)
                value = value + link.weight * link.part.every * extra
        return value, {"state": state, "loss": value}


def _keep(name: str, stateful: Any, function: Any, given: tuple[Any, ...], state: dict[str, State]) -> Any:
    """Call a function by the one rule of state: who has `init` gets its state last and returns it last."""
    if stateful is None:
        return function(*given)
    value, state[name] = function(*given, state[name])
    return value


class Game:
    """Two players of one ensemble, their optimizers, and what plugins remember of every member."""

    def __init__(
        self,
        program: Program,
        ensemble: Ensemble,
        run: Run,
        optimizers: Mapping[str, torch.optim.Optimizer],
        state: dict[str, dict[str, Tensor]],
        progress: Tensor,
        dials: Sequence[Tensor] = (),
        taped: Collection[str] = (),
    ) -> None:
        self.program, self.ensemble, self.run = program, ensemble, run
        self.optimizers, self.state, self.progress = optimizers, state, progress
        own = ensemble.detached
        self.held = (own["generator"], own["critic"], ensemble.buffers, state, progress, ensemble.within, tuple(dials))
        self.recorded, self.computations = taped, dict[tuple[str, frozenset[str]], Computation]()
        self.prices, self.flops = dict[tuple[str, frozenset[str]], int](), 0
        any_leaf = next(p for own in ensemble.parameters.values() for p in own.values())
        self.members = any_leaf.shape[0]
        self.taken = {"critic": 0, "generator": 0}
        self.losses = {player: torch.full((self.members,), torch.nan, device=any_leaf.device) for player in self.taken}
        self.clock = torch.zeros((), dtype=torch.long, device=any_leaf.device)
        self.diverged_at = torch.full((self.members,), -1, dtype=torch.long, device=any_leaf.device)

    def gradients(self, player: str, chance: Mapping[str, Any]) -> dict[str, Tensor]:
        """Give the gradients of one player's parameters for all members, and take in what plugins remember."""
        due = self.due(self.taken[player])
        if (player, due) in self.prices:
            out, memory = self._computation(player, due)(chance)
        else:
            with Counter() as counter:
                out, memory = self.differentiate(player, due, self.held, chance)
            self.prices[player, due] = counter.total // self.members
        self.flops += self.prices[player, due]
        self._remember(player, memory)
        return out

    def due(self, count: int) -> frozenset[str]:
        """Give the terms that a player's update counts after so many."""
        return frozenset(link.name for link in self.program.terms if count % link.part.every == 0)

    def _computation(self, player: str, due: frozenset[str]) -> Computation:
        """Give the function of a step's chance, recorded once it is worth it."""
        if (player, due) not in self.computations:
            function = partial(self.differentiate, player, due)
            plain: Computation = partial(function, self.held)
            self.computations[player, due] = RecordedStep(function, self.held) if player in self.recorded else plain
        return self.computations[player, due]

    def differentiate(self, player: str, due: frozenset[str], held: Held, chance: Any) -> tuple[Stacked, Memory]:
        """Give the gradients of one player's parameters for all members, and what is to be remembered: pure."""
        move = getattr(self.program.dynamics, player)
        g, d, buffers, state, *_ = held
        ensemble = self.ensemble

        def member(g: Parameters, d: Parameters, buffers: Any, given: Any, state: Any) -> Any:
            game = MemberLosses(
                self.program, ensemble.networks, buffers, given, state, self.progress, due, ensemble.within
            )
            return move(game, g, d) if move else getattr(game, player)(g, d)

        if move is not None:
            with torch.no_grad():
                out, memory = self.run(member)(g, d, buffers, chance, state)
            return out, map_leaves(torch.detach, memory)
        players = {"generator": g, "critic": d}
        free = {name: p.detach().requires_grad_() for name, p in players[player].items()}
        players[player] = free
        with torch.enable_grad():  # plain dynamics: one summed backward; each member's gradient stays its own
            value, memory = self.run(member)(players["generator"], players["critic"], buffers, chance, state)
            grads = torch.autograd.grad(value.sum(), list(free.values()), allow_unused=True, materialize_grads=True)
        return dict(zip(free, grads, strict=True)), map_leaves(torch.detach, memory)

    def _remember(self, player: str, memory: Memory) -> None:
        for name, own in memory["state"].items():
            for leaf, value in own.items():
                self.state[name][leaf].copy_(value)
        self.losses[player] = memory["loss"]
        self.clock += 1
        self.diverged_at = torch.where(
            (self.diverged_at < 0) & ~memory["loss"].isfinite(), self.clock, self.diverged_at
        )

    def step(self, players: Sequence[str], chance: Mapping[str, Any]) -> None:
        """Take the players' gradients at one point on one batch, then let each of them step."""
        gradients = {player: self.gradients(player, chance) for player in players}
        for player, own in gradients.items():
            for name, leaf in self.ensemble.parameters[player].items():
                # torch's fused CPU kernels read a gradient as if it lay like its leaf: mapped ones often do not
                leaf.grad = own[name].contiguous()
            self.optimizers[player].step()
            self.taken[player] += 1
        if "critic" in players:
            self.project()

    @torch.no_grad()
    def project(self) -> None:
        """Apply the constraints that hold after the step (clipping) to every member's critic."""
        for link in self.program.constraints:
            project = link.part.project
            if project is not None:
                own = self.ensemble.detached["critic"]
                kept = self.run(lambda d, project=project: project(d, self.progress))(own)
                torch._foreach_copy_([own[name] for name in kept], list(kept.values()))
