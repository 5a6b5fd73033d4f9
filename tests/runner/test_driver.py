"""A run from suite to results: in this process, in workers, again, with stale records, with failures, from Python."""

from __future__ import annotations

import json
import multiprocessing.spawn
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import ganbench
import pandas as pd
import pytest
import torch
from ganbench import Constraint, GanbenchError, Objective, Offer, hookimpl
from ganbench.api.events import Lost
from ganbench.cli import main
from ganbench.results.store import Store, read
from ganbench.runner.driver import read_suite, run_events
from ganbench.runner.execution import make_lost_records
from ganbench.runner.settings import Settings
from safetensors.torch import load

from tests.support.executor_work import make_batch
from tests.support.tiny_suite import suite as tiny_suite

LOSS = '''
from __future__ import annotations

import torch
from torch.nn.functional import softplus

from ganbench import Objective, Offer, hookimpl


def critic(real, fake):
    """Return the loss of a critic that separates real samples from fake ones."""
    return softplus(-real).mean() + softplus(fake).mean()


def generator(real, fake):
    return softplus(-fake).mean()


@hookimpl
def ganbench_losses():
    yield Offer("mine", lambda: Objective(critic, generator), "A copy of the -log D loss.")
'''


def train(tmp_path, question=None, **settings):
    return ganbench.run(question or tiny_suite(), results=tmp_path / "results", jobs=0, **settings)


def final_values(frames, name):
    last = frames.series[frames.series["name"] == name].groupby("key").last()["value"]
    return frames.trials.assign(value=frames.trials["key"].map(last)).set_index(["method", "seed"])["value"]


def test_a_run_stores_a_record_scores_signals_and_a_generator_of_every_trial(tmp_path):
    frames = train(tmp_path)
    assert list(frames.trials["status"]) == ["completed"] * 6
    assert set(frames.scores["name"]) == {"modes", "high-quality", "reverse-kl", "spread"}
    assert sorted(frames.scores["step"].unique()) == [2, 4]
    signals = {f"{signal}.{player}" for signal in ("loss", "weights") for player in ("critic", "generator")}
    signals |= {"gradient.generator", "scores.real", "scores.fake", "term.gradient-penalty"}
    assert set(frames.signals["name"]) == signals
    assert set(frames.trials["critic_updates"]) == {4, 20}
    with Store(tmp_path / "results", readonly=True) as store:
        detail = store.detail(frames.trials["key"][0])
        assert detail["composition"]["members"] == [0, 1, 2]
        assert detail["composition"]["torch"] == torch.__version__
        weights = load(store.generator(frames.trials["key"][0]))
    assert weights["generator.output.weight"].shape == (2, 8)
    assert (tmp_path / "results" / "suite.toml").read_text()


def test_a_second_run_trains_nothing_and_a_new_seed_trains_alone(tmp_path):
    three_seeds = train(tmp_path)
    suite, settings = read_suite(tiny_suite()), Settings(results=tmp_path / "results", jobs=0)
    assert [event for _, event in run_events(suite, settings)] == [None]
    pd.testing.assert_frame_equal(read(tmp_path / "results").scores, three_seeds.scores)
    four_seeds = train(tmp_path, tiny_suite(seeds=4))
    values = final_values(four_seeds, "modes")
    assert len(four_seeds.trials) == 8
    for method_and_seed, value in final_values(three_seeds, "modes").items():
        assert values[method_and_seed] == value
    two_seeds = train(tmp_path, tiny_suite(seeds=2))
    assert len(two_seeds.trials) == 4
    assert len(read(tmp_path / "results", everything=True).trials) == 8


def test_workers_return_the_same_scores_as_this_process(tmp_path):
    in_process = train(tmp_path / "a")
    in_workers = ganbench.run(tiny_suite(), results=tmp_path / "b" / "results", jobs=2)
    pd.testing.assert_frame_equal(in_process.scores, in_workers.scores)
    assert (tmp_path / "b" / "results" / "log").is_dir()


