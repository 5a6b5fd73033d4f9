"""An update that is captured as a graph gives the bits of the called one; what cannot be captured is called."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
import torch
from ganbench import GanbenchError, Objective
from ganbench.api.trials import Batch, Mode
from ganbench.engine import replay, step, train
from ganbench.engine.checkpoint import restore_state, save_state
from ganbench.engine.graphs import CudaGraphs
from ganbench.engine.train import Training, prepare
from ganbench.runner import worker
from torch import Tensor
from torch.nn.functional import softplus

from tests.support import device as test_device
from tests.support.captured_methods import METHODS, STEPS, batch_of
from tests.support.growing_networks import grow
from tests.support.member_games import make_batch
from tests.support.recorded_graphs import RecordedGraphs
from tests.support.restless_operation import restless
from tests.support.small_games import NS, make_training, mlp, ns_gan, ring
from tests.support.tiny_batches import PLUGINS


@pytest.fixture(autouse=True)
def early_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let short trainings be recorded, as on a GPU without our kernels, and compare some replays of each."""
    monkeypatch.setattr(step, "suits_kernels", lambda ensemble: False)
    monkeypatch.setattr(train, "RECORD_FROM", 4)
    monkeypatch.setattr(replay, "COMPARED_EVERY", 16)


def open_training(batch: Batch, captured: bool) -> Training:
    training = prepare(batch, PLUGINS, torch.device(test_device.DEVICE))
    return choose_backend(training, captured)


def choose_backend(training: Training, captured: bool) -> Training:
    """Let a training capture its updates, as a list of operations on a CPU; or let it call them."""
    backend = CudaGraphs(training.device) if training.device.type == "cuda" else RecordedGraphs()
    training.backend = backend if captured else None
    training.recordable = True
    return training


def finish(training: Training) -> Training:
    *_, training.last = training.run()  # type: ignore[attr-defined]
    return training


def how_captured(training: Training) -> dict[str, Any]:
    """Return the facts of a training about graphs."""
    return {name: fact for name, fact in training.facts.items() if "captured" in name}


def require_equal(one: Training, other: Training) -> None:
    """Assert that two trainings have the same bits in all that a checkpoint stores, and in their last snapshot."""
    tensors, numbers = save_state(one)
    expected, expected_numbers = save_state(other)
    assert numbers == expected_numbers
    assert tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        equal = torch.equal(tensors[name].nan_to_num(), tensor.nan_to_num())  # a tensor in an assert is printed whole
        assert equal, name
    last, other_last = one.last, other.last  # type: ignore[attr-defined]
    assert last.signals.keys() == other_last.signals.keys()
    for name, (steps, values) in other_last.signals.items():
        assert last.signals[name][0] == steps
        equal = torch.equal(last.signals[name][1].nan_to_num(), values.nan_to_num())
        assert equal, name


def require_captured(training: Training, players: Iterable[str] = ("critic", "generator")) -> None:
    assert training.stage is not None
    graphs = training.stage.game.graphs
    assert graphs is not None
    assert graphs.reasons == {}
    assert graphs.captured == set(players)
    assert how_captured(training) == {"captured": True}
    if isinstance(training.backend, RecordedGraphs):
        assert training.backend.replays > training.backend.captures


@pytest.mark.parametrize(
    ("method", "seeds", "mode"),
    [
        *((method, 3, "stack") for method in METHODS),
        *((method, 2, "loop") for method in ("wgan-gp", "hinge-sn", "scheduled", "together")),
        ("wgan-gp", 1, "loop"),
    ],
)
def test_a_captured_training_ends_in_the_bits_of_a_called_one(method: str, seeds: int, mode: Mode) -> None:
    batch = batch_of(method, seeds, mode)
    called, captured = (finish(open_training(batch, each)) for each in (False, True))
    require_captured(captured)
    require_equal(captured, called)


