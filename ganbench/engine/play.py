"""The values of one step of one member that losses and terms read, each computed when it is first read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ganbench.api.models import Networks
from ganbench.api.training import CriticFunction, Parameters, identity
from ganbench.engine.functional import call_module, map_leaves
from ganbench.engine.labels import fit_labels, takes_labels
from ganbench.engine.program import Program
from ganbench.engine.rounding import rounding
from ganbench.errors import GanbenchError


class lazy:
    """An attribute that is computed once.

    It replaces `functools.cached_property`, whose lock torch.compile cannot trace.
    """

    def __init__(self, compute: Callable[[Any], Any]) -> None:
        self.compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, play: Any, owner: type) -> Any:
        value = play.__dict__[self.name] = self.compute(play)
        return value


class Play:
    """The implementation of `ganbench.Play`: one step of one member on one batch.

    `g` and `d` are the players' parameters (`d` after reparametrisation), `buffers` their buffers by player.
    `step_inputs` has the keys `real`, `labels`, `latent` (by name), `views` and `draws`. With `joint`, both real and
    fake samples will be scored, so a rowwise critic scores them in one call. `stage_progress` is the progress of the
    stage of a growing network; by default the progress of the run.
    """

    def __init__(
        self,
        program: Program,
        networks: Networks,
        buffers: Mapping[str, Parameters],
        g: Parameters,
        d: Parameters,
        step_inputs: Mapping[str, Any],
        progress: Tensor,
        joint: bool,
        stage_progress: Tensor | None = None,
    ) -> None:
        self.program, self.networks, self.buffers = program, networks, buffers
        self.generator_parameters, self.critic_parameters = g, d
        self.step_inputs, self.progress = step_inputs, progress
        self.stage_progress = progress if stage_progress is None else stage_progress
        self.joint = joint and networks.rowwise and not program.wraps
        self.draws: Mapping[str, Tensor] = {}

    # the players

    def generator(self, z: Tensor) -> Tensor:
        """Return the generator's samples for z, before any view."""
        return self._call(self.networks.generator, "generator", self.generator_parameters, z)

    def answers(self, x: Tensor) -> Mapping[str, Tensor]:
        """Return every answer of the critic to x, by name."""
        if self.networks.critic is None:
            return {}
        answers = self._call(self.networks.critic, "critic", self.critic_parameters, x)
        return {"score": answers} if isinstance(answers, Tensor) else answers

    def critic(self, x: Tensor) -> Tensor:
        """Return the value whose gradient is penalised, [n]."""
        scores = self.score(x)
        witness = self.program.objective.witness
        return scores if witness is identity else witness(scores, self.scores_real, self.scores_fake)

    def _call(self, module: nn.Module, player: str, parameters: Parameters, x: Tensor) -> Any:
        """Return a network's answer to x, in the dtype of x whatever the precision of its products."""
        if self.program.precision != "bf16" or x.device.type == "meta":
            return self._call_plainly(module, player, parameters, x)
        with rounding(x.device.type):
            answers = self._call_plainly(module, player, parameters, x)
        return map_leaves(lambda answer: answer.to(x.dtype), answers)

    def _call_plainly(self, module: nn.Module, player: str, parameters: Parameters, x: Tensor) -> Any:
        tensors = {**parameters, **self.buffers[player]}
        if takes_labels(self.networks, player):
            assert self.labels is not None
            return call_module(module, tensors, x, fit_labels(self.labels, len(x)))
        return call_module(module, tensors, x)

    def _read_answer(self, answers: Mapping[str, Tensor], x: Tensor) -> Tensor:
        objective = self.program.objective
        if objective.head is None:
            return objective.read(None, x)
        if objective.head not in answers:
            raise GanbenchError(
                f"the loss reads the critic's answer {objective.head!r}, but this architecture's critic returns only "
                f"{', '.join(sorted(answers))}. Choose an architecture that returns it, or another loss."
            )
        return objective.read(answers[objective.head], x)

    def score(self, x: Tensor) -> Tensor:
        """Return what the loss reads for x, [n] for most losses, by the critic as the constraints wrap it."""

        def score(y: Tensor) -> Tensor:
            return self._read_answer(self.answers(y), y)

        function: CriticFunction = score
        for wrap in self.program.wraps:
            function = wrap(function)
        return function(x)

    # the inputs of the players

    @lazy
    def codes(self) -> Mapping[str, Tensor]:
        """Return the latent codes that inputs added, by name."""
        return {name: part for name, part in self.step_inputs["latent"].items() if name != "noise"}

    @lazy
    def latent(self) -> Tensor:
        """Return the whole input of the generator, [n, width]."""
        parts = [part.flatten(1) for part in self.step_inputs["latent"].values()]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    @lazy
    def labels(self) -> Tensor | None:
        """Return the labels of the real samples, [n], which condition the networks; None if nothing uses them."""
        return self.step_inputs.get("labels")

    @lazy
    def real(self) -> Tensor:
        """Return the real samples as the critic sees them, [n, *data]."""
        x = self.step_inputs["real"]
        prepare = self.networks.prepare
        return self._apply_views(x if prepare is None else prepare(x, self.stage_progress), "real")

    @lazy
    def fake(self) -> Tensor:
        """Return the generated samples as the critic sees them, [n, *data]."""
        return self._apply_views(self.generator(self.latent), "fake")

    def _apply_views(self, x: Tensor, side: str) -> Tensor:
        for link in self.program.inputs:
            if link.part.view is not None:
                x = link.part.view(x, self.step_inputs["views"][link.name][side], self.progress)
        return self.pack(x)

    def pack(self, x: Tensor) -> Tensor:
        """Return samples [n * m, c, ...] as the critic's inputs, m samples in one: [n, m * c, ...]."""
        pack = self.program.pack
        if pack == 1:
            return x
        return x.reshape(x.shape[0] // pack, pack * x.shape[1], *x.shape[2:])

    # the critic's answers

    @lazy
    def _joint_answers(self) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        n = self.real.shape[0]
        answers = self.answers(torch.cat([self.real, self.fake]))
        return {k: a[:n] for k, a in answers.items()}, {k: a[n:] for k, a in answers.items()}

    @lazy
    def answers_real(self) -> Mapping[str, Tensor]:
        """Return every answer of the critic to the real samples, by name."""
        return self._joint_answers[0] if self.joint else self.answers(self.real)

    @lazy
    def answers_fake(self) -> Mapping[str, Tensor]:
        """Return every answer of the critic to the generated samples, by name."""
        return self._joint_answers[1] if self.joint else self.answers(self.fake)

    @lazy
    def scores_real(self) -> Tensor:
        """Return what the loss reads for the real samples."""
        return self.score(self.real) if self.program.wraps else self._read_answer(self.answers_real, self.real)

    @lazy
    def scores_fake(self) -> Tensor:
        """Return what the loss reads for the generated samples."""
        return self.score(self.fake) if self.program.wraps else self._read_answer(self.answers_fake, self.fake)


def open_play(
    program: Program,
    networks: Networks,
    buffers: Mapping[str, Parameters],
    g: Parameters,
    d: Parameters,
    progress: Tensor,
    labels: Tensor | None = None,
) -> Play:
    """Return the play of no batch: its players can be called, with these labels if the networks are conditional.

    They compute in full precision, also where training does not.
    """
    program = program if program.precision == "float32" else replace(program, precision="float32")
    return Play(program, networks, buffers, g, d, {"labels": labels}, progress, joint=False)
