"""Training in bf16 and TF32: close to float32, with penalties, in both forms, recorded or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from ganbench import plan, registry, suite
from ganbench.api.trials import Batch, restore_trial
from ganbench.engine import device as devices
from ganbench.engine import train
from ganbench.engine.train import Training, prepare

from tests.support import device as test_device
from tests.support.conv_space import Images

METHODS: dict[str, dict[str, Any]] = {
    "gradient penalty": {"loss": "wasserstein", "constraints": ["gradient-penalty"]},
    "gradient penalty, normalised": {"loss": "wasserstein", "constraints": ["gradient-penalty"]},
    "r1": {"loss": "non-saturating", "constraints": ["r1"]},
    "r1, normalised": {"loss": "non-saturating", "constraints": ["r1"]},
    "spectral norm": {"loss": "hinge", "constraints": ["spectral-norm"]},
}
TOLERANCE = 0.02
"""The largest difference of a gradient from that in float32, by its norm; a product of bf16 is off by 1 in 256.

With rectifiers it is more: rounding moves a unit to the other side of zero now and then."""


@pytest.fixture(scope="module")
def plugins() -> registry.Registry:
    return registry.load(plugins=[Images()])


def make_batch(plugins: registry.Registry, method: str, precision: str, **changes: Any) -> Batch:
    table = {
        "question": "Does precision matter?",
        "seeds": 3,
        "method": [{"name": "m", **METHODS[method]}],
        "budget": {"generator_steps": 4, "batch_size": 32, "snapshots": 1},
        "architectures": {
            "space": "conv",
            "options": {"filters": 4, "normalised": "normalised" in method, "activation": "tanh"},
        },
        "dataset": [{"name": "noise-images", "side": 8}],
        "engine": {"precision": precision},
        **changes,
    }
    (batch,) = plan.make(suite.parse(table), plugins).batches
    return batch


def open_training(plugins: registry.Registry, method: str, precision: str, mode: str) -> Training:
    batch = replace(make_batch(plugins, method, precision), mode=mode)
    return prepare(batch, plugins, torch.device(test_device.DEVICE))


def first_gradients(training: Training) -> Iterator[tuple[str, torch.Tensor, torch.dtype]]:
    """Yield each player's gradients of the first step, flat and [S, n], and their dtype."""
    stage = training.begin_stage(0)
    for player in ("critic", "generator"):
        gradients = stage.game.compute_gradients(player, stage.inputs[player].next())[0]
        dtypes = {gradient.dtype for gradient in gradients.values()}
        assert len(dtypes) == 1
        yield player, torch.cat([gradient.flatten(1) for gradient in gradients.values()], 1), dtypes.pop()


@pytest.mark.parametrize("mode", ["stack", "loop"])
@pytest.mark.parametrize("method", METHODS)
def test_gradients_in_bf16_are_those_of_float32_within_the_tolerance(
    plugins: registry.Registry, method: str, mode: str
) -> None:
    exact, rounded = (first_gradients(open_training(plugins, method, each, mode)) for each in ("float32", "bf16"))
    for (player, wanted, _), (_, found, dtype) in zip(exact, rounded, strict=True):
        assert dtype == torch.float32
        off = (found - wanted).norm(dim=1) / wanted.norm(dim=1)
        assert off.min() > 1e-5, f"{player}: it is not computed in bf16"
        assert off.max() < TOLERANCE, player


@pytest.mark.parametrize("mode", ["stack", "loop"])
@pytest.mark.parametrize("method", METHODS)
def test_a_recorded_step_in_bf16_has_the_bits_of_a_called_one(
    plugins: registry.Registry, monkeypatch: pytest.MonkeyPatch, method: str, mode: str
) -> None:
    called = [*open_training(plugins, method, "bf16", mode).run()][-1]
    monkeypatch.setattr(train, "RECORD_FROM", 4)
    training = open_training(plugins, method, "bf16", mode)
    recorded = [*training.run()][-1]
    assert training.stage is not None
    functions = training.stage.game.gradient_functions.values()
    assert [function.recorded for function in functions] == [True, True]
    for name, weights in called.generators.items():
        assert weights.dtype == torch.float32
        assert torch.equal(weights, recorded.generators[name])


def test_samples_are_drawn_in_float32(plugins: registry.Registry) -> None:
    """The generators trained in bf16 give the samples that they give in a training in float32."""
    rounded, exact = (open_training(plugins, "r1", each, "stack") for each in ("bf16", "float32"))
    last = [*rounded.run()][-1]
    samples = rounded.draw_samples(last, 16)
    assert samples.dtype == torch.float32
    assert torch.equal(samples, exact.draw_samples(last, 16))


def test_precision_is_in_the_key_unless_it_is_float32(plugins: registry.Registry) -> None:
    plain, named, rounded = (
        make_batch(plugins, "r1", precision, **changes).trials[0]
        for precision, changes in (("float32", {"engine": {}}), ("float32", {}), ("bf16", {}))
    )
    assert plain.key == named.key != rounded.key
    assert "precision" not in plain.content
    assert plain.shared_hash == rounded.shared_hash  # the same data and the same initial weights
    assert restore_trial(rounded.content, rounded.labels).key == rounded.key


@pytest.mark.parametrize(
    ("precision", "kind", "allowed"), [("tf32", "cuda", True), ("tf32", "cpu", False), ("bf16", "cuda", False)]
)
def test_tf32_is_allowed_on_cuda_while_it_trains_and_not_after(precision: Any, kind: str, allowed: bool) -> None:
    flags = torch.backends.cuda.matmul, torch.backends.cudnn
    devices.configure("cpu")
    with devices.products_in(precision, torch.device(kind)):
        assert [flag.allow_tf32 for flag in flags] == [allowed, allowed]
    assert [flag.allow_tf32 for flag in flags] == [False, False]
