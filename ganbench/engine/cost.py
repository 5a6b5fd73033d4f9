"""The cost of an update of each player, in floating-point operations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import combinations
from typing import TYPE_CHECKING

from ganbench.engine.program import Program

if TYPE_CHECKING:
    from ganbench.engine.train import Training


def count_update_flops(training: Training) -> Mapping[str, float]:
    """Return the mean FLOPs of an update of each player, for one member, before the training has begun.

    It is the mean over the stages, weighted by their share of the steps, and over the cycle of the lazy terms.
    """
    mean_flops = dict.fromkeys(("critic", "generator"), 0.0)
    total_share = sum(ensemble.networks.share for ensemble in training.ensembles)
    for stage, ensemble in enumerate(training.ensembles):
        game, inputs = training.open_game(ensemble, None), training.open_inputs(ensemble.networks, stage)
        for player in game.optimizers:
            step_inputs = inputs[player].next()
            for due, frequency in due_frequencies(training.program):
                share = ensemble.networks.share / total_share
                mean_flops[player] += share * float(frequency) * game.count_flops(player, due, step_inputs)
    return mean_flops


def due_frequencies(program: Program) -> Iterator[tuple[frozenset[str], Fraction]]:
    """Yield each set of terms that are due together, and in which part of the updates exactly these are due.

    Terms of `every` a, b, ... are all due in one of lcm(a, b, ...) updates, others among them or not; the principle of
    inclusion and exclusion takes out the updates in which others are due as well.
    """
    periods = sorted({link.part.every for link in program.terms})
    subsets = [frozenset(subset) for k in range(len(periods) + 1) for subset in combinations(periods, k)]
    for chosen in subsets:
        larger = (subset for subset in subsets if chosen <= subset)
        frequency = sum(Fraction((-1) ** (len(subset) - len(chosen)), math.lcm(*subset)) for subset in larger)
        if frequency > 0:
            yield frozenset(link.name for link in program.terms if link.part.every in chosen), Fraction(frequency)
