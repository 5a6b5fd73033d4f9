"""The Dirac-GAN of Mescheder, Geiger, Nowozin 2018, through the suite, the plugins and the engine that users run.

Everything is trained by `Training`, from the trials that `suites/dirac.toml` plans; only the precision is float64.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import ganbench
import pytest
import safetensors.torch
import torch
from ganbench import GanbenchError, plan, registry, suite
from ganbench.api.trials import Batch
from ganbench.engine.jacobian import Descent, build_first_step, step_jacobian
from ganbench.engine.step import Game
from ganbench.engine.train import Training, prepare
from ganbench.runner import worker
from torch import Tensor

from ganbench_plugins.architectures import linear
from tests.support.metric_checks import METRICS, measure

SUITE = Path(__file__).parents[2] / "suites" / "dirac.toml"
H = 0.2
SIMULTANEOUS, ALTERNATING = " simultaneous", (" 1:1", " 1:5")

# The Jacobian of the gradient field v = (-dL_G/dtheta, -dL_D/dpsi) at (0, 0), with f'(0) = 1/2 and f''(0) = -1/4
FIELDS = {
    "gan": [[0, 1 / 2], [-1 / 2, 0]],
    "ns-gan": [[0, 1 / 2], [-1 / 2, 0]],
    "wgan": [[0, 1], [-1, 0]],
    "noise": [[0, 1 / 2], [-1 / 2, -(0.7**2) / 2]],  # 2 f''(0) sigma^2: noise on the real side and on the fake one
    "r1": [[0, 1 / 2], [-1 / 2, -0.3]],
    "r1-critical": [[0, 1 / 2], [-1 / 2, -1]],
    "r2": [[0, 1 / 2], [-1 / 2, -0.3]],
    "consensus": [[-1 / 4, 1 / 2], [-1 / 2, -1 / 4]],  # A - gamma A'A
    "unrolled": [[-5 * H / 2, 1 / 2], [-1 / 2, 0]],  # theta acts on its own gradient through five steps of psi
}


def roots(half_trace: float, radicand: float) -> list[complex]:
    """Return half the trace -+ the square root of the radicand."""
    root = complex(radicand) ** 0.5
    return [half_trace - root, half_trace + root]


# The paper's closed forms: lemmas 2.3 (GAN), 3.2 and 3.3 (noise), and the proof of 4.1 (penalties); f'(0) = 1/2
EIGENVALUES = {
    "gan": roots(0, -1 / 4),
    "ns-gan": roots(0, -1 / 4),
    "wgan": roots(0, -1),
    "noise": roots(-(0.7**2) / 4, 0.7**4 / 16 - 1 / 4),
    "r1": roots(-0.15, 0.15**2 - 1 / 4),
    "r1-critical": roots(-1 / 2, 0),
    "r2": roots(-0.15, 0.15**2 - 1 / 4),
    "consensus": roots(-1 / 4, -1 / 4),
}


@cache
def plugins() -> registry.Registry:
    return registry.load()


@cache
def batches() -> dict[str, Batch]:
    """Return the suite's trials by method, each as a batch of its own."""
    made = plan.make(suite.load(SUITE), plugins()).batches
    by_method = {trial.labels["method"]: batch.take((trial,)) for batch in made for trial in batch.firsts}
    return {name: by_method[name] for name in suite.load(SUITE).method_names}


def prepare_training(
    method: str, steps: int = 500, start: tuple[float, float] = (1.0, -1.0), rows: int = 2
) -> Training:
    """Return the suite's training of a method, in double precision."""
    run = prepare(batches()[method], plugins(), torch.device("cpu"), torch.float64)
    budget = replace(run.budget, generator_steps=steps, batch_size=rows, snapshots=(steps,))
    return replace(run, budget=budget, space=linear.build(*start))


