"""Quartiles of scores and signals along the training: whom they count, and how quickly at many trials."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from ganbench.errors import GanbenchError
from ganbench.results.frames import Frames
from ganbench.statistics.intervals import quantile
from ganbench.statistics.trajectories import trajectory_quartiles

from tests.support.trials_by_hand import record, results, scores, trial

INF, NAN = math.inf, math.nan
COLUMNS = ["method", "step", "seconds", "low", "median", "high", "n"]


def quartiles(
    frames: Frames, name: str = "fid", kind: str = "scores", **options: str
) -> dict[tuple[str, int], list[float]]:
    """Return low, median, high and n by method and step."""
    table = trajectory_quartiles(frames, "ring", name, kind, **options)  # type: ignore[arg-type]
    assert list(table.columns) == COLUMNS
    values = table[["low", "median", "high", "n"]].values.tolist()
    return dict(zip(zip(table["method"], table["step"], strict=True), values, strict=True))


@pytest.mark.parametrize("direction", ["lower", "higher"])
def test_the_quartiles_at_every_step_are_those_of_all_trials(tmp_path: Path, direction: str) -> None:
    series = [(9, 4), (7, 3), (8, 2), (6, 1), (5, 9), (3, 8)]
    records = [record(trial(seed=i), scores=tuple(scores("fid", fid, direction))) for i, fid in enumerate(series)]
    found = quartiles(results(tmp_path, records))
    for place, step in enumerate((50, 100)):
        values = [fid[place] for fid in series]
        assert found["a", step] == [*(quantile(values, q) for q in (0.25, 0.5, 0.75)), 6]


@pytest.mark.parametrize(("direction", "worst"), [("lower", INF), ("higher", -INF)])
def test_the_dead_count_as_worst_from_the_step_of_their_death(tmp_path: Path, direction: str, worst: float) -> None:
    """Four trials: one lives, one diverges in step 60, one fails after step 50, one fails at once; one is undefined."""
    values = tuple(scores("fid", [5, 5], direction))
    records = [
        record(trial(seed=0), scores=values),
        record(trial(seed=1), scores=values, diverged_at=360),  # of 600 updates in 100 steps
        record(trial(seed=2), scores=values[:1], status="failed"),
        record(trial(seed=3), status="timed-out"),
        record(trial(seed=4), scores=tuple(scores("fid", [5, NAN], direction))),
    ]
    found = quartiles(results(tmp_path, records))
    assert found["a", 50] == [5, 5, 5, 5]
    assert sorted(found["a", 100][:3], key=lambda value: value == worst) == [worst, worst, worst]
    one_dead = [*records[:1], record(trial(seed=5), scores=values), record(trial(seed=6), scores=values), records[3]]
    low, median, high, n = quartiles(results(tmp_path / "one", one_dead))["a", 100]
    assert (median, n) == (5, 4)
    assert sorted([low, high]) == sorted([5.0, worst])


def test_a_method_whose_trials_all_failed_has_the_steps_of_the_others_and_the_worst_scores(tmp_path: Path) -> None:
    records = [record(trial("a"), [3, 2]), record(trial("b"), status="failed")]
    found = quartiles(results(tmp_path, records))
    assert found["b", 50] == found["b", 100] == [INF, INF, INF, 1]


def test_a_neutral_score_and_a_signal_have_no_worst(tmp_path: Path) -> None:
    records = [
        record(
            trial(seed=i),
            scores=tuple(scores("norm", [value, NAN], "neutral")),
            signals={"loss.critic": ([1, 100], [value, NAN if i else 7.0])},
            diverged_at=10,
        )
        for i, value in enumerate([1.0, 2.0, 4.0])
    ]
    frames = results(tmp_path, records)
    assert quartiles(frames, "norm") == {("a", 50): [1.5, 2, 3, 3]}
    assert quartiles(frames, "loss.critic", "signals") == {("a", 1): [1.5, 2, 3, 3], ("a", 100): [7, 7, 7, 1]}


def test_seconds_are_the_training_time_spread_evenly_over_the_steps(tmp_path: Path) -> None:
    records = [record(trial(seed=i), [1, 1], seconds={"train": s, "evaluate": 1.0}) for i, s in enumerate((1, 2, 9))]
    table = trajectory_quartiles(results(tmp_path, records), "ring", "fid", "scores")
    assert table["seconds"].tolist() == pytest.approx([1.0, 2.0])


def test_fresh_scores_and_trials_of_other_datasets_are_not_in_a_course(tmp_path: Path) -> None:
    records = [record(trial(), [4, 2]), record(trial(dataset="grid"), [99, 99])]
    assert quartiles(results(tmp_path, records)) == {("a", 50): [4, 4, 4, 1], ("a", 100): [2, 2, 2, 1]}


def test_ways_of_measuring_are_never_mixed_and_what_was_not_measured_has_no_course(tmp_path: Path) -> None:
    two = (*scores("fid", [1.0], measurement="x"), *scores("fid", [5.0], measurement="y"))
    frames = results(tmp_path, [record(trial(), scores=two)])
    with pytest.raises(GanbenchError, match="measured in 2 ways"):
        quartiles(frames)
    assert quartiles(frames, measurement="y") == {("a", 50): [5, 5, 5, 1]}
    assert quartiles(frames, "other") == {}
    assert quartiles(frames, "loss.critic", "signals") == {}
