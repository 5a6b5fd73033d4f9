"""The losses of one member on one batch, as pure functions of both players' parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ganbench.api.models import Networks
from ganbench.api.training import Parameters, State
from ganbench.engine.loss_errors import refuse_unpaired, require_number
from ganbench.engine.play import Play
from ganbench.engine.program import Program

Auxiliary = dict[str, Any]
"""The second return value of a loss.

`state` is the new state of every stateful plugin by name, `loss` the value, and `parts` what it was made of: the scores
that the critic's loss read, [n], and each term as it was added, a scalar. They are computed for the loss anyway.
"""


@dataclass(frozen=True)
class MemberLosses:
    """`ganbench.Losses` of one member on one batch: pure functions of both players' parameters."""

    program: Program
    networks: Networks
    buffers: Mapping[str, Parameters]
    step_inputs: Mapping[str, Any]
    state: Mapping[str, State]
    progress: Tensor
    due: frozenset[str]
    stage_progress: Tensor | None = None

    def critic(self, g: Parameters, d: Parameters) -> tuple[Tensor, Auxiliary]:
        """Return the critic's loss, a scalar, and the auxiliary values."""
        return self._loss("critic", g, d)

    def generator(self, g: Parameters, d: Parameters) -> tuple[Tensor, Auxiliary]:
        """Return the generator's loss, a scalar, and the auxiliary values."""
        return self._loss("generator", g, d)

    def _loss(self, player: str, g: Parameters, d: Parameters) -> tuple[Tensor, Auxiliary]:
        state, objective = dict(self.state), self.program.objective
        d = reparametrise(self.program, d, state)
        needs_both = player == "critic" or objective.paired
        play = Play(
            self.program,
            self.networks,
            self.buffers,
            g,
            d,
            self.step_inputs,
            self.progress,
            joint=needs_both,
            stage_progress=self.stage_progress,
        )
        scores = (play.scores_real if needs_both else None, play.scores_fake)
        try:
            value = call_with_state("objective", objective.init, getattr(objective, player), scores, state)
        except (TypeError, AttributeError) as error:
            if scores[0] is None:
                refuse_unpaired(error, __file__)
            raise
        require_number(value, self.program.loss_name, player)
        parts = name_scores(*scores) if player == "critic" else {}
        for link in self.program.terms:
            term = getattr(link.part, player)
            if term is not None and link.name in self.due:
                play.draws = self.step_inputs["draws"].get(link.name, {})
                extra = call_with_state(link.name, link.part.init, term, (play,), state)
                require_number(extra, repr(link.name), player)
                added = link.weight * link.part.every * extra
                value = value + added
                if player == "critic" or link.part.critic is None:
                    parts[f"term.{link.name}"] = added if isinstance(added, Tensor) else torch.full_like(value, added)
        return value, {"state": state, "loss": value, "parts": parts}


def name_scores(real: Any, fake: Any) -> dict[str, Tensor]:
    """Return by name what a loss reads, if it is one number for each sample, [n]; features have no mean of meaning."""
    seen = {"scores.real": real, "scores.fake": fake}
    return {name: scores for name, scores in seen.items() if isinstance(scores, Tensor) and scores.dim() == 1}


def reparametrise(program: Program, d: Parameters, state: dict[str, State]) -> Parameters:
    """Return the parameters with which one member's critic is called; store the constraints' new states in `state`."""
    for link in program.constraints:
        if link.part.reparametrise is not None:
            d = call_with_state(link.name, link.part.init, link.part.reparametrise, (d,), state)
    return d


def call_with_state(name: str, init: Any, function: Any, arguments: tuple[Any, ...], state: dict[str, State]) -> Any:
    """Call a plugin's function and store the state that it returns.

    A plugin with an `init` receives its state as the last argument and returns it last; one without has no state.
    """
    if init is None:
        return function(*arguments)
    value, state[name] = function(*arguments, state[name])
    return value
