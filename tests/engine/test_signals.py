"""The signals of every member: its weights and gradients; collecting them changes no number of the training."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import pytest
import torch
from ganbench.engine.train import Training
from torch import Tensor

from tests.support.small_games import make_training, mlp, ns_gan, ring


def collect_losses(game: Any) -> dict[str, Tensor]:
    return {f"loss.{player}": value for player, value in game.losses.items()}


@pytest.mark.parametrize("mode", ["stack", "loop"])
def test_collecting_signals_changes_no_bit_of_training(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def train() -> Any:
        *_, last = make_training(ns_gan(), mlp(), ring(), mode=mode, steps=20, dtype=torch.float32).run()
        return last

    with_signals = train()
    monkeypatch.setattr(Training, "collect_signals", staticmethod(collect_losses))
    without = train()
    for name, value in without.generators.items():
        assert torch.equal(value, with_signals.generators[name])
    for name, (_, value) in without.signals.items():
        assert torch.equal(value, with_signals.signals[name][1])


def test_weights_and_gradients_are_stored_for_each_member_at_every_trace_point() -> None:
    run = make_training(ns_gan(), mlp(), ring(), steps=5, optimizer=lambda p: torch.optim.SGD(p, lr=0.5))
    *_, last = run.run()
    for player in ("generator", "critic"):
        parameters = last.ensemble.detached[player].values()
        expected = [torch.cat([p[i].flatten() for p in parameters]).square().mean().sqrt() for i in range(3)]
        steps, values = last.signals[f"weights.{player}"]
        assert steps == [1, 2, 3, 4, 5]
        torch.testing.assert_close(values[:, -1], torch.stack(expected).cpu(), rtol=1e-12, atol=0)
    short = make_training(ns_gan(), mlp(), ring(), steps=4, optimizer=lambda p: torch.optim.SGD(p, lr=0.5))
    *_, before = short.run()  # with gradient descent, the last update is the gradient times the learning rate
    update = [(last.generators[n] - before.generators[n]).flatten(1) for n in last.generators]
    norm = torch.cat(update, 1).norm(dim=1) / 0.5
    torch.testing.assert_close(last.signals["gradient.generator"][1][:, -1], norm.cpu(), rtol=1e-9, atol=0)


def test_collecting_signals_takes_less_than_a_quarter_of_the_time_of_a_step_of_the_smallest_game() -> None:
    run = make_training(ns_gan(), mlp(), ring(), steps=40)
    durations: list[float] = []
    collect_signals, run_start = Training.collect_signals, perf_counter()

    def measure_collection(game: Any) -> dict[str, Tensor]:
        start = perf_counter()
        signals = collect_signals(game)
        durations.append(perf_counter() - start)
        return signals

    run.collect_signals = measure_collection  # type: ignore[method-assign]
    list(run.run())
    step_duration = (perf_counter() - run_start) / len(durations)
    assert len(durations) == 40
    assert sorted(durations)[20] < 0.25 * step_duration