@pytest.mark.parametrize("mode", ["stack", "loop"])
def test_networks_that_grow_are_captured_anew_in_each_stage(mode: Mode) -> None:
    trained = []
    for captured in (False, True):
        program = replace(ns_gan(), ema=0.9)
        trained.append(finish(choose_backend(grow(program, mode=mode, seeds=(0, 1), steps=STEPS), captured)))
    require_captured(trained[1])
    require_equal(*trained)
    if isinstance(trained[1].backend, RecordedGraphs):
        assert trained[1].backend.captures == 4, "one for each player and stage"


def test_members_that_differ_in_numbers_and_optimizers_are_captured() -> None:
    method = {
        "from": "wgan-gp",
        "critic_steps": 2,
        "critic_optimizer": {"name": "adam", "lr": 1e-3},
        "generator_optimizer": {"name": "adam", "lr": 1e-3},
    }
    numbers = [
        {"constraints.0.weight": weight, "critic_optimizer.options.lr": lr, "generator_optimizer.options.beta1": beta1}
        for weight, lr, beta1 in ((10.0, 1e-3, 0.0), (1.0, 2e-3, 0.0), (3.0, 1e-3, 0.5))
    ]
    batch = make_batch(method, numbers, steps=STEPS)
    called, captured = (finish(open_training(batch, each)) for each in (False, True))
    require_captured(captured)
    require_equal(captured, called)


def test_a_captured_training_continues_from_a_checkpoint_in_the_same_bits() -> None:
    batch = batch_of("lazy", 2, "stack")
    called, first = finish(open_training(batch, False)), open_training(batch, True)
    for snapshot in first.run():
        if not snapshot.final:
            tensors, numbers = save_state(first)
            break
    assert first.stage is not None
    assert first.stage.done < STEPS
    second = open_training(batch, True)
    restore_state(second, tensors, numbers)
    finish(second)
    require_captured(second)
    require_equal(second, called)


@pytest.mark.parametrize("captured", [False, True])
def test_trainings_in_turns_end_in_the_bits_of_each_alone(captured: bool) -> None:
    """As several batches on one GPU would be, which share a process."""
    batches = [batch_of(method, 2, "stack") for method in ("wgan-gp", "lazy")]
    alone = [finish(open_training(batch, captured)) for batch in batches]
    together = [open_training(batch, captured) for batch in batches]
    stages = [training.begin_stage(0) for training in together]
    for t in range(STEPS):
        for training, stage in zip(together, stages, strict=True):
            training.set_progress(t / STEPS, t / STEPS, stage.game.ensemble)
            training.train_step(t, stage.game, stage.inputs)
            stage.done = t + 1
    for training, stage, expected in zip(together, stages, alone, strict=True):
        if captured:
            require_captured(training)
        expected.trace = []
        training.last = expected.last  # type: ignore[attr-defined]
        stage.game.note_infinite_weights()
        require_equal(training, expected)


def test_a_record_says_whether_its_updates_were_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare_captured(*arguments: Any) -> Training:
        return choose_backend(prepare(*arguments), captured=True)

    monkeypatch.setattr(worker, "prepare", prepare_captured)
    for optimizer, facts in (("adam", {"captured": True}), ("extra-adam", {"captured": False})):
        batch = batch_of("ns-gan", 2, "stack", optimizer={"name": optimizer})
        for record in worker.run_batch(batch, lambda step, steps: None, device=test_device.DEVICE, plugins=PLUGINS):
            assert record.error == ""
            assert record.facts.items() >= facts.items()
            assert ("not_captured" in record.facts) is not facts["captured"]


def require_refused(called: Training, refused: Training, player: str, reason: str) -> None:
    assert refused.stage is not None
    graphs = refused.stage.game.graphs
    assert graphs is not None
    assert reason in graphs.reasons[player]
    assert how_captured(refused) == {"captured": False, "not_captured": graphs.reasons}
    require_equal(refused, called)


