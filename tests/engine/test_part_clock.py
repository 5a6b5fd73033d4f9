"""The parts of a training are timed from outside: every moment in one part at most, and no bit is another."""

from __future__ import annotations

import time
from functools import partial

import pytest
import torch
from ganbench.engine import device as devices
from ganbench.engine import step, train
from ganbench.engine.graphs import CudaGraphs
from ganbench.engine.part_clock import GRAPHS, PARTS, PartClock

from tests.support.recorded_graphs import RecordedGraphs
from tests.support.small_games import make_training, mlp, ring, wgan_gp


def test_time_counts_for_the_innermost_part_only() -> None:
    now = iter([0.0, 1.0, 11.0, 11.5])
    clock = PartClock(now=now.__next__)
    clock.timed("optimizer", clock.timed("gradients", lambda: None))()
    assert dict(clock.seconds) == {"optimizer": 1.0 + 0.5, "gradients": 10.0}
    assert clock.part == ""


def test_a_part_that_raises_ends_and_the_device_is_waited_for_within_it() -> None:
    waits: list[str] = []
    clock = PartClock(wait=lambda: waits.append(clock.part))
    with pytest.raises(ZeroDivisionError):
        clock.timed("draws", lambda: 1 // 0)()
    assert (clock.part, waits) == ("", ["draws"])


@pytest.mark.parametrize("mode", ["stack", "loop"])
def test_each_part_of_a_training_takes_time_all_of_them_not_more_than_it_and_no_bit_changes(mode: str) -> None:
    def train(clock: PartClock | None) -> tuple[dict[str, torch.Tensor], float]:
        run = make_training(wgan_gp(), mlp(), ring(), mode=mode, steps=20, dtype=torch.float32)
        if clock is not None:
            clock.follow(run)
        began = time.perf_counter()
        *_, last = run.run()
        return last.generators, time.perf_counter() - began

    clock = PartClock()
    timed, seconds = train(clock)
    assert set(clock.seconds) == set(PARTS)
    assert min(clock.seconds.values()) > 0
    assert sum(clock.seconds.values()) <= seconds
    assert max(clock.seconds, key=lambda part: clock.seconds[part]) == "gradients"
    plain, _ = train(None)
    assert all(torch.equal(plain[name], timed[name]) for name in plain)


def test_a_timed_training_is_captured_and_its_graphs_are_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "suits_kernels", lambda ensemble: False)
    monkeypatch.setattr(train, "RECORD_FROM", 4)
    run = make_training(wgan_gp(), mlp(), ring(), steps=20)
    run.recordable = True
    run.backend = CudaGraphs(run.device) if run.device.type == "cuda" else RecordedGraphs()
    clock = PartClock(wait=partial(devices.synchronize, run.device))
    clock.follow(run)
    *_, last = run.run()
    assert last.updates["generator"] == 20
    assert run.facts["captured"] is True
    assert set(clock.seconds) == {*PARTS, GRAPHS}
    assert min(clock.seconds.values()) > 0


@pytest.mark.parametrize("capturing", [False, True])
def test_nothing_waits_for_a_gpu_while_a_graph_is_captured(capturing: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA ends a capture in which anything waits."""
    waits: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: capturing)
    monkeypatch.setattr(torch.cuda, "synchronize", waits.append)
    devices.synchronize(torch.device("cuda:0"))
    assert waits == ([] if capturing else [torch.device("cuda:0")])
