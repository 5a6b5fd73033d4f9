"""Networks that are too large are an error when they are planned, at once and without memory for their weights."""

from __future__ import annotations

import time
from random import Random
from typing import Any

import pytest
import torch
from ganbench import GanbenchError, Networks, Source, Space, plan
from ganbench.api.models import Ask
from ganbench.plan.network_size import TooLarge, check_networks, count_weights, explain_memory, without_memory
from ganbench.suite.loading import parse
from torch import nn

from tests.support.operation_names import OperationNames
from tests.support.tiny_suite import plan_small, suite

ASK = Ask(shape=(2,))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"generator_width": 10**9}, "generator_width = 1000000000 is more than 10,000,000"),
        ({"critic_width": 2**63}, "critic_width = 9223372036854775808 is more than 10,000,000"),
        ({"generator_depth": 10**9}, "generator_depth = 1000000000 is more than 10,000,000"),
        ({"generator_depth": 10**5}, "more than 1,000,000,000 weights, or 5,000 tensors of weights"),
        ({"critic_width": 40_000}, "more than 1,000,000,000 weights, or 5,000 tensors of weights"),
        ({"latent": 10**12}, "more than 1,000,000,000 weights, or 5,000 tensors of weights"),
        ({"latent": 2**63}, "Overflow when unpacking"),
    ],
)
@pytest.mark.parametrize("budget", [{"generator_steps": 4}, {"flops": 1e9}], ids=["steps", "flops"])
def test_networks_that_no_machine_holds_are_an_error(plugins, options: Any, reason: str, budget: Any) -> None:
    start = time.monotonic()
    with pytest.raises(
        GanbenchError, match=r"^s.toml: architectures: the networks are too large: .* Use smaller"
    ) as error:
        plan_small(plugins, architectures={"space": "mlp", "options": options}, budget=budget)
    assert reason in str(error.value)
    assert time.monotonic() - start < 10


def test_the_weights_are_counted_without_memory_for_them(plugins) -> None:
    """Two weight matrices of 20,000 x 20,000 floats would take 3.2 GB, and a second."""
    space = plugins.build("architectures", "mlp", {"critic_width": 20_000})
    before, start = torch.random.get_rng_state(), time.monotonic()
    hidden = (2 + 1) * 20_000 + 2 * 20_000 * 20_001 + 20_001
    generator = 17 * 64 + 2 * 64 * 65 + 65 * 2
    assert count_weights(space, space.sample(Random(0)), ASK) == hidden + generator
    assert time.monotonic() - start < 1
    assert torch.equal(before, torch.random.get_rng_state())
    assert nn.Linear(2, 1).weight.device.type == "cpu"


def test_the_largest_architecture_of_a_sample_is_checked(plugins) -> None:
    options = {"widths": [8, 30_000], "depths": [2, 8]}
    with pytest.raises(GanbenchError, match="networks are too large"):
        plan_small(plugins, architectures={"space": "random-mlp", "sample": 40, "options": options})


def test_networks_that_cannot_be_built_without_memory_are_left_to_the_checks_before_training() -> None:
    def networks(spec: Any, ask: Ask) -> Networks:
        scale = torch.ones(1).item()  # a value, which a tensor without memory lacks
        return Networks(generator=nn.Linear(4, int(scale)), critic=None, latent=4)

    space = Space(sample=lambda rng: {}, networks=networks)
    source = Source(shape=(2,), draw=lambda rng, n: torch.zeros(n, 2), reference=lambda n: torch.zeros(n, 2))
    check_networks(space, [{}], source, "s.toml")
    assert count_weights(space, {}, ASK) == 0


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        OverflowError("overflow"),
    ],
)
def test_an_error_for_want_of_memory_is_explained(error: Exception) -> None:
    with pytest.raises(TooLarge), explain_memory():
        raise error
    with pytest.raises(RuntimeError, match="shapes"), explain_memory():
        raise RuntimeError("shapes do not match")


def test_the_flops_of_a_batch_without_memory_are_an_error(plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr("ganbench.engine.cost.count_update_flops", fail)
    with pytest.raises(GanbenchError, match=r"method 'ns-gan': its FLOPs cannot be counted: .* batch_size below 16"):
        plan.make(parse(suite(budget={"flops": 1e9, "batch_size": 16})), plugins)


@pytest.mark.parametrize("flops", [1e-300, 1.0, 1e308])
def test_flops_for_no_step_or_for_too_many_are_an_error(plugins, flops: float) -> None:
    message = "pays for more than" if flops > 1 else "is less than one generator step takes"
    with pytest.raises(GanbenchError, match=f"budget.flops = .* {message}"):
        plan_small(plugins, budget={"flops": flops, "batch_size": 16})


def test_networks_without_memory_are_not_initialised() -> None:
    """It would change nothing, and take half of the time of building them."""
    with without_memory(), OperationNames() as called:
        layer = nn.Linear(3, 4)
        nn.init.normal_(layer.weight)
    assert layer.weight.is_meta
    assert not [name for name in called.names if "uniform" in name or "normal" in name or "random" in name]
