"""Lookahead and the Adams for games in the bilinear game: the Dirac-GAN with the Wasserstein loss, unclipped."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from ganbench import Dynamics, GanbenchError, registry
from ganbench.engine.train import Training, prepare
from ganbench.registry.registry import Registry
from torch import Tensor

from ganbench_plugins.dynamics import lookahead
from tests.support.tiny_suite import plan_small

(OFFER,) = lookahead.ganbench_dynamics()
H = 0.2
SGD: Any = {"name": "sgd", "lr": H}


@pytest.fixture(scope="module")
def plugins() -> Registry:
    return registry.load()


def make_game(plugins: Registry, steps: int, dynamics: Any, optimizer: Any = SGD) -> Training:
    """Return the training of the bilinear game from theta = 1, psi = -1 in double precision, as a suite makes it."""
    method = {"name": "game", "loss": "wasserstein", "dynamics": dynamics, "optimizer": optimizer}
    plan = plan_small(
        plugins,
        methods=[],
        method=[method],
        success=None,
        seeds=1,
        dataset=[{"name": "dirac"}],
        architectures={"space": "linear"},
        measurement={"samples": 2, "metrics": ["dirac"]},
        budget={"generator_steps": steps, "batch_size": 2, "snapshots": 1},
    )
    return replace(prepare(plan.batches[0], plugins, torch.device("cpu"), torch.float64), recordable=False)


def play(run: Training) -> Tensor:
    """Return theta and psi at the end, [2]."""
    *_, last = run.run()
    weights = last.ensemble.detached
    return torch.cat([weights["generator"]["theta"].flatten(), weights["critic"]["psi"].flatten()])


@pytest.mark.parametrize(("steps", "share"), [(5, 0.5), (3, 0.25), (8, 1.0)])
@pytest.mark.parametrize("together", [True, False])
def test_the_path_is_the_power_of_the_papers_operator(
    plugins: Registry, steps: int, share: float, together: bool
) -> None:
    """After n rounds of k steps it is ((1 - a) I + a M^k)^n (1, -1), for the map M of one step of gradient descent.

    Simultaneous: theta + h psi, psi - h theta. Alternating, the critic first: psi - h theta, then theta + h of it.
    """
    critic = torch.tensor([[1.0, 0.0], [-H, 1.0]], dtype=torch.float64)
    generator = torch.tensor([[1.0, H], [0.0, 1.0]], dtype=torch.float64)
    step = critic + generator - torch.eye(2) if together else generator @ critic
    dynamics = {"name": "lookahead", "steps": steps, "share": share, "together": together}
    end = play(make_game(plugins, 3 * steps, dynamics))
    operator = (1 - share) * torch.eye(2) + share * torch.linalg.matrix_power(step, steps)
    expected = torch.linalg.matrix_power(operator.double(), 3) @ torch.tensor([1.0, -1.0], dtype=torch.float64)
    torch.testing.assert_close(end, expected, rtol=0, atol=1e-12)


def test_simultaneous_descent_leaves_the_equilibrium_and_lookahead_approaches_it(plugins: Registry) -> None:
    """A step grows the distance by sqrt(1 + h^2); a round of 5 with a half shrinks it by |1/2 + (1 + ih)^5 / 2|."""
    plain = play(make_game(plugins, 100, "simultaneous")).norm().item()
    assert plain == pytest.approx(math.sqrt(2) * (1 + H * H) ** 50, rel=1e-9)
    ahead = play(make_game(plugins, 100, {"name": "lookahead", "together": True})).norm().item()
    factor = abs(0.5 + 0.5 * (1 + 1j * H) ** 5)
    assert factor < 1
    assert ahead == pytest.approx(math.sqrt(2) * factor**20, rel=1e-9)


def test_adam_goes_away_and_both_adams_for_games_converge(plugins: Registry) -> None:
    ends = {}
    for name in ("adam", "optimistic-adam", "extra-adam"):
        optimizer = {"name": name, "lr": 0.1, "beta1": 0.0, "beta2": 0.999}
        ends[name] = play(make_game(plugins, 1000, "simultaneous", optimizer)).norm().item()
    assert ends["adam"] > 4
    assert max(ends["optimistic-adam"], ends["extra-adam"]) < 1e-2


def test_the_defaults_are_the_papers() -> None:
    assert OFFER.build() == Dynamics(lookahead=(5, 0.5))
    assert OFFER.build(steps=3, share=1.0, together=True) == Dynamics(together=True, lookahead=(3, 1.0))


@pytest.mark.parametrize("options", [{"steps": 0}, {"share": 0.0}, {"share": 1.5}])
def test_a_step_or_a_share_out_of_range_is_refused(plugins: Registry, options: dict[str, float]) -> None:
    with pytest.raises(GanbenchError, match=f"option '{next(iter(options))}' = {next(iter(options.values()))}: it"):
        make_game(plugins, 4, {"name": "lookahead", **options})
