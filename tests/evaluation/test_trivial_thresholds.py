"""A success rule that an untrained baseline passes shows no learning: it is refused, or the tables note it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import ganbench
import pytest
from ganbench import GanbenchError
from ganbench.api.events import Calibrating
from ganbench.api.metrics import Direction
from ganbench.api.records import Calibration
from ganbench.evaluation.trivial_thresholds import explain_refusal, find_passing, round_harder
from ganbench.report import make_tables
from ganbench.results.frames import Frames
from ganbench.results.store import read
from ganbench.suite.loading import restore
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tiny_suite import suite as small
from tests.support.trials_by_hand import Success

RING = {"dataset": "ring", "metric": "modes", "thresholds": [0, 7], "primary": 7}


def row(sampler: str, value: float, name: str = "fid", direction: Direction = "lower") -> Calibration:
    return Calibration(sampler, sampler != "real", name, value, direction, "m", 100)


FIDS = [row("real", 2), row("gaussian", 30.04), row("noise", 80), row("broken", math.nan)]


def passing(rule: Success, rows: list[Calibration]) -> list[tuple[str, tuple[float, ...]]]:
    return [(baseline.sampler, baseline.thresholds) for baseline in find_passing(rule, rows)]


def test_a_baseline_passes_strictly_beyond_a_threshold_and_real_data_is_not_a_baseline() -> None:
    assert passing(Success(thresholds=(90, 80, 40, 1)), FIDS) == [("gaussian", (90, 80, 40)), ("noise", (90,))]
    assert passing(Success(thresholds=(30.04, 2)), FIDS) == []
    higher = [row("noise", 3.0, "is", "higher"), row("memorised", 9.9, "is", "higher")]
    assert passing(Success(metric="is", thresholds=(3, 5, 9.9)), higher) == [("memorised", (3, 5))]


def test_a_condition_must_be_true_as_well_and_can_be_a_rule_alone() -> None:
    rows = [*FIDS, row("gaussian", 0.4, "recall", "higher"), row("noise", 0.9, "recall", "higher")]
    assert passing(Success(thresholds=(90,), condition="recall > 0.5"), rows) == [("noise", (90,))]
    assert passing(Success(thresholds=(90,), condition="recall > 0.9"), rows) == []
    alone = Success(metric=None, thresholds=(), primary=None, condition="recall >= 0.4 and fid < 50")
    assert passing(alone, rows) == [("gaussian", ())]
    assert explain_refusal(alone, find_passing(alone, rows)).startswith(
        "'gaussian', an untrained baseline, passes 'recall >="
    )


def test_a_refusal_names_the_baselines_their_scores_and_thresholds_that_would_be_accepted() -> None:
    rule = Success(thresholds=(90, 40))
    assert explain_refusal(rule, find_passing(rule, FIDS)) == (
        "'gaussian', an untrained baseline, passes FID < 90 and FID < 40: its score is 30 on 100 samples. "
        "So do 'noise' (80). Use thresholds of 30 or less, or add a condition that it does not meet, or set "
        "allow_trivial = true; the tables will then name the baselines that pass."
    )


@given(
    value=st.floats(-1e9, 1e9).filter(lambda x: x == 0 or abs(x) > 1e-9), direction=st.sampled_from(["lower", "higher"])
)
def test_the_suggested_threshold_is_not_passed_and_lies_near(value: float, direction: Direction) -> None:
    limit = round_harder(value, direction)
    assert find_passing(Success(thresholds=(limit,)), [row("gaussian", value, "fid", direction)]) == []
    assert limit == pytest.approx(value, rel=0.011)


def run(folder: Path, declared: dict[str, Any]) -> tuple[Frames, list[Calibrating]]:
    events: list[Any] = []
    frames = ganbench.run(declared, results=folder, jobs=0, watch=lambda session, event: events.append(event))
    return frames, [event for event in events if isinstance(event, Calibrating)]


def notes(frames: Frames) -> str:
    return " ".join(note for table in make_tables(frames, restore(frames.suite).success) for note in table.notes)


def test_a_trivial_threshold_ends_a_run_before_any_training_and_nothing_is_lost(tmp_path: Path) -> None:
    frames, _ = run(tmp_path, small())
    suite = (tmp_path / "suite.toml").read_text()
    with pytest.raises(GanbenchError) as raised:
        run(tmp_path, small(seeds=5, success=[RING]))
    message = str(raised.value)
    assert "suite: [[success]] for 'ring': 'one mode', an untrained baseline, passes modes > 0" in message
    assert "its score is 1 on 50 samples" in message
    assert "Use thresholds of 1 or more" in message
    stored = read(tmp_path)
    assert stored.trials.equals(frames.trials)
    assert stored.scores.equals(frames.scores)
    assert (tmp_path / "suite.toml").read_text() == suite
    _, events = run(tmp_path, small(success=[RING | {"thresholds": [1, 7]}]))
    assert events == []


def test_a_refusal_in_an_empty_folder_stores_the_calibration_but_no_run(tmp_path: Path) -> None:
    with pytest.raises(GanbenchError, match="allow_trivial"):
        run(tmp_path, small(success=[RING]))
    assert read(tmp_path).trials.empty
    frames, events = run(tmp_path, small(success=[RING | {"allow_trivial": True}]))
    assert events == []
    assert set(frames.trials["status"]) == {"completed"}
    assert "Thresholds that untrained baselines pass show no learning: 'one mode' (1) passes 0." in notes(frames)


def test_a_condition_that_no_baseline_meets_makes_a_threshold_acceptable(tmp_path: Path) -> None:
    """One mode covers a mode but has no spread; the uniform distribution has spread but covers no mode."""
    frames, _ = run(tmp_path, small(success=[RING | {"condition": "spread > 0.5"}]))
    assert "show no learning" not in notes(frames)
