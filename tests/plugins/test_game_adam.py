"""Optimistic Adam and extra-Adam: their algorithms step by step, and the games in which Adam cycles."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from ganbench import Dynamics, GanbenchError, registry
from ganbench.engine import checkpoint
from ganbench.engine.program import Program
from ganbench.engine.train import Training
from torch import Tensor

from ganbench_plugins.optimizers import game_adam, torch_optimizers
from tests.support.small_games import NS, make_training, mlp, ring
from tests.support.tiny_suite import plan_small

OFFERS = {offer.name: offer for offer in game_adam.ganbench_optimizers()}
ALL = OFFERS | {offer.name: offer for offer in torch_optimizers.ganbench_optimizers()}
EXTRA = {"name": "extra-adam"}
BETAS = {"beta1": 0.5, "beta2": 0.9, "eps": 1e-3}


def direction(gradients: list[float], beta1: float, beta2: float, eps: float) -> float:
    """Return Adam's direction after these gradients: m^ / (sqrt v^ + eps), from the sums that define the moments."""
    t = len(gradients)
    m = sum((1 - beta1) * beta1 ** (t - i) * g for i, g in enumerate(gradients, 1))
    v = sum((1 - beta2) * beta2 ** (t - i) * g * g for i, g in enumerate(gradients, 1))
    return (m / (1 - beta1**t)) / (math.sqrt(v / (1 - beta2**t)) + eps)


def optimistic_by_hand(w: float, slope: Callable[[float], float], lr: float, steps: int) -> list[float]:
    """Daskalakis et al. 2018, algorithm 1: w <- w - 2 lr u_t + lr u_(t-1), u_0 = 0."""
    seen: list[float] = []
    path, last = [], 0.0
    for _ in range(steps):
        seen.append(slope(w))
        u = direction(seen, **BETAS)
        w, last = w - 2 * lr * u + lr * last, u
        path.append(w)
    return path


