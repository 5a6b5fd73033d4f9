"""One training step: the losses of one member, the gradients of all members, and ordinary optimizers.

The optimizers work on the stacked parameters [S, ...].
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from copy import copy
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganbench.api.training import Parameters
from ganbench.engine.averages import Averages, Shares
from ganbench.engine.ensemble import Ensemble, SeedMap, Stacked, list_convolutions, loop_over_seeds
from ganbench.engine.few_channels import FewChannels
from ganbench.engine.flops import Count, FlopCounter, count_member
from ganbench.engine.functional import map_leaves
from ganbench.engine.graphs import Dues, GraphBackend, Results, UpdateGraphs
from ganbench.engine.kernel_adam import KernelAdam, open_kernel
from ganbench.engine.kernel_step import KernelStep, Members, is_lowered, suits_kernels
from ganbench.engine.loss_errors import explain_missing_gradient
from ganbench.engine.member_losses import Auxiliary, MemberLosses
from ganbench.engine.plateau import Plateau
from ganbench.engine.plugin_state import PluginWatch, list_parts
from ganbench.engine.program import Program
from ganbench.engine.replay import RecordedLoop, RecordedStep
from ganbench.engine.scalars import ScheduledScalars, bind

Persistent = tuple[Any, ...]
"""Tensors that are updated in place and never replaced, the stacked ones first.

