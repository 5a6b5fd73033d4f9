"""The cost until the first snapshot that meets a success rule."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from ganbench.statistics.reaching_costs import reaching_costs

from tests.support.trials_by_hand import Success, record, results, scores, trial

INF = math.inf


def test_a_trial_has_cost_its_share_of_steps_at_the_first_snapshot_that_meets_the_threshold(tmp_path: Path) -> None:
    """Two snapshots, at 50 and 100 of 100 steps; 500 critic and 100 generator updates, batches of 32."""
    records = [
        record(trial(seed=0), [5, 50]),
        record(trial(seed=1), [50, 5]),
        record(trial(seed=2), [50, 50]),
        record(trial(seed=3), [5, math.nan]),
        record(trial(seed=4), [5, 5], diverged_at=7),
        record(trial(seed=5), status="failed"),
        record(trial(seed=6), [10, 5]),
    ]
    frames = results(tmp_path, records)
    assert reaching_costs(frames, Success())["cost"].tolist() == [300, 600, INF, INF, INF, INF, 600]
    for unit, cost in (("generator_steps", 50), ("samples", 500 * 32 / 2)):
        assert reaching_costs(frames, Success(), unit=unit)["cost"].iloc[0] == pytest.approx(cost)


def test_a_cost_that_was_not_counted_is_not_known(tmp_path: Path) -> None:
    frames = results(tmp_path, [record(trial(seed=0), [5, 5]), record(trial(seed=1), [50, 50])])
    costs = reaching_costs(frames, Success(), unit="flops")["cost"].tolist()
    assert math.isnan(costs[0])
    assert costs[1] == INF


def test_a_condition_must_hold_at_the_same_snapshot(tmp_path: Path) -> None:
    """FID is met at both snapshots; recall > .5 at the second one only, or never."""
    records = [
        record(trial(seed=seed), scores=(*scores("fid", [5, 5]), *scores("recall", recall, "higher", "r" * 64)))
        for seed, recall in enumerate([[0.1, 0.9], [0.9, 0.1], [0.1, 0.1]])
    ]
    frames = results(tmp_path, records)
    assert reaching_costs(frames, Success(condition="recall > 0.5"))["cost"].tolist() == [600, 300, INF]
    alone = Success(metric=None, thresholds=(), primary=None, condition="recall > 0.5")
    assert reaching_costs(frames, alone)["cost"].tolist() == [600, 300, INF]
