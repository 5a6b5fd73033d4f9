from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ganbench.api.records import Record
from ganbench.statistics.bootstrap import bootstrap_median
from ganbench.statistics.costs import cost_table, success_cost_table
from ganbench.statistics.outcome_counts import count_failures, count_outcomes
from ganbench.statistics.score_summary import seed_share_table, summary_table
from ganbench.statistics.success_rates import median_differences, rate_table, success_table
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.trials_by_hand import Success, record, results, scores, trial

NAN, INF = math.nan, math.inf


def test_the_summary_counts_trials_without_a_score_as_worst_and_has_the_median_of_the_others_beside_it(
    tmp_path: Path,
) -> None:
    completed = [record(trial(architecture=i), [i, 2 * i]) for i in range(1, 6)]
    unscored = [
        record(trial(architecture=6), [1, NAN]),
        record(trial(architecture=7), [1, 2], status="failed"),
        record(trial(architecture=8), [1], status="timed-out"),
        record(trial(architecture=9), [1, 2], diverged_at=150),
    ]
    (row,) = summary_table(results(tmp_path, completed + unscored)).to_dict("records")
    assert (row["n"], row["architectures"], row["seeds"], row["finite"]) == (9, 9, 1, 5)
    assert (row["diverged"], row["undefined"], row["failed"], row["timed_out"]) == (1, 1, 1, 1)
    assert (row["final"], row["best"], row["completed_median"]) == (10, 5, 6)
    assert (row["q25"], row["q75"], row["final_low"], row["final_high"]) == (6, INF, 4, INF)


def test_scores_of_two_measurements_have_separate_rows(tmp_path: Path) -> None:
    records = [record(trial(seed=s), scores=tuple(scores("fid", [s], measurement=m))) for s, m in ((1, "x"), (50, "y"))]
    summary = summary_table(results(tmp_path, records))
    assert summary[["measurement", "n", "final"]].values.tolist() == [["x", 1, 1.0], ["y", 1, 50.0]]


def test_a_neutral_value_has_no_best_and_no_worst(tmp_path: Path) -> None:
    records = [record(trial(seed=s), scores=tuple(scores("norm", [s, 2 * s], "neutral"))) for s in range(1, 4)]
    (row,) = summary_table(results(tmp_path, [*records, record(trial(seed=9), diverged_at=1)])).to_dict("records")
    assert math.isnan(row["best"])
    assert math.isnan(row["final"])
    assert (row["completed_median"], row["finite"], row["n"]) == (4, 3, 4)


def test_costs_are_reported_in_every_known_unit(tmp_path: Path) -> None:
    shared = {"mode": "stack", "device": "cpu"}
    records = [
        record(trial(seed=0), composition={**shared, "members": [0, 1]}),
        record(trial(seed=1), composition={**shared, "members": [0, 1]}, status="failed"),
        record(trial(seed=2), composition={**shared, "members": [2]}, seconds={"train": 8.0, "evaluate": 1.5}),
    ]
    (row,) = cost_table(results(tmp_path, records)).to_dict("records")
    assert (row["generator_steps"], row["critic_updates"], row["generator_updates"]) == (100, 500, 100)
    assert row["samples"] == 500 * 32
    assert (row["seconds_train"], row["seconds_evaluate"], row["n"]) == (2.0, 0.5, 3)
    assert (row["members"], row["mode"], row["device"]) == ("1, 2", "stack", "cpu")


def test_failures_are_counted_by_their_message(tmp_path: Path) -> None:
    records = [record(trial(seed=s), status="failed", error="boom" if s else "bang") for s in range(4)]
    table = count_failures(results(tmp_path, [*records, record(trial(seed=9), status="timed-out", error="slow")]))
    assert table[["status", "error", "n"]].values.tolist() == [
        ["failed", "bang", 1],
        ["failed", "boom", 3],
        ["timed-out", "slow", 1],
    ]


def test_the_worst_of_a_metric_that_should_be_high_is_minus_infinity(tmp_path: Path) -> None:
    records = [record(trial(seed=s), scores=tuple(scores("is", [9.0], "higher")), diverged_at=1) for s in range(2)]
    (row,) = summary_table(results(tmp_path, records)).to_dict("records")
    assert (row["final"], row["best"]) == (-INF, -INF)


def test_every_planned_trial_is_counted_under_one_status(tmp_path: Path) -> None:
    records = [
        record(trial(seed=0), [1.0]),
        record(trial(seed=1), diverged_at=9),
        record(trial(seed=2), status="failed"),
        record(trial(seed=3), status="timed-out"),
        record(trial(seed=4, code="old"), [1.0]),
    ]
    frames = results(tmp_path, records, plan=[trial(seed=s) for s in range(7)])
    (row,) = count_outcomes(frames).to_dict("records")
    expected = {"planned": 7, "completed": 2, "diverged": 1, "failed": 1, "timed_out": 1, "missing": 2, "stale": 1}
    assert {name: row[name] for name in ("dataset", "method", *expected)} == {
        "dataset": "ring",
        "method": "a",
        **expected,
    }


