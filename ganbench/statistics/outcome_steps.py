"""The generator steps at which the outcomes of many trials began, as their series are added, block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganbench.evaluation import outcome_blocks
from ganbench.evaluation.outcome_blocks import Steps, Values
from ganbench.evaluation.outcomes import (
    LEAST_LOSS,
    LEAST_WEIGHT,
    OUTCOMES,
    RECONSTRUCTION,
    SIGNS,
    Series,
    Thresholds,
    find_no_reconstruction,
)

if TYPE_CHECKING:
    from ganbench.api.metrics import Direction

LOSS, WEIGHTS, GRADIENT = "loss.", "weights.", "gradient.generator"
"""The signals that outcomes are read from: those whose names begin so, and that of this name."""


class OutcomeSteps:
    """The outcomes of recorded trials [n]: a row of `trials` for each; `numbers` [n] are theirs (`Frames.numbers`).

    There are `count` numbers. Of several series (both losses, both players' weights) the earliest step counts. An
    outcome is NaN until a series that it needs was added, and inf if it never began.
    """

    def __init__(self, trials: pd.DataFrame, numbers: NDArray[np.intp], count: int, limits: Thresholds) -> None:
        self.limits = limits
        self.places = np.full(count + 1, -1)  # the last place is for -1, the number of no trial
        self.places[numbers] = np.arange(len(trials))
        self.index = pd.Index(trials["key"].to_numpy())
        self.budgets = trials["generator_steps"].to_numpy()
        self.steps = {name: np.full(len(trials), np.nan) for name in OUTCOMES}
        self.reconstructions: dict[int, dict[str, Series]] = {}
        ratio = (trials["critic_updates"] + trials["generator_updates"]) / trials["generator_updates"]
        diverged_at = trials["diverged_at"].to_numpy()
        began = np.maximum(1.0, np.ceil(diverged_at / ratio.where(np.isfinite(ratio), 1.0).to_numpy(float)))
        self.steps["non-finite"] = np.where(diverged_at < 0, np.inf, began)

    def note(self, outcome: str, places: NDArray[np.intp], began: Values) -> None:
        """Note when an outcome began in series of the trials at these places, each of which occurs once."""
        known = places >= 0
        held = self.steps[outcome]
        held[places[known]] = np.fmin(held[places[known]], began[known])

    def add_signal(self, name: str, numbers: NDArray[np.intp], steps: Steps, values: Values) -> None:
        """Add a block of one signal; `numbers` [n] are those of its trials."""
        places, limits = self.places[numbers], self.limits
        if name.startswith(LOSS):
            self.note("exploded", places, outcome_blocks.find_explosions(steps, values, limits.exploded, LEAST_LOSS))
            self.note("oscillating", places, self.find_oscillations(steps, values))
        elif name.startswith(WEIGHTS):
            self.note("exploded", places, outcome_blocks.find_explosions(steps, values, limits.exploded, LEAST_WEIGHT))
        elif name == GRADIENT:
            self.note("critic-dead", places, outcome_blocks.steps_from_which(steps, values < limits.critic_dead))
        elif name in RECONSTRUCTION:
            for place, own_steps, own_values in zip(places.tolist(), steps, values, strict=True):
                self.reconstructions.setdefault(place, {})[name] = own_steps, own_values

    def find_oscillations(self, steps: Steps, values: Values) -> Values:
        """Return when each of these series began to oscillate; NaN where they are too short to show it."""
        if values.shape[1] < outcome_blocks.LEAST_POINTS:
            return np.full(len(values), np.nan)
        return outcome_blocks.find_oscillations(steps, values, self.limits.oscillating, self.limits.periods)

    def add_spread(self, numbers: NDArray[np.intp], steps: Steps, values: Values) -> None:
        """Add a block of spreads; where none is finite, nothing is known."""
        known = np.isfinite(values).any(axis=1)
        began = outcome_blocks.steps_from_which(steps, values < self.limits.collapsed)
        self.note("collapsed", np.where(known, self.places[numbers], -1), began)

    def add_metric(self, direction: Direction, numbers: NDArray[np.intp], steps: Steps, values: Values) -> None:
        """Add a block of headline metrics with this better direction."""
        places, factor = self.places[numbers], self.limits.degraded
        self.note("degraded", places, outcome_blocks.find_degradations(steps, values, SIGNS[direction], factor))
        self.note("oscillating", places, self.find_oscillations(steps, values))

    def finish(self) -> pd.DataFrame:
        """Return the table of all that was added: a row for each trial, and a column for each of OUTCOMES."""
        for place, found in self.reconstructions.items():
            if place >= 0 and all(name in found for name in RECONSTRUCTION):
                error, mean_image = (found[name] for name in RECONSTRUCTION)
                began = find_no_reconstruction(error, mean_image, int(self.budgets[place]))
                self.steps["no-reconstruction"][place] = np.inf if began is None else began
        return pd.DataFrame(self.steps, index=self.index)
