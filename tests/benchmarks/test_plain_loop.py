"""The benchmarks compare equal games: what the plain loop trains are the networks of ganbench."""

from __future__ import annotations

import pytest
import torch
from ganbench import plan, registry, suite
from ganbench.engine.train import prepare

from tests.benchmarks.bench_speed import CASES, METHODS
from tests.benchmarks.contenders import Loops, Usage
from tests.benchmarks.plain_loop import make_networks, open_digits, train


@pytest.fixture(scope="module")
def plugins() -> registry.Registry:
    return registry.load()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", CASES)
def test_plain_networks_have_the_parameters_of_ganbench(plugins, name, method) -> None:
    case = CASES[name]
    batches = plan.make(suite.parse(case.write_suite(1, [method])), plugins).batches
    for batch, spec in zip(batches, case.list_specs(plugins), strict=True):
        training = prepare(batch, plugins, torch.device("cpu"))
        (ensemble,) = training.ensembles
        for player, network in zip(
            ("generator", "critic"), make_networks(spec, method, training.source.shape), strict=True
        ):
            expected = [p.shape[1:] for p in ensemble.parameters[player].values()]
            assert [p.shape for p in network.parameters()] == expected


@pytest.mark.parametrize("method", METHODS)
def test_plain_loop_trains_every_parameter(method) -> None:
    torch.manual_seed(0)
    networks = make_networks({"filters": 2}, method, (1, 16, 16))
    before = [p.clone() for network in networks for p in network.parameters()]
    train(method, networks, open_digits(16), steps=2, rows=8)
    after = [p for network in networks for p in network.parameters()]
    still = [b.shape for a, b in zip(before, after, strict=True) if torch.equal(a, b)]
    assert still == (
        [] if method == "ns-gan" else [after[-1].shape]
    )  # a constant has no effect on a difference of scores
    assert all(p.isfinite().all() for p in after)


def test_trials_are_shared_out_longest_first() -> None:
    loops = Loops(Usage(1.0, 2.0, 5.0), {(0, "ns-gan"): Usage(2.0, 2.0), (0, "wgan-gp"): Usage(3.0, 3.0)})
    assert loops.scale(2, 1) == Usage(1 + 10, 2 + 10, 5.0)
    assert loops.scale(2, 2) == Usage(1 + 5, 4 + 10, 5.0)
    assert loops.scale(1, 4) == Usage(1 + 3, 4 + 5, 5.0)
