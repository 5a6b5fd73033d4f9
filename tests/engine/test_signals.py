"""The signals of every member: scores, terms, weights and gradients; they change no number of the training."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import Any

import pytest
import torch
from ganbench import Constraint, Dynamics, Networks, Source, Space, registry
from ganbench.engine import train as train_module
from ganbench.engine.program import Link, Program
from ganbench.engine.signals import collect_signals
from ganbench.engine.train import RECORD_FROM
from torch import Tensor, nn

from ganbench_plugins.losses import kernel_distances
from tests.support import answering_networks
from tests.support.small_games import GP, NS, W, make_training, mlp, ns_gan, ring, wgan_gp

PLUGINS = registry.load()


def collect_losses(game: Any) -> dict[str, Tensor]:
    return {f"loss.{player}": value for player, value in game.losses.items()}


@pytest.mark.parametrize("mode", ["stack", "loop"])
def test_collecting_signals_changes_no_bit_of_training(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def train() -> Any:
        *_, last = make_training(wgan_gp(), mlp(), ring(), mode=mode, steps=20, dtype=torch.float32).run()
        return last

    with_signals = train()
    monkeypatch.setattr(train_module, "collect_signals", collect_losses)
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


def test_collecting_signals_takes_less_than_a_quarter_of_the_time_of_a_step_of_the_smallest_game(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = make_training(ns_gan(), mlp(), ring(), steps=40)
    durations: list[float] = []
    run_start = perf_counter()

    def measure_collection(game: Any) -> dict[str, Tensor]:
        start = perf_counter()
        signals = collect_signals(game)
        durations.append(perf_counter() - start)
        return signals

    monkeypatch.setattr(train_module, "collect_signals", measure_collection)
    list(run.run())
    step_duration = (perf_counter() - run_start) / len(durations)
    assert len(durations) == 40
    assert sorted(durations)[20] < 0.25 * step_duration


class Slope(nn.Module):
    """D(x) = 3 x."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.full((1,), 3.0))

    def forward(self, x: Tensor) -> Tensor:
        return (self.slope * x).squeeze(1)


class Shift(nn.Module):
    """G(z) = z + 2: against data z, parallel lines, two apart."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.full((1,), 2.0))

    def forward(self, z: Tensor) -> Tensor:
        return 0 * z + self.shift


def parallel_lines() -> tuple[Space, Source]:
    def draw(generator: torch.Generator, n: int) -> Tensor:
        return torch.zeros(n, 1, device=generator.device)

    networks = lambda spec, ask: Networks(generator=Shift(), critic=Slope(), latent=1, rowwise=True)  # noqa: E731
    return Space(sample=lambda rng: {}, networks=networks), Source(
        shape=(1,), draw=draw, reference=lambda n: torch.zeros(n, 1)
    )


@pytest.mark.parametrize("mode", ["stack", "loop"])
def test_the_wasserstein_estimate_is_the_difference_of_the_scores_without_the_penalty(mode: str) -> None:
    """For D(x) = 3 x, real data at 0 and samples at 2: the scores are 0 and 6, and the penalty is 10 (3 - 1)^2 = 40."""
    run = make_training(wgan_gp(10.0), *parallel_lines(), mode=mode, steps=1)
    run.program = replace(run.program, critic_steps=lambda t: 1)
    *_, last = run.run()
    first = {name: values[:, 0].tolist() for name, (_, values) in last.signals.items()}
    assert first["scores.real"] == pytest.approx([0.0] * 3, abs=1e-6)
    assert first["scores.fake"] == pytest.approx([6.0] * 3, abs=1e-6)
    assert first["term.gp"] == pytest.approx([40.0] * 3, abs=1e-6)
    assert first["loss.critic"] == pytest.approx([46.0] * 3, abs=1e-6)


CASES = {
    "alternating": (None, False),
    "recorded": (None, True),
    "consensus": ({"name": "consensus"}, False),
    "extragradient": ({"name": "extragradient"}, False),
    "unrolled": ({"name": "unrolled", "steps": 2}, False),
}


@pytest.mark.parametrize("case", CASES)
def test_the_critics_loss_is_its_scores_and_its_terms_stacked_and_looped_under_any_dynamics(case: str) -> None:
    """For the Wasserstein loss: fake less real, and the terms. A generator's term is not among them."""
    dynamics, recorded = CASES[case]
    weight, penalty = 0.5, Constraint(generator=lambda play: play.fake.square().mean())

    def train(mode: str) -> dict[str, Tensor]:
        program = Program(
            objective=W,
            constraints=(
                Link("gp", 10.0, GP),
                Link("drift", 0.1, Constraint(critic=lambda play: play.scores_real.square().mean())),
                Link("size", weight, penalty),
            ),
            dynamics=Dynamics()
            if dynamics is None
            else PLUGINS.build("dynamics", dynamics["name"], {k: v for k, v in dynamics.items() if k != "name"}),
        )
        run = make_training(program, mlp(), ring(), mode=mode, steps=RECORD_FROM if recorded else 6)
        run.recordable = recorded and mode == "stack"
        *_, last = run.run()
        if run.recordable:
            assert run.stage is not None
            assert all(function.recorded for function in run.stage.game.gradient_functions.values())
        return {name: values for name, (_, values) in last.signals.items()}

    stacked = train("stack")
    names = {"scores.real", "scores.fake", "term.gp", "term.drift", "term.size"}
    assert names < stacked.keys()
    parts = stacked["scores.fake"] - stacked["scores.real"] + stacked["term.gp"] + stacked["term.drift"]
    torch.testing.assert_close(stacked["loss.critic"], parts, rtol=0, atol=1e-9)
    assert (stacked["term.size"] > 0).all()
    looped = train("loop")
    for name in names:
        torch.testing.assert_close(stacked[name], looped[name], rtol=0, atol=1e-9)


def test_a_term_that_is_not_due_keeps_its_last_value_and_a_lazy_one_counts_every_times() -> None:
    constraint = Constraint(critic=lambda play: 1 + 0 * play.scores_real.sum() + play.progress, every=4)
    program = Program(objective=NS, constraints=(Link("lazy", 0.5, constraint),))
    *_, last = make_training(program, mlp(), ring(), steps=8).run()
    early, late = 0.5 * 4 * 1.0, 0.5 * 4 * 1.5
    assert last.signals["term.lazy"][1].tolist() == [[early] * 4 + [late] * 4] * 3


def test_a_signal_that_begins_later_is_nan_before() -> None:
    program = Program(objective=W, critic_steps=lambda t: int(t >= 2))
    *_, last = make_training(program, mlp(), ring(), steps=4).run()
    assert last.signals["scores.real"][1].isnan().tolist() == [[True, True, False, False]] * 3


def test_a_loss_that_reads_features_has_no_mean_score() -> None:
    program = Program(objective=kernel_distances.build_mmd_gan(), constraints=(Link("gp", 1.0, GP),))
    *_, last = make_training(program, answering_networks.make_space(), ring(), steps=2).run()
    assert "term.gp" in last.signals
    assert "scores.real" not in last.signals
    energies = replace(W, head="reconstruction", read=lambda answer, x: (answer - x).flatten(1).abs().mean(1))
    program = Program(objective=energies)
    *_, last = make_training(program, answering_networks.make_space(), ring(), steps=2).run()
    assert (last.signals["scores.real"][1] > 0).all(), "energies are one number for each sample"
