"""What an update of each player costs in floating-point operations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ganbench.engine.train import Training


def count_update_flops(training: Training) -> Mapping[str, float]:
    """Count an update of each player before training: the mean over the stages by their share, and over lazy terms."""
    found = dict.fromkeys(("critic", "generator"), 0.0)
    whole = sum(ensemble.networks.share for ensemble in training.built)
    cycle = math.lcm(*(link.part.every for link in training.program.terms))
    for stage, ensemble in enumerate(training.built):
        game, chances = training.open_game(ensemble, None), training.open_inputs(ensemble.networks, stage)
        for player in game.optimizers:
            for count in range(cycle):
                game.taken[player] = count
                game.gradients(player, chances[player].next())
        for player, due in game.prices:
            often = sum(game.due(count) == due for count in range(cycle)) / cycle
            found[player] += ensemble.networks.share / whole * often * game.prices[player, due]
    return found
