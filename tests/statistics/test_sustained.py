"""Success that must be sustained: the rule holds at each of the last snapshots, in every table and in the display."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from ganbench.evaluation.success import succeeds
from ganbench.results.frames import Frames
from ganbench.statistics.final_scores import rule_scores, successes
from ganbench.statistics.sensitivity import sensitivity_table
from ganbench.statistics.success_rates import (
    median_differences,
    rate_table,
    success_curve,
    success_table,
    sustained_rates,
)

from tests.support.trials_by_hand import Success, record, results, scores, trial, with_fresh_best

NAN = math.nan
SERIES = {0: [9, 9, 9, 9], 1: [20, 9, 9, 9], 2: [9, 9, 20, 9], 3: [9, 9, 9, 20], 4: [20, 20, NAN, 9], 5: [9, 9]}
HELD = {1: {0, 1, 2, 4, 5}, 2: {0, 1, 5}, 3: {0, 1}, 4: {0}, 5: set()}
"""The seeds whose last so many scores are all below 10."""


def make_results(folder: Path, direction: str = "lower") -> Frames:
    sign = 1 if direction == "lower" else -1
    series = {seed: [sign * value for value in values] for seed, values in SERIES.items()}
    fields = {seed: tuple(with_fresh_best(scores("fid", values, direction))) for seed, values in series.items()}
    return results(folder, [record(trial(seed=seed), scores=each) for seed, each in fields.items()])


@pytest.mark.parametrize("direction", ["lower", "higher"])
def test_a_trial_succeeds_if_the_threshold_is_met_at_each_of_the_last_snapshots(tmp_path: Path, direction: str) -> None:
    frames, threshold = make_results(tmp_path, direction), 10.0 if direction == "lower" else -10.0
    for sustained, seeds in HELD.items():
        rule = Success(sustained=sustained, thresholds=(threshold,), primary=threshold)
        table = rule_scores(frames, rule)
        assert set(table["seed"][successes(table, "final", threshold)]) == seeds
        (row,) = rate_table(frames, rule).to_dict("records")
        assert (row["successes"], row["n"]) == (len(seeds), len(SERIES))


def test_diverged_and_failed_trials_hold_nothing(tmp_path: Path) -> None:
    records = [record(trial(seed=0), [1, 1], diverged_at=7), record(trial(seed=1), [1, 1], status="failed")]
    (row,) = rate_table(results(tmp_path, records), Success(sustained=2)).to_dict("records")
    assert (row["successes"], row["n"]) == (0, 2)


def test_the_condition_must_be_true_at_each_of_the_last_snapshots_too(tmp_path: Path) -> None:
    recalls = [[0.1, 0.9, 0.9], [0.9, 0.1, 0.9], [0.9, 0.9, 0.1], [0.9, NAN, 0.9]]
    records = [
        record(trial(seed=i), scores=(*scores("fid", [5, 5, 5]), *scores("recall", recall, "higher")))
        for i, recall in enumerate(recalls)
    ]
    frames = results(tmp_path, records)
    expected = {1: [True, True, False, True], 2: [True, False, False, False], 3: [False] * 4}
    for sustained, held in expected.items():
        rule = Success(condition="recall > 0.5", sustained=sustained)
        assert successes(rule_scores(frames, rule), "final", 10.0).tolist() == held
        alone = replace(rule, metric=None, thresholds=(), primary=None)
        assert successes(rule_scores(frames, alone), "final", None).tolist() == held


def test_the_curve_has_the_worst_of_the_last_scores_and_medians_stay_those_of_the_last_alone(tmp_path: Path) -> None:
    pairs = {"a": [[1, 4], [2, 3]], "b": [[7, 5], [6, 6]]}
    records = [record(trial(m, i), fid) for m, series in pairs.items() for i, fid in enumerate(series)]
    frames = results(tmp_path, records)
    curve = success_curve(frames, Success(sustained=2))
    a = curve[curve["method"] == "a"].set_index("threshold")["rate"]
    assert (a[4.0], a[6.0]) == (0.5, 1.0)
    final = median_differences(frames, Success(sustained=2), ("a", "b")).iloc[0]
    assert final["median_a"] == 3.5
    (row,) = success_table(frames, Success(sustained=2, thresholds=(6.5,), primary=6.5), ("a", "b")).to_dict("records")
    assert (row["both"], row["only_a"], row["only_b"]) == (1, 1, 0)


def test_rates_by_best_by_final_and_sustained_stand_beside_each_other(tmp_path: Path) -> None:
    frames = make_results(tmp_path)
    table = sustained_rates(frames, Success(), last=(1, 2, 3, 4, 5))
    assert list(table.columns) == ["method", "sustained", "successes", "n", "units", "rate", "rate_low", "rate_high"]
    best = sum(min(value for value in values if value == value) < 10 for values in SERIES.values())
    expected = [(0, best), *((m, len(seeds)) for m, seeds in HELD.items() if m <= 4)]
    assert list(zip(table["sustained"], table["successes"], strict=True)) == expected
    final = rate_table(frames, Success()).iloc[0]
    row = table[table["sustained"] == 1].iloc[0]
    assert row[["rate", "rate_low", "rate_high"]].tolist() == final[["rate", "rate_low", "rate_high"]].tolist()
    assert sustained_rates(frames, Success(sustained=3, at="final")).equals(sustained_rates(frames, Success()))


@pytest.mark.parametrize("sustained", [1, 2, 3])
def test_the_display_of_a_run_decides_as_the_tables_do(tmp_path: Path, sustained: int) -> None:
    rule = Success(sustained=sustained)
    records = []
    for seed, values in SERIES.items():
        planned = trial(seed=seed)
        steps = tuple(50 * (i + 1) for i in range(len(values)))
        planned = replace(planned, budget=replace(planned.budget, generator_steps=steps[-1], snapshots=steps))
        records.append(record(planned, scores=tuple(scores("fid", values))))
    table = rule_scores(results(tmp_path, records), rule)
    decided = [succeeds(each, rule, {"fid": "lower"}) for each in records]
    assert decided == successes(table, "final", 10.0).tolist()


def test_the_sensitivity_of_a_conclusion_has_the_reading_over_the_last_three_snapshots(tmp_path: Path) -> None:
    """A is below the threshold at the end only, so its lead is gone if success must be sustained."""
    records = [record(trial("a", i), [99, 99, 1]) for i in range(8)] + [
        record(trial("b", i), [99] * 3) for i in range(8)
    ]
    table = sensitivity_table(results(tmp_path, records), Success(), ("a", "b")).set_index("at")
    assert (table.loc["final", "verdict"] == "a").all()
    assert (table.loc["last 3", "verdict"], table.loc["last 3", "rate_a"]) == ("none", 0.0)
    assert table.loc["last 3", "counted"]
    sustained = sensitivity_table(results(tmp_path / "2", records), Success(sustained=2), ("a", "b"))
    assert sustained["at"].iloc[0] == "last 2"
    assert set(sustained.loc[sustained["varied"] == "at", "at"]) == {"final", "best"}


def test_a_metric_of_one_snapshot_is_read_there_where_the_rule_must_be_sustained(tmp_path: Path) -> None:
    values = [("a", 1.0, 1.0), ("b", 99.0, 9.0)]
    records = [
        record(trial(m, i), scores=(*scores("fid", [fid] * 3), *scores("kid", [value])))
        for m, fid, value in values
        for i in range(8)
    ]
    table = sensitivity_table(results(tmp_path, records), Success(sustained=3), ("a", "b"))
    (row,) = table[table["varied"] == "metric"].to_dict("records")
    assert [row[name] for name in ("metric", "at", "rate_a", "rate_b", "verdict")] == ["kid", "final", 1.0, 0.0, "a"]