def headline(records: Sequence[Record], direction: str) -> dict[str, float]:
    """Return the headline numbers of method a against b, whose scores are all -1; signed so that higher is better."""
    others = [record(trial("b", architecture=i), scores=tuple(scores("fid", [-1, -1], direction))) for i in range(9)]
    with TemporaryDirectory() as folder:
        frames = results(Path(folder), [*records, *others])
    rule = Success(thresholds=(0.0,), primary=0.0, at="best")
    row, _ = summary_table(frames).to_dict("records")
    sign = 1 if direction == "higher" else -1
    numbers = {name + " median": sign * row[name] for name in ("final", "best", "q25", "q75")}
    differences = median_differences(frames, rule, ("a", "b"))["difference"]
    numbers |= {"final difference": sign * differences[0], "best difference": sign * differences[1]}
    for at in ("final", "best"):
        rule_at = replace(rule, at=at)
        cost = success_cost_table(frames, [rule_at]).set_index("method").loc["a"]
        numbers |= {f"{name} per success {at}": -cost[name] for name in ("generator_steps", "samples", "seconds_train")}
        numbers[f"{at} rate"] = rate_table(frames, rule_at)["rate"].iloc[0]
        numbers[f"{at} rate difference"] = success_table(frames, rule_at, ("a", "b"))["difference"].iloc[0]
    return numbers


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.lists(st.integers(-5, 5), min_size=2, max_size=2), min_size=1, max_size=9),
    st.sampled_from(["lower", "higher"]),
    st.sampled_from(
        [
            {"diverged_at": 3},
            {"signals": {"loss.critic": ([1, 50], [1.0, 1e6])}},
            {"status": "failed", "scores": ()},
            {"status": "timed-out"},
            {"scores": (NAN,)},
        ]
    ),
    st.data(),
)
def test_a_method_never_gains_if_its_worst_trials_fail(
    series: list[list[float]], direction: str, failure: dict[str, object], data: st.DataObject
) -> None:
    series.sort(key=lambda values: values[-1], reverse=direction == "lower")
    records = [record(trial(architecture=i), scores=tuple(scores("fid", v, direction))) for i, v in enumerate(series)]
    count = data.draw(st.integers(0, len(records) - 1))
    if failure.get("scores"):
        failure = {"scores": tuple(scores("fid", [1.0, NAN], direction))}
    after = [replace(r, **failure) for r in records[:count]] + records[count:]  # type: ignore[arg-type]
    before = headline(records, direction)
    for name, value in headline(after, direction).items():
        assert value <= before[name], name


def test_the_cost_of_a_success_is_that_of_all_trials_over_the_successes(tmp_path: Path) -> None:
    """Two of four succeed. The updates of the failed one are not known, so those of the most expensive trial count."""
    records = [
        *(record(trial(seed=s), [fid]) for s, fid in enumerate([1.0, 2.0])),
        record(trial(seed=2), [50.0], updates={"critic": 900, "generator": 100}),
        record(trial(seed=3), status="failed", updates={}),
        record(trial("b"), [50.0]),
    ]
    frames = results(tmp_path, records)
    costs = success_cost_table(frames, [Success()]).set_index("method")
    assert costs["successes"].tolist() == [2, 0]
    assert costs["n"].tolist() == [4, 1]
    assert costs.loc["a", "generator_steps"] == 400 / 2
    assert costs.loc["a", "critic_updates"] == (500 + 500 + 900 + 900) / 2
    assert costs.loc["a", "samples"] == 32 * costs.loc["a", "critic_updates"]
    assert costs.loc["a", "seconds_train"] == 4 * 2.0 / 2
    assert costs.loc["b", "generator_steps"] == INF
    assert success_cost_table(frames, []).empty


def test_flops_are_reported_if_they_were_counted(tmp_path: Path) -> None:
    frames = results(tmp_path, [record(trial(seed=s), [1.0]) for s in range(3)])
    counted = replace(frames, trials=frames.trials.assign(flops=[2e9, 4e9, NAN]))
    assert success_cost_table(counted, [Success()])["flops"].tolist() == [(2e9 + 4e9 + 4e9) / 3]
    assert cost_table(counted)["flops"].tolist() == [3e9]
    unknown = replace(frames, trials=frames.trials.drop(columns="flops", errors="ignore"))
    assert math.isnan(success_cost_table(unknown, [Success()])["flops"].iloc[0])


def test_the_between_seed_share_is_reported_for_several_seeds(tmp_path: Path) -> None:
    """Only the architecture decides the scores of `a`, only the seed those of `b`; trials without a score rank last."""
    finals = {"a": lambda i, s: i, "b": lambda i, s: NAN if s == 2 else s}
    records = [
        record(trial(method, i, s), [final(i, s)])
        for method, final in finals.items()
        for i in range(4)
        for s in range(3)
    ]
    table = seed_share_table(results(tmp_path, records)).set_index("method")
    assert table["between_seed_share"].to_dict() == {"a": 0.0, "b": 1.0}
    assert table["finite"].to_dict() == {"a": 12, "b": 8}
    assert (table["architectures"] == 4).all()
    assert (table["seeds"] == 3).all()


def test_there_is_no_between_seed_share_for_one_seed_one_architecture_or_a_neutral_value(tmp_path: Path) -> None:
    records = [record(trial("a", i), [i]) for i in range(3)] + [record(trial("b", 0, s), [s]) for s in range(3)]
    records += [
        record(trial("c", i, s), scores=tuple(scores("norm", [i], "neutral"))) for i in range(3) for s in range(2)
    ]
    assert seed_share_table(results(tmp_path, records)).empty


def test_the_summary_can_use_the_interval_of_the_bootstrap(tmp_path: Path) -> None:
    frames = results(tmp_path, [record(trial(architecture=i), [i]) for i in range(20)])
    (row,) = summary_table(frames, bootstrap_median).to_dict("records")
    assert (row["final_low"], row["final_high"]) == bootstrap_median(range(20), range(20))