Stacked are parameters, buffers, states and the numbers of which each member has its own; then progress, stage progress
and scheduled scalars follow.
"""

GradientFunction = Callable[[Any], tuple[Stacked, Auxiliary]]
"""A function from the random numbers and data of a step to the gradients and the auxiliary values."""


class Game:
    """The two players of one ensemble, their optimizers, and the plugins' states of every member.

    `seed_map` maps a function of one member over all members. `scalars` are the program's. `recorded` are the
    players whose gradients are computed by a `RecordedStep`. `is_compared(player, count)` is whether a player's replay
    after `count` updates is compared with a call. With `backend` whole updates become graphs, the averages in them.
    """

    def __init__(
        self,
        program: Program,
        ensemble: Ensemble,
        seed_map: SeedMap,
        optimizers: Mapping[str, torch.optim.Optimizer],
        state: dict[str, dict[str, Tensor]],
        progress: Tensor,
        scalars: ScheduledScalars | None = None,
        recorded: Collection[str] = (),
        is_compared: Callable[[str, int], bool] = lambda player, count: False,
        averages: Averages | None = None,
        backend: GraphBackend | None = None,
    ) -> None:
        self.program, self.ensemble, self.seed_map = program, ensemble, seed_map
        self.optimizers, self.state, self.progress = optimizers, state, progress
        self.handles = tuple(scalars.handles) if scalars is not None else ()
        self.persistent = (
            ensemble.detached["generator"],
            ensemble.detached["critic"],
            ensemble.buffers,
            state,
            tuple(handle.stacked for handle in self.handles),
            progress,
            ensemble.stage_progress,
            tuple(scalars.shared) if scalars is not None else (),
        )
        self.is_compared, self.watch = is_compared, PluginWatch(list_parts(program, ensemble.networks))
        self.recorded, self.gradient_functions = recorded, dict[tuple[str, frozenset[str]], GradientFunction]()
        self.flops_per_update, self.flops = dict[tuple[str, frozenset[str]], int](), 0
        any_leaf = next(p for parameters in ensemble.parameters.values() for p in parameters.values())
        self.members = any_leaf.shape[0]
        self.updates = {"critic": 0, "generator": 0}
        self.losses = {
            player: torch.full((self.members,), torch.nan, device=any_leaf.device) for player in self.updates
        }
        self.averages, self.compares = averages, True
        self.graphs = UpdateGraphs(self, backend) if backend is not None else None
        self.plateau = Plateau(program.plateau, state, ensemble) if program.plateau else None
        self.uses_kernels = suits_kernels(ensemble)
        self.convolves = any_leaf.device.type == "cpu" and bool(list_convolutions(ensemble.networks))
        self.kernel_optimizers: dict[str, KernelAdam | None] = {}
        self.last_gradients: dict[str, tuple[Stacked, Stacked]] = {}  # as computed, and as the optimizer reads them
        self.parts: dict[str, Tensor] = {}
        self.total_updates = torch.zeros((), dtype=torch.long, device=any_leaf.device)
        # the number of the update whose loss was the first that is not finite; -1 as long as all are finite
        self.diverged_at = torch.full((self.members,), -1, dtype=torch.long, device=any_leaf.device)

    def continue_from(self, previous: Game) -> None:
        """Count on from the game of the stage before."""
        self.updates, self.total_updates, self.parts = previous.updates, previous.total_updates, previous.parts
        self.diverged_at, self.flops = previous.diverged_at, previous.flops
        if self.graphs is not None and previous.graphs is not None:
            self.graphs.continue_from(previous.graphs)

    def compute_gradients(self, player: str, step_inputs: Mapping[str, Any]) -> tuple[Stacked, Auxiliary]:
        """Return the gradients of one player's parameters for all members, and the auxiliary values.

        The plugins' new states are stored.
        """
        due = self.due(self.updates[player])
        if (player, due) in self.flops_per_update:
            gradients, aux = self._get_gradient_function(player, due)(step_inputs)
        elif player in self.recorded and self.uses_kernels:  # from the first update on, so also when it is continued
            self.flops_per_update[player, due] = self.count(player, due, step_inputs).flops
            gradients, aux = self._get_gradient_function(player, due)(step_inputs)
        else:
            with FlopCounter() as counter:
                gradients, aux = self.differentiate(player, due, self.persistent, step_inputs)
            alone = self.members == 1 and self.seed_map is loop_over_seeds  # then the update itself is what to count
            self.flops_per_update[player, due] = counter.total if alone else self.count(player, due, step_inputs).flops
        self._store_state(aux)
        return gradients, aux

    def count(self, player: str, due: frozenset[str], step_inputs: Any) -> Count:
        """Return the FLOPs and memory of one member's update, as if it trained alone; nothing of the game changes."""
        return count_member(partial(self.alone().differentiate, player, due), self.persistent, step_inputs)

    def alone(self) -> Game:
        """Return this game as one whose functions take one member at a time."""
        alone = copy(self)
        alone.seed_map = loop_over_seeds
        return alone

    def due(self, count: int) -> frozenset[str]:
        """Return the names of the terms that count in a player's update after `count` earlier updates."""
        return frozenset(link.name for link in self.program.terms if count % link.part.every == 0)

    def _get_gradient_function(self, player: str, due: frozenset[str]) -> GradientFunction:
        """Return the function from step inputs to gradients; for a player in `recorded`, a `RecordedStep`."""
        if (player, due) not in self.gradient_functions:
            members = Members(self.persistent[:5], self.persistent[5:], self.members)
            function, is_compared = partial(self.differentiate, player, due), partial(self._is_compared, player)
            if player not in self.recorded:
                gradient_function: GradientFunction = partial(function, self.persistent)
            elif self.seed_map is loop_over_seeds and self.members > 1:
                gradient_function = RecordedLoop(function, map(members.select, range(members.count)), is_compared)
            else:
                gradient_function = RecordedStep(function, self.persistent, is_compared)
            if player in self.recorded and self.uses_kernels:
                alone = partial(self.alone().differentiate, player, due)
                gradient_function = KernelStep(alone, members, gradient_function, is_compared)
            self.gradient_functions[player, due] = gradient_function
        return self.gradient_functions[player, due]

    def _is_compared(self, player: str) -> bool:
        return self.compares and self.is_compared(player, self.updates[player])

    def differentiate(
        self, player: str, due: frozenset[str], persistent: Persistent, step_inputs: Any
    ) -> tuple[Stacked, Auxiliary]:
        """Return the gradients of one player's parameters for all members, and the auxiliary values.

        A pure function: it reads the tensors in `persistent` and changes none of them.
        """
        with FewChannels() if self.convolves else nullcontext():
            return self._differentiate(player, due, persistent, step_inputs)

    def _differentiate(
        self, player: str, due: frozenset[str], persistent: Persistent, step_inputs: Any
    ) -> tuple[Stacked, Auxiliary]:
        move = getattr(self.program.dynamics, player)
        g, d, buffers, state, numbers, *_ = persistent
        ensemble = self.ensemble

        def member(g: Parameters, d: Parameters, buffers: Any, draws: Any, state: Any) -> Any:
            losses = MemberLosses(
                self.program, ensemble.networks, buffers, draws, state, self.progress, due, ensemble.stage_progress
            )
            return move(losses, g, d) if move else getattr(losses, player)(g, d)

        of_all = self.seed_map(bind(self.handles, member))
        if move is not None:
            with torch.no_grad():
                gradients, aux = of_all(g, d, buffers, step_inputs, state, numbers)
            return gradients, map_leaves(torch.detach, aux)
        players = {"generator": g, "critic": d}
        leaves = {name: p.detach().requires_grad_() for name, p in players[player].items()}
        players[player] = leaves
        # one backward pass of the summed losses: each member's loss depends on its own parameters only
        with torch.enable_grad():
            value, aux = of_all(players["generator"], players["critic"], buffers, step_inputs, state, numbers)
            total = value.sum()
            if not total.requires_grad:
                raise explain_missing_gradient(player, self.program.loss_name)
            grads = torch.autograd.grad(total, list(leaves.values()), allow_unused=True, materialize_grads=True)
        return dict(zip(leaves, grads, strict=True)), map_leaves(torch.detach, aux)

    def _store_state(self, aux: Auxiliary) -> None:
        for name, plugin_state in aux["state"].items():
            for leaf, value in plugin_state.items():
                self.state[name][leaf].copy_(value)
        self.total_updates += 1
        if not self.uses_kernels or not np.isfinite(aux["loss"].numpy()).all():  # a fifth of the time of torch's
            self._note_divergence(aux["loss"].isfinite())

    @property
    def facts(self) -> dict[str, Any]:
        """What records say of the updates: `kernels` are the players by our kernels; on a GPU, what was captured."""
        by_kernels = sorted({player for (player, _), step in self.gradient_functions.items() if is_lowered(step)})
        kernels = {"kernels": by_kernels} if by_kernels else {}
        return kernels | (self.graphs.facts() if self.graphs is not None else {})

    def note_infinite_weights(self) -> None:
        """Count each member as diverged, from now on, whose generator has a parameter that is not finite."""
        generators = self.ensemble.detached["generator"].values()
        self._note_divergence(torch.stack([p.reshape(len(p), -1).isfinite().all(1) for p in generators]).all(0))

    def _note_divergence(self, finite: Tensor) -> None:
        newly = (self.diverged_at < 0) & ~finite
        torch.where(newly, self.total_updates, self.diverged_at, out=self.diverged_at)

    def is_dead(self) -> bool:
        """Return whether every member has diverged and has a NaN among the parameters of each player.

        A NaN reaches every sample and every later update, so all that follows is NaN; infinite parameters are not
        enough, because a bounded layer may hide them. This waits for the device.
        """
        if bool((self.diverged_at < 0).any()):
            return False
        players = (parameters.values() for parameters in self.ensemble.detached.values() if parameters)
        has_nan = [torch.stack([p.reshape(len(p), -1).isnan().any(1) for p in player]).any(0) for player in players]
        return bool(torch.stack(has_nan).all())

    def step(self, players: Sequence[str], step_inputs: Mapping[str, Any], shares: Shares = ()) -> None:
        """Compute the gradients of these players at the same point on the same batch, then update each player.

        Then each average in `shares` goes this share of the way to its weights. Raise GanbenchError if a plugin keeps a
        state in Python, as far as `plugin_state` can find it.
        """
        dues = tuple((player, self.due(self.updates[player])) for player in players)
        with self.watch.step(dues):
            if self.graphs is None:
                self.publish(self.update(dues, step_inputs, shares))
            else:
                self.graphs.update(dues, step_inputs, shares)
        for player, due in dues:
            self.flops += self.flops_per_update[player, due]
            self.updates[player] += 1

    def update(self, dues: Dues, step_inputs: Mapping[str, Any], shares: Shares = ()) -> Results:
        """Do everything that changes a tensor in a step of these players, and return what is to be read after it."""
        results = Results()
        for player, _ in dues:
            results.gradients[player], aux = self.compute_gradients(player, step_inputs)
            results.losses[player] = aux["loss"]
            results.parts |= aux.get("parts", {})
        for player, due in dues:
            with self.plateau.scaled(player) if self.plateau else nullcontext():
                results.gradients[player] = self._descend(player, due, results.gradients[player])
        if "critic" in results.gradients:
            self.project()
        if shares:
            assert self.averages is not None
            self.averages.follow(shares)
        return results

    def _descend(self, player: str, due: frozenset[str], gradients: Stacked) -> Stacked:
        """Let the player's optimizer step along these gradients, and return them as it read them."""
        kernel = self._find_kernel(player, due)
        known, ordered = self.last_gradients.get(player, (None, {}))
        if kernel is None or gradients is not known:  # our kernels write the same tensors in each step
            # torch's fused CPU kernels assume that a gradient has the strides of its leaf; vmap's often has not
            ordered = {name: gradients[name].contiguous() for name in self.ensemble.parameters[player]}
            self.set_gradients(player, ordered)
        if kernel is None:
            self.optimizers[player].step()
        else:
            self.last_gradients[player] = gradients, ordered
            kernel.step(ordered)
        return ordered

    def _find_kernel(self, player: str, due: frozenset[str]) -> KernelAdam | None:
        """Return the kernel that steps the player's optimizer; it changes when a state is loaded.

        None if there is none, or if the gradients are torch's: then all of the update has torch's bits.
        """
        if not is_lowered(self.gradient_functions.get((player, due))):
            return None
        kernel = self.kernel_optimizers.get(player)
        if player not in self.kernel_optimizers or (kernel is not None and not kernel.is_current):
            kernel = self.kernel_optimizers[player] = open_kernel(self.optimizers[player])
        return kernel

    def publish(self, results: Results) -> None:
        """Let the losses and their parts be those of an update."""
        self.losses |= results.losses
        self.parts |= results.parts

    def set_gradients(self, player: str, gradients: Stacked) -> None:
        """Set the gradients of the player's parameters, which the optimizer reads."""
        for name, leaf in self.ensemble.parameters[player].items():
            leaf.grad = gradients[name]

    @torch.no_grad()
    def project(self) -> None:
        """Apply the projections of the constraints (weight clipping) to every member's critic."""
        for link in self.program.constraints:
            project = link.part.project
            if project is not None:
                critics = self.ensemble.detached["critic"]
                member = bind(self.handles, lambda d, project=project: project(d, self.progress))
                projected = self.seed_map(member)(critics, self.persistent[4])
                torch._foreach_copy_([critics[name] for name in projected], list(projected.values()))
