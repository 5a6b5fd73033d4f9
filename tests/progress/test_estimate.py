"""Estimates: what similar batches took if that is recorded, else what a short trial run shows."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import ganbench
import pytest
import torch
from ganbench import plan, registry
from ganbench.api.trials import Batch
from ganbench.engine import device as devices
from ganbench.progress import estimate as estimates
from ganbench.progress.estimate import TimedBatch, estimate_cost, time_batch
from ganbench.progress.status import format_flops
from ganbench.results.store import Store, read
from ganbench.runner import worker
from ganbench.suite.loading import parse

from tests.cli.test_commands import SUITE
from tests.support.conv_space import Images
from tests.support.terminal import ganbench as command
from tests.support.tiny_suite import suite as small

PLUGINS = registry.load()
JOB = worker.Job


def batches(**changes: Any) -> tuple[Batch, ...]:
    return plan.make(parse(small(**changes)), PLUGINS).batches


def test_records_of_the_folder_give_the_time_and_disk_of_the_remaining_trials(tmp_path: Path) -> None:
    frames = ganbench.run(small(seeds=2), results=tmp_path, jobs=0)
    with Store(tmp_path, readonly=True) as store:
        remaining = plan.find_missing(plan.make(parse(small(seeds=6)), PLUGINS), store.known()).batches
    estimate = estimate_cost(remaining, frames, tmp_path, PLUGINS, 1)
    seconds = (
        (frames.trials["seconds_train"] + frames.trials["seconds_evaluate"]).groupby(frames.trials["method"]).mean()
    )
    assert estimate.seconds == pytest.approx(4 * seconds.sum(), rel=1e-6)
    sizes = [file.stat().st_size for file in (tmp_path / "networks").iterdir()]
    assert estimate.disk == pytest.approx(8 * (estimates.ROW_BYTES + sum(sizes) / len(sizes)))
    assert (estimate.trials, estimate.recorded, estimate.tried) == (8, 4, 0)
    on_two = estimate_cost(remaining, frames, tmp_path, PLUGINS, 2)
    assert on_two.seconds == pytest.approx(4 * seconds.max(), rel=1e-6)
    assert "on 2 workers" in on_two.line
    assert "from 4 records of this folder" in on_two.line
    assert estimate_cost((), read(tmp_path), tmp_path, PLUGINS, 1).line == "estimate: nothing is left to train"


def test_a_method_without_records_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"ns-gan": 10.0, "wgan-gp": 60.0}
    tried: list[str] = []

    def fake_time_batch(batch: Batch, *_: Any) -> TimedBatch:
        tried.append(batch.trials[0].labels["method"])
        return TimedBatch(seconds[tried[-1]], 1000)

    monkeypatch.setattr(estimates, "time_batch", fake_time_batch)
    steps: list[tuple[int, int]] = []
    estimate = estimate_cost(batches(seeds=40), None, tmp_path, PLUGINS, 1, lambda *step: steps.append(step))
    assert tried == ["ns-gan", "wgan-gp"]
    assert steps[-3:] == [(0, 2), (1, 2), (2, 2)]
    assert steps[:-3] == [(done, len(steps) - 3) for done in range(len(steps) - 3)]  # the batches that were counted
    assert estimate.seconds == pytest.approx(70.0 * 40 / 10)
    assert estimate.disk == 80 * (estimates.ROW_BYTES + 1000)
    assert estimate.line.endswith("for 80 trials, from a short trial of 2 methods on their datasets")


def test_records_of_another_device_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = ganbench.run(small(seeds=2), results=tmp_path, jobs=0, device="cpu")
    trials = frames.trials
    mixed = replace(frames, trials=trials.assign(device=trials["method"].map({"ns-gan": "cpu", "wgan-gp": "cuda"})))
    tried: list[tuple[str, str]] = []

    def fake_time_batch(batch: Batch, _: Any, device: str) -> TimedBatch:
        tried.append((batch.trials[0].labels["method"], device))
        return TimedBatch(60.0, 1000)

    monkeypatch.setattr(estimates, "time_batch", fake_time_batch)
    estimate = estimate_cost(batches(seeds=8), mixed, tmp_path, PLUGINS, 1, device="cpu")
    assert tried == [("wgan-gp", "cpu")]
    assert (estimate.recorded, estimate.tried) == (2, 1)


def test_the_short_trial_runs_on_the_device_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    configured: list[str] = []
    configure = devices.configure
    monkeypatch.setattr(devices, "configure", lambda device="auto": configured.append(device) or configure(device))
    (batch, _) = batches(budget={"generator_steps": 1, "batch_size": 16, "snapshots": 1})
    time_batch(batch, PLUGINS, "cpu")
    assert configured == ["cpu"]


@pytest.mark.parametrize(("steps", "taken"), [(1, 1), (2, 2), (90, 90), (1_000_000, 100)])
def test_a_short_trial_run_stops_early_and_is_scaled_to_the_whole_budget(
    steps: int, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock that advances 0.01 s at each reading, a step and an evaluation take 0.01 s each."""
    readings = count()
    monkeypatch.setattr(estimates, "perf_counter", lambda: next(readings) / 100)
    monkeypatch.setattr(estimates, "TRY_SECONDS", 0.99)
    (batch, _) = batches(budget={"generator_steps": steps, "batch_size": 16, "snapshots": 1})
    timed = time_batch(batch, PLUGINS)
    assert timed.seconds == pytest.approx(0.01 * steps + 0.01 * 3)
    assert taken <= next(readings) <= taken + 8
    assert timed.network > 500


