"""Signals of many trials are read when they are asked for, and outcomes stream them: with the same result."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from ganbench import GanbenchError
from ganbench.report import make_tables
from ganbench.results import reading, series
from ganbench.results.frames import Frames
from ganbench.results.store import Store, read
from ganbench.statistics.outcome_table import trial_outcomes
from ganbench.suite.loading import restore
from pandas.testing import assert_frame_equal

from tests.support.trials_by_hand import fill, record, trial

STEPS = [1, 50, 100]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    records = [
        record(
            trial(seed=seed),
            [3, 2],
            signals={
                "loss.critic": (STEPS, [1.0, 3e4 if seed == 1 else 2.0, 1.0]),
                "weights.critic": (STEPS[: 3 - seed % 2], [0.1, 0.2, 0.3][: 3 - seed % 2]),
                "gradient.generator": (STEPS, [1.0, 1e-9, 1e-9 if seed == 2 else 1.0]),
                "scores.real": (STEPS, [0.0, float("nan"), 1.0]),
            },
        )
        for seed in range(4)
    ]
    return fill(tmp_path, records)


def read_later(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Frames:
    monkeypatch.setattr(reading, "MOST_AT_ONCE", 0)
    monkeypatch.setattr(series, "BLOCK", 3)
    return read(folder)


def test_outcomes_are_the_same_and_signals_stay_unread(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = trial_outcomes(read(folder))
    later = read_later(folder, monkeypatch)
    assert_frame_equal(trial_outcomes(later), at_once)
    assert at_once["exploded"].tolist() == [float("inf"), 50, float("inf"), float("inf")]
    assert at_once["critic-dead"].tolist() == [float("inf"), float("inf"), 50, float("inf")]
    make_tables(later, restore(later.suite).success)
    assert later.unread == {"signals", "profiles"}


def test_what_is_read_later_is_what_is_read_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, later = read(folder), read_later(folder, monkeypatch)
    keys = later.trials["key"][1:3]
    some = later.take(keys)
    assert some.unread == later.change(suite="").unread == {"signals", "profiles"}
    assert_frame_equal(trial_outcomes(some), trial_outcomes(at_once).loc[keys])
    for name in ("signals", "profiles"):
        assert_frame_equal(getattr(later, name), getattr(at_once, name))
        assert_frame_equal(getattr(some, name), getattr(at_once.take(keys), name))
    assert not later.unread
    assert len(later.signals) == 4 * 12 - 2


@pytest.mark.parametrize(
    "change",
    [
        'UPDATE signals SET "values" = zeroblob(8)',
        'UPDATE signals SET steps = zeroblob(800008), "values" = zeroblob(800008)',
        "UPDATE signals SET steps = x'ffffffffffffffffffffffffffffffffffffffffffffffff'",
        "UPDATE signals SET steps = 'many'",
    ],
)
def test_what_ganbench_never_writes_is_refused_when_it_is_streamed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    with Store(folder) as store, store._engine.begin() as connection:
        connection.exec_driver_sql(change)
    later = read_later(folder, monkeypatch)
    with pytest.raises(GanbenchError, match="holds what ganbench never writes"):
        trial_outcomes(later)
    with pytest.raises(GanbenchError):
        _ = later.signals


def test_a_folder_without_series_is_read_to_empty_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = read_later(fill(tmp_path, [record(trial())]), monkeypatch)
    assert not later.unread
    assert isinstance(later.signals, pd.DataFrame)
    assert later.signals.empty
