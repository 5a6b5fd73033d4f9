"""Scores over time take their seconds from one run that timed the methods alone, and from nothing that is odd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ganbench.results.frames import Frames
from ganbench.results.store import Store
from ganbench.statistics.paces import choose_paces, read_paces, scores_over_time

from tests.support.trials_by_hand import SUITE, record, trial


def training(method: str, seconds: Any, steps: Any = (50, 100), **changes: Any) -> dict[str, Any]:
    """Return one training of a fact `pace`."""
    names = {"dataset": "ring", "method": method, "architecture": "mlp-0", "hash": method}
    return {**names, "steps": list(steps), "seconds": seconds, **changes}


def timed(folder: Path, *facts: Any) -> Frames:
    """Return results of the methods a and b, of runs with these facts `pace`, the oldest first."""
    records = [record(trial(method, i), [9.0 + i, 5.0 + i]) for method in "ab" for i in range(3)]
    with Store(folder) as store:
        for fact in facts:
            store.begin_run(SUITE, [each.trial for each in records], {} if fact is None else {"pace": fact})
        store.append(records)
        return store.frames()


def test_seconds_are_those_of_the_method_at_each_step(tmp_path: Path) -> None:
    fact = {"device": "cpu", "trainings": [training("a", [2.0, 3.0]), training("b", [10.0], [100])]}
    table = scores_over_time(timed(tmp_path, fact), "ring")
    seconds = {(row.method, row.step): row.seconds for row in table.itertuples()}
    assert seconds == {("a", 50): 2.0, ("a", 100): 3.0, ("b", 50): 5.0, ("b", 100): 10.0}, "in proportion between two"
    assert set(table["timed"]) == {"alone on one thread, mlp-0"}
    assert table.loc[table["step"] == 100, "median"].tolist() == [6.0, 6.0], "the quartiles are those of the courses"


def test_all_seconds_are_of_the_newest_run_that_timed_the_dataset(tmp_path: Path) -> None:
    old = {"device": "cpu", "trainings": [training("a", [2.0, 3.0]), training("b", [2.0, 3.0])]}
    new = {"device": "cuda", "device_name": "Chip 1", "trainings": [training("a", [1.0, 1.5])]}
    frames = timed(tmp_path, old, new, None)
    assert list(choose_paces(frames.runs, "ring")) == ["a"], "those of another run may be of another machine"
    table = scores_over_time(frames, "ring").set_index("method")
    assert table.loc["a", "timed"].unique().tolist() == ["alone on Chip 1, mlp-0"]
    assert np.isnan(table.loc["b", "seconds"]).all()


@pytest.mark.parametrize(
    "fact",
    [
        None,
        "text",
        {"trainings": "text"},
        {"trainings": ["text", training("a", [2.0])]},
        {"trainings": [training("a", [3.0, 2.0]), training("a", [0.0, 1.0]), training("a", "text")]},
        {"trainings": [training("a", [1.0, float("inf")]), training("a", [1.0, 2.0], hash=3)]},
    ],
)
def test_a_fact_that_is_no_pace_gives_no_seconds(tmp_path: Path, fact: Any) -> None:
    frames = timed(tmp_path, fact)
    assert read_paces(frames.runs[0]) == []
    assert np.isnan(scores_over_time(frames, "ring")["seconds"]).all()
