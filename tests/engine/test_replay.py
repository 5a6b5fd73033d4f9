"""A recorded step gives the same bits as the called one, for every method; a step that cannot be recorded is called."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from ganbench import plan, registry, suite
from ganbench.api.trials import Mode
from ganbench.engine import kernels, replay, step
from ganbench.engine.recorder import record_operations
from ganbench.engine.replay import RecordedLoop, RecordedStep, compile_straight_line, record
from ganbench.engine.replay_simplify import simplify
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.train import RECORD_FROM, prepare
from torch import Tensor

from tests.support.restless_operation import restless
from tests.support.tiny_batches import tiny_batch

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


@pytest.fixture(autouse=True)
def only_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our kernels round otherwise; tests/engine/test_kernels.py has them."""
    monkeypatch.setenv(kernels.VARIABLE, "torch")


@pytest.fixture(scope="module")
def plugins() -> registry.Registry:
    return registry.load()


def train(
    plugins: registry.Registry, method: str, seeds: int, recorded: bool, mode: Mode | None = None
) -> tuple[Snapshot, list[step.Game]]:
    """Train on the ring; return the last snapshot and the games of the training's stages."""
    batch = tiny_batch({"name": method, **METHODS[method]}, seeds, mode, STEPS)
    training = prepare(batch, plugins, torch.device("cpu"))
    assert training.recordable
    games: list[step.Game] = []
    open_game = training.open_game

    def open_and_store(*arguments: Any) -> step.Game:
        games.append(open_game(*arguments))
        return games[-1]

    training.open_game = open_and_store  # type: ignore[method-assign]
    training.recordable = recorded
    *_, last = training.run()
    return last, games


@pytest.mark.parametrize(
    ("method", "seeds", "mode"),
    [
        *((method, 1, "loop") for method in METHODS),
        *((method, 2, "loop") for method in ("wgan-gp", "hinge-sn", "scheduled", "unrolled")),
        ("wgan-gp", 3, "loop"),
        *((method, 3, "stack") for method in METHODS),
    ],
)
def test_a_recorded_run_ends_in_the_bits_of_a_called_one(
    plugins: registry.Registry, method: str, seeds: int, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "COMPARED_EVERY", 16)  # comparisons change no bit either
    unrecorded, _ = train(plugins, method, seeds, recorded=False, mode=mode)
    replayed, (game,) = train(plugins, method, seeds, recorded=True, mode=mode)
    assert game.gradient_functions
    functions = game.gradient_functions.values()
    expected = RecordedLoop if mode == "loop" and seeds > 1 else RecordedStep
    assert all(isinstance(function, expected) and function.recorded for function in functions)
    for name, weights in unrecorded.generators.items():
        assert torch.equal(weights, replayed.generators[name]), name
    for name, weights in unrecorded.ensemble.detached["critic"].items():
        assert torch.equal(weights, replayed.ensemble.detached["critic"][name]), name
    for name, (_, values) in unrecorded.signals.items():
        assert torch.equal(values, replayed.signals[name][1]), name


def test_short_runs_and_unstackable_offers_are_not_recorded(plugins: registry.Registry) -> None:
    table = {
        "question": "Is it worth it?",
        "methods": ["ns-gan"],
        "budget": {"generator_steps": RECORD_FROM - 1, "batch_size": 8, "snapshots": 1},
        "dataset": [{"name": "ring"}],
    }
    (batch,) = plan.make(suite.parse(table), plugins).batches
    training = prepare(batch, plugins, torch.device("cpu"))
    *_, last = training.run()
    assert last.step == RECORD_FROM - 1
    assert not training.players_to_record()
    training.recordable, training.budget = False, replace(training.budget, generator_steps=RECORD_FROM)
    assert not training.players_to_record()
    training.recordable = True
    assert training.players_to_record() == {"critic", "generator"}


