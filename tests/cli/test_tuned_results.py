"""Listings and exports show the trials of both stages; tables of comparisons show the report alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import typer
from ganbench.cli.training import exit_with_failures
from ganbench.progress.watch import read_status, watch_run
from ganbench.report import compare, make_tables
from ganbench.results.store import Store, read
from ganbench.suite.loading import restore
from rich.console import Console

from tests.support.terminal import ganbench
from tests.support.tuned_results import SUITE, list_tuned, make_record, make_sweep, make_tuned


def test_the_whole_is_what_the_folder_holds_when_nothing_is_set_apart(tmp_path: Path) -> None:
    frames = make_tuned(tmp_path)
    with Store(tmp_path, readonly=True) as store:
        together = store.frames(apart=False)
    for name in ("trials", "scores", "signals", "profiles", "architectures", "methods"):
        pd.testing.assert_frame_equal(getattr(frames.whole, name), getattr(together, name))
    assert frames.whole.tuning is None
    assert (len(frames.trials), len(frames.whole.trials), len(frames.all_trials)) == (6, 22, 22)


def test_without_tuning_the_whole_is_the_results_themselves(tmp_path: Path) -> None:
    frames = make_sweep(tmp_path)
    assert frames.whole is frames


def test_a_trial_of_both_stages_is_there_once(tmp_path: Path) -> None:
    frames = make_tuned(tmp_path)
    assert frames.tuning is not None
    both = replace(frames, tuning=replace(frames.tuning, trials=frames.all_trials))
    assert both.all_trials["key"].is_unique


def test_trials_lists_both_stages(tmp_path: Path) -> None:
    make_tuned(tmp_path)
    shown = ganbench("trials", str(tmp_path), "--sort", "final", cwd=tmp_path).stdout
    assert "22 of 22 trials" in shown
    assert "a lr=0.001" in shown
    diverged = ganbench("trials", str(tmp_path), "--diverged", cwd=tmp_path).stdout
    assert "2 of 22 trials" in diverged


def test_the_export_has_both_stages_and_the_choices(tmp_path: Path) -> None:
    make_tuned(tmp_path)
    ganbench("export", str(tmp_path), "data", cwd=tmp_path)
    assert len(pd.read_csv(tmp_path / "data" / "trials.csv")) == 22
    choices = pd.read_csv(tmp_path / "data" / "choices.csv")
    assert choices.to_numpy().tolist() == [["ring", "a", "a lr=0.001"], ["ring", "b", "b lr=0.1"]]


def test_a_comparison_matches_the_trials_of_the_report(tmp_path: Path) -> None:
    make_tuned(tmp_path / "one")
    make_tuned(tmp_path / "two", reported={"a": [2, 3, 4], "b": [3, 3, 3]})
    comparison = compare(tmp_path / "one", tmp_path / "two")
    assert comparison.matched == 6
    assert not any(table.title.startswith("Tuning") for table in comparison.tables)


def test_a_watcher_counts_both_stages_and_successes_of_the_report(tmp_path: Path) -> None:
    make_tuned(tmp_path)
    status = read_status(tmp_path)
    assert status.describe_progress() == "22/22 trials"
    assert dict(status.totals) == {"a": 3, "b": 3}
    assert status.describe_shortfalls() == "2 diverged"


def test_a_watcher_waits_until_the_report_is_planned(tmp_path: Path) -> None:
    make_sweep(tmp_path, text=SUITE)
    waits: list[float] = []

    def report_meanwhile(seconds: float) -> None:
        waits.append(seconds)
        make_tuned(tmp_path)

    with (tmp_path / "shown").open("w") as file:
        watch_run(tmp_path, Console(file=file, width=200), wait=report_meanwhile)
    first, last = (tmp_path / "shown").read_text().splitlines()
    assert "16/16 trials" in first
    assert "the chosen configurations are trained after them" in first
    assert "complete" in last
    assert len(waits) == 1


@pytest.mark.parametrize("form", ["md", "csv", "json", "latex"])
def test_every_format_has_the_tables_of_tuning(form: str, tmp_path: Path) -> None:
    make_tuned(tmp_path)
    done = ganbench("table", str(tmp_path), "--format", form, cwd=tmp_path)
    assert done.returncode == 0
    assert "Tuning on ring" in done.stdout


def test_the_figures_of_tuning_and_their_data_are_written(tmp_path: Path) -> None:
    make_tuned(tmp_path)
    ganbench("figures", str(tmp_path), "--format", "svg", "--out", "drawn", cwd=tmp_path)
    names = {path.name for path in (tmp_path / "drawn").iterdir()}
    for name in ("best-of-ring", "landscape-ring-a", "landscape-ring-b"):
        assert {f"{name}.svg", f"{name}.csv"} <= names


def test_a_trial_of_the_tuning_has_its_courses(tmp_path: Path) -> None:
    frames = make_tuned(tmp_path)
    assert frames.tuning is not None
    key = str(frames.tuning.trials["key"].iloc[0])
    done = ganbench("curves", str(tmp_path), key, "--out", "drawn", cwd=tmp_path)
    assert done.returncode == 0
    assert len(list((tmp_path / "drawn").iterdir())) == 1


def test_that_the_report_follows_the_tuning_is_no_extension_but_more_seeds_are(tmp_path: Path) -> None:
    make_tuned(tmp_path)
    assert "Extended" not in ganbench("table", str(tmp_path), cwd=tmp_path).stdout
    frames = read(tmp_path)
    fact, more = frames.runs[-1].facts["tuning"], [make_record("a", seed, 3) for seed in (13, 14)]
    tuned = [each.trial for each in list_tuned(SUITE, {"a": [[1, 1]] * 4, "b": [[1, 1]] * 4})]
    reported = [make_record(name, seed, 3).trial for name in "ab" for seed in (10, 11, 12)]
    with Store(tmp_path) as store:
        store.begin_run(SUITE, [*tuned, *reported, *(each.trial for each in more)], {"tuning": fact})
        store.append(more)
    assert "Extended after" in ganbench("table", str(tmp_path), cwd=tmp_path).stdout


def test_failures_of_the_tuning_are_listed_and_end_a_run_with_1(tmp_path: Path) -> None:
    frames = make_tuned(tmp_path)
    assert frames.tuning is not None
    exit_with_failures(frames)
    broken = frames.tuning.trials.assign(error="ValueError: no")
    broken.loc[0, "status"] = "failed"
    frames = replace(frames, tuning=replace(frames.tuning, trials=broken))
    tables = {table.title: table.frame for table in make_tables(frames, restore(SUITE).success)}
    assert tables["Failures"][["method", "error", "n"]].to_numpy().tolist() == [["a lr=0.0001", "ValueError: no", 1]]
    assert tables["Outcomes"]["failed"].tolist() == [0, 0]
    with pytest.raises(typer.Exit):
        exit_with_failures(frames)
