"""What each statistic of the report page takes at 100,000 trials with ten scores each, in CPU seconds.

    make bench

A shared machine's wall clock says little, so the process's own time is held against the limit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from ganbench.results.contents import Contents
from ganbench.results.frames import TRIAL_COLUMNS, Frames
from ganbench.statistics import (
    factor_odds,
    factor_rates,
    paired_points,
    survival_table,
    sustained_rates,
    trajectory_quartiles,
    trial_outcomes,
    trial_scores,
)

from tests.support.trials_by_hand import Success

SECONDS = 3.0
METHODS, ARCHITECTURES, SEEDS, POINTS = 10, 1250, 8, 10
TRIALS = METHODS * ARCHITECTURES * SEEDS
RULE = Success(compare=(("m0", "m1"),))


def draw_trials(rng: np.random.Generator) -> pd.DataFrame:
    """Return a hundred thousand trials, of which one in ten diverges and one in fifty fails."""
    number = np.arange(TRIALS)
    diverged = rng.random(TRIALS) < 0.1
    ended = np.where(rng.random(TRIALS) < 0.02, "failed", "completed")
    columns = {
        "key": [f"{i:064x}" for i in number],
        "dataset": "ring",
        "architecture": [f"mlp-{i:08x}" for i in number // SEEDS % ARCHITECTURES],
        "method": [f"m{i}" for i in number // SEEDS // ARCHITECTURES],
        "seed": number % SEEDS,
        "status": np.where(diverged, "diverged", ended),
        "diverged_at": np.where(diverged, rng.integers(1, 6000, TRIALS), -1),
        "generator_steps": 1000,
        "critic_updates": 5000.0,
        "generator_updates": 1000.0,
        "seconds_train": rng.random(TRIALS),
    }
    return pd.DataFrame({name: columns.get(name, False) for name in TRIAL_COLUMNS})


@pytest.fixture(scope="module")
def frames() -> Frames:
    """Return results whose outcomes and final scores are computed already: every table of a page shares them."""
    rng = np.random.default_rng(0)
    trials = draw_trials(rng)
    rows = {
        "key": trials["key"].repeat(POINTS).reset_index(drop=True),
        "step": np.tile(np.arange(1, POINTS + 1) * 100, TRIALS),
        "value": rng.normal(10, 3, TRIALS * POINTS),
    }
    names = {"name": "fid", "direction": "lower", "measurement": "m" * 64, "samples": 500}
    series = pd.DataFrame({**rows, **names, "fresh": False})
    scores = pd.concat([series, series.iloc[::POINTS].assign(fresh=True)], ignore_index=True)
    signals = pd.DataFrame({**rows, "name": "gradient.critic"})[["key", "name", "step", "value"]]
    labels = trials["architecture"].drop_duplicates().tolist()
    factors = {f"depth-{i}": rng.integers(2, 6, ARCHITECTURES) for i in range(4)} | {"lr": rng.random(ARCHITECTURES)}
    table = pd.DataFrame({"dataset": "ring", "architecture": labels, "space": "s", "words": "w", **factors})
    contents = Contents(table, pd.DataFrame())
    found = Frames(trials=trials, scores=scores, signals=signals, read_contents=lambda: contents)
    trial_outcomes(found)
    trial_scores(found, "ring", "fid")
    return found


@pytest.mark.parametrize(
    "compute",
    [
        survival_table,
        lambda frames: trajectory_quartiles(frames, "ring", "fid", "scores"),
        lambda frames: trajectory_quartiles(frames, "ring", "gradient.critic", "signals"),
        lambda frames: sustained_rates(frames, RULE, last=(1, 2, 3)),
        lambda frames: factor_rates(frames, RULE),
        lambda frames: factor_odds(frames, RULE),
        lambda frames: paired_points(frames, replace(RULE, sustained=3), ("m0", "m1")),
    ],
    ids=["survival", "scores", "signals", "sustained", "factor_rates", "factor_odds", "paired_points"],
)
def test_a_statistic_of_a_hundred_thousand_trials(
    benchmark, frames: Frames, compute: Callable[[Frames], pd.DataFrame]
) -> None:
    seconds = []

    def measure() -> pd.DataFrame:
        start = time.process_time()
        table = compute(frames)
        seconds.append(time.process_time() - start)
        return table

    assert len(benchmark.pedantic(measure, rounds=2))
    benchmark.extra_info["cpu_seconds"] = seconds
    assert min(seconds) < SECONDS
