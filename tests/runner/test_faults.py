"""A trial that fails is a row with its error and its earlier scores, and the other trials of the run train."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import ganbench
import pandas as pd
import pytest
from ganbench import GanbenchError, plan, registry
from ganbench.api.events import Finished, Started
from ganbench.errors import LONGEST_ERROR, find_reason
from ganbench.results.files import checkpoint_path, list_checkpoints
from ganbench.results.frames import Frames
from ganbench.results.store import Store
from ganbench.runner.driver import run_events
from ganbench.runner.settings import Settings
from ganbench.runner.worker import Job
from ganbench.statistics.outcome_counts import count_failures
from ganbench.statistics.outcome_table import trial_outcomes

from tests.support import faulty_plugins as faults
from tests.support import tiny_suite

PLUGIN = str(Path(faults.__file__))


def suite(loss: str = "", **changes: Any) -> dict[str, Any]:
    """Return a suite with an ordinary method and, unless `loss` is empty, a method "bad" with this loss."""
    bad = [{"name": "bad", "from": "ns-gan", "loss": loss}] if loss else None
    budget = {"generator_steps": faults.STEPS, "batch_size": 8, "snapshots": 2}
    return tiny_suite.suite(**{"methods": ["ns-gan"], "method": bad, "success": None, "budget": budget, **changes})


def composition(folder: Path, key: str) -> dict[str, Any]:
    with Store(folder, readonly=True) as store:
        return store.detail(key)["composition"]


def facts(folder: Path, key: str) -> dict[str, Any]:
    with Store(folder, readonly=True) as store:
        return store.detail(key)["facts"]


def run(folder: Path, question: dict[str, Any], **settings: Any) -> Frames:
    return ganbench.run(question, results=folder, files=(PLUGIN,), **settings)


def statuses(frames: Frames) -> dict[str, set[str]]:
    return {str(method): set(rows["status"]) for method, rows in frames.trials.groupby("method")}


def test_a_trial_whose_loss_kills_its_workers_is_failed_with_what_they_wrote_to_stderr(tmp_path: Path) -> None:
    frames = run(tmp_path / "r", suite("kills-worker", seeds=1), jobs=1)
    assert statuses(frames) == {"ns-gan": {"completed"}, "bad": {"failed"}}
    bad = frames.trials[frames.trials["method"] == "bad"].iloc[0]
    assert "was killed by SIGKILL" in bad["error"]
    assert "the loss kills its worker" in bad["error"]
    assert "memory runs out" in bad["error"]
    assert facts(tmp_path / "r", bad["key"])["attempts"] == 2
    assert facts(tmp_path / "r", frames.trials[frames.trials["method"] == "ns-gan"].iloc[0]["key"])["attempts"] == 1


def test_a_trial_whose_loss_hangs_is_stopped_at_the_time_limit(tmp_path: Path) -> None:
    frames = run(tmp_path / "r", suite("hangs", methods=None), jobs=1, timeout=8.0)
    assert statuses(frames) == {"bad": {"timed-out"}}
    assert "not finished after 8 seconds" in frames.trials["error"][0]


def test_a_trial_whose_loss_raises_later_keeps_its_earlier_scores_and_the_end_of_the_traceback(tmp_path: Path) -> None:
    frames = run(tmp_path / "r", suite("raises", seeds=1), jobs=0)
    assert statuses(frames) == {"ns-gan": {"completed"}, "bad": {"failed"}}
    bad = frames.trials[frames.trials["method"] == "bad"].iloc[0]
    assert bad["error"].endswith("ArithmeticError: the loss raises")
    assert "in raise_error" in bad["error"]
    scores = frames.scores[frames.scores["key"] == bad["key"]]
    assert set(scores["step"]) == {faults.STEPS // 2}
    assert {"modes", "high-quality"} <= set(scores["name"])


def delete_database(folder: Path) -> None:
    (folder / "results.sqlite").unlink()


def empty_database(folder: Path) -> None:
    (folder / "results.sqlite").write_bytes(b"")


@pytest.mark.parametrize("jobs", [0, 1])
@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (delete_database, r"results.sqlite: .*was deleted or moved while it was in use"),
        (shutil.rmtree, "cannot be written|was deleted or moved while it was in use"),
        (empty_database, "results.sqlite: no such table"),
    ],
)
def test_results_that_are_deleted_under_a_run_end_it_in_one_sentence(
    tmp_path: Path, harm: Callable[[Path], None], words: str, jobs: int
) -> None:
    asked = ganbench.suite.parse(tiny_suite.suite(success=None, seeds=1))
    events = run_events(asked, Settings(results=tmp_path / "r", jobs=jobs))
    next(event for _, event in events if isinstance(event, Finished))
    harm(tmp_path / "r")
    with pytest.raises(GanbenchError, match=words) as raised:
        list(events)
    assert "\n" not in str(raised.value)
    events.close()
    assert not active_children()


def test_results_that_are_deleted_before_the_first_record_are_missed_too(tmp_path: Path) -> None:
    """SQLite itself would store the first records in the deleted file."""
    asked = ganbench.suite.parse(tiny_suite.suite(success=None, seeds=1))
    events = run_events(asked, Settings(results=tmp_path / "r", jobs=0))
    next(event for _, event in events if isinstance(event, Started))
    delete_database(tmp_path / "r")
    with pytest.raises(GanbenchError, match="was deleted or moved while it was in use"):
        list(events)


@pytest.mark.parametrize("jobs", [0, 1])
def test_what_is_kept_of_an_error_has_a_bound_and_its_reason(tmp_path: Path, jobs: int) -> None:
    reasons = {
        "raises-millions": "ValueError: xxx",
        "raises-unprintable": "Unprintable: <exception str() failed>",
        "raises-base": "NotAnException: planted",
        "exits": "SystemExit: 5",
        "interrupts": "KeyboardInterrupt",
    }
    method = [{"name": loss, "from": "ns-gan", "loss": loss} for loss in reasons]
    frames = run(tmp_path / "r", suite(method=method, methods=["ns-gan"], seeds=1), jobs=jobs)
    errors = frames.trials.set_index("method")["error"]
    assert errors.pop("ns-gan") == ""
    for loss, reason in reasons.items():
        assert reason in find_reason(errors[loss]), loss
        assert len(errors[loss]) < LONGEST_ERROR + 100
    assert set(count_failures(frames)["n"]) == {1}


@pytest.mark.parametrize(("space", "outcome"), [("not-a-number", "non-finite"), ("constant", "collapsed")])
def test_a_generator_that_returns_nan_or_a_single_sample_is_a_row_with_its_outcome(
    tmp_path: Path, space: str, outcome: str
) -> None:
    frames = run(tmp_path / "r", suite(architectures={"space": space}), jobs=0)
    assert statuses(frames) == {"ns-gan": {"diverged" if outcome == "non-finite" else "completed"}}
    outcomes = trial_outcomes(frames)
    assert outcomes[outcome].notna().all()
    assert (outcomes[outcome] <= faults.STEPS).all()
    other_outcome = {"non-finite": "collapsed", "collapsed": "non-finite"}[outcome]
    assert not (outcomes[other_outcome] <= faults.STEPS).any()


@pytest.mark.parametrize("space", ["fills-memory-torch", "fills-memory-python"])
def test_a_batch_that_runs_out_of_memory_is_trained_in_halves_that_its_records_name(tmp_path: Path, space: str) -> None:
    """Five members where only two fit in memory train as 2 + 3, and the three as 1 + 2."""
    frames = run(tmp_path / "r", suite(architectures={"space": space}, seeds=5), jobs=0)
    assert statuses(frames) == {"ns-gan": {"completed"}}
    batches = {json.dumps(composition(tmp_path / "r", key)["members"]) for key in frames.trials["key"]}
    assert batches == {"[0, 1]", "[2]", "[3, 4]"}
    own_run = run(tmp_path / "again", suite(architectures={"space": space}, seeds=[3, 4]), jobs=0)
    keys = list(own_run.trials["key"])
    scores = frames.scores[frames.scores["key"].isin(keys)]
    assert sorted(zip(scores["step"], scores["name"], map(repr, scores["value"]), strict=True)) == sorted(
        zip(own_run.scores["step"], own_run.scores["name"], map(repr, own_run.scores["value"]), strict=True)
    )


def test_a_half_that_is_killed_goes_on_from_its_own_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five members of which two fit in memory: the run ends after the last half's fifth checkpoint."""
    question = suite(
        seeds=5,
        architectures={"space": "fills-memory-torch"},
        budget={"generator_steps": faults.STEPS, "batch_size": 8, "snapshots": 4},
    )
    undisturbed = run(tmp_path / "undisturbed", question, jobs=0)
    written: list[list[int]] = []
    save_state = Job.save_state

    def save_or_die(job: Job, *parts: Any) -> Any:
        if written.count([3, 4]) == 5:
            signal.raise_signal(signal.SIGINT)
        written.append([trial.seed for trial in job.batch.trials])
        return save_state(job, *parts)

    with monkeypatch.context() as patch:
        patch.setattr(Job, "save_state", save_or_die)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "r", question, jobs=0, checkpoint=0.0)
    each = faults.STEPS - 1  # a checkpoint after every generator step but the last
    assert written == each * [[0, 1]] + each * [[2]] + 5 * [[3, 4]]
    assert len(list_checkpoints(tmp_path / "r")) == 3
    resumed = run(tmp_path / "r", question, jobs=0, checkpoint=0.0)
    steps = {trial["seed"]: facts(tmp_path / "r", trial["key"])["resumed"] for _, trial in resumed.trials.iterrows()}
    assert steps == {0: each, 1: each, 2: each, 3: 5, 4: 5}
    assert list_checkpoints(tmp_path / "r") == set()
    order = ["key", "name", "step", "fresh"]
    first, second = (frames.scores.sort_values(order, ignore_index=True) for frames in (undisturbed, resumed))
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_checkpoints_of_stored_halves_are_removed_by_the_next_run(tmp_path: Path) -> None:
    """A process may be killed after it stored a batch and before it removed the files of the batch's halves."""
    question = suite(seeds=5, architectures={"space": "fills-memory-torch"})
    run(tmp_path / "r", question, jobs=0)
    plugins = registry.load(files=[PLUGIN])
    (batch,) = plan.make(ganbench.suite.parse(question), plugins).batches
    other = tmp_path / "r" / "checkpoints" / f"{64 * '0'}.safetensors"
    other.parent.mkdir(exist_ok=True)
    for path in (other, *(checkpoint_path(tmp_path / "r", half.key) for half in batch.halves()[1].halves())):
        path.write_bytes(b"")
    run(tmp_path / "r", question, jobs=0)
    assert list_checkpoints(tmp_path / "r") == {other.stem}


def test_a_single_member_that_runs_out_of_memory_is_a_failed_trial(tmp_path: Path) -> None:
    frames = run(tmp_path / "r", suite(architectures={"space": "fills-memory-alone"}), jobs=0)
    assert statuses(frames) == {"ns-gan": {"failed"}}
    assert all("t allocate memory" in error for error in frames.trials["error"])
