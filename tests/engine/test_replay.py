"""A recorded step is the step: the same bits, whatever the method; and what cannot be recorded is called."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from ganbench import plan, registry, suite
from ganbench.engine import step
from ganbench.engine.replay import RecordedStep, record
from ganbench.engine.replay_simplify import simplify
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.train import RECORD_FROM, prepare
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

METHODS: dict[str, dict[str, Any]] = {
    "ns-gan": {},
    "wgan": {"critic_steps": 2},
    "wgan-gp": {"critic_steps": 2},
    "hinge-sn": {"critic_steps": 2},
    "lsgan": {"critic_norm": "layer"},
    "scheduled": {
        "from": "ns-gan",
        "constraints": [{"name": "r1", "weight": {"linear": [5.0, 0.0]}, "every": 4}],
        "optimizer": {"name": "adam", "lr": {"linear": [1e-3, 0.0]}},
        "ema": 0.9,
    },
    "noisy": {"from": "ns-gan", "inputs": [{"name": "instance-noise", "sigma": {"linear": [0.5, 0.0]}}]},
    "unrolled": {"from": "ns-gan", "dynamics": {"name": "unrolled", "steps": 2}},
    "consensus": {"from": "gan", "dynamics": {"name": "consensus"}},
    "extragradient": {"from": "gan", "dynamics": {"name": "extragradient"}},
}
STEPS = RECORD_FROM


@pytest.fixture(scope="module")
def plugins() -> registry.Registry:
    return registry.load()


def train(plugins: registry.Registry, method: str, seeds: int, taped: bool) -> tuple[Snapshot, list[step.Game]]:
    """Train on the ring; give the last snapshot and the games that were played."""
    asked = {
        "question": "Is a tape the step?",
        "seeds": seeds,
        "method": [{"name": method, **METHODS[method]}],
        "budget": {"generator_steps": STEPS, "batch_size": 8, "snapshots": 2},
        "architectures": {
            "space": "mlp",
            "options": {"generator_width": 6, "critic_width": 6, "critic_depth": 2, "critic_normalised": True},
        },
        "dataset": [{"name": "ring"}],
    }
    (batch,) = plan.make(suite.parse(asked), plugins).batches
    training = prepare(batch, plugins, torch.device("cpu"))
    assert training.recordable
    games: list[step.Game] = []
    opened = training.open_game

    def open_(*given: Any) -> step.Game:
        games.append(opened(*given))
        return games[-1]

    training.open_game = open_  # type: ignore[method-assign]
    training.recordable = taped
    *_, last = training.run()
    return last, games


@pytest.mark.parametrize("seeds", [1, 3], ids=["alone", "stacked"])
@pytest.mark.parametrize("method", METHODS)
def test_a_recorded_run_ends_in_the_bits_of_a_called_one(plugins: registry.Registry, method: str, seeds: int) -> None:
    called, _ = train(plugins, method, seeds, taped=False)
    replayed, (game,) = train(plugins, method, seeds, taped=True)
    assert game.computations
    assert all(isinstance(each, RecordedStep) and each.recorded for each in game.computations.values())
    for name, own in called.generators.items():
        assert torch.equal(own, replayed.generators[name]), name
    for name, (_, values) in called.signals.items():
        assert torch.equal(values, replayed.signals[name][1]), name


def test_short_runs_and_unstackable_offers_are_not_recorded(plugins: registry.Registry) -> None:
    asked = {
        "question": "Is it worth it?",
        "methods": ["ns-gan"],
        "budget": {"generator_steps": RECORD_FROM - 1, "batch_size": 8, "snapshots": 1},
        "dataset": [{"name": "ring"}],
    }
    (batch,) = plan.make(suite.parse(asked), plugins).batches
    training = prepare(batch, plugins, torch.device("cpu"))
    *_, last = training.run()
    assert last.step == RECORD_FROM - 1
    twice = replace(batch, trials=batch.trials * 2)
    assert not training.recorded_players()
    assert not prepare(twice, plugins, torch.device("cpu")).recordable  # a loop over two seeds would be unrolled


@pytest.mark.parametrize(
    ("method", "steps", "players"),
    [
        ("wgan-gp", RECORD_FROM // 5, {"critic"}),  # five critic steps for each generator step
        ("wgan-gp", RECORD_FROM // 5 - 1, set()),
        ("wgan-gp", RECORD_FROM, {"critic", "generator"}),
        ("wgan", 1, {"critic"}),  # a hundred at first
    ],
)
def test_the_player_is_recorded_that_steps_often_enough(
    plugins: registry.Registry, method: str, steps: int, players: set[str]
) -> None:
    asked = {
        "question": "Is it worth it?",
        "methods": [method],
        "budget": {"generator_steps": steps, "batch_size": 8, "snapshots": 1},
        "dataset": [{"name": "ring"}],
    }
    (batch,) = plan.make(suite.parse(asked), plugins).batches
    assert prepare(batch, plugins, torch.device("cpu")).recorded_players() == players


def called(function: Callable[[Any, Any], Any], held: Any, given: list[Any]) -> tuple[RecordedStep, list[Any]]:
    """Call a rehearsed function on one thing after another."""
    rehearsed = RecordedStep(function, held)
    return rehearsed, [rehearsed(each) for each in given]


def test_what_is_held_is_read_as_it_is_now() -> None:
    held = {"w": torch.ones(3), "dial": torch.tensor(2.0)}
    play = record(lambda own, x: (own["w"] * own["dial"] * x["a"], {"sum": x["a"].sum()}), held, {"a": torch.ones(3)})
    held["dial"].fill_(5.0)
    product, more = play({"a": torch.arange(3.0)})
    assert product.tolist() == [0.0, 5.0, 10.0]
    assert more["sum"].item() == 3.0


def test_a_dial_read_through_a_closure_is_followed_if_it_is_held() -> None:
    dial = torch.tensor(1.0)
    play = record(lambda held, x: {"y": dial * x["x"]}, (dial,), {"x": torch.ones(2)})
    dial.fill_(7.0)
    assert play({"x": torch.ones(2)})["y"].tolist() == [7.0, 7.0]


def test_a_function_that_looks_at_a_value_is_called_every_time(caplog: pytest.LogCaptureFixture) -> None:
    def function(held: Any, given: Any) -> Any:
        return {"y": given["x"] * (2.0 if given["x"].sum() > 0 else -1.0)}

    with caplog.at_level(logging.INFO, "ganbench"):
        rehearsed, values = called(function, (), [{"x": torch.tensor([s])} for s in (1.0, -1.0, 1.0, -3.0)])
    assert rehearsed.recorded is False
    assert [value["y"].item() for value in values] == [2.0, 1.0, 2.0, 3.0]
    assert "cannot be recorded" in caplog.text


def test_a_function_that_leaves_torch_is_found_out_at_the_second_call() -> None:
    def function(held: Any, given: Any) -> Any:
        return {"y": given["x"] + torch.from_numpy(given["x"].numpy() * 2)}

    rehearsed, values = called(function, (), [{"x": torch.tensor([s])} for s in (1.0, 2.0, 3.0)])
    assert rehearsed.recorded is False
    assert [value["y"].item() for value in values] == [3.0, 6.0, 9.0]


def test_an_infinite_value_is_no_reason_to_call() -> None:
    rehearsed, values = called(lambda held, x: {"y": 1 / x["x"]}, (), [{"x": torch.zeros(2)}] * 3)
    assert rehearsed.recorded is True
    assert values[2]["y"].isinf().all()


def operations(function: Callable[..., Any], *given: Tensor) -> tuple[list[str], list[str]]:
    """Give the names of a function's operations before and after it is simplified; both must give the same."""
    recorded = make_fx(function)(*given)
    before = [str(node.target) for node in recorded.graph.nodes if node.op == "call_function"]
    expected = recorded(*given)
    simplify(recorded.graph)
    recorded.recompile()
    assert torch.equal(recorded(*given), expected)
    return before, [str(node.target) for node in recorded.graph.nodes if node.op == "call_function"]