def test_a_loss_from_a_file_runs_and_an_edit_makes_its_trials_stale(tmp_path):
    file = tmp_path / "mine.py"
    question = tiny_suite(methods=["ns-gan"], method=[{"name": "m", "from": "ns-gan", "loss": "mine"}], success=None)

    def run() -> list[object]:
        settings = Settings(results=tmp_path / "results", jobs=0, files=(str(file),))
        todo = next(iter([session.todo for session, _ in run_events(read_suite(question), settings)]))
        return [*(batch.trials[0].labels["method"] for batch in todo.batches), len(todo.stale)]

    file.write_text(LOSS)
    assert run() == ["ns-gan", "m", 0]
    assert run() == [0]
    other_docstring = LOSS.replace("Return the loss of a critic that separates real samples", "Compare real samples")
    assert other_docstring != LOSS
    file.write_text(other_docstring + "\n# a comment\n")
    assert run() == [0]
    file.write_text(LOSS.replace("softplus(fake).mean()\n\n\ndef gen", "2 * softplus(fake).mean()\n\n\ndef gen"))
    assert run() == ["m", 3]
    assert list(read(tmp_path / "results").trials["stale"]) == [False] * 6


def test_a_loss_defined_in_python_trains_like_the_loss_that_it_copies(tmp_path):
    from torch.nn.functional import softplus

    @hookimpl
    def ganbench_losses():
        build = lambda: Objective(  # noqa: E731
            lambda r, f: softplus(-r).mean() + softplus(f).mean(), lambda r, f: softplus(-f).mean()
        )
        yield Offer("copied", build, "Another copy of the -log D loss.")

    question = tiny_suite(methods=["ns-gan"], method=[{"name": "c", "from": "ns-gan", "loss": "copied"}], success=None)
    frames = ganbench.run(question, results=tmp_path / "results", offers=[ganbench_losses])
    values = final_values(frames, "high-quality")
    assert list(values["c"]) == list(values["ns-gan"])
    with pytest.raises(GanbenchError, match="cannot be sent to workers"):
        ganbench.run(question, results=tmp_path / "other", offers=[ganbench_losses], jobs=2)


def test_a_trial_that_raises_is_a_failed_row_and_the_other_trials_train(tmp_path):
    def term(play):
        raise ValueError("the term is broken")

    @hookimpl
    def ganbench_constraints():
        yield Offer("broken", lambda: Constraint(critic=term), "Raises.")

    broken = {"name": "broken-gan", "from": "ns-gan", "constraints": ["broken"]}
    frames = ganbench.run(
        tiny_suite(methods=["ns-gan"], method=[broken], success=None),
        results=tmp_path / "r",
        offers=[ganbench_constraints],
    )
    status = frames.trials.set_index("method")["status"]
    assert set(status["ns-gan"]) == {"completed"}
    assert set(status["broken-gan"]) == {"failed"}
    assert "the term is broken" in frames.trials.set_index("method").loc["broken-gan", "error"].iloc[0]


def test_a_trial_that_diverges_is_a_row_with_the_optimizer_step_at_which_it_diverged(tmp_path):
    divergent = {"name": "divergent", "from": "ns-gan", "optimizer": {"name": "sgd", "lr": 1e30}}
    frames = train(tmp_path, tiny_suite(methods=["ns-gan"], method=[divergent], success=None))
    rows = frames.trials.set_index("method")
    assert (rows.loc["divergent", "diverged_at"] > 0).all()
    assert (rows.loc["ns-gan", "diverged_at"] == -1).all()
    assert set(rows.loc["divergent", "status"]) == {"diverged"}
    assert set(rows.loc["ns-gan", "status"]) == {"completed"}
    keys = set(rows.loc["divergent", "key"])
    assert frames.scores[frames.scores["key"].isin(keys) & (frames.scores["step"] == 4)]["value"].isna().all()


