"""BEGAN: its losses, its controller and its signals, by hand and in training; and its recipe."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
import torch
from ganbench import GanbenchError, Use, plan, registry, suite
from ganbench.engine import train
from ganbench.engine.program import Program
from ganbench.engine.snapshot import Snapshot

from ganbench_plugins.architectures import mlp
from ganbench_plugins.losses import boundary_equilibrium, energy_based
from ganbench_plugins.methods import began
from tests.support import device as where
from tests.support.small_games import make_training, ring

ENERGIES = torch.tensor([[3.0, 7.0], [1.0, 5.0]]), torch.tensor([[0.5, 9.0], [2.5, 9.0]])
"""Errors of real and of fake samples, 2 and 1.5 on average, each beside that of the mean image."""


def test_the_losses_and_the_controller_are_those_of_section_3_3_by_hand() -> None:
    """With L(x) = 2, L(G) = 1.5, gamma = .5 and k = .3: 2 - .3 1.5, k + .1 (1 - 1.5), and 2 + |1 - 1.5|."""
    objective = boundary_equilibrium.build(lambda_k=0.1)
    state = {**objective.init(), "k": torch.tensor(0.3)}
    value, after = objective.critic(*ENERGIES, state)
    assert value.item() == pytest.approx(2 - 0.45)
    values = {name: leaf.item() for name, leaf in after.items()}
    assert values == pytest.approx({"k": 0.25, "measure": 2.5, "error": 2.0, "mean_image": 6.0})
    fake_value, same = objective.generator(None, ENERGIES[1], after)
    assert fake_value.item() == 1.5
    assert same is after


@pytest.mark.parametrize(("gamma", "fake", "k"), [(1.0, 0.0, 1.0), (0.0, 5.0, 0.0)])
def test_k_stays_between_0_and_1(gamma: float, fake: float, k: float) -> None:
    objective = boundary_equilibrium.build(gamma, lambda_k=1.0)
    _, after = objective.critic(ENERGIES[0], torch.full((2, 2), fake), {"k": torch.tensor(0.5)})
    assert after["k"].item() == k


@pytest.mark.parametrize(("exponent", "errors"), [(1, [0.5, 1.0]), (2, [0.25, 1.0])])
def test_the_error_is_the_mean_over_all_elements_of_the_difference_to_the_power(exponent, errors) -> None:
    """The two images are 0 and 2 everywhere, so their mean image is 1."""
    x = torch.stack([torch.zeros(3, 4, 4), torch.full((3, 4, 4), 2.0)])
    answer = x + torch.tensor([0.5, -1.0]).reshape(2, 1, 1, 1)
    seen = boundary_equilibrium.build(exponent=exponent).read(answer, x)
    assert seen[:, 0].tolist() == errors
    assert seen[:, 1].tolist() == [1.0, 1.0]
    squares = energy_based.build(energy="mean-square").read(answer, x)
    assert exponent == 1 or torch.equal(seen, squares), "EBGAN's signals have the same meaning"


def test_numbers_outside_0_to_1_are_refused() -> None:
    with pytest.raises(GanbenchError, match=r"gamma = 1.5: give a number from 0 to 1"):
        boundary_equilibrium.build(gamma=1.5)
    with pytest.raises(GanbenchError, match="lambda_k = -1"):
        boundary_equilibrium.build(lambda_k=-1)


def run_on_ring(mode: str, steps: int = 30) -> Snapshot:
    program = Program(objective=boundary_equilibrium.build(lambda_k=0.5))
    space = mlp.build_mlp(generator_width=8, critic_width=8, latent=4)
    fixed = replace(space, networks=lambda spec, ask: space.networks(space.sample(Random(0)), ask))
    *_, last = make_training(program, fixed, ring(), mode=mode, steps=steps).run()
    return last


def test_in_training_k_follows_its_rule_and_the_signals_belong_together() -> None:
    """L(G) is what M and L(x) say: the balance is gamma L(x) - L(G), and M = L(x) + |balance|."""
    signals = run_on_ring("stack").signals
    k, measure, error, mean_image = (signals[f"objective.{name}"][1] for name in boundary_equilibrium.SIGNALS)
    before = torch.cat([torch.zeros(3, 1, dtype=k.dtype), k[:, :-1].cpu()], 1).to(k.device)
    step = k - before
    inside = (k > 0) & (k < 1)
    assert inside.any()
    torch.testing.assert_close(step.abs()[inside], (0.5 * (measure - error))[inside], rtol=0, atol=1e-12)
    fake = 0.5 * error - step / 0.5
    expected = (error - before * fake)[inside]
    torch.testing.assert_close(signals["loss.critic"][1][inside], expected, rtol=0, atol=1e-12)
    assert (mean_image > 0).all()


def test_a_stack_and_a_loop_of_seeds_end_alike() -> None:
    stack, loop = run_on_ring("stack", 6), run_on_ring("loop", 6)
    for name, weights in stack.generators.items():
        torch.testing.assert_close(weights, loop.generators[name], rtol=0, atol=1e-9)
    for signal, (_, values) in stack.signals.items():
        torch.testing.assert_close(values, loop.signals[signal][1], rtol=0, atol=1e-9, equal_nan=True)


def test_the_recipe_has_the_papers_settings_and_halves_its_updates_when_the_measure_stalls() -> None:
    method = began.build()
    assert method.loss == Use("began", gamma=0.5, lambda_k=0.001)
    assert method.optimizer == Use("adam", lr=1e-4, beta1=0.9, beta2=0.999)
    assert method.critic_steps == 1
    assert method.plateau is not None
    assert (method.plateau["signal"], method.plateau["factor"]) == ("objective.measure", 0.5)


@pytest.fixture(scope="module")
def plugins() -> registry.Registry:
    return registry.load(plugins=(began, boundary_equilibrium))


def train_suite(plugins: registry.Registry, **changes: object) -> Snapshot:
    table = {
        "question": "Does it train?",
        "seeds": 2,
        "methods": ["began"],
        "budget": {"generator_steps": 6, "batch_size": 16, "snapshots": 1},
        "architectures": {"space": "mlp", "options": {"generator_width": 8, "critic_width": 8}},
        "dataset": [{"name": "ring"}],
        "measurement": {"samples": 50},
        **changes,
    }
    (batch,) = plan.make(suite.parse(table), plugins).batches
    *_, last = train.prepare(batch, plugins, torch.device(where.DEVICE)).run()
    return last


DIGITS = {"dataset": [{"name": "digits"}], "measurement": {"samples": 2000}}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        DIGITS,
        {**DIGITS, "architectures": {"space": "dcgan", "options": {"filters": 2, "latent": 5}}},
        {**DIGITS, "architectures": {"space": "autoencoder", "options": {"filters": 2, "code": 5, "latent": 4}}},
        {"methods": ["noisy"], "method": [{"name": "noisy", "from": "began", "inputs": [{"name": "instance-noise"}]}]},
    ],
    ids=["ring", "digits", "dcgan", "autoencoder", "noise on the critic's input"],
)
def test_the_recipe_trains_on_points_and_images(plugins: registry.Registry, changes: dict[str, object]) -> None:
    last = train_suite(plugins, **changes)
    assert last.diverged_at == [-1, -1]
    for signal in ("loss.critic", "objective.measure", "objective.error", "objective.mean_image"):
        assert last.signals[signal][1].isfinite().all()
        assert (last.signals[signal][1] > 0).all()
    assert (last.signals["plateau.factor"][1] == 1).all()


def test_a_suite_may_change_one_setting_of_the_plateau_or_leave_it_out(plugins: registry.Registry) -> None:
    quick = {"name": "quick", "from": "began", "plateau": {"patience": 1, "smoothing": 0.0, "least": 0.0}}
    factors = train_suite(plugins, methods=["quick"], method=[quick]).signals["plateau.factor"][1]
    assert (factors[:, -1] < 1).all()
    assert torch.equal(factors.log2(), factors.log2().round()), "the factor is the recipe's"
    plain = train_suite(plugins, methods=["plain"], method=[{"name": "plain", "from": "began", "plateau": False}])
    assert "plateau.factor" not in plain.signals