def extra_by_hand(w: float, slope: Callable[[float], float], lr: float, steps: int) -> list[float]:
    """Gidel et al. 2018, algorithm 4: the moments see both gradients, the update starts from before the look ahead."""
    seen: list[float] = []
    path = []
    for _ in range(steps // 2):
        seen.append(slope(w))
        ahead = w - lr * direction(seen, **BETAS)
        seen.append(slope(ahead))
        w = w - lr * direction(seen, **BETAS)
        path += [ahead, w]
    return path


@pytest.mark.parametrize(("name", "by_hand"), [("optimistic-adam", optimistic_by_hand), ("extra-adam", extra_by_hand)])
def test_every_step_is_the_papers(name: str, by_hand: Any) -> None:
    leaf = torch.full((2, 3), 0.7, dtype=torch.float64, requires_grad=True)
    optimizer = OFFERS[name].build(lr=0.1, **BETAS)([leaf])

    def slope(w: Any) -> Any:
        return 3 * w - 1 + w**2

    for expected in by_hand(0.7, slope, 0.1, 8):
        leaf.grad = slope(leaf.detach())
        optimizer.step()
        torch.testing.assert_close(leaf.detach(), torch.full_like(leaf.detach(), expected), rtol=0, atol=1e-12)


def play_bilinear(name: str, steps: int) -> float:
    """Return the distance from the equilibrium of min_x max_y xy after simultaneous steps from (1, -1)."""
    x, y = (torch.tensor(at, dtype=torch.float64, requires_grad=True) for at in (1.0, -1.0))
    optimizers = [ALL[name].build(lr=0.1, beta1=0.0, beta2=0.999)([player]) for player in (x, y)]
    for _ in range(steps):
        x.grad, y.grad = y.detach().clone(), -x.detach().clone()
        for optimizer in optimizers:
            optimizer.step()
    return math.hypot(x.item(), y.item())


def test_in_the_bilinear_game_adam_goes_away_and_both_others_converge() -> None:
    assert play_bilinear("adam", 1000) > 4
    assert play_bilinear("optimistic-adam", 1000) < 1e-2
    assert play_bilinear("extra-adam", 1000) < 1e-2


@pytest.mark.parametrize("name", OFFERS)
def test_stacked_seeds_end_where_each_ends_alone_and_a_nan_stays_with_its_seed(name: str) -> None:
    rng = torch.Generator().manual_seed(0)
    start, gradients = torch.randn(3, 5, generator=rng), torch.randn(9, 3, 5, generator=rng)

    def descend(start: Tensor, gradients: Tensor) -> Tensor:
        leaf = start.clone().requires_grad_()
        optimizer = OFFERS[name].build(lr=0.1)([leaf])
        for gradient in gradients:
            leaf.grad = gradient.clone()
            optimizer.step()
        return leaf.detach()

    together = descend(start, gradients)
    for seed in range(3):
        torch.testing.assert_close(together[seed], descend(start[seed], gradients[:, seed]), rtol=0, atol=1e-6)
    poisoned = gradients.clone()
    poisoned[4, 1, 2] = torch.nan
    after = descend(start, poisoned)
    assert torch.equal(after[[0, 2]], together[[0, 2]])
    assert after[1].isnan().any()


def test_a_rate_that_a_schedule_lowers_to_zero_stops_optimistic_adam() -> None:
    rate, leaf = torch.tensor(0.1), torch.zeros(4, requires_grad=True)
    optimizer = OFFERS["optimistic-adam"].build(lr=rate)([leaf])
    for factor, moved in ((1.0, True), (0.5, True), (0.0, False)):
        rate.fill_(0.1 * factor)
        before = leaf.detach().clone()
        leaf.grad = torch.ones(4)
        optimizer.step()
        assert torch.equal(leaf.detach(), before) != moved


def test_a_rate_of_zero_brings_extra_adam_back_to_where_the_odd_step_began() -> None:
    rate, leaf = torch.tensor(0.1), torch.zeros(4, requires_grad=True)
    optimizer = OFFERS["extra-adam"].build(lr=rate)([leaf])
    leaf.grad = torch.ones(4)
    optimizer.step()
    assert leaf.detach().tolist() == pytest.approx([-0.1] * 4)
    rate.fill_(0.0)
    optimizer.step()
    assert leaf.detach().tolist() == [0.0] * 4


@pytest.mark.parametrize("name", OFFERS)
@pytest.mark.parametrize("options", [{"lr": -1.0}, {"beta1": 1.0}, {"beta2": -0.1}, {"eps": math.inf}])
def test_a_number_of_no_use_is_refused(name: str, options: dict[str, float]) -> None:
    with pytest.raises(GanbenchError, match=f"{next(iter(options))} = "):
        OFFERS[name].build(**options)


def game(name: str, mode: str = "stack", steps: int = 12) -> Training:
    program = Program(objective=NS, dynamics=Dynamics(together=True))
    return make_training(program, mlp(), ring(), mode=mode, steps=steps, optimizer=OFFERS[name].build(lr=1e-2))


def finish(run: Training) -> dict[str, Tensor]:
    *_, last = run.run()
    return {name: p.clone() for part in last.ensemble.detached.values() for name, p in part.items()}


@pytest.mark.parametrize("name", OFFERS)
def test_a_stack_a_loop_and_a_restored_training_end_alike(name: str) -> None:
    """The checkpoint is taken after an odd step, between a look ahead and its update."""
    whole = finish(game(name))
    for key, value in finish(game(name, "loop")).items():
        torch.testing.assert_close(value, whole[key], rtol=0, atol=1e-9)
    stopped, saved = game(name), list[Any]()

    def save(step: int, steps: int) -> None:
        if step == 7:
            saved.append(deepcopy(checkpoint.save_state(stopped)))  # on a CPU, the tensors are still the training's

    list(stopped.run(save))
    restored = game(name)
    checkpoint.restore_state(restored, *saved[0])
    for key, value in finish(restored).items():
        assert torch.equal(value, whole[key]), key


def test_an_odd_step_of_extra_adam_is_a_look_ahead_along_the_same_line_as_adams() -> None:
    """The first step of both is the same; the second of extra-Adam starts again from the first weights."""
    start = {name: p.clone() for part in game("extra-adam").ensembles[0].detached.values() for name, p in part.items()}
    ends = {steps: finish(game("extra-adam", steps=steps)) for steps in (1, 2)}
    for name, first in start.items():
        assert (ends[1][name] - first).abs().max().item() == pytest.approx(1e-2, rel=1e-3)
        assert (ends[2][name] - first).abs().max() < 1.5e-2  # two steps of Adam would reach 2e-2 away


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optimizer": EXTRA}, ["with alternating steps"]),
        ({"optimizer": EXTRA, "dynamics": "simultaneous"}, []),
        ({"generator_optimizer": EXTRA, "dynamics": "simultaneous"}, ["for one player"]),
        ({"optimizer": EXTRA, "dynamics": {"name": "lookahead", "together": True}}, ["after an odd number of steps"]),
        ({"optimizer": EXTRA, "dynamics": {"name": "lookahead", "together": True, "steps": 6}}, []),
        ({"optimizer": EXTRA, "dynamics": {"name": "lookahead", "steps": 6}}, ["with alternating steps"]),
    ],
)
def test_planning_warns_where_extra_adams_players_do_not_look_ahead_together(
    changes: dict[str, Any], words: list[str]
) -> None:
    method: Any = [{"name": "mine", "from": "ns-gan", **changes}]
    plan = plan_small(registry.load(), methods=[], method=method, success=None)
    found = [caution for caution in plan.cautions if "'extra-adam'" in caution]
    assert len(found) == len(words)
    assert all(word in caution for word, caution in zip(words, found, strict=True))
