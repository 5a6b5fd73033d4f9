"""Cautions on averages of the generator's weights that are too long for their runs."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10

from ganbench.api.trials import Batch

INITIAL_SHARE = 0.05
"""The largest share of the initial weights in an average that goes without a caution.

An average of decay d over T steps has d^T of them, 5% at three time constants, T = 3 / (1 - d)."""


def find_long_averages(batches: Sequence[Batch]) -> dict[str, list[str]]:
    """Return a caution for each average that is too long for its run, with the methods that it concerns.

    A method's shortest run counts.
    """
    shortest: dict[str, tuple[int, float]] = {}
    for trial in (batch.trials[0] for batch in batches):
        run, label = (trial.budget.generator_steps, trial.recipe.ema), trial.labels["method"]
        shortest[label] = min(run, shortest.get(label, run))
    cautions: dict[str, list[str]] = {}
    for label, (steps, decay) in shortest.items():
        if (share := decay**steps) > INITIAL_SHARE:
            cautions.setdefault(describe_long_average(decay, steps, share), []).append(label)
    return cautions


def describe_long_average(decay: float, steps: int, share: float) -> str:
    """Return the caution for an average of so many steps that holds this share of the initial weights."""
    step = 3 / steps
    rounded = ceil(step / (unit := 10.0 ** floor(log10(step)))) * unit
    way_out = (
        f"Use ema = {1 - rounded:.12g} or less, or train longer." if rounded < 1 else "Use no ema, or train longer."
    )
    plural = "s" * (steps != 1)
    return (
        f"with ema = {decay:.12g} over {steps} generator step{plural}, {share:.0%} of what is scored is the initial "
        f"generator. {way_out}"
    )