def test_a_run_killed_between_batches_resumes_to_the_scores_of_an_undisturbed_run(tmp_path):
    space = {"space": "random-mlp", "sample": 5, "seed": 1, "options": {"depths": [2], "widths": [8, 16]}}
    question = tiny_suite(architectures=space, budget={"generator_steps": 40, "snapshots": 2})
    suite = tmp_path / "suite.json"
    suite.write_text(json.dumps(question))
    script = "import json, ganbench; ganbench.run(json.load(open('suite.json')), results='results', jobs=1)"
    driver = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, start_new_session=True)
    database, deadline = tmp_path / "results" / "results.sqlite", time.monotonic() + 300
    done = 0
    while not 2 <= done < 30 and time.monotonic() < deadline:
        time.sleep(0.1)
        if database.exists():
            try:
                done = int((read(tmp_path / "results").trials["status"] == "completed").sum())
            except GanbenchError:
                continue  # being created
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    assert 2 <= done < 30
    before = read(tmp_path / "results").scores
    events = list(run_events(read_suite(question), Settings(results=tmp_path / "results", jobs=0)))
    remaining = sum(len(batch.trials) for batch in events[0][0].todo.batches)
    assert remaining <= 30 - done
    after = read(tmp_path / "results")
    assert list(after.trials["status"]) == ["completed"] * 30
    stored_before = after.scores[after.scores["key"].isin(set(before["key"]))].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        stored_before.sort_values(["key", "name", "step"], ignore_index=True),
        before.sort_values(["key", "name", "step"], ignore_index=True),
    )
    undisturbed = ganbench.run(question, results=Path(tmp_path) / "again", jobs=0)
    pd.testing.assert_frame_equal(
        after.scores.sort_values(["key", "name", "step"], ignore_index=True),
        undisturbed.scores.sort_values(["key", "name", "step"], ignore_index=True),
    )


def test_a_script_without_a_main_guard_trains_in_workers_and_again_has_nothing_to_do(tmp_path):
    question = tiny_suite(methods=["ns-gan"], seeds=1, success=None)
    script = f"import ganbench; frames = ganbench.run({question!r}, results='r', jobs=1)\n"
    (tmp_path / "script.py").write_text(script + "print(list(frames.trials['status']), list(frames.trials['error']))")
    for _ in range(2):
        ended = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert (ended.stdout, ended.stderr, ended.returncode) == ("['completed'] ['']\n", "", 0)
    with Store(tmp_path / "r", readonly=True) as store:
        assert [run.trained for run in store.history()] == [1, 0]


def test_workers_that_cannot_be_started_end_the_run_with_one_error_and_no_trial(tmp_path, monkeypatch, capsys):
    (tmp_path / "s.toml").write_text(
        'question = "Any?"\nmethods = ["ns-gan"]\nbudget = {generator_steps = 4, batch_size = 8, snapshots = 1}\n'
        '[[dataset]]\nname = "ring"\n'
    )
    monkeypatch.setattr(multiprocessing.spawn, "_python_exe", b"/no/such/python")
    with pytest.raises(SystemExit) as ended:
        main(["run", str(tmp_path / "s.toml"), "--jobs", "1", "--results", str(tmp_path / "r")])
    assert ended.value.code == 1
    last = capsys.readouterr().err.rpartition("ganbench: ")[2]
    assert last.startswith("no worker can be started: 3 in a row ended before they began a batch.")
    assert "--jobs 0" in last
    with Store(tmp_path / "r", readonly=True) as store:
        assert not store.known()


def test_progress_in_this_process_is_reported_before_its_batch_ends(tmp_path):
    steps, order = [], []

    def on_progress(event):
        steps.append((event.step, event.steps))
        order.append("progress")

    for _, event in run_events(read_suite(tiny_suite()), Settings(results=tmp_path / "r", jobs=0), on_progress):
        order.append(type(event).__name__)
    assert steps == [(step, 4) for step in (1, 2, 3, 4)] * 2
    assert "Progress" not in order, "progress is not reported twice"
    assert order.index("progress") < order.index("Finished")


def test_the_results_folder_under_its_old_keyword_is_answered_with_the_new_one(tmp_path):
    with pytest.raises(GanbenchError, match="out is now results"):
        ganbench.run(tiny_suite(), out=tmp_path)


def test_a_status_that_an_executor_invents_is_a_failure_that_names_the_right_one():
    (record,) = make_lost_records(Lost(make_batch("one"), "timeout", "too slow"))  # type: ignore[arg-type]
    assert record.status == "failed"
    assert record.error.startswith("too slow\n")
    assert "no status 'timeout'. Did you mean 'timed-out'?" in record.error
