"""The outcomes of a trial: for each, a pure function of a series that returns the generator step at which it began.

A series is (generator steps, values), both in the order of time. None means that the outcome never occurred. In every
table, diverged means non-finite or exploded: both last from their first step to the end, regardless of later values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ganbench.api.metrics import Direction
from ganbench.api.trials import digest
from ganbench.evaluation import outcome_blocks

Series = tuple[Sequence[int] | NDArray[np.int64], Sequence[float] | NDArray[np.float64]]

OUTCOMES = ("non-finite", "exploded", "collapsed", "degraded", "critic-dead", "oscillating", "no-reconstruction")

RARE = ("no-reconstruction",)
"""The outcomes of few methods: tables leave them out where nothing is known of them."""

RECONSTRUCTION = ("objective.error", "objective.mean_image")
"""The signals of a critic that reconstructs: its error on real samples, and that of their mean image in its place."""

FIRST_TENTH = 0.1
"""The share of the generator steps after which a critic must reconstruct better than the mean image."""

SPREAD = "spread"
"""The score that shows collapse: mean distance of two samples over that of two real ones (`scoring.score_spread`)."""

SPREAD_SAMPLES = 256
"""The most samples that the spread is measured on: 32,640 pairs, so its standard error is a few percent."""

SPREAD_VERSION = 1
"""Increased when the measurement of the spread changes; part of the hash of its measurement."""

LEAST_LOSS, LEAST_WEIGHT = 1.0, 0.01
"""The smallest initial values that an explosion is measured from: a Wasserstein loss, or weights, may start at 0."""

SIGNS: Mapping[Direction, int] = MappingProxyType({"lower": 1, "higher": -1})
"""1 where lower is better, and -1 where higher is."""


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """The thresholds of the outcomes; a suite's table [outcomes] may change them.

    `exploded`: a loss or the RMS of a player's weights exceeds this many times its initial value.
    `collapsed`: the spread is below this share of the data's.
    `degraded`: the headline metric ends worse than its best value by more than this factor.
    `critic_dead`: the norm of the generator's gradient is below this.
    `oscillating`: the autocorrelation of a loss or of the headline metric at its period is at least this.
    `periods`: the smallest number of periods of an oscillation.
    """

    exploded: float = 1e4
    collapsed: float = 0.05
    degraded: float = 1.5
    critic_dead: float = 1e-8
    oscillating: float = 0.5
    periods: int = 3


DEFAULT = Thresholds()


def find_non_finite(diverged_at: int, updates_per_step: float = 1.0) -> int | None:
    """Return the generator step of the optimizer step `diverged_at`, at which a loss or a weight became non-finite.

    `diverged_at` is -1 if that never happened. `updates_per_step` is the number of optimizer steps of both players per
    generator step. If a schedule changes it, it is the mean, and the returned step is approximate.
    """
    return None if diverged_at < 0 else max(1, ceil(diverged_at / updates_per_step))


def find_explosion(series: Series, times: float = DEFAULT.exploded, least: float = LEAST_LOSS) -> int | None:
    """Return the first step at which the absolute value exceeds `times` its initial value.

    An initial value below `least` counts as `least`. None also if the series is empty or begins with NaN.
    """
    return name_step(outcome_blocks.find_explosions(*as_block(series), times, least))


def find_collapse(spread: Series, share: float = DEFAULT.collapsed) -> int | None:
    """Return the step from which on, to the end, the spread is below this share of the data's mean distance."""
    steps, values = as_block(spread)
    return name_step(outcome_blocks.steps_from_which(steps, values < share))


def find_degradation(metric: Series, direction: Direction, factor: float = DEFAULT.degraded) -> int | None:
    """Return the step from which on, to the end, a metric is worse than its earlier best by more than this factor.

    If lower is better, worse means above factor * best; if higher is better, below best / factor. A value that is not
    finite is worse than any other. None if the best is 0 or less, since no factor applies to it, and for a neutral
    metric.
    """
    if direction == "neutral":
        return None
    return name_step(outcome_blocks.find_degradations(*as_block(metric), SIGNS[direction], factor))


def find_dead_critic(gradient: Series, under: float = DEFAULT.critic_dead) -> int | None:
    """Return the step from which on, to the end, the generator's gradient has a norm below `under`: it learns nothing.

    A game that has converged to a point has no gradient either; the metrics distinguish the two cases.
    """
    steps, values = as_block(gradient)
    return name_step(outcome_blocks.steps_from_which(steps, values < under))


