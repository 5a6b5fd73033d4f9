"""The simulated run of docs/background/scale.md, small: a thousand batches through the real driver and store."""

from __future__ import annotations

from pathlib import Path

import pytest
from ganbench.results.store import read

from tests.benchmarks.bench_scale import describe, predict, simulate

MILLISECONDS = 8.0
"""Processor time of the driver for a batch of one trial, at most. With this, one driver feeds 125 batches a second; a
quiet core takes 2.1."""


def test_a_driver_stores_every_trial_of_a_thousand_batches_in_little_time(tmp_path: Path) -> None:
    measured = simulate(str(tmp_path), 1000, points=201)
    assert measured["batches"] == measured["trials"] == measured["planned"] == 1000
    trials = read(tmp_path).trials
    assert trials["status"].eq("completed").sum() == 1000
    assert len(list((tmp_path / "networks").glob("*.safetensors"))) == 1000
    assert measured["driver"] < MILLISECONDS
    first, *_, last = measured["parts"]
    assert last < 2 * first, "the last hundred batches take twice as long as the first hundred"


def test_the_prediction_is_the_line_through_the_smaller_sizes() -> None:
    assert predict([10, 20], [1.5, 2.5], 100) == pytest.approx(10.5)
    table = describe({10: {"plan": 1.5}, 20: {"plan": 2.5}, 100: {"plan": 11.0}})
    assert table.splitlines()[-1] == "| plan | 1.5 | 2.5 | 11 | 10.5 |"
