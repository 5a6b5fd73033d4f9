"""Cautions on averages of the generator's weights that are too long for their runs, or never begin."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10

from ganbench.api.schedules import AverageDecay
from ganbench.api.trials import Batch

INITIAL_SHARE = 0.05
"""The largest share of its first weights in an average that goes without a caution.

An average of decay d over T steps has d^T of them, 5% at three time constants, T = 3 / (1 - d)."""


def find_long_averages(batches: Sequence[Batch]) -> dict[str, list[str]]:
    """Return a caution for each average that is too long for its run, with the methods that it concerns.

    A method's shortest run counts.
    """
    shortest: dict[str, tuple[int, AverageDecay]] = {}
    for trial in (first for batch in batches for first in batch.firsts):
        recipe, label, steps = trial.recipe, trial.labels["method"], trial.budget.generator_steps
        if recipe.ema and (label not in shortest or steps < shortest[label][0]):
            shortest[label] = steps, AverageDecay(recipe.ema, recipe.ema_start, recipe.ema_rampup)
    cautions: dict[str, list[str]] = {}
    for label, (steps, average) in shortest.items():
        if not average.count_averaged(steps):
            cautions.setdefault(describe_no_average(average, steps), []).append(label)
        elif (share := average.share_of_first(steps)) > INITIAL_SHARE:
            cautions.setdefault(describe_long_average(average, steps, share), []).append(label)
    return cautions


def describe_no_average(average: AverageDecay, steps: int) -> str:
    """Return the caution for an average that does not begin within so many steps."""
    return (
        f"with ema_start = {average.start}, nothing is averaged in a run of {count_steps(steps)}: the weights "
        "themselves are scored. Start earlier, or train longer."
    )


def describe_long_average(average: AverageDecay, steps: int, share: float) -> str:
    """Return the caution for an average of so many steps that holds this share of its first weights."""
    step = 3 / average.count_averaged(steps)
    rounded = ceil(step / (unit := 10.0 ** floor(log10(step)))) * unit
    way_out = (
        f"Use ema = {1 - rounded:.12g} or less, or train longer." if rounded < 1 else "Use no ema, or train longer."
    )
    first = f"the generator at step {average.start}" if average.start else "the initial generator"
    if average.rampup:
        first, way_out = f"the generator at step {average.start + 1}", "Use a smaller ema_rampup, or train longer."
    settings = f"ema = {average.decay:.12g}"
    settings += f", ema_start = {average.start}" * bool(average.start)
    settings += f", ema_rampup = {average.rampup:.12g}" * bool(average.rampup)
    return f"with {settings} over {count_steps(steps)}, {share:.0%} of what is scored is {first}. {way_out}"


def count_steps(steps: int) -> str:
    """Return a number of generator steps in words."""
    return f"{steps} generator step{'s' * (steps != 1)}"