@pytest.mark.skipif("test_device.DEVICE == 'cuda'", reason="a GPU captures it")
def test_an_optimizer_that_waits_for_its_learning_rate_is_not_captured() -> None:
    batch = batch_of("ns-gan", 2, "stack", critic_optimizer={"name": "rmsprop", "lr": {"linear": [1e-3, 0.0]}})
    called, refused = (finish(open_training(batch, each)) for each in (False, True))
    require_refused(called, refused, "critic", "the capture of a CUDA graph failed: _local_scalar_dense waits")
    assert refused.stage is not None
    assert refused.stage.game.graphs is not None
    assert refused.stage.game.graphs.captured == {"generator"}


def test_an_optimizer_that_counts_in_python_is_not_captured() -> None:
    batch = batch_of("ns-gan", 2, "stack", optimizer={"name": "optimistic-adam"})
    called, refused = (finish(open_training(batch, each)) for each in (False, True))
    require_refused(called, refused, "generator", "its optimizer keeps a number in Python that changes")


class Counting(torch.optim.SGD):
    """Gradient descent whose steps of these numbers are short, by a counter where nothing can see it."""

    def __init__(self, parameters: Any, short: range) -> None:
        super().__init__(parameters, lr=1e-2, foreach=True)
        self.calls, self.short = 0, short

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        self.calls += 1
        self.param_groups[0]["lr"] = 1e-3 if self.calls in self.short else 1e-2
        super().step()
        self.param_groups[0]["lr"] = 1e-2


def train_counting(short: range) -> Training:
    training = make_training(ns_gan(), mlp(), ring(), steps=STEPS, optimizer=lambda each: Counting(each, short))
    return finish(choose_backend(training, True))


def test_a_graph_with_other_numbers_than_the_calls_is_not_used() -> None:
    """The sixth call is the capture, whose learning rate is another than that of the call that follows."""
    refused = train_counting(range(6, 7))
    assert refused.stage is not None
    assert refused.stage.game.graphs is not None
    assert "gives other numbers than the update itself" in refused.stage.game.graphs.reasons["critic"]


def test_a_number_that_changes_after_the_capture_is_found_by_a_comparison() -> None:
    with pytest.raises(GanbenchError, match="gives other values when it is called than in the CUDA graph"):
        train_counting(range(8, STEPS))


def read_a_value(scores: Tensor) -> Tensor:
    return softplus(scores).mean() * (1.0 if scores.sum() > -1e9 else 0.0)


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        (read_a_value, "a recording of them failed: NotRecorded: the code of a step reads a value"),
        (lambda scores: softplus(restless(scores)).mean(), "the kernels of this device do not repeat their own bits"),
    ],
    ids=["reads a value", "does not repeat"],
)
def test_the_reason_says_why_gradients_are_not_recorded(
    loss: Callable[[Tensor], Tensor], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    program = replace(ns_gan(), objective=Objective(lambda r, f: loss(-r) + loss(f), NS.generator))
    training = finish(choose_backend(make_training(program, mlp(), ring(), seeds=(0, 1), mode="loop", steps=20), True))
    found = how_captured(training)["not_captured"]
    assert found.keys() == {"critic"}, "the generator's loss is another one"
    assert found["critic"].startswith(f"its gradients are not recorded, but called at each step: {reason}")
    assert found["critic"] in caplog.text


def test_short_trainings_are_not_captured() -> None:
    training = open_training(batch_of("ns-gan", 1, "loop"), True)
    training.recordable = False
    finish(training)
    reason = "its gradients are not recorded, but called at each step"
    assert how_captured(training) == {"captured": False, "not_captured": {"critic": reason, "generator": reason}}
    short = open_training(batch_of("ns-gan", 1, "loop"), True)
    short.budget = replace(short.budget, generator_steps=5, snapshots=(5,))
    assert how_captured(finish(short))["not_captured"] == {"critic": "too few updates", "generator": "too few updates"}
    assert how_captured(finish(open_training(batch_of("ns-gan", 1, "loop"), False))) == {}
