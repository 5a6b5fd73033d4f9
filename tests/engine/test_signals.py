"""What the engine watches of every member: its weights and gradients, at no cost to the training's numbers."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import pytest
import torch
from ganbench.engine.train import Training
from torch import Tensor

from tests.support.small_games import mlp, ns_gan, ring, training


def losses_alone(game: Any) -> dict[str, Tensor]:
    return {f"loss.{player}": value for player, value in game.losses.items()}


@pytest.mark.parametrize("mode", ["stack", "loop"])
def test_watching_weights_and_gradients_changes_no_bit_of_training(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def final() -> Any:
        *_, last = training(ns_gan(), mlp(), ring(), mode=mode, steps=20, dtype=torch.float32).run()
        return last

    watched = final()
    monkeypatch.setattr(Training, "collect_signals", staticmethod(losses_alone))
    plain = final()
    for name, value in plain.generators.items():
        assert torch.equal(value, watched.generators[name])
    for name, (_, value) in plain.signals.items():
        assert torch.equal(value, watched.signals[name][1])


def test_weights_and_gradients_are_kept_for_each_member_at_every_trace_point() -> None:
    run = training(ns_gan(), mlp(), ring(), steps=5, optimizer=lambda p: torch.optim.SGD(p, lr=0.5))
    *_, last = run.run()
    for player in ("generator", "critic"):
        own = last.ensemble.detached[player].values()
        by_hand = [torch.cat([p[i].flatten() for p in own]).square().mean().sqrt() for i in range(3)]
        at, values = last.signals[f"weights.{player}"]
        assert at == [1, 2, 3, 4, 5]
        torch.testing.assert_close(values[:, -1], torch.stack(by_hand).cpu(), rtol=1e-12, atol=0)
    short = training(ns_gan(), mlp(), ring(), steps=4, optimizer=lambda p: torch.optim.SGD(p, lr=0.5))
    *_, before = short.run()  # plain descent: the last step is the gradient times its rate
    moved = [(last.generators[n] - before.generators[n]).flatten(1) for n in last.generators]
    norm = torch.cat(moved, 1).norm(dim=1) / 0.5
    torch.testing.assert_close(last.signals["gradient.generator"][1][:, -1], norm.cpu(), rtol=1e-9, atol=0)


def test_watching_costs_less_than_a_quarter_of_a_step_of_the_smallest_game() -> None:
    run = training(ns_gan(), mlp(), ring(), steps=40)
    spent: list[float] = []
    watch, began = Training.collect_signals, perf_counter()

    def timed(game: Any) -> dict[str, Tensor]:
        start = perf_counter()
        kept = watch(game)
        spent.append(perf_counter() - start)
        return kept

    run.collect_signals = timed  # type: ignore[method-assign]
    list(run.run())
    step = (perf_counter() - began) / len(spent)
    assert len(spent) == 40
    assert sorted(spent)[20] < 0.25 * step
