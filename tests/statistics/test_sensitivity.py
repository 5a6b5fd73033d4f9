"""Does a verdict hold when the same results are read in another way? The results are made by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ganbench import cli
from ganbench.report import render
from ganbench.report.sensitivity_tables import rule_sensitivity_tables
from ganbench.results.frames import Frames
from ganbench.results.store import Store
from ganbench.statistics.sensitivity import Reading, choose_threshold, sensitivity_table

from tests.support.trials_by_hand import Success, record, results, scores, trial

NAN, INF = math.nan, math.inf
CHEAP, EXPENSIVE = {"critic": 100, "generator": 100}, {"critic": 200, "generator": 100}
ARCHITECTURES = 8


def make_results(
    folder: Path, a: Iterable[float], b: Iterable[float], fields_a: dict[str, Any] | None = None, **fields_b: Any
) -> Frames:
    """Return results of two methods, each with the same FIDs at steps 50 and 100 on all of eight architectures."""
    records = [
        record(trial(method, architecture), list(series), **{"updates": CHEAP, **fields})
        for method, series, fields in (("a", a, fields_a or {}), ("b", b, fields_b))
        for architecture in range(ARCHITECTURES)
    ]
    return results(folder, records)


def verdicts(frames: Frames, rule: Success | None = None, **options: Any) -> pd.DataFrame:
    """Return the readings of a against b, indexed by the value of what is varied."""
    table = sensitivity_table(frames, rule or Success(), ("a", "b"), **options)
    values = {"": "primary", "budget": "budget", "at": "at", "metric": "metric", "threshold": "threshold"}
    names = [row.get(values.get(row["varied"], ""), "primary") for row in table.to_dict("records")]
    return table.assign(name=names).set_index("name")


def test_a_verdict_that_holds_in_every_reading(tmp_path: Path) -> None:
    """A is far better at every snapshot, so in every unit, at every threshold, final and best: p is always 2/2^8."""
    frames = make_results(tmp_path, [1, 1], [99, 99], updates=EXPENSIVE)
    table = verdicts(frames, Success(thresholds=(50, 10, 5), primary=10))
    assert set(table["verdict"]) == {"a"}
    assert table["holds"].all()
    assert table["p"].tolist() == pytest.approx([2 / 2**8] * len(table))
    assert set(table["varied"]) == {"", "budget", "at", "threshold"}
    assert table[table["varied"] == "threshold"]["threshold"].tolist() == [50, 30, 7.5, 5]


def test_a_verdict_that_depends_on_more_updates_changes_at_equal_cost_alone(tmp_path: Path) -> None:
    """B is good at its end, after 1.5 times the updates and twice the samples of A; half-way it is not good."""
    frames = make_results(tmp_path, [99, 99], [99, 1], updates=EXPENSIVE)
    table = verdicts(frames)
    assert table["verdict"].to_dict() == {
        "primary": "b",
        "best": "b",
        "equal generator steps": "b",
        "equal training seconds": "b",
        "equal updates": "none",
        "equal samples": "none",
    }
    assert table.loc["equal updates", ["step_a", "step_b"]].tolist() == [100, 50]
    assert table.loc["equal samples", ["step_a", "step_b"]].tolist() == [100, 50]


def test_a_condition_is_read_with_a_threshold_and_alone(tmp_path: Path) -> None:
    """A's FID is better, B's IS. With `is > 4.5` added, A has no success; by the condition alone, B is better."""
    frames = two_metrics(tmp_path, [[1, 2, 3, 4] * 2, [5, 6, 7, 8] * 2])
    both = verdicts(frames, Success(condition="is > 4.5"))
    assert both.loc["primary", ["rate_a", "rate_b", "verdict"]].tolist() == [0, 0, "none"]
    alone = verdicts(frames, Success(metric=None, thresholds=(), primary=None, condition="is > 4.5"))
    assert alone.loc["primary", ["rate_a", "rate_b", "verdict"]].tolist() == [0, 1, "b"]
    assert alone.loc["fid", "verdict"] == "a"
    (table,) = rule_sensitivity_tables(frames, [Success(condition="is > 4.5")])
    assert "final FID below 10 and IS > 4.5" in table.notes[0]


def test_a_budget_that_cuts_nothing_is_not_counted(tmp_path: Path) -> None:
    table = verdicts(make_results(tmp_path, [99, 99], [99, 1], updates=EXPENSIVE))
    assert not table.loc[["primary", "equal generator steps", "equal training seconds"], "counted"].any()
    assert table.loc[["equal updates", "equal samples", "best"], "counted"].all()


def test_the_best_score_alone_changes_a_verdict_on_a_score_that_got_worse(tmp_path: Path) -> None:
    frames = make_results(tmp_path, [1, 1], [1, 99])
    table = verdicts(frames)
    assert table["verdict"].loc[["primary", "best"]].tolist() == ["a", "none"]
    assert table.loc[table["varied"] != "at", "holds"].all()


def test_a_divergence_at_the_end_is_not_known_at_half_the_budget(tmp_path: Path) -> None:
    """B diverges at its 250th update of 300, after a good snapshot at step 50: at equal updates it has not diverged."""
    table = verdicts(make_results(tmp_path, [1, 1], [1, NAN], updates=EXPENSIVE, diverged_at=250))
    assert table["verdict"].loc[["primary", "best", "equal updates"]].tolist() == ["a", "a", "none"]
    assert table.loc["equal updates", ["rate_a", "rate_b"]].tolist() == [1, 1]


def test_a_divergence_within_the_equal_budget_stays_one(tmp_path: Path) -> None:
    table = verdicts(make_results(tmp_path, [1, 1], [1, NAN], updates=EXPENSIVE, diverged_at=90))
    assert table["verdict"].loc["equal updates"] == "a"


def test_an_explosion_after_the_equal_budget_is_not_known_yet(tmp_path: Path) -> None:
    signals = {"loss.critic": ([1, 50, 90], [1.0, 1.0, 1e9])}
    table = verdicts(make_results(tmp_path, [1, 1], [1, 1], updates=EXPENSIVE, signals=signals))
    assert table["verdict"].loc[["primary", "equal updates"]].tolist() == ["a", "none"]


def test_a_failure_is_a_failure_at_any_budget_and_does_not_limit_the_other_method(tmp_path: Path) -> None:
    """B failed after a tenth of its updates. A is still read at its end, and B succeeds in no reading."""
    updates = {"critic": 10, "generator": 10}
    table = verdicts(make_results(tmp_path, [99, 1], [1], status="failed", updates=updates))
    assert set(table["rate_b"]) == {0}
    assert "budget" not in set(table["varied"]), "there is no equal budget if one method has no complete trial"


def test_a_budget_before_the_first_snapshot_is_unknown_and_not_counted(tmp_path: Path) -> None:
    frames = make_results(tmp_path, [1, 1], [99, 1], updates={"critic": 500, "generator": 100})
    row = verdicts(frames).loc["equal updates"]
    assert (row["verdict"], row["n"], row["counted"]) == ("unknown", 0, False)
    assert math.isnan(row["step_b"])


def test_seconds_are_compared_on_each_architecture(tmp_path: Path) -> None:
    """B takes twice as long as A on the odd architectures, and as long as A on the others."""
    records = [
        record(trial(method, i), [99, 1], seconds={"train": 2.0 if method == "b" and i % 2 else 1.0})
        for method in "ab"
        for i in range(ARCHITECTURES)
    ]
    row = verdicts(results(tmp_path, records)).loc["equal training seconds"]
    assert (row["rate_a"], row["rate_b"]) == (1, 0.5)
    assert (row["step_b_low"], row["step_b_high"]) == (50, 100)


def test_flops_are_varied_if_they_are_known(tmp_path: Path) -> None:
    frames = make_results(tmp_path, [99, 99], [99, 1])
    known = replace(frames, trials=frames.trials.assign(flops=frames.trials["method"].map({"a": 1e9, "b": 2e9})))
    unknown = replace(frames, trials=frames.trials.assign(flops=NAN))
    assert verdicts(known)["verdict"].loc["equal FLOPs"] == "none"
    assert "equal FLOPs" not in verdicts(unknown).index


def two_metrics(folder: Path, inception: list[list[float]]) -> Frames:
    """Return results with FIDs of 1 for a and 99 for b, and these inception scores of a and b by architecture."""
    records = [
        record(trial(m, i), scores=(*scores("fid", [fid]), *scores("is", [value], "higher", "n" * 64)), updates=CHEAP)
        for m, fid, column in (("a", 1.0, inception[0]), ("b", 99.0, inception[1]))
        for i, value in enumerate(column)
    ]
    return results(folder, records)


def test_another_metric_has_the_threshold_at_which_as_many_trials_succeed(tmp_path: Path) -> None:
    """8 of 16 trials succeed by FID, all of a; 8 of 16 have an IS above 4.5, all of b: the verdict is reversed."""
    row = verdicts(two_metrics(tmp_path, [[1, 2, 3, 4] * 2, [5, 6, 7, 8] * 2])).loc["is"]
    assert row["threshold"] == 4.5
    assert (row["verdict"], row["rate_a"], row["rate_b"], row["share"]) == ("b", 0, 1, 0.5)


def test_a_metric_with_its_own_rule_has_the_threshold_of_that_rule(tmp_path: Path) -> None:
    frames = two_metrics(tmp_path, [[1, 2, 3, 4] * 2, [5, 6, 7, 8] * 2])
    is_rule = Success(metric="is", thresholds=(0.5, 2.5), primary=0.5)
    row = verdicts(frames, Success(), rules=[Success(), is_rule]).loc["is"]
    assert (row["threshold"], row["verdict"]) == (0.5, "none")
    assert math.isnan(row["target_share"])


@pytest.mark.parametrize(
    ("values", "share", "threshold", "count"),
    [
        ([1, 2, 3, 4], 0.5, 2.5, 2),
        ([1, 2, 2, 4], 0.5, 1.5, 1),  # as near as ties allow
        ([1, 2, 3, INF], 0.75, math.nextafter(3, INF), 3),
        ([1, 2, INF, INF], 1.0, math.nextafter(2, INF), 2),  # trials without a score are never beyond
        ([1, 2, 3, 4], 0.0, 1.0, 0),  # no trial is strictly beyond the best value
    ],
)
def test_a_chosen_threshold_has_the_share_of_trials_beyond_it(
    tmp_path: Path, values: list[float], share: float, threshold: float, count: int
) -> None:
    """In both directions: the negative values have the negative threshold."""
    for sign, direction in ((1.0, "lower"), (-1.0, "higher")):
        records = [
            record(trial(seed=i), scores=tuple(scores("x", [sign * v if v < INF else NAN], direction)))
            for i, v in enumerate(values)
        ]
        frames = results(tmp_path / direction, records)
        reading = Reading(
            varied="metric", dataset="ring", metric="x", measurement=None, direction=direction, primary=NAN
        )
        with_threshold = choose_threshold(frames, reading, share)
        assert with_threshold.primary == sign * threshold
        assert with_threshold.share == count / 4


def test_a_single_threshold_is_varied_by_the_quarters_of_all_trials(tmp_path: Path) -> None:
    """FIDs are 1..8 for a, 11..18 for b: half of the trials succeed already, so one and three quarters are new."""
    records = [record(trial(m, i), [i + k]) for m, k in (("a", 1.0), ("b", 11.0)) for i in range(ARCHITECTURES)]
    table = verdicts(results(tmp_path, records))
    quarters = table[table["varied"] == "threshold"]
    assert quarters["threshold"].tolist() == [4.5, 14.5]
    assert quarters["share"].tolist() == [0.25, 0.75]
    assert quarters[["rate_a", "rate_b"]].values.tolist() == [[0.5, 0], [1, 0.5]]


def test_the_full_cross_has_every_combination(tmp_path: Path) -> None:
    """(declared, equal updates, equal samples) x (final, best) x thresholds (20, 15, 10), less the primary reading.

    Equal generator steps and equal seconds cut nothing, so they are not counted.
    """
    frames = make_results(tmp_path, [99, 99], [99, 1], updates=EXPENSIVE)
    rule = Success(thresholds=(20, 10), primary=10)
    cross = verdicts(frames, rule, cross=True)
    assert cross["counted"].sum() == 3 * 2 * 3 - 1
    assert cross[cross["counted"]]["holds"].sum() == 1 * 2 * 3 - 1, "the verdict holds with the declared budget only"


def test_the_table_reports_in_how_many_readings_the_verdict_holds(tmp_path: Path) -> None:
    frames = make_results(tmp_path, [99, 99], [99, 1], updates=EXPENSIVE)
    (table,) = rule_sensitivity_tables(frames, [Success(thresholds=(20, 10), primary=10)])
    assert table.notes[0] == (
        "Primary verdict (final FID below 10, budget as declared): b better. It holds in 3 of 5 readings that differ "
        "from the primary in one thing: budget 0 of 2, snapshots 1 of 1, metric 0 of 0, threshold 2 of 2. In all "
        "combinations of these: 5 of 17."
    )
    assert "describe" in table.notes[1]
    assert "nothing is corrected for their number" in table.notes[1]
    row = table.frame.set_index("value").loc["equal updates"]
    assert (row["step_b"], row["verdict"], row["holds"]) == (50, "no difference shown", "no")
    assert table.frame.set_index("value").loc["equal generator steps", "holds"] == "as declared"
    for format in ("md", "csv", "json"):
        assert "equal samples" in render([table], format)


def test_without_any_trained_trial_there_is_no_verdict(tmp_path: Path) -> None:
    frames = results(tmp_path, [], plan=[trial("a"), trial("b")])
    (table,) = rule_sensitivity_tables(frames, [Success()])
    assert table.notes[:2] == ("No pair is complete yet (n = 0).", "There is no verdict yet.")
    assert set(table.frame["verdict"]) == {"unknown"}


def test_a_note_says_how_many_pairs_are_complete(tmp_path: Path) -> None:
    done = [record(trial("a", i), [1, 1]) for i in range(3)] + [record(trial("b", i), [9, 99]) for i in range(2)]
    plan = [trial(method, i) for method in "ab" for i in range(4)]
    (table,) = rule_sensitivity_tables(results(tmp_path, done, plan=plan), [Success()])
    assert table.notes[0] == "2 of 4 planned pairs are complete."


def test_third_party_names_stay_text(tmp_path: Path) -> None:
    evil = "<b>|`x`\n\x1b[31m"
    records = [record(trial(m, i), [v, v]) for m, v in ((evil, 1.0), ("b", 99.0)) for i in range(3)]
    text = render(list(rule_sensitivity_tables(results(tmp_path, records), [Success(compare=((evil, "b"),))])), "md")
    assert "<b>" not in text
    assert "\x1b" not in text


SUITE = """question = "Why?"
methods = ["a", "b"]
budget = { generator_steps = 100 }
[[dataset]]
name = "ring"
[[success]]
dataset = "ring"
metric = "fid"
thresholds = [10]
"""


def test_the_command_line_prints_the_sensitivity_tables_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [record(trial(m, i), [v, v]) for m, v in (("a", 1.0), ("b", 99.0)) for i in range(8)]
    with Store(tmp_path) as store:
        store.begin_run(SUITE + 'compare = [["a", "b"]]', [each.trial for each in records], {})
        store.append(records)
    with pytest.raises(SystemExit) as exited:
        cli.main(["table", str(tmp_path), "--sensitivity"])
    assert exited.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith("## Sensitivity of a against b on ring\n")
    assert printed.count("## ") == 1


def test_without_a_comparison_the_command_exits_with_an_error(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.begin_run(SUITE, [trial()], {})
    with pytest.raises(SystemExit) as exited:
        cli.main(["table", str(tmp_path), "--sensitivity"])
    assert exited.value.code == 2
