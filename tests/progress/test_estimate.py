"""What a suite still takes: exactly what its like took where that is known, and what a short trial says elsewhere."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import ganbench
import pytest
from ganbench import plan, registry
from ganbench.api.trials import Batch
from ganbench.progress import estimate as estimates
from ganbench.progress.estimate import TimedBatch, estimate_cost, time_batch
from ganbench.results.store import Store, read
from ganbench.suite.loading import parse

from tests.cli.test_commands import SUITE
from tests.support.terminal import ganbench as command
from tests.support.tiny_suite import suite as small

PLUGINS = registry.load()


def batches(**changes: Any) -> tuple[Batch, ...]:
    return plan.make(parse(small(**changes)), PLUGINS).batches


def test_records_of_the_folder_tell_the_time_and_the_disk_of_what_is_left(tmp_path: Path) -> None:
    frames = ganbench.run(small(seeds=2), out=tmp_path, jobs=0)
    with Store(tmp_path, readonly=True) as store:
        left = plan.missing(plan.make(parse(small(seeds=6)), PLUGINS), store.known()).batches
    found = estimate_cost(left, frames, tmp_path, PLUGINS, 1)
    took = (frames.trials["seconds_train"] + frames.trials["seconds_evaluate"]).groupby(frames.trials["method"]).mean()
    assert found.seconds == pytest.approx(4 * took.sum(), rel=1e-6)
    sizes = [file.stat().st_size for file in (tmp_path / "networks").iterdir()]
    assert found.disk == pytest.approx(8 * (estimates.ROW_BYTES + sum(sizes) / len(sizes)))
    assert (found.trials, found.recorded, found.tried) == (8, 4, 0)
    on_two = estimate_cost(left, frames, tmp_path, PLUGINS, 2)
    assert on_two.seconds == pytest.approx(4 * took.max(), rel=1e-6)
    assert "on 2 workers" in on_two.line
    assert "from 4 records of this folder" in on_two.line
    assert estimate_cost((), read(tmp_path), tmp_path, PLUGINS, 1).line == "estimate: nothing is left to train"


def test_what_no_record_tells_of_is_tried_once_for_each_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"ns-gan": 10.0, "wgan-gp": 60.0}
    tried: list[str] = []

    def pretend(batch: Batch, _: Any) -> TimedBatch:
        tried.append(batch.trials[0].labels["method"])
        return TimedBatch(seconds[tried[-1]], 1000)

    monkeypatch.setattr(estimates, "time_batch", pretend)
    told: list[tuple[int, int]] = []
    found = estimate_cost(batches(seeds=40), None, tmp_path, PLUGINS, 1, lambda done, whole: told.append((done, whole)))
    assert tried == ["ns-gan", "wgan-gp"]
    assert told == [(0, 2), (1, 2), (2, 2)]
    assert found.seconds == pytest.approx(70.0 * 40 / 10)
    assert found.disk == 80 * (estimates.ROW_BYTES + 1000)
    assert found.line.endswith("for 80 trials, from a short trial of 2 methods on their datasets")


@pytest.mark.parametrize(("steps", "taken"), [(1, 1), (2, 2), (90, 90), (1_000_000, 100)])
def test_a_short_trial_stops_and_counts_for_the_whole_budget(
    steps: int, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock that a hundredth of a second passes on at each look, a step and a judgement take one each."""
    looks = count()
    monkeypatch.setattr(estimates, "perf_counter", lambda: next(looks) / 100)
    monkeypatch.setattr(estimates, "TRY_SECONDS", 0.99)
    (batch, _) = batches(budget={"generator_steps": steps, "batch_size": 16, "snapshots": 1})
    tried = time_batch(batch, PLUGINS)
    assert tried.seconds == pytest.approx(0.01 * steps + 0.01 * 3)
    assert taken <= next(looks) <= taken + 8
    assert tried.network > 500


def test_the_plan_tells_its_estimate_and_stores_nothing(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(SUITE)
    ended = command("plan", "tiny.toml", "--estimate", "--jobs", "1", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1].startswith("estimate: ")
    assert "on one worker" in ended.stdout
    assert "from a short trial of 2 methods" in ended.stdout
    assert not (tmp_path / "results").exists()
