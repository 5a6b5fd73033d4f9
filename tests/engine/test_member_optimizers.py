"""Members whose optimizers differ step as each alone: by rates of their own, or by an optimizer for each group."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from ganbench.engine import train
from ganbench.engine.member_optimizers import MemberOptimizers
from ganbench.engine.optimizer_state import restore_optimizer, save_optimizer

from tests.support.member_games import (
    make_batch,
    prepare_batch,
    require_members_as_alone,
    run_to_end,
    train_alone,
)

FALLING: dict[str, Any] = {"linear": [1e-2, 0.0], "over": 0.5}


def of_both(**options: Any) -> dict[str, Any]:
    """Return these options for the optimizers of both players, by path."""
    return {f"{player}_optimizer.options.{k}": v for player in ("critic", "generator") for k, v in options.items()}


NO_DECAY, DECAY = of_both(lr=1e-2), of_both(weight_decay=0.5)

CASES: dict[str, tuple[dict[str, Any], list[dict[str, Any]], list[int]]] = {
    "lr": ({"name": "adam", "lr": 1e-3}, [{}, of_both(lr=1e-2), of_both(lr=3e-3), of_both(lr=FALLING)], [4]),
    "lr of rmsprop": ({"name": "rmsprop", "lr": 1e-3}, [{}, of_both(lr=5e-3), of_both(lr=FALLING)], [3]),
    "lr of sgd": ({"name": "sgd", "lr": 0.1, "momentum": 0.5}, [{}, of_both(lr=0.02), of_both(lr=FALLING)], [3]),
    "lr of optimistic adam": ({"name": "optimistic-adam", "lr": 1e-3}, [{}, of_both(lr=FALLING)], [2]),
    "lr of extra-adam": ({"name": "extra-adam", "lr": 1e-3}, [{}, of_both(lr=5e-3), of_both(lr=FALLING)], [1, 1, 1]),
    "betas": ({"name": "adam", "lr": 1e-3}, [{}, *[of_both(beta1=0.0)] * 2, of_both(beta2=0.9)], [1, 2, 1]),
    "weight decay": ({"name": "adamw", "lr": 1e-3}, [DECAY, DECAY, {}], [2, 1]),
    "momentum": ({"name": "sgd", "lr": 0.05}, [{}, of_both(momentum=0.9), of_both(momentum=0.5)], [1, 1, 1]),
    "lr and decay": (
        {"name": "adamw", "lr": 1e-3},
        [{}, NO_DECAY, NO_DECAY | DECAY, of_both(lr=FALLING) | DECAY],
        [2, 2],
    ),
}
"""Optimizers by what differs, with the members' numbers and the sizes of the groups that step together."""


@pytest.mark.parametrize("case", CASES)
def test_members_with_different_optimizers_train_as_alone(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    optimizer, members, sizes = CASES[case]
    batch = make_batch({"from": "ns-gan", "optimizer": optimizer}, members)
    alone = [train_alone(batch, trial) for trial in batch.trials]
    together = run_to_end(prepare_batch(batch))
    require_members_as_alone(together, alone)
    assert together.stage is not None
    for stepper in together.stage.game.optimizers.values():
        assert isinstance(stepper, MemberOptimizers)
        assert stepper.sizes == sizes
        assert (stepper.rates is not None) == (case.startswith("lr") and "extra" not in case)
    require_members_as_alone(run_to_end(prepare_batch(replace(batch, mode="loop"))), alone)
    monkeypatch.setattr(train, "RECORD_FROM", 4)
    require_members_as_alone(run_to_end(prepare_batch(batch, recordable=True)), alone)


def test_equal_optimizers_are_the_offers_own_and_only_the_player_that_differs_has_several() -> None:
    batch = make_batch({"from": "ns-gan"}, [{}, {"critic_optimizer.options.beta1": 0.0}])
    optimizers = prepare_batch(batch).begin_stage(0).game.optimizers
    assert type(optimizers["generator"]) is torch.optim.Adam
    critic = optimizers["critic"]
    assert isinstance(critic, MemberOptimizers)
    assert [each.param_groups[0]["betas"][0] for each in critic.optimizers] == [0.5, 0.0]


def test_a_step_at_a_rate_keeps_its_digits_in_single_precision() -> None:
    """Adam's first step is lr: weights near 1 move by 1e-4, less than one rounding of a weight off."""
    weights = torch.ones(2, 1000).requires_grad_()
    rates = torch.tensor([1e-4, 1e-3])
    groups = [(lambda p: torch.optim.Adam(p, lr=1.0, fused=True), 2)]
    stepper = MemberOptimizers(groups, rates, [weights])
    weights.grad = torch.linspace(0.1, 1.0, 2000).reshape(2, 1000)
    stepper.step()
    moved = 1 - weights.detach().double()
    assert (moved - rates.double().unsqueeze(1)).abs().max() <= torch.finfo(torch.float32).eps


def test_a_member_that_is_not_a_number_leaves_the_others_to_the_same_bits() -> None:
    def step(broken: bool) -> torch.Tensor:
        weights = torch.ones(3, 4).requires_grad_()
        groups = [(lambda p: torch.optim.Adam(p, lr=1.0, fused=True), 3)]
        stepper = MemberOptimizers(groups, torch.tensor([0.1, 0.2, 0.3]), [weights])
        weights.grad = torch.arange(1.0, 13.0).reshape(3, 4)
        if broken:
            weights.grad[1] = torch.nan
        stepper.step()
        return weights.detach()

    plain, broken = step(False), step(True)
    assert torch.equal(plain[::2], broken[::2])
    assert broken[1].isnan().all()


def test_the_state_of_every_group_is_saved_and_restored() -> None:
    def make() -> tuple[MemberOptimizers, torch.Tensor]:
        weights = torch.ones(3, 4).requires_grad_()
        groups = [(lambda p, b=b: torch.optim.Adam(p, lr=0.1, betas=(b, 0.9)), n) for b, n in ((0.5, 1), (0.0, 2))]
        return MemberOptimizers(groups, None, [weights]), weights

    def take(stepper: MemberOptimizers, weights: torch.Tensor, steps: range) -> None:
        for i in steps:
            weights.grad = torch.linspace(-1, 1, 12).reshape(3, 4) * (i + 1)
            stepper.step()

    (whole, expected), (first, weights), (second, restored) = make(), make(), make()
    take(whole, expected, range(6))
    take(first, weights, range(3))
    numbers, tensors = save_optimizer(first)
    assert {name.partition("/")[0] for name in tensors} == {"0", "1"}
    restored.detach().copy_(weights.detach())
    restore_optimizer(second, numbers, tensors)
    take(second, restored, range(3, 6))
    assert torch.equal(restored, expected)
