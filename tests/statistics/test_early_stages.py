"""Scores of early stages are no final scores, no part of a series, and no success."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ganbench.api.records import Record, Score
from ganbench.results.frames import Frames
from ganbench.statistics.early_stages import find_early_measurements
from ganbench.statistics.final_scores import trial_scores
from ganbench.statistics.outcome_table import select_headlines
from ganbench.statistics.score_summary import summary_table
from ganbench.statistics.trajectories import trajectory_quartiles

from tests.support.trials_by_hand import record, results, scores, trial

SMALL, LARGE = "s" * 64, "m" * 64


def grown(seed: int, early: float, late: float) -> Record:
    """Return the record of a network that was scored at its early size at step 50, and at full size at step 100."""
    series = scores("fid", [early, late])
    return record(trial("grown", seed=seed), scores=(replace(series[0], measurement=SMALL), series[1]))


def full(seed: int, *fid: float) -> Record:
    return record(trial("full", seed=seed), fid)


def mixed(folder: Path) -> Frames:
    return results(folder, [grown(0, 1, 8), grown(1, 2, 7), full(0, 9, 6), full(1, 9, 5)])


def test_tables_have_the_scores_of_full_size_alone(tmp_path: Path) -> None:
    frames = mixed(tmp_path)
    assert find_early_measurements(frames) == {("fid", SMALL)}
    table = trial_scores(frames, "ring", "fid").set_index(["method", "seed"])["final"]
    assert table.to_dict() == {("grown", 0): 8, ("grown", 1): 7, ("full", 0): 6, ("full", 1): 5}
    assert set(summary_table(frames)["measurement"]) == {LARGE}
    series = select_headlines(frames, {}).groupby("number")["value"].apply(list)
    assert set(frames.keys[series.index]) == set(frames.trials["key"])
    assert sorted(series) == [[7], [8], [9, 5], [9, 6]]


def test_curves_have_a_network_from_the_step_on_at_which_it_has_the_size_of_the_data(tmp_path: Path) -> None:
    table = trajectory_quartiles(mixed(tmp_path), "ring", "fid", "scores")
    medians = {(row.method, row.step): row.median for row in table.itertuples()}
    assert medians == {("grown", 100): 7.5, ("full", 50): 9, ("full", 100): 5.5}


def test_other_measurements_of_the_final_model_stay(tmp_path: Path) -> None:
    """A model may be scored again at its end, by another number of samples; its series stays what it is."""
    again = Score(100, "fid", 4.0, "lower", "a" * 64, 900)
    both = full(0, 9, 6)
    frames = results(tmp_path, [replace(both, scores=(*both.scores, again))])
    assert not find_early_measurements(frames)


def test_a_trial_that_failed_early_does_not_make_its_stage_count(tmp_path: Path) -> None:
    died = grown(2, 3, 3)
    frames = results(tmp_path, [grown(0, 1, 8), replace(died, status="failed", scores=died.scores[:1])])
    assert find_early_measurements(frames) == {("fid", SMALL)}
