"""Compact copies: every score, of each signal its ends and its largest point, and no generators."""

from __future__ import annotations

from pathlib import Path

import ganbench
import numpy as np
import pandas as pd
import pytest
from ganbench.errors import GanbenchError
from ganbench.results.compact import compact, keep_ends
from ganbench.statistics import count_outcomes
from pandas.testing import assert_frame_equal

from tests.support.tiny_suite import suite


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the results of a small suite."""
    place = tmp_path_factory.mktemp("compact") / "whole"
    ganbench.run(suite(budget={"generator_steps": 40, "batch_size": 16, "snapshots": 2}), results=place, jobs=0)
    return place


def test_scores_plan_and_baselines_stay_and_each_signal_has_at_most_three_points(folder: Path, tmp_path: Path) -> None:
    size = compact(folder, tmp_path / "copy")
    whole, copy = ganbench.read(folder), ganbench.read(tmp_path / "copy")
    for name in ("trials", "scores", "calibration", "methods", "architectures"):
        assert_frame_equal(getattr(copy, name), getattr(whole, name))
    assert whole.signals.groupby(["key", "name"]).size().max() > 3
    assert copy.signals.groupby(["key", "name"]).size().max() <= 3
    assert copy.signals.groupby(["key", "name"]).ngroups == whole.signals.groupby(["key", "name"]).ngroups
    assert size < (folder / "results.sqlite").stat().st_size
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["results.sqlite", "suite.toml"]


def test_a_copy_counts_the_same_outcomes_but_oscillations_which_it_calls_unknown(folder: Path, tmp_path: Path) -> None:
    compact(folder, tmp_path / "copy")
    copy, whole = (count_outcomes(ganbench.read(place)) for place in (tmp_path / "copy", folder))
    lost = [name for name in whole if name.startswith("oscillating")]
    assert_frame_equal(copy.drop(columns=lost), whole.drop(columns=lost))
    assert copy["oscillating"].isna().all()
    assert whole["oscillating"].notna().all()


def test_a_copy_can_be_compared_with_the_whole(folder: Path, tmp_path: Path) -> None:
    compact(folder, tmp_path / "copy")
    comparison = ganbench.compare(folder, tmp_path / "copy")
    assert not comparison.differences
    assert comparison.matched == 6


def test_a_signal_keeps_its_first_point_its_last_and_its_largest_magnitude() -> None:
    values = [1.0, np.nan, -7.0, 2.0, np.inf, 3.0]
    signal = pd.DataFrame({"key": "a", "name": "loss", "step": range(6), "value": values})
    others = pd.DataFrame({"key": "b", "name": "loss", "step": [0, 1], "value": [np.nan, np.nan]})
    kept = keep_ends(pd.concat([signal, others], ignore_index=True))
    assert kept[kept["key"] == "a"]["step"].tolist() == [0, 4, 5]
    assert kept[kept["key"] == "b"]["step"].tolist() == [0, 1]


def test_results_are_never_overwritten(folder: Path, tmp_path: Path) -> None:
    compact(folder, tmp_path / "copy")
    with pytest.raises(GanbenchError, match="holds results already"):
        compact(folder, tmp_path / "copy")
