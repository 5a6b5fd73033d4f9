"""The parts of a training are timed from outside: every moment in one part at most, and no bit is another."""

from __future__ import annotations

import time

import pytest
import torch
from ganbench.engine.part_clock import PARTS, PartClock

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