def find_oscillation(series: Series, peak: float = DEFAULT.oscillating, periods: int = DEFAULT.periods) -> int | None:
    """Return the step at which `periods` periods of an oscillation have passed.

    A straight line is subtracted from the series first. The period is the lag of the highest peak of its
    autocorrelation, at most the length over `periods`. The autocorrelation must reach `peak` there, and -`peak`/2 at a
    smaller lag: a series whose level wanders has no such trough. None if the series has fewer values than
    `outcome_blocks.LEAST_POINTS`, or one that is not finite.
    """
    return name_step(outcome_blocks.find_oscillations(*as_block(series), peak, periods))


def find_no_reconstruction(error: Series, mean_image: Series, generator_steps: int) -> int | None:
    """Return the first stored step after a tenth of all generator steps, if the critic fails to reconstruct there.

    It fails if its error on real samples is not at most that of their mean image, so an error of NaN fails too.
    """
    at = int(np.searchsorted(error[0], FIRST_TENTH * generator_steps))
    fails = at < len(error[0]) and not error[1][at] <= mean_image[1][at]
    return int(error[0][at]) if fails else None


def spread_measurement(samples: int, *, standing: bool = False) -> str:
    """Return the hash of the measurement of the spread on this number of samples.

    `standing` is whether the generator's batch normalisation had standing statistics. The reference samples are not in
    it: outcomes are read from stored results, without the dataset, and the spread is divided by the reference's own.
    """
    return digest([SPREAD, SPREAD_VERSION, samples, *(["standing"] if standing else [])])


def as_block(series: Series) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return a series as a block of one: steps [1, t] and values [1, t]."""
    return np.asarray(series[0], np.int64)[None], np.asarray(series[1], float)[None]


def name_step(began: NDArray[np.float64]) -> int | None:
    """Return the step at which the outcome of a block of one began; None where it never did."""
    return int(began[0]) if np.isfinite(began[0]) else None


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """The series of a trial that its outcomes are computed from.

    `metric` is the series of the headline metric, `direction` its better direction. None for what was not stored.
    `generator_steps` is the budget.
    """

    diverged_at: int
    updates_per_step: float
    signals: Mapping[str, Series]
    spread: Series | None = None
    metric: Series | None = None
    direction: Direction = "neutral"
    generator_steps: int = 0


def outcome_steps(trajectory: Trajectory, limits: Thresholds = DEFAULT) -> dict[str, float]:
    """Return the generator step at which each of OUTCOMES began, by name.

    It is inf if the outcome never occurred, and NaN if the series that it needs was not stored. Of several series (both
    losses, both players' weights) the earliest step counts.
    """
    signals = trajectory.signals
    losses = [s for name, s in signals.items() if name.startswith("loss.")]
    weights = [s for name, s in signals.items() if name.startswith("weights.")]
    gradients = [signals["gradient.generator"]] if "gradient.generator" in signals else []
    spreads = [trajectory.spread] if trajectory.spread and np.isfinite(trajectory.spread[1]).any() else []
    error, mean_image = (signals.get(name) for name in RECONSTRUCTION)
    errors = [(error, mean_image)] if error and mean_image else []
    metrics = [trajectory.metric] if trajectory.metric and trajectory.direction != "neutral" else []
    steps: dict[str, list[int | None]] = {
        "non-finite": [find_non_finite(trajectory.diverged_at, trajectory.updates_per_step)],
        "exploded": [find_explosion(s, limits.exploded) for s in losses]
        + [find_explosion(s, limits.exploded, LEAST_WEIGHT) for s in weights],
        "collapsed": [find_collapse(s, limits.collapsed) for s in spreads],
        "degraded": [find_degradation(s, trajectory.direction, limits.degraded) for s in metrics],
        "critic-dead": [find_dead_critic(s, limits.critic_dead) for s in gradients],
        "oscillating": [find_oscillation(s, limits.oscillating, limits.periods) for s in losses + metrics],
        "no-reconstruction": [find_no_reconstruction(*pair, trajectory.generator_steps) for pair in errors],
    }
    return {name: earliest_step(series_steps) for name, series_steps in steps.items()}


def earliest_step(steps: Sequence[int | None]) -> float:
    """Return the smallest step; inf if all are None, NaN if there are none."""
    begun = [float(step) for step in steps if step is not None]
    return min(begun) if begun else float("inf" if steps else "nan")


def has_diverged(trajectory: Trajectory, limits: Thresholds = DEFAULT) -> bool:
    """Return whether a trial diverged, with the meaning of every table: non-finite or exploded."""
    steps = outcome_steps(trajectory, limits)
    return bool(np.isfinite(steps["non-finite"]) or np.isfinite(steps["exploded"]))