def run_path(method: str, steps: int = 500, start: tuple[float, float] = (1.0, -1.0), rows: int = 2) -> Tensor:
    """Train, and return theta and psi at the start and after each step, [steps + 1, 2]."""
    run, points = prepare_training(method, steps, start, rows), [torch.tensor(start, dtype=torch.float64)]
    train_step = run.train_step

    def train_and_append(t: int, game: Game, inputs: Any) -> None:
        train_step(t, game, inputs)
        parameters = game.ensemble.detached
        points.append(torch.cat([parameters["generator"]["theta"].flatten(), parameters["critic"]["psi"].flatten()]))

    run.train_step = train_and_append  # type: ignore[method-assign]
    list(run.run())
    return torch.stack(points)


def radii(points: Tensor) -> Tensor:
    return points.square().sum(1).sqrt()


PAPERS_CONSTRAINTS = {
    "wgan": [("weight-clipping", 1.0, {"bound": 1.0})],
    "wgan-gp": [("gradient-penalty", 0.7 / 2, {})],
    "r1": [("r1", 0.3, {})],
    "r1-critical": [("r1", 1.0, {})],
    "r2": [("r2", 0.3, {})],
}


def test_the_suite_has_the_papers_settings_and_theta_moves_first() -> None:
    """The paper's figures have h .2, 500 steps, clip 1, weight .7 / 2, noise .7, penalties .3 and 1, consensus 1."""
    assert {name.partition(" ")[0] for name in batches()} == {*FIELDS, "wgan-gp"}
    for name, batch in batches().items():
        (trial,), (game, _, order) = batch.trials, name.partition(" ")
        recipe = trial.recipe
        for optimizer in (recipe.critic_optimizer, recipe.generator_optimizer):
            assert (optimizer.name, dict(optimizer.options)) == ("sgd", {"lr": H})
        assert trial.budget.generator_steps == 500
        constraints = [(part.name, part.weight, dict(part.options)) for part in recipe.constraints]
        assert constraints == PAPERS_CONSTRAINTS.get(game, [])
        assert [part.options for part in recipe.inputs] == ([{"sigma": 0.7}] if game == "noise" else [])
        assert recipe.dynamics.options.get("gamma") == (1.0 if game == "consensus" else None)
        if order != "simultaneous":
            assert (recipe.order, f"1:{recipe.critic_steps}") == ("generator-first", order)


# The Jacobian of the step


def build_step(method: str) -> Descent:
    """Return the method's first step.

    Instance noise is replaced by the two-point distribution of the same variance: the Jacobian depends on nothing else.
    """
    step = build_first_step(prepare_training(method), lr=H)
    for view in step.step_inputs["critic"]["views"].values():
        for draws in view.values():
            draws["noise"].copy_(torch.tensor([[1.0], [-1.0]]))
    for name, view in step.step_inputs["generator"]["views"].items():
        for side, draws in view.items():
            draws["noise"].copy_(step.step_inputs["critic"]["views"][name][side]["noise"])
    return step


def state_at(theta: float, psi: float) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    return (
        {"theta": torch.tensor([theta], dtype=torch.float64)},
        {"psi": torch.tensor([[psi]], dtype=torch.float64)},
    )


def sort_complex(values: list[complex]) -> Tensor:
    """Return the values by imaginary, then real part; the keys are rounded so that rounding errors change no order."""
    return torch.tensor(sorted(values, key=lambda v: (round(v.imag, 6), v.real)), dtype=torch.complex128)


