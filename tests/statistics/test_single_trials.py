"""Every trial is a row; rows are selected by what they are, how they ended, and a factor of their architecture."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ganbench.errors import GanbenchError
from ganbench.results.frames import Frames
from ganbench.statistics.single_trials import select_trials, trial_table

from tests.support.trials_by_hand import record, results, scores, trial


@pytest.fixture
def frames(tmp_path: Path) -> Frames:
    """Results of two methods on three architectures: completed, diverged, exploded, failed, timed out and missing."""
    trials = [trial(method, width) for method in "ab" for width in range(3)]
    exploding = {"signals": {"loss.critic": ([1, 50, 100], [1.0, 1e9, 1e9])}}
    records = [
        record(trials[0], [3.0, 2.0]),
        record(trials[1], [5.0, 1.0], **exploding),
        record(trials[2], [4.0, math.nan], diverged_at=70),
        record(trials[3], status="failed", error='Traceback (most recent call last):\n  File "x", line 1\nOops: no\n'),
        record(trials[4], status="timed-out", error="too slow\nlog"),
    ]
    return results(tmp_path, records, trials)


def test_a_row_has_status_outcomes_scores_and_the_first_line_of_the_error(frames: Frames) -> None:
    table = trial_table(frames)
    assert table["key"].tolist() == frames.trials["key"].tolist()
    assert table["status"].tolist() == ["completed", "diverged", "diverged", "failed", "timed-out", "missing"]
    assert table["outcomes"].tolist()[0] == ""
    assert table["outcomes"].tolist()[1] == "exploded at 50"
    assert table["outcomes"].tolist()[2].startswith("non-finite at ")
    assert table["words"].tolist() == ["width 0", "width 1", "width 2"] * 2
    assert table["metric"].unique().tolist() == ["fid"]
    assert table["final"].tolist()[0] == 2.0
    assert np.isnan(table["final"].tolist()[1:]).all(), "no score of a trial that diverged counts"
    assert table["best"].tolist()[0] == 2.0
    assert table["error"].tolist() == ["", "", "", "Oops: no", "too slow", ""]


@pytest.mark.parametrize(
    ("asked", "places"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"only": ["method=a"]}, [0, 1, 2]),
        ({"only": ["method=a", "width=1", "width=2"]}, [1, 2]),
        ({"only": ["width=1.0"]}, [1, 4]),
        ({"only": ["loss=b", "seed=0"]}, [3, 4, 5]),
        ({"diverged": True}, [1, 2]),
        ({"failed": True}, [3, 4]),
        ({"failed": True, "diverged": True, "only": ["method=b"]}, [3, 4]),
        ({"sort": "width"}, [0, 3, 1, 4, 2, 5]),
        ({"sort": "final", "only": ["method=a"]}, [0, 1, 2]),
        ({"sort": "status", "failed": True, "diverged": True}, [1, 2, 3, 4]),
    ],
)
def test_selection(frames: Frames, asked: dict[str, object], places: list[int]) -> None:
    table = trial_table(frames)
    assert select_trials(table, frames, **asked)["key"].tolist() == table["key"].iloc[places].tolist()  # type: ignore[arg-type]


def test_a_key_may_be_shortened_and_scores_are_sorted_from_the_best_on(tmp_path: Path) -> None:
    records = [
        record(trial(seed=s), scores=tuple(scores("is", [value], "higher"))) for s, value in enumerate([1.0, 3.0, 2.0])
    ]
    frames = results(tmp_path, records)
    table = trial_table(frames)
    assert select_trials(table, frames, [f"key={table['key'][1][:9]}"])["seed"].tolist() == [1]
    assert select_trials(table, frames, sort="final")["seed"].tolist() == [1, 2, 0]


def test_factors_are_those_of_the_own_dataset(tmp_path: Path) -> None:
    one, other = trial(), replace(trial(dataset="grid"), spec={"width": 9})
    frames = results(tmp_path, [record(one, [1.0]), record(other, [1.0])])
    assert select_trials(trial_table(frames), frames, ["width=9"])["dataset"].tolist() == ["grid"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"only": ["method"]}, "--only 'method': write a name and its value"),
        ({"only": ["method=c"]}, "--only: no method 'c'. Known: a, b"),
        ({"only": ["widht=3"]}, "--only: no column 'widht'. Did you mean 'width'?"),
        ({"only": ["width=x"]}, "--only: no width 'x'. Known: 0, 1, 2"),
        ({"only": ["key=zz"]}, "--only: no key 'zz'"),
        ({"sort": "scroe"}, "--sort: no column 'scroe'"),
    ],
)
def test_what_no_trial_has_is_refused_with_what_there_is(
    frames: Frames, asked: dict[str, object], message: str
) -> None:
    with pytest.raises(GanbenchError) as refusal:
        select_trials(trial_table(frames), frames, **asked)  # type: ignore[arg-type]
    assert message in str(refusal.value)


def test_trials_without_any_record_or_without_any_plan_are_a_table_too(tmp_path: Path) -> None:
    frames = results(tmp_path, [], [trial(seed=0), trial(seed=1)])
    table = trial_table(frames)
    assert table["status"].tolist() == ["missing"] * 2
    assert table["final"].isna().all()
    none = replace(frames, trials=frames.trials[:0])
    assert trial_table(none).empty
