"""However many values a results folder holds, the tables show a bounded number and say how many they leave out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ganbench.report import make_sensitivity_tables, make_tables
from ganbench.report.figures import list_figures
from ganbench.report.shown import MOST_MEASUREMENTS, MOST_VALUES, limit_values
from ganbench.results.frames import Frames

from tests.support.trials_by_hand import Success, record, results, scores, trial

RULE = Success(condition="recall > 0.5")


def make_frames(folder: Path, names: int, protocols: int) -> Frames:
    """Return the results of two methods with so many other values, and so many measurements of the rule's metric."""
    others = [score for i in range(names) for score in scores(f"other-{i}", [1.0, 2.0])]
    again = [score for i in range(protocols) for score in scores("fid", [3.0, 2.0], measurement=f"{i:064x}")]
    asked = [*others, *again, *scores("recall", [0.6, 0.7], "higher")]
    return results(folder, [replace(record(trial(method)), scores=tuple(asked)) for method in "ab"])


def test_few_values_are_all_shown(tmp_path: Path) -> None:
    frames = make_frames(tmp_path, 3, 2)
    assert limit_values(frames, [RULE]) == (frames, 0)
    assert not any("in no table" in note for note in make_tables(frames, [RULE])[0].notes)


def test_of_many_values_those_that_a_rule_names_are_shown_first(tmp_path: Path) -> None:
    frames = make_frames(tmp_path, MOST_VALUES + 50, MOST_MEASUREMENTS + 5)
    shown, hidden = limit_values(frames, [RULE])
    pairs = shown.scores[["name", "measurement"]].drop_duplicates()
    assert len(pairs) == MOST_VALUES
    assert hidden == 50 + 5 + MOST_MEASUREMENTS + 1
    assert {"fid", "recall"} <= set(pairs["name"])
    assert (pairs["name"] == "fid").sum() == MOST_MEASUREMENTS
    kept = frames.scores.merge(pairs, on=["name", "measurement"])
    assert (
        shown.scores[["key", "step", "name", "value"]]
        .reset_index(drop=True)
        .equals(kept[["key", "step", "name", "value"]])
    )


def test_every_report_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganbench.report.shown.MOST_MEASUREMENTS", 2)
    frames = make_frames(tmp_path, 0, 5)
    assert "3 of the measured values are in no table" in " ".join(make_tables(frames, [RULE])[0].notes)
    assert len(make_sensitivity_tables(frames, [RULE])) == 2
    assert len(list_figures(frames, [RULE])) == 4
