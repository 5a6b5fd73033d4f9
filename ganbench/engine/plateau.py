"""Smaller updates once a signal has stopped falling: each member's own, as a learning rate reduced on a plateau.

A stack has one optimizer for all members, so not the learning rate is scaled but each member's update: the optimizer
steps, and the weights go only a share of the way. This is the same where a step is proportional to the learning rate,
as in SGD, RMSprop, Adam and AdamW.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ganbench.engine.ensemble import Ensemble, Stacked
from ganbench.errors import GanbenchError

NAME = "plateau"
"""The name of its state, so its signals are `plateau.factor` and so on."""


def initial_state(members: int, device: torch.device, dtype: torch.dtype) -> Stacked:
    """Return the state [S] before the first step: the share of an update, the signal and its best, and the wait."""

    def full(value: float) -> Tensor:
        return torch.full((members,), value, device=device, dtype=dtype)

    return {"factor": full(1.0), "smooth": full(torch.nan), "best": full(torch.inf), "wait": full(0.0)}


class Plateau:
    """The plateau of every member: how far its updates go, by the course of a signal.

    `settings` are those of `api.schedules.normalise_plateau`, `states` the states of the plugins by name.
    """

    def __init__(
        self, settings: Mapping[str, Any], states: Mapping[str, Mapping[str, Tensor]], ensemble: Ensemble
    ) -> None:
        self.settings, self.states, self.ensemble = settings, states, ensemble
        plugin, _, leaf = settings["signal"].rpartition(".")
        signals = [f"{name}.{x}" for name, state in states.items() for x, v in state.items() if v.dim() == 1]
        if leaf not in states.get(plugin, {}) or states[plugin][leaf].dim() != 1:
            known = [name for name in signals if not name.startswith(f"{NAME}.")]
            raise GanbenchError(
                f"plateau: no plugin of this method has the signal {settings['signal']!r} in its state. There "
                f"{'is ' + ', '.join(known) if known else 'is none'}. Choose one of them, or write plateau = false."
            )
        self.source = plugin, leaf

    @contextmanager
    def scaled(self, player: str) -> Iterator[None]:
        """Let what is done to a player's weights inside go only each member's share of the way."""
        weights = list(self.ensemble.detached[player].values())
        before = [p.clone() for p in weights]
        yield
        factor = self.states[NAME]["factor"]
        for p, old in zip(weights, before, strict=True):
            p.copy_(torch.lerp(old, p, factor.to(p.dtype).reshape(-1, *(1 for _ in p.shape[1:]))))

    def follow(self) -> None:
        """Read the signal after a generator step; after `patience` of them without a new minimum, scale the factor."""
        state, settings = self.states[NAME], self.settings
        value = self.states[self.source[0]][self.source[1]]
        smooth, share = state["smooth"], 1 - settings["smoothing"]
        smooth.copy_(torch.where(smooth.isnan(), value, torch.lerp(smooth, value, share)))
        better = smooth < state["best"]
        state["best"].copy_(torch.where(better, smooth, state["best"]))
        wait = (state["wait"] + 1).masked_fill(better, 0.0)
        reduced = wait >= settings["patience"]
        least = state["factor"].clamp(max=settings["least"])
        lower = torch.maximum(state["factor"] * settings["factor"], least)
        state["factor"].copy_(torch.where(reduced, lower, state["factor"]))
        state["wait"].copy_(wait.masked_fill(reduced, 0.0))