def test_the_second_derivative_of_a_rectifier_is_not_carried_back() -> None:
    """|grad_x w2 relu(W x)|^2 by W: forward, slope and its derivative need the products, the curvature needs none."""
    x, hidden, last = torch.randn(5, 4), torch.randn(4, 4), torch.randn(4, 1)

    def penalty(weights: Tensor) -> Tensor:
        w = weights.detach().requires_grad_()

        def score(at: Tensor) -> Tensor:
            return (torch.relu(torch.relu(at @ w) @ w) @ last).sum()

        slope = torch.func.grad(score)(x)
        (gradient,) = torch.autograd.grad(slope.square().sum(), w)
        return gradient

    before, after = operations(penalty, hidden)
    products = [sum("mm" in name for name in names) for names in (before, after)]
    assert products[1] <= products[0] - 3
    assert not any("zeros_like" in name for name in after)


def test_curvature_that_is_not_zero_is_kept() -> None:
    x, last = torch.randn(5, 4), torch.randn(4, 1)

    def penalty(weights: Tensor) -> Tensor:
        w = weights.detach().requires_grad_()
        slope = torch.func.grad(lambda at: (torch.tanh(at @ w) @ last).sum())(x)
        (gradient,) = torch.autograd.grad(slope.square().sum(), w)
        return gradient

    before, after = operations(penalty, torch.randn(4, 4))
    assert sum("mm" in name for name in before) == sum("mm" in name for name in after)


def test_views_and_ones_are_left_out_and_asked_for_zeros_are_made() -> None:
    def function(x: Tensor) -> Tensor:
        y = (x.view(3) * 1).expand(3) ** 1
        return torch.stack([y + torch.zeros_like(y), torch.zeros_like(y) * y])

    _, after = operations(function, torch.randn(3))
    assert sorted(set(after)) == ["aten.stack.default", "aten.zeros.default"] or after[-1] == "aten.stack.default"
    assert "aten.mul.Tensor" not in after
    assert "aten.add.Tensor" not in after


def test_what_writes_in_place_or_draws_is_left_as_it_is() -> None:
    def writes(x: Tensor) -> Tensor:
        y = x * 1
        y.add_(1.0)
        return y + x

    recorded = make_fx(writes)(torch.ones(2))
    count = len(recorded.graph.nodes)
    simplify(recorded.graph)
    assert len(recorded.graph.nodes) == count
    assert recorded(torch.ones(2)).tolist() == [3.0, 3.0]
