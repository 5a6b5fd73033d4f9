"""The cost of an update of each player, in floating-point operations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ganbench.engine.train import Training


def count_update_flops(training: Training) -> Mapping[str, float]:
    """Return the mean FLOPs of an update of each player, for one member, before the training has begun.

    It is the mean over the stages, weighted by their share of the steps, and over the cycle of the lazy terms.
    """
    mean_flops = dict.fromkeys(("critic", "generator"), 0.0)
    total_share = sum(ensemble.networks.share for ensemble in training.ensembles)
    cycle = math.lcm(*(link.part.every for link in training.program.terms))
    for stage, ensemble in enumerate(training.ensembles):
        game, inputs = training.open_game(ensemble, None), training.open_inputs(ensemble.networks, stage)
        for player in game.optimizers:
            for count in range(cycle):
                game.updates[player] = count
                game.gradients(player, inputs[player].next())
        for player, due in game.flops_per_update:
            frequency = sum(game.due(count) == due for count in range(cycle)) / cycle
            share = ensemble.networks.share / total_share
            mean_flops[player] += share * frequency * game.flops_per_update[player, due]
    return mean_flops
