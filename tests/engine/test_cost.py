"""Costs are counted from shapes alone: no data is read, no weight is drawn, nothing is computed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from ganbench import Networks, Offer, Source, Space, hookimpl, plan, registry, suite
from ganbench.api.trials import Batch
from ganbench.engine.cost import count_update_flops, leave_out_data, leave_out_numbers
from ganbench.engine.flops import FlopCounter
from ganbench.engine.train import Training, prepare
from ganbench.plan.costs import CostCounter
from torch import nn

from tests.support.conv_space import Images

METHODS = sorted(registry.load().names("methods"))
OTHER = {"acgan", "sngan-projection", "began", "ebgan", "cramer-gan", "mmd-gan"}
"""Recipes that read labels, or an answer that the tests' convolutional critics do not have."""
SPACES: dict[str, dict[str, Any]] = {
    "mlp": {"architectures": {"space": "mlp"}, "dataset": [{"name": "ring"}]},
    "conv": {
        "architectures": {"space": "conv", "options": {"filters": 4, "normalised": True}},
        "dataset": [{"name": "noise-images", "side": 8}],
    },
    "dcgan": {
        "architectures": {"space": "dcgan", "options": {"filters": 4, "latent": 5}},
        "dataset": [{"name": "digits"}],
    },
    "labels": {"architectures": {"space": "mlp"}, "dataset": [{"name": "labelled-ring"}]},
    "numbers": {"architectures": {"space": "numbers"}, "dataset": [{"name": "noise-images", "side": 8}]},
}
CPU = torch.device("cpu")


class Numbers:
    """A plugin: networks that read a number while they are built, so that they cannot be built without numbers."""

    @hookimpl
    def ganbench_architectures(self) -> Iterator[Offer]:
        def networks(spec: Any, ask: Any) -> Networks:
            g = nn.Sequential(nn.Linear(4, 64), nn.Unflatten(1, (1, 8, 8)))
            d = nn.Sequential(nn.Flatten(), nn.Linear(64, 1), nn.Flatten(0))
            with torch.no_grad():
                g[0].weight.div_(g[0].weight.norm().item())
            return Networks(generator=g, critic=d, latent=4, rowwise=True)

        yield Offer("numbers", lambda: Space(sample=lambda rng: {}, networks=networks), "Reads a number.")


@pytest.fixture(scope="module")
def plugins() -> registry.Registry:
    return registry.load(plugins=[Images(), Numbers()])


def make_batch(plugins: registry.Registry, space: str, method: str | dict[str, Any], **changes: Any) -> Batch:
    named = {"methods": [method]} if isinstance(method, str) else {"method": [{"name": "m", **method}]}
    budget = {"generator_steps": 1, "batch_size": 12, "snapshots": 1}  # whole packs of two to four
    table = {"question": "What does it cost?", "budget": budget, **named, **SPACES[space], **changes}
    (batch, *_) = plan.make(suite.parse(table), plugins).batches
    return batch


def prepare_blank(batch: Batch, plugins: registry.Registry) -> Training:
    source = prepare(batch, plugins, CPU).source
    return leave_out_numbers(prepare(batch, plugins, CPU, source=leave_out_data(source)))


def count_real_updates(training: Training) -> dict[str, float]:
    """Return the FLOPs of each player's updates, the mean over a period of lazy terms, counted while computed."""
    game, counted = training.open_game(training.ensembles[0], None), {}
    inputs = training.open_inputs(training.ensembles[0].networks, 0)
    period = math.lcm(1, *(link.part.every for link in training.program.terms))
    for player in game.optimizers:
        costs: dict[frozenset[str], int] = {}
        for due in map(game.due, range(period)):
            if due not in costs:
                with FlopCounter() as counter:
                    game.differentiate(player, due, game.persistent, inputs[player].next())
                costs[due] = counter.total
        counted[player] = sum(costs[game.due(t)] for t in range(period)) / period
    return counted


@pytest.mark.parametrize(
    ("method", "space"),
    [(name, space) for name in METHODS for space in (("labels", "dcgan") if name in OTHER else ("mlp", "conv"))],
)
def test_shapes_alone_cost_what_a_real_step_costs(plugins: registry.Registry, method: str, space: str) -> None:
    batch = make_batch(plugins, space, method)
    real = count_real_updates(prepare(batch, plugins, CPU))
    assert all(flops > 0 for flops in real.values())
    assert dict(count_update_flops(prepare_blank(batch, plugins))) == real


def test_a_grouped_convolution_costs_a_share_of_a_full_one() -> None:
    """The multiply-adds of each layer, once forward and once for each of the two gradients, whatever the groups."""
    x = torch.randn(5, 8, 6, 6, requires_grad=True)
    for groups in (1, 2, 8):
        for layer, pixels in (
            (nn.Conv2d(8, 16, 3, stride=2, padding=1, groups=groups), 3 * 3),
            (nn.ConvTranspose2d(8, 16, 3, stride=2, padding=1, groups=groups), 6 * 6),
        ):
            with FlopCounter() as counter:
                layer(x).sum().backward()
            assert counter.total == 3 * 2 * 5 * pixels * (3 * 3) * 8 * 16 // groups


def test_no_data_is_read_and_no_weight_is_drawn(plugins: registry.Registry) -> None:
    """The networks of 128 filters have more than a million weights, and the dataset refuses to be read."""

    def refuse(indices: torch.Tensor) -> torch.Tensor:
        raise AssertionError("the data was read")

    trial = make_batch(plugins, "conv", "wgan-gp").trials[0]
    spec = {name: 128 if "filters" in name else value for name, value in trial.spec.items()}
    trial = replace(trial, spec=spec)
    source = Source(shape=(1, 8, 8), size=9, take=refuse, reference=refuse)
    before = torch.random.get_rng_state()
    critic, generator = CostCounter(plugins, {"noise-images": source}).count_flops(trial, 64)
    assert critic > generator > 0
    assert torch.equal(before, torch.random.get_rng_state())


def test_networks_that_need_numbers_get_them(plugins: registry.Registry) -> None:
    """A generator of 4 x 64 and a critic of 64 x 1, in closed form: no gradient flows to the noise or to real data."""
    batch = make_batch(plugins, "numbers", {"loss": "non-saturating"}, budget={"flops": 1e7, "batch_size": 8})
    with pytest.raises(RuntimeError, match="meta"):
        prepare_blank(batch, plugins)
    generator, critic = 2 * 8 * 4 * 64, 2 * 8 * 64
    step = (generator + 2 * 2 * critic) + (2 * generator + 2 * critic)
    assert batch.trials[0].budget.generator_steps == 1e7 // step
