"""Trains a batch: every member from its own seed, all through one program, a snapshot at each evaluation point."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganbench.api.data import Source
from ganbench.api.models import Networks, Space
from ganbench.api.training import OptimizerFactory
from ganbench.api.trials import Batch, Budget, Mode, list_offers
from ganbench.engine.ensemble import RUNS, Ensemble, GlobalRandomGuard, Stacked, build_stages, cast_floating
from ganbench.engine.functional import call_module
from ganbench.engine.program import Program, ScheduledScalars, assemble, optimizer_factory
from ganbench.engine.random_streams import Data, Member
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.step import Game
from ganbench.engine.step_inputs import StepInputs, draw_evaluation_latent

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry

RECORD_FROM = 100
"""Updates of a player from which they are recorded and replayed: recording takes as long as some fifty of them."""

TRACE_POINTS = 200
"""Signals are kept at about this many generator steps of a run."""


@dataclass(kw_only=True)
class Stage:
    """A stage of a run as it stands: its generator steps, how many of the run's are `done`, players and chance."""

    number: int
    steps: range
    done: int
    game: Game
    chances: Mapping[str, StepInputs]


@dataclass(kw_only=True)
class Training:
    """A batch's program, ready to run. Everything a worker needs, built; `run` yields the snapshots."""

    program: Program
    space: Space
    spec: Mapping[str, Any]
    source: Source
    optimizers: Mapping[str, OptimizerFactory]
    members: Sequence[Member]
    budget: Budget
    mode: Mode = "stack"
    critic_norm: str = "layer"
    recordable: bool = False
    dials: ScheduledScalars | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        self.dials = self.dials or ScheduledScalars(self.device, self.dtype)
        self.data = Data(self.source, self.members, self.budget.batch_size, self.device, self.dtype)
        self.progress = torch.zeros((), device=self.device, dtype=self.dtype)
        self.trace: list[tuple[int, dict[str, Tensor]]] = []
        self.average: Stacked | None = None
        self.now: Stage | None = None

    @cached_property
    def built(self) -> list[Ensemble]:
        """The stages of the architecture for all members; untrained but for those that have begun."""
        ask = self.program.ask(self.source, self.critic_norm)
        return build_stages(self.space, self.spec, ask, self.members, self.device, self.dtype)

    def run(self, report: Callable[[int, int], None] = lambda step, steps: None) -> Iterator[Snapshot]:
        """Train to the end of the budget; `report(step, steps)` is called after each generator step.

        A restored training (`engine.checkpoint`) goes on from where it was kept.
        """
        now = self.now or self.begin_stage(0)
        yield from self._stage(now, report)
        for number in range(now.number + 1, len(self.built)):
            yield from self._stage(self.begin_stage(number), report)

    def begin_stage(self, number: int) -> Stage:
        """Open a stage, which takes over what the one before has learnt."""
        ensemble, before = self.built[number], self.now.game if self.now else None
        if before is not None:
            ensemble.inherit(before.ensemble)
        game, steps = self.open_game(ensemble, before), self.stage_steps(number)
        chances = self.open_inputs(ensemble.networks, number)
        self.now = Stage(number=number, steps=steps, done=steps.start, game=game, chances=chances)
        return self.now

    def stage_steps(self, number: int) -> range:
        """Give the generator steps of a stage, by its share."""
        total, shares = self.budget.generator_steps, [ensemble.networks.share for ensemble in self.built]
        ends = [*(round(total * share / sum(shares)) for share in accumulate(shares[:-1])), total]
        return range(ends[number - 1] if number else 0, ends[number])

    def open_game(self, ensemble: Ensemble, before: Game | None) -> Game:
        """Begin a stage: new optimizers (as ProGAN's code does), the states of the plugins carried by name."""
        optimizers = {
            player: make(ensemble.parameters[player].values())
            for player, make in self.optimizers.items()
            if ensemble.parameters[player]
        }
        state = before.state if before is not None else self.initial_state(ensemble)
        assert self.dials is not None
        dials = [dial for dial, _ in self.dials.dials]
        game = Game(
            self.program, ensemble, RUNS[self.mode], optimizers, state, self.progress, dials, self.recorded_players()
        )
        if before is not None:
            game.taken, game.clock, game.diverged_at, game.flops = (
                before.taken,
                before.clock,
                before.diverged_at,
                before.flops,
            )
        self.average = {n: p.clone() for n, p in ensemble.detached["generator"].items()} if self.program.ema else None
        return game

    def recorded_players(self) -> frozenset[str]:
        """Give the players whose updates are many enough to be recorded."""
        steps = min(self.budget.generator_steps, RECORD_FROM)
        critics = steps if self.program.dynamics.together else sum(map(self.program.critic_steps, range(steps)))
        updates = {"critic": critics, "generator": steps} if self.recordable else {}
        return frozenset(player for player, count in updates.items() if count >= RECORD_FROM)

    def initial_state(self, ensemble: Ensemble) -> dict[str, dict[str, Tensor]]:
        """Give what every plugin with a memory remembers before the first step, [S, ...] by plugin and name."""
        states: dict[str, list[Mapping[str, Tensor]]] = {}
        for i, member in enumerate(self.members):
            own = {name: p[i] for name, p in ensemble.detached["critic"].items()}
            for link in self.program.stateful:
                rng = torch.Generator(self.device).manual_seed(member.stream_seed(f"{link.name}.init"))
                states.setdefault(link.name, []).append(link.part.init(own, rng))
            if self.program.objective.init is not None:
                states.setdefault("objective", []).append(self.program.objective.init())
        return {
            name: {
                leaf: cast_floating(torch.stack([each[leaf] for each in every]).to(self.device), self.dtype)
                for leaf in every[0]
            }
            for name, every in states.items()
        }

    def _stage(self, stage: Stage, report: Callable[[int, int], None]) -> Iterator[Snapshot]:
        total, game, steps = self.budget.generator_steps, stage.game, stage.steps
        dice, points = GlobalRandomGuard(), max(1, total // TRACE_POINTS)
        for t in range(stage.done, steps.stop):
            self.set_progress(t / total, (t - steps.start) / max(1, len(steps)), game.ensemble)
            self.train_step(t, game, stage.chances)
            if (t + 1) % points == 0 or t == 0:
                self.trace.append((t + 1, self.collect_signals(game)))
            stage.done = t + 1
            report(t + 1, total)
            if t + 1 in self.budget.snapshots:
                dice.check("training")
                yield self.take_snapshot(t + 1, game)

    def open_inputs(self, networks: Networks, stage: int) -> dict[str, StepInputs]:
        """Open the streams that each player's steps of a stage draw from."""
        shape = self.sample_shape(networks)
        return {
            player: StepInputs(self.program, networks, self.data, self.members, player, shape, stage)
            for player in ("critic", "generator")
        }

    def sample_shape(self, networks: Networks) -> tuple[int, ...]:
        """Give the shape of a sample in this stage."""
        if networks.prepare is None:
            return self.source.shape
        return tuple(networks.prepare(torch.zeros(1, *self.source.shape), torch.zeros(())).shape[1:])

    def set_progress(self, progress: float, within: float, ensemble: Ensemble) -> None:
        """Set everything that follows the run's progress: schedules, the plugins' progress, a stage's fade-in."""
        assert self.dials is not None
        self.progress.fill_(progress)
        self.dials.set_progress(progress)
        ensemble.set_progress(within)

    def train_step(self, t: int, game: Game, chances: Mapping[str, StepInputs]) -> None:
        """Play one generator step and the critic's steps that go with it."""
        if self.program.dynamics.together:
            game.step(("critic", "generator"), chances["critic"].next())
        else:
            turns = ["critic"] * self.program.critic_steps(t)
            for player in ["generator", *turns] if self.program.generator_first else [*turns, "generator"]:
                game.step((player,), chances[player].next())
        if self.average is not None:
            own = game.ensemble.detached["generator"]
            torch._foreach_lerp_(list(self.average.values()), [own[n] for n in self.average], 1 - self.program.ema)

    @staticmethod
    @torch.no_grad()
    def collect_signals(game: Game) -> dict[str, Tensor]:
        """Give how every member is doing, [S] each, still on the device.

        `loss.*` of both players, `weights.*` the root mean square of a player's parameters, `gradient.generator` the
        norm of the gradient that the generator last stepped by, and every number that a plugin remembers.
        """
        kept = {f"loss.{player}": value for player, value in game.losses.items()}
        players = game.ensemble.parameters
        for player, own in players.items():
            if own:
                count = sum(p[0].numel() for p in own.values())
                kept[f"weights.{player}"] = member_norms(own.values()) / count**0.5
        if gradients := [p.grad for p in players["generator"].values() if p.grad is not None]:
            kept["gradient.generator"] = member_norms(gradients)
        for name, own in game.state.items():
            kept |= {f"{name}.{leaf}": value.clone() for leaf, value in own.items() if value.dim() == 1}
        return kept

    def take_snapshot(self, step: int, game: Game) -> Snapshot:
        """Bring a batch's state to where it can be judged; the one place that waits for the device."""
        own = game.ensemble.detached["generator"]
        finite = torch.stack([p.flatten(1).isfinite().all(1) for p in own.values()]).all(0)
        game.diverged_at = torch.where((game.diverged_at < 0) & ~finite, game.clock, game.diverged_at)
        names = self.trace[0][1] if self.trace else {}
        at = [t for t, _ in self.trace]
        return Snapshot(
            step=step,
            final=step == self.budget.generator_steps,
            members=tuple(range(len(self.members))),
            ensemble=game.ensemble,
            generators={name: p.clone() for name, p in own.items()},
            average=None if self.average is None else {name: p.clone() for name, p in self.average.items()},
            diverged_at=game.diverged_at.tolist(),
            signals={n: (at, torch.stack([values[n] for _, values in self.trace], 1).cpu()) for n in names},
            updates={**game.taken, "flops": game.flops},
        )

    @torch.no_grad()
    def draw_samples(self, snapshot: Snapshot, count: int, stream: str = "evaluation") -> Tensor:
        """Give `count` samples of each of a snapshot's members, [S, count, *shape], on the CPU in float32.

        Latents come from the stream of that name: of one stream they are the same at every snapshot, of two
        independent.

        They come in batches of the training size, because batch statistics belong to the generator; averaged weights
        are used where the recipe keeps them. Labels of a conditional generator go round the classes.
        """
        rows = self.budget.batch_size
        chunks = -(-count // rows)
        networks, buffers = snapshot.ensemble.networks, snapshot.ensemble.buffers["generator"]
        members = [self.members[i] for i in snapshot.members]
        latent = draw_evaluation_latent(self.program, networks, members, rows, chunks, self.data, stream)
        labels = (torch.arange(rows, device=self.device) % self.source.classes,) if networks.conditional else ()

        def member(g: Stacked, own: Stacked, z: Tensor) -> Tensor:
            held = {**g, **own}
            return (
                call_module(networks.generator, held, z, labels)
                if networks.conditional
                else call_module(networks.generator, held, z)
            )

        run, weights = RUNS[self.mode], snapshot.average or snapshot.generators
        drawn = [run(member)(weights, buffers, latent[:, i]) for i in range(chunks)]
        return torch.cat(drawn, 1)[:, :count].float().cpu()


def member_norms(stacked: Iterable[Tensor]) -> Tensor:
    """Give each member's Euclidean norm over all of these tensors [S, ...], as [S]."""
    of_each = [torch.linalg.vector_norm(tensor.reshape(len(tensor), -1), dim=1) for tensor in stacked]
    return torch.linalg.vector_norm(torch.stack(of_each), dim=0)


def prepare(batch: Batch, registry: Registry, device: torch.device, dtype: torch.dtype = torch.float32) -> Training:
    """Build everything that a batch names."""
    trial = batch.trials[0]
    recipe, dials = trial.recipe, ScheduledScalars(device, dtype)
    build = registry.build
    pure = all(registry.get(*offer).offer.stackable for offer in list_offers(recipe, trial.architecture))
    return Training(
        program=assemble(recipe, registry, dials),
        space=build("architectures", trial.architecture.name, trial.architecture.options, scalar=dials),
        spec=trial.spec,
        source=build("datasets", trial.dataset.name, trial.dataset.options, scalar=dials),
        optimizers={
            "critic": optimizer_factory(registry, recipe.critic_optimizer, dials),
            "generator": optimizer_factory(registry, recipe.generator_optimizer, dials),
        },
        members=[Member(each.shared_hash, each.seed) for each in batch.trials],
        budget=trial.budget,
        mode=batch.mode,
        critic_norm=recipe.critic_norm,
        recordable=pure and (batch.mode == "stack" or len(batch.trials) == 1),
        dials=dials,
        device=device,
        dtype=dtype,
    )
