"""The tables of tuned methods: what was chosen, on which seeds it is told, and what is only said in notes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from ganbench.report import make_tables
from ganbench.report.tuning_tables import tuning_tables
from ganbench.report.writers import FORMATS, render
from ganbench.statistics.best_of import leave_one_seed_out
from ganbench.statistics.tunings import read_tunings
from ganbench.suite.loading import restore
from ganbench.table import Table
from scipy.stats import t

from tests.support.trials_by_hand import record, results, trial
from tests.support.tuned_results import (
    DEAD,
    RATES,
    SUITE,
    SWEEP,
    TUNED,
    TUNING,
    list_tuned,
    make_record,
    make_sweep,
    make_tuned,
    write_suite,
)


def notes_of(table: Table) -> str:
    return " ".join(table.notes)


def test_the_choice_stands_beside_what_it_is_worth_on_fresh_seeds(tmp_path: Path) -> None:
    """The best of a has FID 2 on the tuning seeds, and the mean of 3, 4 and 5 on fresh ones; one of b diverged."""
    table, *_ = tuning_tables(make_tuned(tmp_path))
    a, b = table.frame.to_dict("records")
    assert (a["chosen"], a["tuning_score"], a["score"], a["n"]) == ("optimizer.lr = 0.001", 2, 4, 3)
    assert a["worse"] == 2
    half = t.ppf(0.975, 2) / math.sqrt(3)  # the standard deviation of 3, 4 and 5 is 1
    assert (a["low"], a["high"]) == pytest.approx((4 - half, 4 + half), rel=1e-12)
    assert (a["all_rate"], a["tuned_rate"]) == (2 / 8, 1 / 3)
    assert (a["configurations"], a["dead"]) == (4, 1)
    assert (b["chosen"], b["tuning_score"], b["score"], b["worse"]) == ("optimizer.lr = 0.1", 3, DEAD, DEAD)
    assert math.isnan(b["low"])
    assert table.title == "Tuning on ring"


def test_the_notes_say_how_it_was_chosen_and_where_it_lies(tmp_path: Path) -> None:
    table, *_ = tuning_tables(make_tuned(tmp_path))
    notes = notes_of(table)
    assert "the best final FID (lower is better), the mean over 1 architecture and seeds 0 and 1" in notes
    assert "Reported on seeds 10 to 12, which took no part in the choice." in notes
    assert "equal tuning budgets: 4 configurations each" in notes
    assert "b: the best is the largest optimizer.lr tried: 0.1; try larger ones." in table.notes
    assert not any(note.startswith("a: ") for note in table.notes)
    assert "tuning: 16 trials, 1 diverged." in notes


def test_a_zero_at_the_edge_has_no_smaller_ones_to_try(tmp_path: Path) -> None:
    text = write_suite({"a": '{ "optimizer.beta1" = [0, 0.5, 0.9] }'}, tuning="")
    table, *_ = tuning_tables(make_sweep(tmp_path, {"a": [[1, 1], [2, 2], [3, 3]]}, text))
    assert "a: the best is the smallest optimizer.beta1 tried: 0." in table.notes


def test_unequal_budgets_are_a_caution_with_the_reason_of_the_suite(tmp_path: Path) -> None:
    vary = {"a": f'{{ "optimizer.lr" = {RATES} }}', "b": '{ "optimizer.lr" = [0.1] }'}
    text = write_suite(vary, TUNING + 'unequal = "b has nothing else"\n')
    frames = make_tuned(tmp_path, {"a": TUNED["a"], "b": [[1, 1]]}, chosen={"a": 1, "b": 0}, text=text)
    assert (
        "Caution: the tuning budgets are unequal (a 4 and b 1 configurations), and more tries make a better best. "
        "The suite's reason: b has nothing else" in next(tuning_tables(frames)).notes
    )


def test_a_method_that_varies_nothing_is_reported_beside_the_others(tmp_path: Path) -> None:
    vary = f'{{ "optimizer.lr" = {RATES} }}'
    text = 'methods = ["fixed"]\n' + write_suite({"a": vary}, TUNING + 'unequal = "known"\n')
    reported = {"fixed": [1, 2, 3], "a": [3, 4, 5]}
    fixed, a = next(
        tuning_tables(make_tuned(tmp_path, {"a": TUNED["a"]}, reported, chosen={"a": 1}, text=text))
    ).frame.to_dict("records")
    assert (fixed["method"], fixed["chosen"], fixed["configurations"]) == ("fixed", "nothing is varied", 1)
    assert fixed["score"] == 2
    assert math.isnan(fixed["worse"])
    assert a["worse"] == 2


def test_a_plain_sweep_says_that_its_best_is_too_optimistic(tmp_path: Path) -> None:
    tables = list(tuning_tables(make_sweep(tmp_path)))
    assert [table.title for table in tables] == ["Tuning on ring", "Expected best of k configurations on ring"]
    a, b = tables[0].frame.to_dict("records")
    assert (a["chosen"], a["tuning_score"], a["successes"], a["n"]) == ("optimizer.lr = 0.001", 2, "2 of 2", 2)
    assert (b["chosen"], b["tuning_score"]) == ("optimizer.lr = 0.1", 3)
    assert "nothing was held out" in notes_of(tables[0])
    assert "[tuning] with report_seeds" in notes_of(tables[0])


def test_before_the_report_is_planned_the_tables_say_so(tmp_path: Path) -> None:
    table, *_ = tuning_tables(make_sweep(tmp_path, text=SUITE, left_out=1))
    assert "Nothing is reported yet" in notes_of(table)
    assert "1 planned trial." in notes_of(table)
    assert "too optimistic" not in notes_of(table)


def test_the_expected_best_is_told_on_a_seed_that_did_not_pick(tmp_path: Path) -> None:
    """The last of b is picked by either seed, and has 2 and 4 on the other one; k = 1 is the mean of all."""
    frames = make_tuned(tmp_path)
    table = next(each for each in tuning_tables(frames) if each.title.startswith("Expected"))
    assert table.frame["k"].tolist() == [1, 2, 4]
    assert table.heading("method_1") == "b"
    assert table.frame["method_1"].iloc[[0, 2]].tolist() == [5.25, 3]
    assert table.frame["method_0"].iloc[0] == DEAD
    assert table.frame["trust"].tolist() == ["", "beyond a quarter", "beyond half"]
    assert "left out" in notes_of(table)
    (tuning,) = read_tunings(frames)
    honest = leave_one_seed_out(tuning.sweep.trials.rename(columns={"swept": "method"}), "lower")
    assert honest.equals(tuning.best_of)


def test_with_one_tuning_seed_it_is_told_on_the_same_seed_and_says_so(tmp_path: Path) -> None:
    text = write_suite({"a": f'{{ "optimizer.lr" = {RATES} }}'}, tuning="", seeds=1)
    tables = list(tuning_tables(make_sweep(tmp_path, {"a": [[4], [1], [2], [9]]}, text)))
    assert tables[1].frame["method_0"].iloc[-1] == 1
    assert "Told on the seeds that picked it: this is too optimistic" in notes_of(tables[1])


def test_with_all_configurations_on_fresh_seeds_it_is_told_there(tmp_path: Path) -> None:
    """The best of four by the tuning seeds is always the second, whose fresh FIDs have the mean 4."""
    text = write_suite({"a": f'{{ "optimizer.lr" = {RATES} }}'}, TUNING + 'report = "all"\n')
    others = [label for i, label in enumerate(restore(text).configurations) if i != 1]
    fresh = [make_record(label, seed, 7) for label in others for seed in (10, 11, 12)]
    frames = make_tuned(tmp_path, {"a": TUNED["a"]}, {"a": [3, 4, 5]}, {"a": 1}, text, fresh)
    (tuning,) = read_tunings(frames)
    assert set(tuning.best_of["told"]) == {"fresh seeds"}
    assert tuning.best_of["expected"].iloc[-1] == 4
    assert tuning.best_of["expected"].iloc[0] == (4 + 3 * 7) / 4
    assert tuning.counts["planned"] == 8, "the other configurations on report seeds were not tuned on"
    assert tuning.reports["n"].tolist() == [3]


def test_a_dataset_that_was_not_tuned_on_is_reported_without_optimism(tmp_path: Path) -> None:
    vary = {"a": f'{{ "optimizer.lr" = {RATES} }}'}
    other = '[[dataset]]\nname = "grid"\ntuned_on = "ring"\n'
    text = write_suite(vary) + other + '[[success]]\ndataset = "grid"\nmetric = "fid"\nthresholds = [30]\n'
    more = [make_record("a", seed, 20, "grid") for seed in (10, 11, 12)]
    frames = make_tuned(tmp_path, {"a": TUNED["a"]}, {"a": [3, 4, 5]}, {"a": 1}, text, more)
    table = next(tuning_tables(frames))
    ring, grid = table.frame.to_dict("records")
    assert (ring["dataset"], grid["dataset"], grid["score"]) == ("ring", "grid", 20)
    assert math.isnan(grid["worse"])
    assert "grid: with the configurations chosen on ring." in table.notes


def test_all_configurations_are_listed_the_best_first_dead_last(tmp_path: Path) -> None:
    *_, table = tuning_tables(make_tuned(tmp_path))
    a = table.frame[table.frame["method"] == "a"]
    assert [text.rpartition(" ")[2] for text in a["settings"]] == ["0.001", "0.0001", "0.1", "0.01"]
    assert a["score"].tolist() == [2, 5, 9, DEAD]
    assert a["chosen"].tolist() == [True, False, False, False]
    assert a["finite_score"].iloc[-1] == 8


def test_of_many_configurations_the_worst_are_left_out(tmp_path: Path) -> None:
    rates = [float(f"{i / 1000:g}") for i in range(1, 24)]
    text = write_suite({"a": f'{{ "optimizer.lr" = {rates} }}'})
    frames = make_tuned(tmp_path, {"a": [[i, i] for i in range(1, 24)]}, {"a": [3, 4, 5]}, {"a": 0}, text)
    *_, table = tuning_tables(frames)
    assert table.frame["score"].tolist() == [*range(1, 21)]
    assert "Worse ones are left out: a 3." in notes_of(table)


def test_a_suite_that_varies_nothing_has_none_of_these_tables(tmp_path: Path) -> None:
    frames = results(tmp_path, [record(trial("a", i), [5.0]) for i in range(3)])
    assert list(tuning_tables(frames)) == []


def test_other_tables_compare_the_report_and_failures_are_of_both_stages(tmp_path: Path) -> None:
    tuned = list_tuned(SUITE, TUNED)
    tables = {table.title: table for table in make_tables(make_tuned(tmp_path), restore(SUITE).success)}
    assert tables["Outcomes"].frame["planned"].tolist() == [3, 3]
    assert len(tuned) == 16
    assert "Failures" not in tables
    assert not any(note.startswith("Extended") for note in tables["Outcomes"].notes)


def test_hostile_names_and_values_are_only_text(tmp_path: Path) -> None:
    evil = "<b>|`x`|</b>=1"
    text = write_suite({evil: '{ "loss" = ["<img src=x>", "|c|"] }'})
    fids = {evil: [[1, 1], [2, 2]]}
    frames = make_tuned(tmp_path, fids, {evil: [3, 4, 5]}, {evil: 0}, text)
    tables = list(tuning_tables(frames))
    shown = render(tables, "md")
    assert "<b>" not in shown
    assert "<img" not in shown
    assert all(render(tables, format) for format in FORMATS)
    assert "<img" not in render(tables, "json")


def test_a_choice_that_the_suite_does_not_know_has_no_row_of_its_own(tmp_path: Path) -> None:
    frames = make_tuned(tmp_path)
    run = frames.runs[-1]
    run.facts["tuning"]["choices"][0]["configuration"] = "a lr=7"  # type: ignore[index]
    a, b = next(tuning_tables(frames)).frame.to_dict("records")
    assert a["chosen"] == "not known"
    assert b["chosen"] == "optimizer.lr = 0.1"


def test_the_sweep_suite_is_the_tuned_one_without_its_table() -> None:
    assert restore(SWEEP).method_names == tuple(restore(SUITE).configurations)
