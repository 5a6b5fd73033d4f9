"""A success rule that an untrained sampler passes shows no learning: it is refused, or the tables say so."""

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


def names(rule: Success, rows: list[Calibration]) -> list[tuple[str, tuple[float, ...]]]:
    return [(one.sampler, one.thresholds) for one in find_passing(rule, rows)]


def test_to_pass_is_to_be_strictly_beyond_a_threshold_and_the_ceiling_may() -> None:
    assert names(Success(thresholds=(90, 80, 40, 1)), FIDS) == [("gaussian", (90, 80, 40)), ("noise", (90,))]
    assert names(Success(thresholds=(30.04, 2)), FIDS) == []
    higher = [row("noise", 3.0, "is", "higher"), row("memorised", 9.9, "is", "higher")]
    assert names(Success(metric="is", thresholds=(3, 5, 9.9)), higher) == [("memorised", (3, 5))]


def test_joined_conditions_must_hold_as_well_and_alone_are_a_rule() -> None:
    rows = [*FIDS, row("gaussian", 0.4, "recall", "higher"), row("noise", 0.9, "recall", "higher")]
    assert names(Success(thresholds=(90,), condition="recall > 0.5"), rows) == [("noise", (90,))]
    assert names(Success(thresholds=(90,), condition="recall > 0.9"), rows) == []
    alone = Success(metric=None, thresholds=(), primary=None, condition="recall >= 0.4 and fid < 50")
    assert names(alone, rows) == [("gaussian", ())]
    assert explain_refusal(alone, find_passing(alone, rows)).startswith(
        "'gaussian', a sampler that nobody trained, passes 'recall >="
    )


def test_a_refusal_says_who_passes_what_and_which_thresholds_would_do() -> None:
    rule = Success(thresholds=(90, 40))
    assert explain_refusal(rule, find_passing(rule, FIDS)) == (
        "'gaussian', a sampler that nobody trained, passes fid < 90 and fid < 40: it has 30 on 100 samples. "
        "So do 'noise' (80). Thresholds of 30 or less would do; or join a condition that it does not meet, or set "
        "allow_trivial = true, and the tables will say who passes."
    )


@given(
    value=st.floats(-1e9, 1e9).filter(lambda x: x == 0 or abs(x) > 1e-9), direction=st.sampled_from(["lower", "higher"])
)
def test_a_threshold_that_would_do_is_not_passed_and_lies_near(value: float, direction: Direction) -> None:
    limit = round_harder(value, direction)
    assert find_passing(Success(thresholds=(limit,)), [row("gaussian", value, "fid", direction)]) == []
    assert limit == pytest.approx(value, rel=0.011)


def run(folder: Path, question: dict[str, Any]) -> tuple[Frames, list[Calibrating]]:
    told: list[Any] = []
    frames = ganbench.run(question, out=folder, jobs=0, watch=lambda session, event: told.append(event))
    return frames, [event for event in told if isinstance(event, Calibrating)]


def notes(frames: Frames) -> str:
    return " ".join(note for table in make_tables(frames, restore(frames.suite).success) for note in table.notes)


def test_a_trivial_threshold_ends_a_run_before_any_training_and_nothing_is_lost(tmp_path: Path) -> None:
    frames, _ = run(tmp_path, small())
    suite = (tmp_path / "suite.toml").read_text()
    with pytest.raises(GanbenchError) as refused:
        run(tmp_path, small(seeds=5, success=[RING]))
    said = str(refused.value)
    assert "suite: [[success]] for 'ring': 'one mode', a sampler that nobody trained, passes modes > 0" in said
    assert "it has 1 on 50 samples" in said
    assert "Thresholds of 1 or more would do" in said
    kept = read(tmp_path)
    assert kept.trials.equals(frames.trials)
    assert kept.scores.equals(frames.scores)
    assert (tmp_path / "suite.toml").read_text() == suite
    _, told = run(tmp_path, small(success=[RING | {"thresholds": [1, 7]}]))
    assert told == []


def test_a_refusal_in_an_empty_folder_keeps_the_calibration_and_no_run(tmp_path: Path) -> None:
    with pytest.raises(GanbenchError, match="allow_trivial"):
        run(tmp_path, small(success=[RING]))
    assert read(tmp_path).trials.empty
    frames, told = run(tmp_path, small(success=[RING | {"allow_trivial": True}]))
    assert told == []
    assert set(frames.trials["status"]) == {"completed"}
    assert "of the samplers that nobody trained, 'one mode' (1) passes 0." in notes(frames)


def test_a_condition_that_no_trivial_sampler_meets_makes_a_threshold_honest(tmp_path: Path) -> None:
    """One mode has a mode and no spread, the uniform law has spread and no mode."""
    frames, _ = run(tmp_path, small(success=[RING | {"condition": "spread > 0.5"}]))
    assert "show no learning" not in notes(frames)
