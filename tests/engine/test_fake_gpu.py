"""Steps on a GPU without numbers: what takes a number out of a tensor, branches on one, or mixes in the CPU, raises.

The fake GPU is called "meta", because torch's autograd asks a driver for a device that is called "cuda", fake or not.
The optimizers of ganbench, which autograd does not see, step on a fake "cuda" in tests/plugins/test_optimizers.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from ganbench import Objective, Source, plan, registry, suite
from ganbench.api.trials import Batch, Mode
from ganbench.engine import replay, train
from ganbench.engine.ensemble import Ensemble
from ganbench.engine.functional import iterate_leaves, map_leaves
from ganbench.engine.program import Program
from ganbench.engine.signals import collect_signals
from ganbench.engine.train import Training, prepare
from torch import Tensor
from torch._subclasses import FakeTensorMode

from tests.engine.test_graphs import METHODS
from tests.support.small_games import NS, make_training, mlp

PLUGINS = registry.load()
CPU, GPU = torch.device("cpu"), torch.device("meta")
STEPS = 5
ON_IMAGES = {"dcgan", "progan", "stylegan2"}
OFFERED = [offered.offer.name for offered in PLUGINS.offers("methods")]


def blank(shape: tuple[int, ...]) -> Source:
    """Return a set of samples and labels without numbers."""
    return Source(
        shape=shape,
        size=20,
        take=lambda i: torch.empty(len(i), *shape),
        reference=lambda n: torch.empty(n, *shape),
        classes=3,
        labels=lambda i: torch.zeros(len(i), dtype=torch.long),
    )


def make_batch(method: str) -> Batch:
    """Return a batch of two seeds of a method that is offered, or of one of the tests of graphs."""
    on_images = method in ON_IMAGES
    table = {
        "question": "What would a GPU refuse?",
        "seeds": 2,
        "method": [{"name": method, **METHODS.get(method, {})}],
        "budget": {"generator_steps": STEPS, "batch_size": 12, "snapshots": 1},
        "architectures": {"space": "progressive" if on_images else "mlp"},
        "dataset": [{"name": "shapes" if on_images else "labelled-ring"}],
    }
    (batch,) = plan.make(suite.parse(table), PLUGINS).batches
    return batch


class AnyUpdate(dict[Any, int]):
    """Numbers of operations, 0 for whatever is asked: they are counted on tensors of a third device."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: Any) -> int:
        return 0


def train_on_fake_gpu(make: Callable[[torch.device], Training], monkeypatch: pytest.MonkeyPatch) -> None:
    """Train the first steps of each stage, as a run does between two snapshots; the first two of a kind are called."""
    generator = torch.Generator
    monkeypatch.setattr(torch, "Generator", lambda device=None: generator())  # what it draws has no numbers
    monkeypatch.setattr(train, "RECORD_FROM", 4)
    monkeypatch.setattr(replay, "have_same_values", lambda a, b: a.shape == b.shape)
    real = make(CPU).ensembles
    with FakeTensorMode():
        training = make(GPU)
        training.recordable = True
        training.optimizers = dict.fromkeys(training.optimizers, partial(torch.optim.SGD, lr=0.1, foreach=True))
        training.__dict__["ensembles"] = [
            Ensemble(each.networks, map_leaves(leave_out, each.parameters), map_leaves(leave_out, each.buffers))
            for each in real
        ]
        for number in range(len(real)):
            stage = training.begin_stage(number)
            stage.game.flops_per_update = AnyUpdate()
            for t in range(STEPS):
                training.set_progress(t / STEPS, t / STEPS, stage.game.ensemble)
                training.train_step(t, stage.game, stage.inputs)
            stage.game.note_infinite_weights()
            read = collect_signals(stage.game), stage.game.parts, stage.game.persistent
            assert {leaf.device.type for leaf in iterate_leaves(read)} == {"meta"}
            assert all(getattr(each, "recorded", 0) is not False for each in stage.game.gradient_functions.values())


def leave_out(tensor: Tensor) -> Tensor:
    """Return a tensor of this form on the fake GPU."""
    like = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=GPU)
    return like.requires_grad_(tensor.requires_grad)


@pytest.mark.parametrize(
    ("method", "mode"),
    [*((method, "stack") for method in dict.fromkeys([*OFFERED, *METHODS])), ("wgan-gp", "loop"), ("hinge-sn", "loop")],
)
def test_a_method_trains_on_a_gpu_without_waiting_for_a_number(
    method: str, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = (3, 16, 16) if method in ON_IMAGES else (2,)
    batch = replace(make_batch(method), mode=mode)
    train_on_fake_gpu(lambda device: prepare(batch, PLUGINS, device, source=blank(shape)), monkeypatch)


@pytest.mark.parametrize(
    "critic",
    [
        lambda real, fake: NS.critic(real, fake) * fake.detach().mean().item(),
        lambda real, fake: NS.critic(real, fake) * (2.0 if fake.mean() > 0 else 1.0),
        lambda real, fake: NS.critic(real, fake) + (real * torch.ones(len(real))).mean(),
        lambda real, fake: NS.critic(real, fake) + real[real > 0].sum(),
    ],
    ids=["takes a number", "branches", "mixes in the CPU", "selects by values"],
)
def test_a_loss_for_which_a_gpu_would_have_to_wait_is_found(critic: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program(objective=Objective(critic, NS.generator))

    def make(device: torch.device) -> Training:
        training = make_training(program, mlp(), blank((2,)), mode="loop", dtype=torch.float32)
        return replace(training, device=device, scalars=None)

    with pytest.raises(Exception, match=r"_local_scalar_dense|same device|nonzero|data-dependent"):
        train_on_fake_gpu(make, monkeypatch)
