"""A method that changes what all methods share fails by name; the others have the numbers that they have without it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ganbench
import pytest
import torch
from ganbench import GanbenchError, Metric, Offer, hookimpl
from ganbench.engine.shared_state import SharedState
from ganbench.results.frames import Frames
from ganbench.results.store import Store
from ganbench.runner import isolation
from ganbench.runner.isolation import ProcessChanged, isolated

from tests.support import changing_plugins, tiny_suite
from tests.support.changing_plugins import CHANGES

PLUGIN = str(Path(changing_plugins.__file__))
GOOD = ("ns-gan", "wgan-gp", "lsgan")


def suite(culprits: Sequence[str]) -> dict[str, Any]:
    """Return a suite in which each culprit trains before a good method; without culprits, the good methods alone."""
    methods: list[dict[str, Any]] = []
    for i in range(max(len(culprits), len(GOOD))):
        methods += [{"name": name, "from": "ns-gan", "loss": name} for name in culprits[i : i + 1]]
        methods += [{"name": f"good-{name}", "from": name} for name in GOOD[i : i + 1]]
    return tiny_suite.suite(methods=None, method=methods, success=None, seeds=1)


def run(folder: Path, culprits: Sequence[str] = (), **settings: Any) -> Frames:
    return ganbench.run(suite(culprits), results=folder, files=(PLUGIN,), **settings)


def good_scores(frames: Frames) -> list[tuple[Any, ...]]:
    """Return every bit of the scores of the good methods."""
    methods = frames.trials.set_index("key")["method"]
    rows = zip(frames.scores["key"], frames.scores["step"], frames.scores["name"], frames.scores["value"], strict=True)
    return sorted((methods[key], step, name, repr(value)) for key, step, name, value in rows if "good" in methods[key])


def check_culprits(folder: Path, frames: Frames, culprits: Sequence[str]) -> None:
    """Check that each culprit failed by name, without scores, and that its record has the change as a fact."""
    rows = frames.trials.set_index("method")
    assert {name: row["status"] for name, row in rows.iterrows()} == {
        **dict.fromkeys(culprits, "failed"),
        **dict.fromkeys((f"good-{name}" for name in GOOD), "completed"),
    }
    for name in culprits:
        row, text = rows.loc[name], CHANGES[name.partition("-")[2]][1]
        assert text in row["error"]
        assert f"loss '{name}'" in row["error"]
        assert "changing_plugins.py" in row["error"]
        assert "Use a subclass" in row["error"]
        assert not (frames.scores["key"] == row["key"]).any()
        with Store(folder, readonly=True) as store:
            facts = store.detail(row["key"])["facts"]
        assert any(text in change for change in facts["process_changes"])
        assert facts["attempts"] == 1


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    """The results of the good methods without any culprit."""
    return run(tmp_path_factory.mktemp("alone"), jobs=0)


@pytest.mark.parametrize("when", ["early", "late"])
def test_in_this_process_other_methods_keep_their_numbers(tmp_path: Path, alone: Frames, when: str) -> None:
    culprits = [f"{when}-{name}" for name in ("adam", "softplus", "mean", "engine", "threads", "dtype")]
    culprits += ["early-no-grad"] if when == "early" else []  # the engine's own contexts end it in training
    frames = run(tmp_path / "r", culprits, jobs=0)
    check_culprits(tmp_path / "r", frames, culprits)
    assert good_scores(frames) == good_scores(alone) != []


def test_in_one_worker_other_methods_keep_their_numbers_and_their_one_attempt(tmp_path: Path, alone: Frames) -> None:
    culprits = ["late-adam", "late-streams"]
    frames = run(tmp_path / "r", culprits, jobs=1)
    check_culprits(tmp_path / "r", frames, culprits)
    assert good_scores(frames) == good_scores(alone)
    with Store(tmp_path / "r", readonly=True) as store:
        assert {store.detail(key)["facts"]["attempts"] for key in frames.trials["key"]} == {1}


def test_what_changes_no_number_fails_nobody(tmp_path: Path, alone: Frames) -> None:
    before = Path.cwd()
    frames = run(tmp_path / "r", ["late-cwd", "late-recursion", "late-environment"], jobs=0)
    assert set(frames.trials["status"]) == {"completed"}
    assert good_scores(frames) == good_scores(alone)
    assert Path.cwd() == before


def test_code_that_replaced_a_function_names_its_offer_alone(tmp_path: Path) -> None:
    frames = run(tmp_path / "r", ["late-softplus"], jobs=0)
    error = frames.trials.set_index("method").loc["late-softplus", "error"]
    assert "It was loss 'late-softplus' of changing_plugins.py. So" in error


@pytest.mark.parametrize(
    "line", ["torch.set_default_dtype(torch.float64)", "torch.nn.functional.softplus = torch.relu"]
)
def test_a_plugin_file_that_changes_torch_when_it_is_imported_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "mine.py"
    hook = "@ganbench.hookimpl\ndef ganbench_losses():\n    return ()\n"
    file.write_text(f"import ganbench\nimport torch\n{line}\n{hook}")
    softplus = torch.nn.functional.softplus
    with pytest.raises(GanbenchError, match=r"share: .*It was .*mine\.py or an installed plugin, when it was imported"):
        ganbench.run(suite([]), results=tmp_path / "r", files=(str(file),), jobs=0)
    assert torch.get_default_dtype() == torch.float32
    assert torch.nn.functional.softplus is softplus


def test_a_metric_that_changes_torch_stops_the_run_before_it_trains(tmp_path: Path) -> None:
    def measure(evidence: Any) -> dict[str, float]:
        torch.set_num_threads(3)
        return {"nothing": 0.0}

    @hookimpl
    def ganbench_metrics() -> Any:
        yield Offer("changes-threads", lambda: Metric(measure=measure, values={"nothing": "neutral"}), "Three threads.")

    question = tiny_suite.suite(success=None, measurement={"samples": 20, "metrics": ["changes-threads"]})
    with pytest.raises(GanbenchError, match=r"threads went from 1 to 3.*metric 'changes-threads'"):
        ganbench.run(question, results=tmp_path, offers=[ganbench_metrics])


def test_after_a_change_that_nothing_can_undo_the_process_trains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "_lasting", [])
    try:
        with pytest.raises(ProcessChanged, match="went from False to True"), isolated(SharedState(), []):
            changing_plugins.enter_inference_mode()
        with pytest.raises(ProcessChanged, match="nothing can undo it"), isolated(SharedState(), []):
            pytest.fail("it trains")
    finally:
        changing_plugins.entered.pop().__exit__(None, None, None)


def change_and_raise(error: BaseException) -> None:
    torch.set_default_dtype(torch.float64)
    raise error


def test_ctrl_c_stays_ctrl_c_and_the_change_is_undone() -> None:
    state = SharedState()
    with pytest.raises(KeyboardInterrupt), isolated(state, []):
        change_and_raise(KeyboardInterrupt())
    assert state.undo() == ([], [])


def test_system_exit_after_a_change_is_the_failure_of_the_batch() -> None:
    with pytest.raises(ProcessChanged, match="they ended with SystemExit"), isolated(SharedState(), []):
        change_and_raise(SystemExit())
