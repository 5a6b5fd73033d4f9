"""Packing: a critic of packs trains, only its first layer is wider, and a batch must hold whole packs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ganbench import GanbenchError, registry
from ganbench.engine.program import Link, Program
from ganbench.registry.registry import Registry

from ganbench_plugins.inputs import packing
from tests.support.small_games import GP, NS, make_training, mlp, ring
from tests.support.tiny_suite import plan_small

(OFFER,) = packing.ganbench_inputs()


@pytest.fixture(scope="module")
def plugins() -> Registry:
    return registry.load()


def packed(m: int, *constraints: Link) -> Program:
    return Program(objective=NS, inputs=(Link("pack", 1.0, OFFER.build(m=m)),), constraints=constraints)


@pytest.mark.parametrize("m", [2, 4])
@pytest.mark.parametrize("constraints", [(), (Link("gp", 1.0, GP),)], ids=["plain", "gradient penalty"])
def test_packed_seeds_train_together_as_each_alone(m: int, constraints: tuple[Link, ...]) -> None:
    runs = [make_training(packed(m, *constraints), mlp(), ring(), mode=mode, steps=6) for mode in ("stack", "loop")]
    samples = [run.draw_samples(list(run.run())[-1], 20) for run in runs]
    torch.testing.assert_close(*samples, rtol=0, atol=1e-6)
    assert (samples[0][0] - samples[0][1]).abs().max() > 1e-3, "two seeds must give different samples"


@pytest.mark.parametrize("m", [2, 3, 4])
def test_only_the_critics_first_layer_widens_by_m(m: int) -> None:
    """Every other shape stays, and the generator starts from the same weights."""
    runs = [make_training(program, mlp(), ring(), rows=12) for program in (Program(objective=NS), packed(m))]
    plain, wide = (
        {(player, name): p for player, part in run.ensembles[0].parameters.items() for name, p in part.items()}
        for run in runs
    )
    changed = [key for key in plain if plain[key].shape != wide[key].shape]
    assert changed == [("critic", "0.weight")]
    assert wide["critic", "0.weight"].shape == (3, 8, 2 * m)
    assert all(torch.equal(p, wide[key]) for key, p in plain.items() if key[0] == "generator")


@pytest.mark.parametrize(
    ("m", "rows", "way_out"), [(3, 64, "Use 63 or 66."), (4, 3, "Use 4."), (2, 17, "Use 16 or 18.")]
)
def test_a_batch_that_packs_do_not_divide_is_refused_by_its_place(
    plugins: Registry, m: int, rows: int, way_out: str
) -> None:
    method: Any = [{"name": "mine", "from": "ns-gan", "inputs": [{"name": "packing", "m": m}]}]
    budget = {"generator_steps": 4, "batch_size": rows, "snapshots": 1}
    with pytest.raises(GanbenchError) as error:
        plan_small(plugins, methods=[], method=method, budget=budget, success=None)
    assert str(error.value) == (
        f"s.toml: budget.batch_size = {rows}: the critic of method 'mine' sees packs of {m} samples, and {rows} is no "
        f"multiple of {m}. {way_out}"
    )


def test_a_batch_of_whole_packs_is_planned(plugins: Registry) -> None:
    budget = {"generator_steps": 4, "batch_size": 12, "snapshots": 1}
    assert plan_small(plugins, methods=["pacgan-2", "pacgan-3", "pacgan-4"], budget=budget, success=None).trials
