"""The networks of one trained member as functions: what made the samples that are scored, and what the loss read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ganbench.api.models import Networks
from ganbench.api.training import Parameters
from ganbench.engine.ensemble import Stacked, build_stages
from ganbench.engine.labels import takes_labels
from ganbench.engine.member_losses import reparametrise
from ganbench.engine.play import Play, open_play
from ganbench.engine.program import Program
from ganbench.engine.random_streams import Member
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.step_inputs import draw_evaluation_labels, draw_evaluation_parts
from ganbench.engine.train import Training
from ganbench.errors import GanbenchError


@dataclass(frozen=True)
class Model:
    """One member of a snapshot, by its `row` there: its generator and its critic, complete, as functions.

    They run where the member was trained; arguments and results are on the CPU. Parameters are not copied.
    """

    training: Training
    snapshot: Snapshot
    row: int

    @property
    def networks(self) -> Networks:
        """The modules of the batch; the functions here replace the parameters and buffers that they contain."""
        return self.snapshot.ensemble.networks

    @property
    def generator_parameters(self) -> Parameters:
        """The generator's parameters by name; their average if the recipe has one, as in `draw_samples`."""
        return self.pick(self.snapshot.average or self.snapshot.generators)

    @property
    def critic_parameters(self) -> Parameters:
        """The critic's parameters by name, raw; their average if the recipe has one; none if they were not stored."""
        weights = self.snapshot.critic_average or self.snapshot.ensemble.detached["critic"]
        return self.pick(weights) if self.snapshot.critic_trained else {}

    def generator(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the samples for z [n, width]. Raise GanbenchError for conditional networks without labels [n]."""
        self._require_labels("generator", labels)
        return self._open_play(self.generator_parameters, {}, labels).generator(self._move(z)).cpu()

    def draw_first_parameters(self, player: str) -> Parameters:
        """Return the parameters of "generator" or "critic" before the first step, drawn again from the member's seed.

        Raise GanbenchError for networks that grow: the last stage begins with weights of earlier ones.
        """
        training = self.training
        ask = training.program.build_ask(training.source, training.critic_norm)
        stages = build_stages(training.space, training.spec, ask, [self._member], training.device, training.dtype)
        if len(stages) > 1:
            raise GanbenchError("its networks grow while they train, so their weights have no common beginning.")
        return {name: tensor[0] for name, tensor in stages[0].detached[player].items()}

    def draw_labels(self, count: int) -> Tensor | None:
        """Return the labels [count] of the first samples that are scored; None if the generator takes none."""
        if not takes_labels(self.networks, "generator"):
            return None
        rows, steps = self._rows_and_steps(count)
        labels = draw_evaluation_labels([self._member], rows, steps, self.training.data)
        return labels[0].flatten()[:count].cpu()

    def draw_codes(self, count: int) -> dict[str, Tensor]:
        """Return the codes [count, ...] that inputs added to the latents of the samples that are scored, by name."""
        rows, steps = self._rows_and_steps(count)
        training = self.training
        parts = draw_evaluation_parts(training.program, self.networks, [self._member], rows, steps, training.data)
        codes = {name: part[0].flatten(0, 1)[:count].cpu() for name, part in parts.items()}
        return {name: code for name, code in codes.items() if name != "noise"}

    def _rows_and_steps(self, count: int) -> tuple[int, int]:
        rows = self.training.budget.batch_size
        return rows, -(-count // rows)

    @property
    def _member(self) -> Member:
        return self.training.members[self.snapshot.members[self.row]]

    def critic(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return what the loss reads for samples x [n, *shape]: the critic reparametrised and wrapped, without views.

        [n] for most losses; [n / m] if the critic sees m samples as one. Raise GanbenchError if there is no critic, for
        conditional networks without labels, and for an n that is no multiple of m.
        """
        program = self.training.program
        self._require_labels("critic", labels)
        if not self.snapshot.critic_trained:
            raise GanbenchError("there is no critic: only generators are stored. Measure it while the trials train.")
        if program.objective.head is None or self.networks.critic is None:
            raise GanbenchError("this method has no critic: its loss reads the samples. Choose another metric.")
        if len(x) % program.pack:
            raise GanbenchError(
                f"the critic sees {program.pack} samples as one, and was given {len(x)}: give it a multiple."
            )
        play = self._open_play({}, self._effective_critic, labels)
        return play.score(play.pack(self._move(x))).cpu()

    @property
    def program(self) -> Program:
        """The program of this member, its schedules at the snapshot; the next step of the training sets its own."""
        return self.training.program_of(self.snapshot.members[self.row], self.progress)

    @property
    def progress(self) -> float:
        """The progress at the last step before the snapshot."""
        return (self.snapshot.step - 1) / self.training.budget.generator_steps

    @cached_property
    def _effective_critic(self) -> Parameters:
        """The critic's parameters after reparametrisation, from the states at the snapshot."""
        state = {plugin: self.pick(tensors) for plugin, tensors in self.snapshot.state.items()}
        return reparametrise(self.program, self.critic_parameters, dict(state))

    def _require_labels(self, player: str, labels: Tensor | None) -> None:
        if takes_labels(self.networks, player) and labels is None:
            raise GanbenchError(f"this {player} is conditional: give the labels [n] as the second argument.")

    def _open_play(self, g: Parameters, d: Parameters, labels: Tensor | None) -> Play:
        buffers = {player: self.pick(tensors) for player, tensors in self.snapshot.ensemble.buffers.items()}
        progress = torch.tensor(self.progress, device=self.training.device, dtype=self.training.dtype)
        labels = None if labels is None else labels.to(self.training.device)
        return open_play(self.program, self.networks, buffers, g, d, progress, labels)

    def _move(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.training.device, self.training.dtype)

    def pick(self, stacked: Stacked) -> Parameters:
        """Return this member's part of stacked tensors."""
        return {name: tensor.detach()[self.row] for name, tensor in stacked.items()}
