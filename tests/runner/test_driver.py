"""A run from suite to results, in this process and in workers; again, stale, broken, from Python."""

from __future__ import annotations

import json
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
from ganbench.results.store import Store, read
from ganbench.runner.driver import read_suite, run_events
from ganbench.runner.settings import Settings
from safetensors.torch import load

from tests.support.tiny_suite import suite as small

LOSS = '''
from __future__ import annotations

import torch
from torch.nn.functional import softplus

from ganbench import Objective, Offer, hookimpl


def critic(real, fake):
    """Say how badly it tells them apart."""
    return softplus(-real).mean() + softplus(fake).mean()


def generator(real, fake):
    return softplus(-fake).mean()


@hookimpl
def ganbench_losses():
    yield Offer("mine", lambda: Objective(critic, generator), "My own copy of the -log D trick.")
'''


def train(tmp_path, question=None, **settings):
    return ganbench.run(question or small(), out=tmp_path / "results", jobs=0, **settings)


def final(frames, name):
    last = frames.series[frames.series["name"] == name].groupby("key").last()["value"]
    return frames.trials.assign(value=frames.trials["key"].map(last)).set_index(["method", "seed"])["value"]


def test_a_run_leaves_a_record_scores_signals_and_a_generator_for_every_trial(tmp_path):
    frames = train(tmp_path)
    assert list(frames.trials["status"]) == ["completed"] * 6
    assert set(frames.scores["name"]) == {"modes", "high-quality", "reverse-kl", "spread"}
    assert sorted(frames.scores["step"].unique()) == [2, 4]
    always = {f"{what}.{player}" for what in ("loss", "weights") for player in ("critic", "generator")}
    assert set(frames.signals["name"]) == always | {"gradient.generator"}
    assert set(frames.trials["critic_updates"]) == {4, 20}
    with Store(tmp_path / "results", readonly=True) as store:
        detail = store.detail(frames.trials["key"][0])
        assert detail["composition"]["members"] == [0, 1, 2]
        assert detail["composition"]["torch"] == torch.__version__
        weights = load(store.generator(frames.trials["key"][0]))
    assert weights["generator.output.weight"].shape == (2, 8)
    assert (tmp_path / "results" / "suite.toml").read_text()


def test_a_second_run_trains_nothing_and_a_new_seed_trains_alone(tmp_path):
    first = train(tmp_path)
    asked, settings = read_suite(small()), Settings(out=tmp_path / "results", jobs=0)
    assert [event for _, event in run_events(asked, settings)] == [None]
    pd.testing.assert_frame_equal(read(tmp_path / "results").scores, first.scores)
    more = train(tmp_path, small(seeds=4))
    both = final(more, "modes")
    assert len(more.trials) == 8
    for cell, value in final(first, "modes").items():
        assert both[cell] == value
    fewer = train(tmp_path, small(seeds=2))
    assert len(fewer.trials) == 4
    assert len(read(tmp_path / "results", everything=True).trials) == 8


def test_workers_give_what_this_process_gives(tmp_path):
    here = train(tmp_path / "a")
    there = ganbench.run(small(), out=tmp_path / "b" / "results", jobs=2)
    pd.testing.assert_frame_equal(here.scores, there.scores)
    assert (tmp_path / "b" / "results" / "log").is_dir()


def test_a_loss_from_a_file_runs_and_an_edit_makes_its_trials_stale(tmp_path):
    file = tmp_path / "mine.py"
    question = small(methods=["ns-gan"], method=[{"name": "m", "from": "ns-gan", "loss": "mine"}], success=None)

    def run() -> list[object]:
        settings = Settings(out=tmp_path / "results", jobs=0, files=(str(file),))
        todo = next(iter([session.todo for session, _ in run_events(read_suite(question), settings)]))
        return [*(batch.trials[0].labels["method"] for batch in todo.batches), len(todo.stale)]

    file.write_text(LOSS)
    assert run() == ["ns-gan", "m", 0]
    assert run() == [0]
    file.write_text(LOSS.replace("Say how badly it tells them apart.", "Another docstring.") + "\n# a comment\n")
    assert run() == [0]
    file.write_text(LOSS.replace("softplus(fake).mean()\n\n\ndef gen", "2 * softplus(fake).mean()\n\n\ndef gen"))
    assert run() == ["m", 3]
    assert list(read(tmp_path / "results").trials["stale"]) == [False] * 6


