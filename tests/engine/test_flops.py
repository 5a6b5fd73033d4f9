"""FLOPs are those of matrix products: a linear layer from n x a to n x b has 2 n a b, and as many for each gradient."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from time import process_time
from typing import Any

import pytest
import torch
from ganbench import Constraint, Offer, hookimpl, plan, registry, suite
from ganbench.api.records import Record
from ganbench.api.trials import Batch
from ganbench.engine.cost import count_update_flops
from ganbench.engine.flops import count_member
from ganbench.engine.train import prepare
from ganbench.runner.worker import Job

from tests.support import small_games

ROWS, LATENT, WIDTH = 8, 5, 6
GENERATOR = [(LATENT, WIDTH), (WIDTH, 2)]
CRITIC = [(2, WIDTH), (WIDTH, 1)]


@pytest.fixture(scope="module")
def plugins() -> registry.Registry:
    return registry.load()


def make_suite(method: dict[str, Any], budget: dict[str, Any], seeds: int = 1) -> suite.Suite:
    sizes = {"latent": LATENT} | {f"{p}_{s}": n for p in ("generator", "critic") for s, n in SIZES.items()}
    return suite.parse(
        {
            "question": "What does it cost?",
            "seeds": seeds,
            "method": [{"name": "m", "loss": "non-saturating", **method}],
            "budget": {"batch_size": ROWS, "snapshots": 1, **budget},
            "architectures": {"space": "mlp", "options": sizes},
            "dataset": [{"name": "ring"}],
        }
    )


SIZES = {"depth": 1, "width": WIDTH}


def matrix_flops(layers: list[tuple[int, int]], rows: int = ROWS) -> int:
    return sum(2 * rows * a * b for a, b in layers)


def critic_flops() -> int:
    """Return the FLOPs of a critic update.

    They are one forward pass of the generator and, for real and for generated samples, one forward pass of the critic,
    the gradients of its weights, and the gradient of its hidden layer.
    """
    return matrix_flops(GENERATOR) + 2 * (2 * matrix_flops(CRITIC) + matrix_flops(CRITIC[1:]))


def generator_flops() -> int:
    """Return the FLOPs of a generator update.

    They are one forward pass of both networks, the gradients of the inputs of all layers except the noise, and the
    gradients of the generator's weights.
    """
    return matrix_flops(GENERATOR) * 2 + matrix_flops(GENERATOR[1:]) + matrix_flops(CRITIC) * 2


def mean_update_flops(plugins: registry.Registry, method: dict[str, Any], seeds: int = 1) -> dict[str, float]:
    (batch,) = plan.make(make_suite(method, {"generator_steps": 3}, seeds), plugins).batches
    return dict(count_update_flops(prepare(batch, plugins, torch.device("cpu"))))


def test_an_update_costs_what_its_matrices_cost(plugins: registry.Registry) -> None:
    assert mean_update_flops(plugins, {}) == {"critic": critic_flops(), "generator": generator_flops()}


def test_a_member_of_a_stack_costs_what_it_costs_alone(plugins: registry.Registry) -> None:
    assert mean_update_flops(plugins, {}, seeds=4) == mean_update_flops(plugins, {})


def test_a_lazy_penalty_costs_its_share_of_the_updates(plugins: registry.Registry) -> None:
    every = mean_update_flops(plugins, {"constraints": ["r1"]})["critic"]
    lazy = mean_update_flops(plugins, {"constraints": [{"name": "r1", "every": 4}]})["critic"]
    assert every > critic_flops()
    assert lazy == pytest.approx(critic_flops() + (every - critic_flops()) / 4, rel=1e-12)


@pytest.mark.parametrize("mode", ["loop", "stack"])
def test_a_run_adds_up_its_updates(plugins: registry.Registry, mode: str) -> None:
    seeds = 1 if mode == "loop" else 3
    (batch,) = plan.make(make_suite({"critic_steps": 2}, {"generator_steps": 7}, seeds), plugins).batches
    *_, last = prepare(batch, plugins, torch.device("cpu")).run()
    assert last.updates["flops"] == 14 * critic_flops() + 7 * generator_flops()


def test_a_budget_in_flops_gives_the_largest_number_of_steps_that_fits(plugins: registry.Registry) -> None:
    step = 2 * critic_flops() + generator_flops()
    for amount, steps in ((10 * step, 10), (10 * step - 1, 9), (10.5 * step, 10)):
        (trial,) = plan.make(make_suite({"critic_steps": 2}, {"flops": amount}), plugins).trials
        assert trial.budget.generator_steps == steps


class Convolutions:
    """A network of convolutions on images of 4 x 4, and constraints that are hard to run on tensors without numbers."""

    @hookimpl
    def ganbench_architectures(self) -> Iterator[Offer]:
        yield Offer("conv", small_games.conv, "Two convolutions, and one back.")

    @hookimpl
    def ganbench_datasets(self) -> Iterator[Offer]:
        yield Offer("images", small_games.images, "Forty images.")

    @hookimpl
    def ganbench_constraints(self) -> Iterator[Offer]:
        def read_a_number(play: Any) -> torch.Tensor:
            return play.scores_real.sum() * (0.0 if play.real.mean().item() > -9 else 1.0)

        def make_constants(play: Any) -> torch.Tensor:
            weights = torch.linspace(0, 1, len(play.real))
            weights /= weights.sum()
            return (weights * play.scores_real).sum() * torch.tensor(0.1) + torch.zeros(len(weights)).add_(weights)[0]

        yield Offer("number", lambda: Constraint(critic=read_a_number), "Reads a number.", stackable=False)
        yield Offer("constants", lambda: Constraint(critic=make_constants), "Makes constants in its function.")


def conv_batch(plugins: registry.Registry, seeds: int, budget: dict[str, Any], **method: Any) -> Batch:
    table = {
        "question": "What does a convolution cost?",
        "seeds": seeds,
        "method": [{"name": "m", "loss": "non-saturating", **method}],
        "budget": {"batch_size": ROWS, "snapshots": 1, **budget},
        "architectures": {"space": "conv"},
        "dataset": [{"name": "images", "metrics": [{"name": "mmd"}]}],
        "measurement": {"samples": 20},
    }
    (batch,) = plan.make(suite.parse(table), plugins).batches
    return batch


@pytest.fixture(scope="module")
def convolutions() -> registry.Registry:
    return registry.load(plugins=[Convolutions()])


def conv_flops() -> tuple[int, int]:
    """Return the FLOPs of an update of critic and generator, from the multiply-adds of each layer for one image.

    As with matrices, every layer takes its multiply-adds once forward and once for each of the two gradients.
    """
    linear, transposed = 4 * 16, 4 * 4 * 4  # 4 x 2 x 2 values, each to 2 x 2 pixels
    first, second, score = 4 * 4 * 4, 4 * 16, 4  # 4 maps of 2 x 2 from 2 x 2 pixels; 4 values from 4 x 2 x 2; a score
    generator, critic = linear + transposed, first + second + score
    critic_update = generator + 2 * (2 * critic + second + score)
    generator_update = 2 * generator + transposed + 2 * critic
    return 2 * ROWS * critic_update, 2 * ROWS * generator_update


@pytest.mark.parametrize("seeds", [1, 3, 8])
def test_a_convolution_costs_the_same_in_every_company(convolutions: registry.Registry, seeds: int) -> None:
    critic, generator = conv_flops()
    batch = conv_batch(convolutions, seeds, {"generator_steps": 3}, critic_steps=2)
    assert (batch.mode, len(batch.trials)) == ("stack" if seeds > 1 else "loop", seeds)
    job = Job(batch, convolutions, torch.device("cpu"))
    job.run(lambda step, steps: None)
    records: list[Record] = job.make_records()
    assert [record.updates["flops"] for record in records] == seeds * [6 * critic + 3 * generator]


def test_the_budget_and_the_record_count_alike(convolutions: registry.Registry) -> None:
    critic, generator = conv_flops()
    amount = 5 * (critic + generator)
    batch = conv_batch(convolutions, 3, {"flops": amount})
    assert batch.trials[0].budget.generator_steps == 5
    *_, last = prepare(batch, convolutions, torch.device("cpu")).run()
    assert last.updates["flops"] == amount


def test_constants_of_a_plugin_cost_nothing(convolutions: registry.Registry, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        (trial, *_) = conv_batch(convolutions, 1, {"flops": 5 * sum(conv_flops())}, constraints=["constants"]).trials
    assert trial.budget.generator_steps == 5
    assert not caplog.records  # it was not called on numbers


def test_a_step_that_reads_a_number_is_counted_on_numbers(
    convolutions: registry.Registry, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        batch = conv_batch(convolutions, 3, {"flops": 5 * sum(conv_flops())}, constraints=["number"])
    assert batch.trials[0].budget.generator_steps == 5
    assert "on a real step of one member" in caplog.text


@pytest.mark.parametrize("dynamics", ["alternating", "simultaneous", "consensus", "extragradient", "unrolled"])
@pytest.mark.parametrize("constraint", ["gradient-penalty", "spectral-norm"])
def test_shapes_cost_what_numbers_cost(convolutions: registry.Registry, dynamics: str, constraint: str) -> None:
    method = {"dynamics": dynamics, "constraints": [constraint]}
    training = prepare(conv_batch(convolutions, 1, {"generator_steps": 1}, **method), convolutions, torch.device("cpu"))
    game, inputs = (
        training.open_game(training.ensembles[0], None),
        training.open_inputs(training.ensembles[0].networks, 0),
    )
    for player in ("critic", "generator"):
        step_inputs = inputs[player].next()
        game.compute_gradients(player, step_inputs)  # of one member in a loop: counted on its numbers
        assert game.count(player, game.due(0), step_inputs).flops == game.flops_per_update[player, game.due(0)]


def test_counting_computes_nothing_and_draws_nothing() -> None:
    def product(a: torch.Tensor) -> torch.Tensor:
        return a[0] @ a[0] + torch.rand(1)

    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    side, began = 1 << 15, process_time()
    assert count_member(product, torch.zeros(1).expand(3, side, side)).flops == 2 * side**3
    assert process_time() - began < 5  # the product itself takes minutes
    assert torch.rand(1) == expected


def test_lazy_terms_are_due_together_now_and_then(plugins: registry.Registry) -> None:
    """Of 6 updates, one has both penalties, two have only the first, one has only the second."""
    terms = {name: {"name": name, "every": every} for name, every in (("r1", 2), ("r2", 3))}
    plain, one, other = (mean_update_flops(plugins, {"constraints": use})["critic"] for use in ([], ["r1"], ["r2"]))
    both = mean_update_flops(plugins, {"constraints": ["r1", "r2"]})["critic"]
    lazy = mean_update_flops(plugins, {"constraints": list(terms.values())})["critic"]
    assert lazy == pytest.approx((2 * plain + 2 * one + other + both) / 6, rel=1e-12)


def test_a_long_cycle_is_not_walked_through(plugins: registry.Registry) -> None:
    every = {name: {"name": name, "every": p} for name, p in (("r1", 10**9 + 7), ("r2", 10**9 + 9))}
    lazy = mean_update_flops(plugins, {"constraints": list(every.values())})["critic"]
    assert lazy == pytest.approx(critic_flops(), rel=1e-6)


def test_planning_by_flops_counts_what_differs_once(
    plugins: registry.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optimizers, critic steps and a second dataset of the same shape add nothing to count."""
    from ganbench.engine import cost

    counted = []
    count = cost.count_update_flops
    monkeypatch.setattr(cost, "count_update_flops", lambda training: counted.append(0) or count(training))
    table = {
        "question": "How long does planning take?",
        "method": [
            {"name": "ns", "from": "ns-gan"},
            {"name": "slow", "from": "ns-gan", "optimizer": {"name": "adam", "lr": 1e-5}, "critic_steps": 3},
            {"name": "gp", "from": "wgan-gp"},
            {"name": "sn", "from": "hinge-sn"},
        ],
        "budget": {"flops": 1e10},
        "architectures": {"space": "random-mlp", "sample": 30},
        "dataset": [{"name": "ring"}, {"name": "grid"}],
    }
    began = process_time()
    trials = plan.make(suite.parse(table), plugins).trials
    assert (len(trials), len(counted)) == (2 * 30 * 4, 30 * 3)
    assert process_time() - began < 20