@pytest.mark.parametrize(
    ("method", "steps", "players"),
    [
        ("wgan-gp", RECORD_FROM // 5, {"critic"}),  # five critic steps for each generator step
        ("wgan-gp", RECORD_FROM // 5 - 1, set()),
        ("wgan-gp", RECORD_FROM, {"critic", "generator"}),
        ("wgan", 1, {"critic"}),  # a hundred critic steps in the first generator step
    ],
)
def test_a_player_is_recorded_if_it_has_enough_updates(
    plugins: registry.Registry, method: str, steps: int, players: set[str]
) -> None:
    table = {
        "question": "Is it worth it?",
        "methods": [method],
        "budget": {"generator_steps": steps, "batch_size": 8, "snapshots": 1},
        "dataset": [{"name": "ring"}],
    }
    (batch,) = plan.make(suite.parse(table), plugins).batches
    assert prepare(batch, plugins, torch.device("cpu")).players_to_record() == players


def call_repeatedly(
    function: Callable[[Any, Any], Any], persistent: Any, inputs: list[Any]
) -> tuple[RecordedStep, list[Any]]:
    """Make a recorded step of a function and call it on one input after another; return the step and its values."""
    step_function = RecordedStep(function, persistent)
    return step_function, [step_function(one_input) for one_input in inputs]


def test_a_replay_reads_the_current_values_of_persistent_tensors() -> None:
    persistent = {"w": torch.ones(3), "scale": torch.tensor(2.0)}
    replay = record(
        lambda tensors, x: (tensors["w"] * tensors["scale"] * x["a"], {"sum": x["a"].sum()}),
        persistent,
        {"a": torch.ones(3)},
    )
    persistent["scale"].fill_(5.0)
    product, sums = replay({"a": torch.arange(3.0)})
    assert product.tolist() == [0.0, 5.0, 10.0]
    assert sums["sum"].item() == 3.0


def test_a_replay_follows_a_scalar_read_through_a_closure_if_it_is_persistent() -> None:
    scalar = torch.tensor(1.0)
    replay = record(lambda persistent, x: {"y": scalar * x["x"]}, (scalar,), {"x": torch.ones(2)})
    scalar.fill_(7.0)
    assert replay({"x": torch.ones(2)})["y"].tolist() == [7.0, 7.0]


def test_a_function_that_reads_a_value_in_python_is_called_every_time(caplog: pytest.LogCaptureFixture) -> None:
    def function(persistent: Any, inputs: Any) -> Any:
        return {"y": inputs["x"] * (2.0 if inputs["x"].sum() > 0 else -1.0)}

    with caplog.at_level(logging.INFO, "ganbench"):
        step_function, values = call_repeatedly(
            function, (), [{"x": torch.tensor([s])} for s in (1.0, -1.0, 1.0, -3.0)]
        )
    assert step_function.recorded is False
    assert step_function.refusal.startswith("a recording of them failed: NotRecorded: the code of a step reads a value")
    assert "\n" not in step_function.refusal
    assert [value["y"].item() for value in values] == [2.0, 1.0, 2.0, 3.0]
    assert "cannot be recorded" in caplog.text


def test_a_step_whose_kernels_do_not_repeat_their_bits_is_called_and_says_so() -> None:
    def function(persistent: Any, inputs: Any) -> Any:
        return {"y": restless(inputs["x"])}

    step_function, values = call_repeatedly(function, (), [{"x": torch.ones(2)}] * 6)
    assert step_function.recorded is False
    assert step_function.refusal == "the kernels of this device do not repeat their own bits"
    assert len({value["y"][0].item() for value in values}) == 6


def test_a_recording_that_repeats_and_differs_from_a_call_that_does_too_is_not_replayed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def record_another(function: Any, persistent: Any, inputs: Any) -> Any:
        return record(lambda persistent, inputs: {"y": inputs["x"] + 1e-3}, persistent, inputs)

    monkeypatch.setattr(replay, "record", record_another)
    step_function, values = call_repeatedly(lambda _, inputs: {"y": inputs["x"]}, (), [{"x": torch.ones(2)}] * 3)
    assert step_function.recorded is False
    assert step_function.refusal == "a replay gives other bits than a call"
    assert [value["y"][0].item() for value in values] == [1.0, 1.0, 1.0]


def test_a_function_that_computes_outside_torch_is_detected_at_the_second_call() -> None:
    def function(persistent: Any, inputs: Any) -> Any:
        return {"y": inputs["x"] + torch.from_numpy(inputs["x"].numpy() * 2)}

    step_function, values = call_repeatedly(function, (), [{"x": torch.tensor([s])} for s in (1.0, 2.0, 3.0)])
    assert step_function.recorded is False
    assert [value["y"].item() for value in values] == [3.0, 6.0, 9.0]


def test_a_step_with_an_infinite_value_is_recorded() -> None:
    step_function, values = call_repeatedly(lambda persistent, x: {"y": 1 / x["x"]}, (), [{"x": torch.zeros(2)}] * 3)
    assert step_function.recorded is True
    assert values[2]["y"].isinf().all()


def list_operations(function: Callable[..., Any], *inputs: Tensor) -> tuple[list[str], list[str]]:
    """Return the names of a function's operations before and after it is simplified; check that its value stays."""
    graph = record_operations(lambda *tensors: [function(*tensors)], inputs)
    before = [str(node.target) for node in graph.nodes if node.op == "call_function"]
    (expected,) = compile_straight_line(graph)(*inputs)
    simplify(graph)
    assert torch.equal(*compile_straight_line(graph)(*inputs), expected)
    return before, [str(node.target) for node in graph.nodes if node.op == "call_function"]


def test_the_second_derivative_of_a_rectifier_is_not_propagated_back() -> None:
    """|grad_x w2 relu(W x)|^2 by W: forward, slope and its derivative need the products, the curvature needs none."""
    x, hidden, last = torch.randn(5, 4), torch.randn(4, 4), torch.randn(4, 1)

    def penalty(weights: Tensor) -> Tensor:
        w = weights.detach().requires_grad_()

        def score(point: Tensor) -> Tensor:
            return (torch.relu(torch.relu(point @ w) @ w) @ last).sum()

        slope = torch.func.grad(score)(x)
        (gradient,) = torch.autograd.grad(slope.square().sum(), w)
        return gradient

    before, after = list_operations(penalty, hidden)
    products = [sum("mm" in name for name in names) for names in (before, after)]
    assert products[1] <= products[0] - 3
    assert not any("zeros_like" in name for name in after)


def test_curvature_that_is_not_zero_is_kept() -> None:
    x, last = torch.randn(5, 4), torch.randn(4, 1)

    def penalty(weights: Tensor) -> Tensor:
        w = weights.detach().requires_grad_()
        slope = torch.func.grad(lambda point: (torch.tanh(point @ w) @ last).sum())(x)
        (gradient,) = torch.autograd.grad(slope.square().sum(), w)
        return gradient

    before, after = list_operations(penalty, torch.randn(4, 4))
    assert sum("mm" in name for name in before) == sum("mm" in name for name in after)


def test_views_and_products_with_one_are_removed_and_zeros_that_are_used_are_created() -> None:
    def function(x: Tensor) -> Tensor:
        y = (x.view(3) * 1).expand(3) ** 1
        return torch.stack([y + torch.zeros_like(y), torch.zeros_like(y) * y])

    _, after = list_operations(function, torch.randn(3))
    assert sorted(set(after)) == ["aten.stack.default", "aten.zeros.default"] or after[-1] == "aten.stack.default"
    assert "aten.mul.Tensor" not in after
    assert "aten.add.Tensor" not in after


def test_a_graph_that_writes_in_place_is_left_as_it_is() -> None:
    def write_in_place(x: Tensor) -> Tensor:
        y = x * 1
        y.add_(1.0)
        return y + x

    graph = record_operations(lambda x: [write_in_place(x)], [torch.ones(2)])
    count = len(graph.nodes)
    simplify(graph)
    assert len(graph.nodes) == count
    (value,) = compile_straight_line(graph)(torch.ones(2))
    assert value.tolist() == [3.0, 3.0]
