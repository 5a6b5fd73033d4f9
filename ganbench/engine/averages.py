"""Copies of the weights that follow them: the averages that are evaluated, and the slow weights of lookahead."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ganbench.engine.ensemble import Ensemble, Stacked
from ganbench.engine.program import Program

Shares = tuple[tuple[str, float], ...]
"""The players whose averages follow the weights, each with the share of the way that its average goes."""


class Averages:
    """The averages of the players' weights in one stage, [S, ...] by name, and lookahead's slow weights.

    `generator` and `critic` are None where the recipe has no average. `slow` is empty without lookahead. The averages
    go on from those of the stage before, by name, as those of the authors of progressive growing do (Karras et al.
    2017), who average one network of all sizes; weights that are new begin as they are. Slow weights begin anew.
    """

    def __init__(self, program: Program, ensemble: Ensemble, before: Averages | None = None) -> None:
        self.program, self.ensemble = program, ensemble
        copies = {
            player: {name: p.clone() for name, p in ensemble.detached[player].items()}
            for player, decay in program.average_decays.items()
            if decay.decay
        }
        self.generator, self.critic = copies.get("generator"), copies.get("critic")
        for mine, earlier in ((self.generator, before.generator), (self.critic, before.critic)) if before else ():
            for name, value in (earlier or {}).items():
                assert mine is not None
                mine[name].copy_(value)
        self.slow: dict[str, Stacked] = {}
        if program.dynamics.lookahead is not None:
            self.slow = {
                player: {name: p.clone() for name, p in weights.items()}
                for player, weights in ensemble.detached.items()
            }

    def update(self, t: int) -> None:
        """Follow the weights after generator step number `t`: lookahead first, then the averages."""
        if self.slow:
            assert self.program.dynamics.lookahead is not None
            period, share = self.program.dynamics.lookahead
            if (t + 1) % period == 0:
                self._look_ahead(share)
        self.follow(self.find_shares(t))

    def find_shares(self, t: int) -> Shares:
        """Return the shares of the way that the averages go after generator step number `t`."""
        averages, decays = {"generator": self.generator, "critic": self.critic}, self.program.average_decays
        return tuple((player, 1 - decay(t)) for player, decay in decays.items() if averages[player])

    def is_steady(self, t: int) -> bool:
        """Return whether the averages go the same shares in the next step as in step `t`, and nothing looks ahead."""
        return not self.slow and self.find_shares(t) == self.find_shares(t + 1)

    def follow(self, shares: Shares) -> None:
        """Move the averages these shares of the way to the weights."""
        for player, share in shares:
            average = self.generator if player == "generator" else self.critic
            assert average is not None
            follow(average, self.ensemble.detached[player], share)

    def _look_ahead(self, share: float) -> None:
        """Move the slow weights of both players towards the weights, and set the weights to them."""
        for player, slow in self.slow.items():
            if slow:
                weights = self.ensemble.detached[player]
                follow(slow, weights, share)
                torch._foreach_copy_([weights[name] for name in slow], list(slow.values()))

    def iterate(self) -> Iterator[tuple[str, Tensor]]:
        """Yield every tensor with a name, as checkpoints have it."""
        for group, tensors in (("average", self.generator), ("critic_average", self.critic)):
            yield from ((f"{group}/{name}", tensor) for name, tensor in (tensors or {}).items())
        for player, slow in self.slow.items():
            yield from ((f"slow/{player}/{name}", tensor) for name, tensor in slow.items())


def follow(copies: Stacked, weights: Stacked, share: float) -> None:
    """Move copies this share of the way to the weights; with a share of 1 they become the same bits."""
    pair = list(copies.values()), [weights[name] for name in copies]
    if share < 1:
        torch._foreach_lerp_(*pair, share)
    else:
        torch._foreach_copy_(*pair)
