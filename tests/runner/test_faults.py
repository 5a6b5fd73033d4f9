"""What goes wrong in a trial is a row that says so, with what was measured before, and the rest of the run goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ganbench
import pytest
from ganbench.results.frames import Frames
from ganbench.results.store import Store
from ganbench.statistics.outcome_table import trial_outcomes

from tests.support import faulty_plugins as faults
from tests.support import tiny_suite as small

PLUGIN = str(Path(faults.__file__))


def suite(loss: str = "", **changes: Any) -> dict[str, Any]:
    """Give a suite with an ordinary method and one with this loss."""
    bad = [{"name": "bad", "from": "ns-gan", "loss": loss}] if loss else None
    budget = {"generator_steps": faults.STEPS, "batch_size": 8, "snapshots": 2}
    return small.suite(**{"methods": ["ns-gan"], "method": bad, "success": None, "budget": budget, **changes})


def composition(folder: Path, key: str) -> dict[str, Any]:
    with Store(folder, readonly=True) as store:
        return store.detail(key)["composition"]


def facts(folder: Path, key: str) -> dict[str, Any]:
    with Store(folder, readonly=True) as store:
        return store.detail(key)["facts"]


def run(folder: Path, question: dict[str, Any], **settings: Any) -> Frames:
    return ganbench.run(question, out=folder, files=(PLUGIN,), **settings)


def statuses(frames: Frames) -> dict[str, set[str]]:
    return {str(method): set(rows["status"]) for method, rows in frames.trials.groupby("method")}


def test_a_loss_that_kills_its_worker_twice_is_failed_with_its_last_words(tmp_path: Path) -> None:
    frames = run(tmp_path / "r", suite("farewell"), jobs=1)
    assert statuses(frames) == {"ns-gan": {"completed"}, "bad": {"failed"}}
    bad = frames.trials[frames.trials["method"] == "bad"].iloc[0]
    assert "was killed by SIGKILL" in bad["error"]
    assert "the loss says farewell" in bad["error"]
    assert facts(tmp_path / "r", bad["key"])["attempts"] == 2
    assert facts(tmp_path / "r", frames.trials[frames.trials["method"] == "ns-gan"].iloc[0]["key"])["attempts"] == 1


def test_a_loss_that_hangs_is_ended_at_the_time_limit(tmp_path: Path) -> None:
    frames = run(tmp_path / "r", suite("hangs", methods=None), jobs=1, timeout=8.0)
    assert statuses(frames) == {"bad": {"timed-out"}}
    assert "no end after 8 seconds" in frames.trials["error"][0]


def test_a_loss_that_raises_in_the_middle_keeps_its_earlier_scores_and_the_end_of_its_traceback(tmp_path: Path) -> None:
    frames = run(tmp_path / "r", suite("gives-up", seeds=1), jobs=0)
    assert statuses(frames) == {"ns-gan": {"completed"}, "bad": {"failed"}}
    bad = frames.trials[frames.trials["method"] == "bad"].iloc[0]
    assert bad["error"].endswith("ArithmeticError: the loss gives up")
    assert "in give_up" in bad["error"]
    scores = frames.scores[frames.scores["key"] == bad["key"]]
    assert set(scores["step"]) == {faults.STEPS // 2}
    assert {"modes", "high-quality"} <= set(scores["name"])


@pytest.mark.parametrize(("space", "outcome"), [("not-a-number", "non-finite"), ("constant", "collapsed")])
def test_a_generator_of_nan_or_of_one_sample_is_a_row_with_its_outcome(
    tmp_path: Path, space: str, outcome: str
) -> None:
    frames = run(tmp_path / "r", suite(architectures={"space": space}), jobs=0)
    assert statuses(frames) == {"ns-gan": {"diverged" if outcome == "non-finite" else "completed"}}
    found = trial_outcomes(frames)
    assert found[outcome].notna().all()
    assert (found[outcome] <= faults.STEPS).all()
    other = {"non-finite": "collapsed", "collapsed": "non-finite"}[outcome]
    assert not (found[other] <= faults.STEPS).any()


@pytest.mark.parametrize("space", ["hungry-torch", "hungry-python"])
def test_a_batch_that_fills_the_memory_goes_on_in_halves_that_its_records_tell(tmp_path: Path, space: str) -> None:
    """Five members, of which two fit: 2 + 3, and the three as 1 + 2."""
    frames = run(tmp_path / "r", suite(architectures={"space": space}, seeds=5), jobs=0)
    assert statuses(frames) == {"ns-gan": {"completed"}}
    companies = {json.dumps(composition(tmp_path / "r", key)["members"]) for key in frames.trials["key"]}
    assert companies == {"[0, 1]", "[2]", "[3, 4]"}
    alone = run(tmp_path / "again", suite(architectures={"space": space}, seeds=[3, 4]), jobs=0)
    keys = list(alone.trials["key"])
    halves = frames.scores[frames.scores["key"].isin(keys)]
    assert sorted(zip(halves["step"], halves["name"], map(repr, halves["value"]), strict=True)) == sorted(
        zip(alone.scores["step"], alone.scores["name"], map(repr, alone.scores["value"]), strict=True)
    )


def test_a_member_that_fills_the_memory_alone_is_a_failed_trial(tmp_path: Path) -> None:
    frames = run(tmp_path / "r", suite(architectures={"space": "insatiable"}), jobs=0)
    assert statuses(frames) == {"ns-gan": {"failed"}}
    assert all("t allocate memory" in error for error in frames.trials["error"])
