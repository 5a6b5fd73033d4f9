"""The signals of a training: numbers about every member that describe how its game goes, at points of the run."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ganbench.engine.functional import member_norms
from ganbench.engine.step import Game

SignalTrace = Sequence[tuple[int, dict[str, Tensor]]]
"""The signals by name, [S] each, after each of some generator steps."""


@torch.no_grad()
def collect_signals(game: Game) -> dict[str, Tensor]:
    """Return the signals of all members by name, [S] each, on the device.

    - `loss.<player>`: the player's loss, with all its terms.
    - `scores.real` and `scores.fake`: the mean over the batch of what the loss reads, in the critic's last update. Only
      where the loss reads one number for each sample: scores, or energies.
    - `term.<name>`: a term as it is added to the loss, so times its weight and, for a lazy one, `every`. It is the
      critic's term, or the generator's if the critic has none. If it was not due, its last value.
    - `weights.<player>`: the root mean square of the player's parameters.
    - `gradient.generator`: the norm of the gradient in the generator's last update.
    - `<plugin>.<name>`: every scalar in the state of a plugin.

    So the critic's estimate of a Wasserstein distance is `scores.real` less `scores.fake`, without any penalty.
    """
    signals = {f"loss.{player}": value.clone() for player, value in game.losses.items()}
    signals |= {name: value.reshape(len(value), -1).mean(1) for name, value in game.parts.items()}
    players = game.ensemble.parameters
    for player, parameters in players.items():
        if parameters:
            count = sum(p[0].numel() for p in parameters.values())
            signals[f"weights.{player}"] = member_norms(parameters.values()) / count**0.5
    if gradients := [p.grad for p in players["generator"].values() if p.grad is not None]:
        signals["gradient.generator"] = member_norms(gradients)
    for name, state in game.state.items():
        signals |= {f"{name}.{leaf}": value.clone() for leaf, value in state.items() if value.dim() == 1}
    return signals


def stack_trace(trace: SignalTrace) -> dict[str, Tensor]:
    """Return every signal of a trace, [T, S] by name; NaN at points before its first value."""
    latest = trace[-1][1] if trace else {}
    return {
        name: torch.stack([signals.get(name, torch.full_like(value, torch.nan)) for _, signals in trace])
        for name, value in latest.items()
    }
