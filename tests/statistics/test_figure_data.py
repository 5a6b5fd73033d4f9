"""The data of a suite's figures: quartiles over trials at each step, position, dataset or method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ganbench.api.records import MeasuredProfile
from ganbench.results.frames import Frames
from ganbench.statistics.figure_data import COLUMNS, figure_data
from ganbench.suite.figures import FigureTable

from tests.support.trials_by_hand import record, results, scores, trial


def figure(**fields: Any) -> FigureTable:
    return FigureTable.model_validate({"name": "f", "values": ["fid"], **fields})


@pytest.fixture
def frames(tmp_path: Path) -> Frames:
    """Five seeds of two methods: a scores 10 + seed, then seed; b twice that; profiles of three layers."""
    records = []
    for factor, method in ((1, "a"), (2, "b")):
        for seed in range(5):
            layers = tuple(float(factor * 10**layer) for layer in range(3))
            where: Any = {"step": 100, "name": "by-layer", "measurement": "m"}
            profile = MeasuredProfile(**where, x=(1.0, 2.0, 3.0), y=(), values=layers)
            own = scores("fid", [factor * (10.0 + seed), factor * float(seed)])
            records.append(record(trial(method, seed=seed), scores=tuple(own), profiles=(profile,)))
    return results(tmp_path, records)


def test_over_steps_each_method_has_its_quartiles(frames: Frames) -> None:
    data = figure_data(frames, figure())
    assert list(data.columns) == COLUMNS
    last = data[(data["method"] == "b") & (data["x"] == 100)].iloc[0]
    assert (last["low"], last["median"], last["high"], last["n"]) == (2.0, 4.0, 6.0, 5)
    assert sorted(data["x"].unique()) == [50, 100]


def test_over_positions_a_profile_has_its_values(frames: Frames) -> None:
    data = figure_data(frames, figure(values=["by-layer"], x="position", methods=["b"]))
    assert data["x"].tolist() == [1, 2, 3]
    assert data["median"].tolist() == [2, 20, 200]
    assert set(data["method"]) == {"b"}


def test_over_methods_the_places_are_the_suites_numbers(frames: Frames) -> None:
    data = figure_data(frames, figure(x="methods", methods=["b", "a"], places=[0.5, 2.0]))
    assert data.set_index("x")["median"].to_dict() == {0.5: 4.0, 2.0: 2.0}


def test_a_value_that_is_not_known_counts_for_no_quartile(tmp_path: Path) -> None:
    values = [1.0, 2.0, np.nan]
    records = [record(trial("a", seed=i), scores=tuple(scores("x", [v], "neutral"))) for i, v in enumerate(values)]
    row = figure_data(results(tmp_path, records), figure(values=["x"])).iloc[0]
    assert (row["median"], row["n"]) == (1.5, 2)


def test_nothing_stored_is_an_empty_table(frames: Frames) -> None:
    assert list(figure_data(frames, figure(values=["w1"])).columns) == COLUMNS
    assert figure_data(frames, figure(values=["w1"])).empty
