"""The optimizers' steps, for one parameter and for stacked seeds."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode

from ganbench_plugins.optimizers import torch_optimizers

OFFERS = {offer.name: offer for offer in torch_optimizers.ganbench_optimizers()}
every_optimizer = pytest.mark.parametrize("name", OFFERS)
OPTIONS = {"sgd": {"momentum": 0.9}}
NO_DECAY = {"adamw": {"weight_decay": 0.0}}  # the decay in a step depends on the parameter's value


def descend(name: str, starts: Tensor, gradients: Tensor, lr: float | Tensor = 0.1) -> Tensor:
    """Return where an optimizer leads from `starts` [...] along `gradients` [step, ...]."""
    leaf = starts.clone().requires_grad_()
    optimizer = OFFERS[name].build(lr=lr, **OPTIONS.get(name, {}))([leaf])
    for gradient in gradients:
        leaf.grad = gradient.clone()
        optimizer.step()
    return leaf.detach()


def normal(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(0))


@every_optimizer
def test_stacked_seeds_end_where_each_ends_alone(name: str) -> None:
    starts, gradients = normal(3, 7, 5), normal(10, 3, 7, 5)
    alone = [descend(name, starts[seed], gradients[:, seed]) for seed in range(3)]
    torch.testing.assert_close(descend(name, starts, gradients), torch.stack(alone), atol=1e-12, rtol=0)


@every_optimizer
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_member_that_is_not_finite_leaves_the_other_members_bitwise_unchanged(name: str, poison: float) -> None:
    starts, gradients = normal(3, 7, 5, dtype=torch.float32), normal(10, 3, 7, 5, dtype=torch.float32)
    poisoned = gradients.clone()
    poisoned[4, 1, 2] = poison
    finite, diverged = descend(name, starts, gradients), descend(name, starts, poisoned)
    assert torch.equal(finite[[0, 2]], diverged[[0, 2]])
    assert not diverged[1].isfinite().all()


@every_optimizer
def test_a_learning_rate_given_as_a_tensor_is_read_at_every_step(name: str) -> None:
    """A rate halved in place halves the step, and a rate of zero stops it."""
    rate, start, gradient = torch.tensor(0.1), torch.zeros(4), torch.ones(4)
    leaves = [start.clone().requires_grad_() for _ in range(2)]
    options = NO_DECAY.get(name, {})
    fixed = OFFERS[name].build(lr=0.1, **options)([leaves[0]])
    scheduled = OFFERS[name].build(lr=rate, **options)([leaves[1]])
    for factor in (1.0, 0.5, 0.0):
        rate.fill_(0.1 * factor)
        before = [leaf.detach().clone() for leaf in leaves]
        for leaf, optimizer in zip(leaves, (fixed, scheduled), strict=True):
            leaf.grad = gradient.clone()
            optimizer.step()
        steps = [leaf.detach() - old for leaf, old in zip(leaves, before, strict=True)]
        torch.testing.assert_close(steps[1], factor * steps[0], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "steps"),
    [
        ("sgd", {"lr": 0.5}, [-1.0, -2.0]),
        ("sgd", {"lr": 0.5, "momentum": 0.5}, [-1.0, -2.5]),
        ("adam", {"lr": 0.5, "beta1": 0.9, "beta2": 0.99, "eps": 0.0}, [-0.5, -1.0]),
        ("adam", {"lr": 0.5, "beta1": 0.9, "beta2": 0.99, "eps": 2.0}, [-0.25, -0.5]),
        ("adamw", {"lr": 0.5, "weight_decay": 0.0, "eps": 0.0}, [-0.5, -1.0]),
        ("adamw", {"lr": 0.5, "weight_decay": 1.0, "eps": 0.0}, [-0.5, -0.75]),
        ("rmsprop", {"lr": 0.5, "alpha": 0.75, "eps": 0.0}, [-1.0, -1.0 - 0.5 / 0.4375**0.5]),
        ("rmsprop", {"lr": 0.5, "alpha": 0.0, "eps": 2.0}, [-0.25, -0.5]),
    ],
)
def test_two_steps_along_a_constant_gradient_of_2_follow_the_formulas(name, options, steps) -> None:
    leaf = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = OFFERS[name].build(**options)([leaf])
    for expected in steps:
        leaf.grad = torch.full_like(leaf, 2.0)
        optimizer.step()
        torch.testing.assert_close(leaf.detach(), torch.full((3,), expected, dtype=torch.float64), atol=1e-9, rtol=0)


@every_optimizer
def test_a_factory_makes_a_new_optimizer_for_each_player(name: str) -> None:
    factory = OFFERS[name].build()
    first, second = (factory([torch.zeros(2, requires_grad=True)]) for _ in range(2))
    assert first is not second
    assert first.param_groups[0]["params"][0] is not second.param_groups[0]["params"][0]


@pytest.mark.parametrize("name", ["adam", "adamw", "rmsprop"])  # the kernel of SGD has no fake one
def test_optimizers_on_a_gpu_can_be_captured_and_those_on_a_cpu_are_as_ever(name: str) -> None:
    """A fake GPU has no numbers, so a step that took one out of a tensor would raise."""
    assert not OFFERS[name].build(lr=0.1)([torch.zeros(3).requires_grad_()]).param_groups[0]["capturable"]
    with FakeTensorMode():
        leaf = torch.zeros(3, device="cuda", requires_grad=True)
        optimizer = OFFERS[name].build(lr=0.1)([leaf])
        if name == "rmsprop":  # the fused kernels have no fake one that reads a tensor
            optimizer.param_groups[0]["lr"] = torch.empty((), device="cuda")
        leaf.grad = torch.ones_like(leaf)
        optimizer.step()
        state = [value for value in optimizer.state[leaf].values() if isinstance(value, Tensor)]
    assert optimizer.param_groups[0]["capturable"]
    assert {value.device.type for value in state} == {"cuda"}