@pytest.mark.parametrize("method", sorted(EIGENVALUES))
def test_the_simultaneous_step_has_the_papers_eigenvalues(method: str) -> None:
    """(J - I) / h is the Jacobian of the gradient field: GAN +-i/2, WGAN +-i, R1 -g/2 +- sqrt(g^2/4 - 1/4), ..."""
    field = (step_jacobian(build_step(method + SIMULTANEOUS), *state_at(0, 0)) - torch.eye(2)) / H
    torch.testing.assert_close(field, torch.tensor(FIELDS[method], dtype=torch.float64), rtol=0, atol=1e-10)
    values = sort_complex(torch.linalg.eigvals(field).tolist())
    # rounding errors move a double root by 1e-8
    torch.testing.assert_close(values, sort_complex(EIGENVALUES[method]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("order", ALTERNATING)
@pytest.mark.parametrize("method", sorted(FIELDS.keys() - {"consensus"}))
def test_the_alternating_step_is_the_product_of_its_half_steps(method: str, order: str) -> None:
    field = H * torch.tensor(FIELDS[method], dtype=torch.float64)
    generator, critic = torch.eye(2, dtype=torch.float64), torch.eye(2, dtype=torch.float64)
    generator[0] += field[0]
    critic[1] += field[1]
    expected = torch.linalg.matrix_power(critic, 5 if order == " 1:5" else 1) @ generator
    jacobian = step_jacobian(build_step(method + order), *state_at(0, 0))
    torch.testing.assert_close(jacobian, expected, rtol=0, atol=1e-10)
    if method in ("gan", "ns-gan", "wgan"):
        assert torch.linalg.eigvals(jacobian).abs().tolist() == pytest.approx([1, 1], abs=1e-9)  # neither in nor out


@pytest.mark.parametrize("method", [name for name in batches() if name != "noise 1:5"])
def test_the_differentiated_step_is_the_training_step(method: str) -> None:
    """For all methods except `noise 1:5`, whose five critic steps each draw new noise."""
    start = (0.75, -0.5)  # exact in single precision, in which networks are built
    expected = run_path(method, steps=1, start=start)[1]
    g, d = build_first_step(prepare_training(method), lr=H)(*state_at(*start))
    torch.testing.assert_close(torch.cat([g["theta"], d["psi"][0]]), expected, rtol=0, atol=1e-14)


# Trajectories


@pytest.mark.parametrize(
    ("method", "distance", "rel"),
    [("gan", 3.097, 2e-4), ("ns-gan", 0.640, 1e-3), ("r1", 2.6e-6, 0.02), ("r1-critical", 9.5e-22, 0.01)],
)
def test_after_500_simultaneous_steps_the_distance_is_the_known_one(method: str, distance: float, rel: float) -> None:
    assert float(radii(run_path(method + SIMULTANEOUS))[-1]) == pytest.approx(distance, rel=rel)


def test_the_simultaneous_gan_spirals_out_by_the_exact_factor_at_every_step() -> None:
    """The radius grows by sqrt(1 + h^2 f'(psi theta)^2), f' the sigmoid; near 0 by sqrt(1 + h^2/4), for every h."""
    points = run_path("gan simultaneous", steps=100)
    slopes = points[:-1].prod(1).sigmoid()
    ratios = radii(points)[1:] / radii(points)[:-1]
    torch.testing.assert_close(ratios, (1 + H**2 * slopes.square()).sqrt(), rtol=0, atol=1e-14)
    near = radii(run_path("gan simultaneous", steps=1, start=(2**-13, 2**-13)))
    assert float(near[1] / near[0]) == pytest.approx(math.sqrt(1 + H**2 / 4), abs=1e-8)


def test_the_alternating_gan_stays_on_its_ellipse() -> None:
    """Theta first: near 0 theta^2 + psi^2 + h f' theta psi is constant (our psi is minus the paper's)."""
    theta, psi = run_path("gan 1:1", start=(0.007, -0.007)).T
    invariant = theta.square() + psi.square() + H / 2 * theta * psi
    torch.testing.assert_close(invariant, invariant[0].expand_as(invariant), rtol=1e-4, atol=0)
    assert theta.min() < -0.006  # it has gone round


def test_the_simultaneous_ns_gan_settles_on_a_small_cycle_from_outside_and_from_inside() -> None:
    outside, inside = (
        radii(run_path("ns-gan simultaneous", steps=400, start=start)) for start in ((1.0, -1.0), (0.05, -0.05))
    )
    assert outside[-1] < 0.5 * outside[0]
    assert inside[-1] > 5 * inside[0]
    assert 0.3 < inside[-1] < outside[-1]


def test_the_alternating_ns_gan_approaches_slowly() -> None:
    distance = radii(run_path("ns-gan 1:1", steps=400))
    assert 0.1 < distance[-63:].mean() < 0.8 * distance[:63].mean()  # 63 steps are one turn


@pytest.mark.parametrize("order", [SIMULTANEOUS, *ALTERNATING])
def test_the_clipped_wgan_keeps_circling(order: str) -> None:
    points = run_path("wgan" + order, steps=150)
    late = points[75:]
    assert points[:, 1].abs().max() <= 1
    assert radii(late).min() > 0.3
    assert (late[1:, 0] * late[:-1, 0] < 0).sum() >= 4  # theta passes 0 repeatedly


@pytest.mark.parametrize("order", [SIMULTANEOUS, *ALTERNATING])
def test_the_wgan_with_a_gradient_penalty_does_not_converge(order: str) -> None:
    assert radii(run_path("wgan-gp" + order, steps=150))[-75:].min() > 0.3


@pytest.mark.parametrize(
    ("method", "steps"),
    [
        *(("r1 1:1", 250), ("r2 1:1", 250), ("r1-critical 1:1", 100), ("r1 1:5", 100), ("r1-critical 1:5", 100)),
        *(("consensus simultaneous", 150), ("unrolled 1:1", 150), ("unrolled 1:5", 100)),
    ],
)
def test_penalties_consensus_and_unrolling_converge(method: str, steps: int) -> None:
    assert radii(run_path(method, steps))[-1] < 0.02


@pytest.mark.parametrize("order", [SIMULTANEOUS, " 1:1"])
def test_instance_noise_converges_to_a_ball_of_the_size_of_the_sampling_noise(order: str) -> None:
    late = radii(run_path("noise" + order, steps=250, rows=64))[-100:]
    assert late.max() < 0.25
    assert late.max() > 1e-3


# What users of the suite see


def test_a_worker_reports_the_distance_as_the_suites_score() -> None:
    (record,) = worker.run_batch(batches()["gan simultaneous"], lambda step, steps: None, device="cpu")
    scores = [score for score in record.scores if score.name == "distance" and not score.fresh]
    assert len(scores) == 250
    assert scores[-1].value == pytest.approx(3.097, rel=1e-3)


def test_the_metric_is_the_euclidean_distance_and_refuses_other_networks() -> None:
    theta, psi = {"theta": torch.tensor([3.0])}, {"psi": torch.tensor([[-4.0]])}
    values = measure(METRICS["dirac"], generator_parameters=theta, critic_parameters=psi)
    assert values == {"distance": 5.0, "theta": 3.0, "psi": -4.0}
    with pytest.raises(GanbenchError, match=r"bias.*'linear'"):
        measure(METRICS["dirac"], generator_parameters=theta, critic_parameters={"bias": torch.zeros(1)})


def test_the_metric_reads_the_averaged_theta_that_the_scored_samples_lie_at(tmp_path: Path) -> None:
    """The data is a point at 0 and every sample is theta, so W1 is |theta|."""
    frames = ganbench.run(
        {
            "question": "Which theta is scored?",
            "seeds": 1,
            "method": [{"name": "averaged", "loss": "minimax", "optimizer": {"name": "sgd", "lr": 0.2}, "ema": 0.95}],
            "budget": {"generator_steps": 60, "batch_size": 8, "snapshots": 1},
            "architectures": {"space": "linear"},
            "dataset": [{"name": "dirac", "metrics": ["dirac", "w1"]}],
        },
        results=tmp_path,
        jobs=0,
    )
    values = frames.scores.set_index("name")["value"]
    assert abs(values["theta"]) == pytest.approx(values["w1"], rel=1e-6)
    (file,) = (tmp_path / "networks").glob("*.safetensors")
    stored = safetensors.torch.load_file(file)
    assert values["theta"] == float(stored["average.theta"])
    assert abs(values["theta"] - float(stored["generator.theta"])) > 0.1, "the raw theta lies elsewhere"
