"""The losses of one trained member on a batch of its own, as pure functions of both players' parameters: for probes."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ganbench.api.training import Parameters
from ganbench.engine.functional import map_leaves
from ganbench.engine.labels import uses_labels
from ganbench.engine.member_losses import MemberLosses, reparametrise
from ganbench.engine.model import Model
from ganbench.engine.play import Play
from ganbench.engine.program import Link, Program
from ganbench.engine.step_inputs import StepInputs
from ganbench.errors import GanbenchError

PROBE = "probe"
"""The streams of probes are their own, so nothing of the training changes, and two reads are equal."""


@dataclass(frozen=True, kw_only=True)
class ProbeStep:
    """The implementation of `ganbench.api.metrics.ProbeStep`: the losses of one member on one batch."""

    losses: MemberLosses
    device: torch.device

    def critic(self, g: Parameters, d: Parameters) -> Tensor:
        """Return the critic's loss with all its terms, a scalar."""
        return self._loss("critic", g, d, self.losses.due)

    def generator(self, g: Parameters, d: Parameters) -> Tensor:
        """Return the generator's loss with all its terms, a scalar."""
        return self._loss("generator", g, d, self.losses.due)

    def objective(self, player: str, g: Parameters, d: Parameters) -> Tensor:
        """Return a player's loss without any term, a scalar."""
        return self._loss(player, g, d, frozenset())

    def play(self, g: Parameters, d: Parameters) -> Any:  # its fields are attributes that mypy does not see
        """Return what terms see of this batch, with the players at these parameters."""
        losses = self.losses
        d = reparametrise(losses.program, self._move(d), dict(losses.state))
        return Play(
            losses.program,
            losses.networks,
            losses.buffers,
            self._move(g),
            d,
            losses.step_inputs,
            losses.progress,
            joint=True,
            stage_progress=losses.stage_progress,
        )

    def _loss(self, player: str, g: Parameters, d: Parameters, due: frozenset[str]) -> Tensor:
        loss: Tensor = getattr(replace(self.losses, due=due), player)(self._move(g), self._move(d))[0]
        return loss

    def _move(self, parameters: Parameters) -> Parameters:
        return {name: tensor.to(self.device) for name, tensor in parameters.items()}


def open_step(model: Model, number: int = 0, real: Tensor | None = None, labels: Tensor | None = None) -> ProbeStep:
    """Return the losses of a model on batch `number` of its probes; `real` [n, *shape] replaces the training data.

    The batch is drawn as that of a training step. Lazy terms count at each call, with their weight on average. The
    states of plugins are those of the snapshot, and are never changed. Raise GanbenchError without a critic, and for
    networks that take labels if `real` comes without `labels`.
    """
    training, snapshot = model.training, model.snapshot
    if not snapshot.critic_trained:
        raise GanbenchError("there is no critic: only generators are stored. Measure it while the trials train.")
    inputs = draw_inputs(model, number)
    if real is not None:
        inputs["real"] = real.to(training.device, training.dtype)
        if uses_labels(model.networks, training.program):
            if labels is None:
                raise GanbenchError(f"dataset: it has no labels of held-out samples, which {model.networks} need.")
            inputs["labels"] = labels.to(training.device)
    buffers = {player: model.pick(tensors) for player, tensors in snapshot.ensemble.buffers.items()}
    program = average_terms(model.program)
    losses = MemberLosses(
        program=program,
        networks=model.networks,
        buffers=buffers,
        step_inputs=inputs,
        state={plugin: model.pick(tensors) for plugin, tensors in snapshot.state.items()},
        progress=torch.tensor(model.progress, device=training.device, dtype=training.dtype),
        due=frozenset(link.name for link in program.terms),
        stage_progress=snapshot.ensemble.stage_progress,
    )
    return ProbeStep(losses=losses, device=training.device)


def draw_inputs(model: Model, number: int) -> dict[str, Any]:
    """Return the inputs of step `number` of a member's own stream of probes, every leaf without the seed axis."""
    training = model.training
    members = [training.members[model.snapshot.members[model.row]]]
    data = copy(training.data)
    data.members = members
    networks = model.networks
    streams = StepInputs(training.program, networks, data, members, PROBE, training.sample_shape(networks))
    streams.steps_drawn = number
    inputs: Mapping[str, Any] = map_leaves(lambda leaf: leaf.squeeze(0), streams.next())
    return dict(inputs)


def average_terms(program: Program) -> Program:
    """Return a program whose lazy terms count at every update, with their weight on average, in full precision."""

    def at_every_update(links: tuple[Link, ...]) -> tuple[Link, ...]:
        return tuple(Link(link.name, link.weight, replace(link.part, every=1)) for link in links)

    return replace(
        program,
        constraints=at_every_update(program.constraints),
        inputs=at_every_update(program.inputs),
        precision="float32",
    )