def test_a_short_trial_run_scores_few_samples_and_scales_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a suite that scores 50,000 samples by a large network would be tried for hours."""
    readings = count()
    monkeypatch.setattr(estimates, "perf_counter", lambda: next(readings) / 100)
    monkeypatch.setattr(estimates, "TRY_SAMPLES", 20)
    scored: list[int] = []
    monkeypatch.setattr(
        worker, "Job", lambda batch, *rest: scored.append(batch.measurement.samples) or JOB(batch, *rest)
    )
    (batch, _) = batches(
        budget={"generator_steps": 1, "batch_size": 16, "snapshots": 1},
        measurement={"samples": 50, "metrics": ["modes"]},
    )
    assert time_batch(batch, PLUGINS).seconds == pytest.approx(0.01 + 0.01 * 3 * 50 / 20)
    assert scored == [20]


def test_the_work_is_told_before_anything_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def fake_time_batch(*_: Any) -> TimedBatch:
        told.append("tried")
        return TimedBatch(1.0, 1000)

    monkeypatch.setattr(estimates, "time_batch", fake_time_batch)
    estimate = estimate_cost(batches(), None, tmp_path, PLUGINS, 1, show_work=told.append)
    assert told == [estimate.work, "tried", "tried"]
    assert estimate.work.startswith("work: ")


def test_the_plan_command_prints_its_estimate_and_stores_nothing(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(SUITE)
    ended = command("plan", "tiny.toml", "--estimate", "--jobs", "1", "--device", "cpu", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert [line.partition(" ")[0] for line in ended.stdout.splitlines()[-2:]] == ["work:", "estimate:"]
    assert "on one worker" in ended.stdout
    assert "from a short trial of 2 methods" in ended.stdout
    assert not (tmp_path / "results").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_a_plan_for_a_device_that_is_not_here_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(SUITE)
    ended = command("plan", "tiny.toml", "--estimate", "--device", "cuda", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "torch finds no CUDA device here" in ended.stderr


def test_the_work_of_each_method_is_told_in_flops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the budget, where the budget is in FLOPs: to less than a step of two thousand."""
    monkeypatch.setattr(estimates, "time_batch", lambda *_: TimedBatch(1.0, 1000))
    some = batches(budget={"flops": 1e10, "batch_size": 16}, seeds=3)
    estimate = estimate_cost(some, None, tmp_path, PLUGINS, 1)
    trials = sum(len(batch.trials) for batch in some) / 2
    assert estimate.flops == {name: pytest.approx(1e10 * trials, rel=1e-2) for name in ("ns-gan", "wgan-gp")}
    one = f"{trials * 10:.3g} GFLOP"
    assert estimate.work == f"work: {2 * trials * 10:.3g} GFLOP (ns-gan {one}, wgan-gp {one})"


def test_the_paper_s_own_experiment_is_tens_of_exaflop() -> None:
    """About 31 EFLOP for WGAN-GP on 200 architectures; the paper does not state how depth maps to layers."""
    plugins = registry.load(plugins=[Images()])
    table = {
        "question": "What does the paper's table cost?",
        "methods": ["wgan-gp"],
        "budget": {"generator_steps": 100_000, "batch_size": 64},
        "architectures": {"space": "random-conv", "sample": 25},
        "dataset": [{"name": "noise-images", "side": 32, "channels": 3}],
    }
    (flops,) = estimates.count_work(plan.make(parse(table), plugins).batches, plugins).values()
    assert 31e18 / 2 < flops * 200 / 25 < 31e18 * 2


def test_the_work_of_configurations_is_that_of_their_method() -> None:
    """Six configurations with numbers of their own cost as much as six seeds of the recipe."""
    plugins = registry.load()
    varied = {"name": "ns-gan", "vary": {"optimizer.lr": [1e-4, 1e-3, 1e-2], "optimizer.beta1": [0.0, 0.5]}}
    swept = plan.make(parse(small(methods=[], method=[varied], seeds=1, success=None)), plugins)
    plain = plan.make(parse(small(methods=["ns-gan"], seeds=6, success=None)), plugins)
    (work, same) = (estimates.count_work(made.batches, plugins) for made in (swept, plain))
    assert work == same
    assert list(work) == ["ns-gan"]


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 FLOP"),
        (999, "999 FLOP"),
        (1000, "1 KFLOP"),
        (2.5e12, "2.5 TFLOP"),
        (3.14159e19, "31.4 EFLOP"),
        (1e30, "1e+06 YFLOP"),
    ],
)
def test_operations_are_told_in_human_units(count: float, shown: str) -> None:
    assert format_flops(count) == shown