def test_a_loss_given_in_python_trains_like_the_one_it_copies(tmp_path):
    from torch.nn.functional import softplus

    @hookimpl
    def ganbench_losses():
        build = lambda: Objective(  # noqa: E731
            lambda r, f: softplus(-r).mean() + softplus(f).mean(), lambda r, f: softplus(-f).mean()
        )
        yield Offer("copied", build, "The -log D trick again.")

    question = small(methods=["ns-gan"], method=[{"name": "c", "from": "ns-gan", "loss": "copied"}], success=None)
    frames = ganbench.run(question, out=tmp_path / "results", offers=[ganbench_losses])
    ends = final(frames, "high-quality")
    assert list(ends["c"]) == list(ends["ns-gan"])
    with pytest.raises(GanbenchError, match="cannot travel to workers"):
        ganbench.run(question, out=tmp_path / "other", offers=[ganbench_losses], jobs=2)


def test_a_trial_that_raises_is_a_failed_row_and_the_rest_goes_on(tmp_path):
    def term(play):
        raise ValueError("the sky is falling")

    @hookimpl
    def ganbench_constraints():
        yield Offer("broken", lambda: Constraint(critic=term), "Raises.")

    broken = {"name": "broken-gan", "from": "ns-gan", "constraints": ["broken"]}
    frames = ganbench.run(
        small(methods=["ns-gan"], method=[broken], success=None), out=tmp_path / "r", offers=[ganbench_constraints]
    )
    status = frames.trials.set_index("method")["status"]
    assert set(status["ns-gan"]) == {"completed"}
    assert set(status["broken-gan"]) == {"failed"}
    assert "the sky is falling" in frames.trials.set_index("method").loc["broken-gan", "error"].iloc[0]


def test_a_trial_that_diverges_is_a_row_with_the_update_at_which_it_did(tmp_path):
    wild = {"name": "wild", "from": "ns-gan", "optimizer": {"name": "sgd", "lr": 1e30}}
    frames = train(tmp_path, small(methods=["ns-gan"], method=[wild], success=None))
    rows = frames.trials.set_index("method")
    assert (rows.loc["wild", "diverged_at"] > 0).all()
    assert (rows.loc["ns-gan", "diverged_at"] == -1).all()
    assert set(rows.loc["wild", "status"]) == {"diverged"}
    assert set(rows.loc["ns-gan", "status"]) == {"completed"}
    wild_keys = set(rows.loc["wild", "key"])
    assert frames.scores[frames.scores["key"].isin(wild_keys) & (frames.scores["step"] == 4)]["value"].isna().all()


def test_a_run_killed_between_batches_goes_on_where_it_was(tmp_path):
    space = {"space": "random-mlp", "sample": 5, "seed": 1, "options": {"depths": [2], "widths": [8, 16]}}
    question = small(architectures=space, budget={"generator_steps": 40, "snapshots": 2})
    suite = tmp_path / "suite.json"
    suite.write_text(json.dumps(question))
    script = "import json, ganbench; ganbench.run(json.load(open('suite.json')), out='results', jobs=1)"
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
    events = list(run_events(read_suite(question), Settings(out=tmp_path / "results", jobs=0)))
    left = sum(len(batch.trials) for batch in events[0][0].todo.batches)
    assert left <= 30 - done
    after = read(tmp_path / "results")
    assert list(after.trials["status"]) == ["completed"] * 30
    kept = after.scores[after.scores["key"].isin(set(before["key"]))].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        kept.sort_values(["key", "name", "step"], ignore_index=True),
        before.sort_values(["key", "name", "step"], ignore_index=True),
    )
    undisturbed = ganbench.run(question, out=Path(tmp_path) / "again", jobs=0)
    pd.testing.assert_frame_equal(
        after.scores.sort_values(["key", "name", "step"], ignore_index=True),
        undisturbed.scores.sort_values(["key", "name", "step"], ignore_index=True),
    )


def test_progress_in_this_process_is_told_before_its_batch_ends(tmp_path):
    heard, order = [], []

    def hear(event):
        heard.append((event.step, event.steps))
        order.append("progress")

    for _, event in run_events(read_suite(small()), Settings(out=tmp_path / "r", jobs=0), hear):
        order.append(type(event).__name__)
    assert heard == [(step, 4) for step in (1, 2, 3, 4)] * 2
    assert "Progress" not in order, "nothing is told twice"
    assert order.index("progress") < order.index("Finished")
