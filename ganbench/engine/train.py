"""Train a batch: every member from its own seed, all by one program, with a snapshot at each evaluation point."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganbench.api.data import Source
from ganbench.api.models import Networks, Space
from ganbench.api.shared_program import require_shared_program
from ganbench.api.training import OptimizerFactory
from ganbench.api.trials import Batch, Budget, Mode, list_offers
from ganbench.engine.averages import Averages
from ganbench.engine.device import products_in
from ganbench.engine.ensemble import SEED_MAPS, Ensemble, Stacked, build_stages
from ganbench.engine.global_random import GlobalRandomGuard
from ganbench.engine.graphs import CudaGraphs, GraphBackend
from ganbench.engine.labels import require_labels
from ganbench.engine.member_optimizers import build_optimizer_factory
from ganbench.engine.member_programs import MemberPrograms, draw_first_state
from ganbench.engine.program import Program, assemble
from ganbench.engine.random_streams import Data, Member
from ganbench.engine.replay import is_chosen
from ganbench.engine.sampling import Drawing
from ganbench.engine.scalars import ScheduledScalars
from ganbench.engine.signals import collect_signals, stack_trace
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.stages import Stage, split_steps
from ganbench.engine.step import Game
from ganbench.engine.step_inputs import StepInputs

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry

RECORD_FROM = 100
"""A player with at least this many updates has them recorded: recording and comparing take as long as some twenty."""

TRACE_POINTS = 200
"""Signals are stored at about this many generator steps of a run."""

GUARDED_STEPS = 3
"""In so many first steps, and at evaluation points, no global random generator may change. Later steps are replayed."""

STOP_INTERVAL = 64
"""Every so many generator steps, a batch stops if all its members are dead: rarely enough to wait for the device."""


@dataclass(kw_only=True)
class Training:
    """The training of one batch, with all its parts built; `run` trains and yields the snapshots.

    `recordable` is whether steps may be recorded (engine.replay). `scalars` are the numbers of the plugins that change.
    `programs` are those of the members alone, where their recipes differ in numbers. With a `backend` whole updates are
    captured as graphs (engine.graphs).
    """

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
    scalars: ScheduledScalars = field(default=None)  # type: ignore[assignment]
    programs: MemberPrograms | Sequence[tuple[Program, ScheduledScalars]] | None = None
    backend: GraphBackend | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        self.scalars = self.scalars or ScheduledScalars(self.device, self.dtype)
        self.data = Data(self.source, self.members, self.budget.batch_size, self.device, self.dtype)
        self.progress = torch.zeros((), device=self.device, dtype=self.dtype)
        self.trace: list[tuple[int, dict[str, Tensor]]] = []
        self.stage: Stage | None = None
        self.stopped_at: int | None = None
        self.evaluated_after: dict[str, int] = {}  # the counts of updates before the step of an evaluation point

    @cached_property
    def ensembles(self) -> list[Ensemble]:
        """The ensembles of all members, one for each stage of the architecture; untrained until their stage begins.

        Raise GanbenchError if they are conditional and this data or this program cannot train such networks.
        """
        ask = self.program.build_ask(self.source, self.critic_norm)
        ensembles = build_stages(self.space, self.spec, ask, self.members, self.device, self.dtype)
        for ensemble in ensembles:
            require_labels(ensemble.networks, self.program, self.data)
        return ensembles

    def run(self, report: Callable[[int, int], None] = lambda step, steps: None) -> Iterator[Snapshot]:
        """Train to the end of the budget and yield a snapshot at each evaluation point.

        Once all members are dead (`Game.is_dead`), nothing more is trained, but the remaining snapshots follow. Then
        `stopped_at` is the generator step after which that was found; a growing network stops in its last stage only.
        `report(step, steps)` is called after each generator step. A restored training continues where it was saved.
        """
        stage = self.stage or self.begin_stage(0)
        yield from self._train_stage(stage, report)
        for number in range(stage.number + 1, len(self.ensembles)):
            yield from self._train_stage(self.begin_stage(number), report)

    def begin_stage(self, number: int) -> Stage:
        """Begin a stage; it inherits the parameters and states of the previous stage."""
        ensemble, previous = self.ensembles[number], self.stage.game if self.stage else None
        if previous is not None:
            ensemble.inherit(previous.ensemble)
        game, steps = self.open_game(ensemble, previous), self.stage_steps(number)
        inputs = self.open_inputs(ensemble.networks, number)
        self.stage = Stage(number=number, steps=steps, done=steps.start, game=game, inputs=inputs)
        return self.stage

    def stage_steps(self, number: int) -> range:
        """Return the generator steps of a stage, by its share of the budget."""
        return split_steps(self.budget.generator_steps, [each.networks.share for each in self.ensembles])[number]

    def open_game(self, ensemble: Ensemble, previous: Game | None) -> Game:
        """Return the game of a stage: new optimizers (as in ProGAN's code), states and averages of the previous one."""
        optimizers = {
            player: build_optimizer(ensemble.parameters[player].values())
            for player, build_optimizer in self.optimizers.items()
            if ensemble.parameters[player]
        }
        state = previous.state if previous is not None else self.initial_state(ensemble)
        seed_map, recorded = SEED_MAPS[self.mode], self.players_to_record()
        self.averages: Averages = Averages(self.program, ensemble, self.averages if previous is not None else None)
        more = self.is_compared, self.averages, self.backend
        game = Game(self.program, ensemble, seed_map, optimizers, state, self.progress, self.scalars, recorded, *more)
        if previous is not None:
            game.continue_from(previous)
        return game

    def players_to_record(self) -> frozenset[str]:
        """Return the players with enough updates for a recording to pay off; none if the training is not recordable."""
        steps = min(self.budget.generator_steps, RECORD_FROM)
        critic_updates = steps if self.program.dynamics.together else sum(map(self.program.critic_steps, range(steps)))
        updates = {"critic": critic_updates, "generator": steps} if self.recordable else {}
        return frozenset(player for player, count in updates.items() if count >= RECORD_FROM)

    def is_compared(self, player: str, count: int) -> bool:
        """Return whether a player's replay after `count` updates is compared with a call of its plugins.

        It is once at each evaluation point, and after random counts.
        """
        return is_chosen(self.members[0], player, count) or count == self.evaluated_after.get(player)

    def initial_state(self, ensemble: Ensemble) -> dict[str, dict[str, Tensor]]:
        """Return the state of every plugin with a state before the first step, [S, ...] by plugin and name."""
        programs = [self.program_of(i) for i in range(len(self.members))]
        return draw_first_state(programs, self.members, ensemble, self.device, self.dtype)

    def program_of(self, member: int, progress: float | None = None) -> Program:
        """Return the program of one member as if it trained alone, for what runs outside of the steps of all.

        Its schedules are set to this progress; the next step of the training sets its own.
        """
        program, scalars = (self.program, self.scalars) if self.programs is None else self.programs[member]
        if progress is not None:
            scalars.set_progress(progress)
        return program

    def _train_stage(self, stage: Stage, report: Callable[[int, int], None]) -> Iterator[Snapshot]:
        total, game, steps = self.budget.generator_steps, stage.game, stage.steps
        interval, start = max(1, total // TRACE_POINTS), stage.done
        for t in range(stage.done, steps.stop):
            if self.stopped_at is None:
                self.set_progress(t / total, (t - steps.start) / max(1, len(steps)), game.ensemble)
                self.evaluated_after = dict(game.updates) if t + 1 in self.budget.snapshots else {}
                is_guarded = t < start + GUARDED_STEPS or self.evaluated_after
                guard = GlobalRandomGuard(self.device) if is_guarded else nullcontext()
                with guard, products_in(self.program.precision, self.device):
                    self.train_step(t, game, stage.inputs)
                if (t + 1) % interval == 0 or t == 0:
                    self.note_signals(t + 1, game)
                if (t + 1) % STOP_INTERVAL == 0 and t + 1 < steps.stop == total and game.is_dead():
                    self.stopped_at = t + 1
            stage.done = t + 1
            report(t + 1, total)
            if t + 1 in self.budget.snapshots:
                game.note_infinite_weights()
                yield self.take_snapshot(t + 1, game)

    def note_signals(self, step: int, game: Game) -> None:
        """Add the signals after this generator step to the trace."""
        self.trace.append((step, collect_signals(game)))

    def open_inputs(self, networks: Networks, stage: int) -> dict[str, StepInputs]:
        """Return the inputs of each player's steps in a stage, from the beginning of their streams."""
        shape = self.sample_shape(networks)
        return {
            player: StepInputs(self.program, networks, self.data, self.members, player, shape, stage)
            for player in ("critic", "generator")
        }

    def sample_shape(self, networks: Networks) -> tuple[int, ...]:
        """Return the shape of a sample in the stage of these networks, before packing."""
        if networks.prepare is None:
            return self.source.shape
        return tuple(networks.prepare(torch.zeros(1, *self.source.shape), torch.zeros(())).shape[1:])

    def set_progress(self, progress: float, stage_progress: float, ensemble: Ensemble) -> None:
        """Set the progress of run and stage, in [0, 1], in all that reads it: schedules, plugins, fade-ins."""
        self.progress.fill_(progress)
        self.scalars.set_progress(progress)
        ensemble.set_progress(stage_progress)

    def train_step(self, t: int, game: Game, inputs: Mapping[str, StepInputs]) -> None:
        """Do generator step number `t` with its critic steps; then averages and a plateau follow."""
        rounds = self.program.list_rounds(t)
        # averages that change in the same way at each step are part of the last update, and so of its graph
        shares = self.averages.find_shares(t) if rounds and self.averages.is_steady(t) else None
        for i, players in enumerate(rounds, 1):
            step_inputs = inputs[players[0] if len(players) == 1 else "critic"].next()
            game.step(players, step_inputs, shares or () if i == len(rounds) else ())
        if shares is None:
            self.averages.update(t)
        if game.plateau is not None:
            game.plateau.follow()

    def take_snapshot(self, step: int, game: Game) -> Snapshot:
        """Return a copy of the batch's state after this generator step; only this function waits for the device."""
        generators = game.ensemble.detached["generator"]
        steps = [t for t, _ in self.trace]
        return Snapshot(
            step=step,
            final=step == self.budget.generator_steps,
            members=tuple(range(len(self.members))),
            ensemble=game.ensemble,
            generators={name: p.clone() for name, p in generators.items()},
            average=clone(self.averages.generator),
            critic_average=clone(self.averages.critic),
            diverged_at=game.diverged_at.tolist(),
            signals={name: (steps, series.T.contiguous().cpu()) for name, series in stack_trace(self.trace).items()},
            updates={**game.updates, "flops": game.flops},
            state=game.state,
        )

    @property
    def facts(self) -> dict[str, Any]:
        """What records say of this training: where it stopped early, and how its updates ran."""
        stopped = {} if self.stopped_at is None else {"stopped_at": self.stopped_at}
        return {**stopped, **(self.stage.game.facts if self.stage is not None else {})}

    @property
    def drawing(self) -> Drawing:
        """How samples of the members of a snapshot are drawn."""
        return Drawing(
            program=self.program,
            data=self.data,
            members=self.members,
            rows=self.budget.batch_size,
            mode=self.mode,
            progress=self.progress,
        )

    def draw_samples(self, snapshot: Snapshot, count: int, stream: str = "evaluation") -> Tensor:
        """Draw `count` samples of each member of a snapshot, [S, count, *shape], on the CPU in float32."""
        return torch.cat([batch.cpu() for batch in self.drawing.iterate(snapshot, count, stream)], 1)


def clone(stacked: Stacked | None) -> Stacked | None:
    """Return copies of stacked tensors, or None."""
    return None if stacked is None else {name: tensor.clone() for name, tensor in stacked.items()}


def prepare(
    batch: Batch,
    registry: Registry,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    source: Source | None = None,
) -> Training:
    """Build the training of a batch: every plugin that its trials name, for all members.

    `source` is the trials' dataset if it is built already.
    """
    trial = batch.trials[0]
    scalars, build = ScheduledScalars(device, dtype), registry.build
    recipes = [member.recipe for member in batch.trials]
    recipe, differ = recipes[0], any(each != recipes[0] for each in recipes)
    if differ:
        require_shared_program(batch.trials, registry.scalar_defaults)
    program = assemble(recipe, registry, scalars, recipes if differ else ())
    program = replace(program, precision=trial.precision)
    stackable = all(registry.get(*offer).offer.stackable for offer in list_offers(recipe, trial.architecture))
    return Training(
        program=program,
        programs=MemberPrograms(recipes, registry, trial.precision, device, dtype) if differ else None,
        space=build("architectures", trial.architecture.name, trial.architecture.options, scalar=scalars),
        spec=trial.spec,
        source=source or build("datasets", trial.dataset.name, trial.dataset.options, scalar=scalars),
        optimizers={
            "critic": build_optimizer_factory(registry, [each.critic_optimizer for each in recipes], scalars),
            "generator": build_optimizer_factory(registry, [each.generator_optimizer for each in recipes], scalars),
        },
        members=[Member(member.shared_hash, member.seed) for member in batch.trials],
        budget=trial.budget,
        mode=batch.mode,
        critic_norm=recipe.critic_norm,
        recordable=stackable,
        scalars=scalars,
        backend=CudaGraphs(device) if device.type == "cuda" else None,
        device=device,
        dtype=dtype,
    )
