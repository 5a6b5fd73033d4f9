"""Our Adam is torch's, up to rounding, in the same state; what it does not have is left to torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
import torch
from ganbench import registry
from ganbench.engine import kernels
from ganbench.engine.kernel_adam import open_kernel, suits_kernel
from torch import Tensor
from torch.optim import SGD, Adam, AdamW

from tests.engine.test_graphs import finish
from tests.engine.test_kernels import open_training

SHAPES = ((3, 5, 7), (3, 1), (3, 64, 64))
STEPS = 20


@pytest.fixture(params=[torch.float32, torch.float64], ids=str)
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    """The precision, where the machine can compile the kernels."""
    if kernels.load(request.param) is None:
        pytest.skip("no C compiler")
    return request.param


def draw(seed: int, dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in SHAPES]


def pair_of(dtype: torch.dtype, stepped: bool = True, **options: Any) -> Iterator[Adam]:
    """Yield two equal optimizers, after one step of torch's or before the first step."""
    for _ in range(2):
        optimizer = Adam([p.requires_grad_() for p in draw(0, dtype)], fused=True, **options)
        if stepped:
            step_by_torch(optimizer, draw(1, dtype))
        yield optimizer


def leaves_of(optimizer: Adam) -> list[Tensor]:
    leaves: list[Tensor] = optimizer.param_groups[0]["params"]
    return leaves


def step_by_torch(optimizer: Adam, gradients: list[Tensor]) -> None:
    for leaf, gradient in zip(leaves_of(optimizer), gradients, strict=True):
        leaf.grad = gradient
    optimizer.step()


def require_equal(found: Adam, expected: Adam) -> None:
    dtype = leaves_of(found)[0].dtype
    tolerance = {torch.float32: 2e-6, torch.float64: 1e-14}[dtype]
    torch.testing.assert_close(leaves_of(found), leaves_of(expected), rtol=tolerance, atol=tolerance)
    for leaf, other in zip(leaves_of(found), leaves_of(expected), strict=True):
        assert found.state[leaf]["step"] == expected.state[other]["step"]
        for name in ("exp_avg", "exp_avg_sq"):
            torch.testing.assert_close(
                found.state[leaf][name], expected.state[other][name], rtol=10 * tolerance, atol=tolerance
            )


@pytest.mark.parametrize(
    "options",
    [{"lr": 1e-2}, {"lr": 1e-3, "betas": (0.0, 0.9)}, {"lr": 0.1, "betas": (0.5, 0.999), "eps": 1e-3}],
    ids=str,
)
@pytest.mark.parametrize("stepped", [True, False])
def test_steps_are_those_of_torch(options: dict[str, Any], stepped: bool, dtype: torch.dtype) -> None:
    ours, torchs = pair_of(dtype, stepped, **options)
    kernel = open_kernel(ours)
    assert kernel is not None
    for step in range(STEPS):
        gradients = draw(2 + step, dtype)
        kernel.step(dict(zip("abc", gradients, strict=True)))
        step_by_torch(torchs, gradients)
        require_equal(ours, torchs)
    assert float(ours.state[leaves_of(ours)[0]]["step"]) == stepped + STEPS
    step_by_torch(ours, gradients)
    step_by_torch(torchs, gradients)
    require_equal(ours, torchs)


def test_the_first_steps_are_those_of_the_paper(dtype: torch.dtype) -> None:
    """Algorithm 1 of Kingma and Ba 2015 by hand, on one number."""
    lr, beta1, beta2, eps = 0.1, 0.9, 0.99, 1e-8
    leaf = torch.ones(1, dtype=dtype).requires_grad_()
    kernel = open_kernel(Adam([leaf], lr=lr, betas=(beta1, beta2), eps=eps, fused=True))
    assert kernel is not None
    x, m, v = 1.0, 0.0, 0.0
    for t, slope in enumerate((1.0, -3.0, 0.5, 2.0), 1):
        kernel.step({"x": torch.tensor([slope], dtype=dtype)})
        m, v = beta1 * m + (1 - beta1) * slope, beta2 * v + (1 - beta2) * slope**2
        x -= lr * (m / (1 - beta1**t)) / ((v / (1 - beta2**t)) ** 0.5 + eps)
        assert leaf.item() == pytest.approx(x, rel=1e-6)


def test_a_learning_rate_that_changes_and_gradients_in_the_same_memory_are_read_at_each_step(
    dtype: torch.dtype,
) -> None:
    rate = torch.tensor(1e-2)
    ours, torchs = pair_of(dtype, lr=rate)
    kernel, gradients = open_kernel(ours), dict(zip("abc", draw(7, dtype), strict=True))
    assert kernel is not None
    for step in range(3):
        rate.fill_(10.0**-step)
        for gradient in gradients.values():
            gradient.mul_(-1.5)
        kernel.step(gradients)
        step_by_torch(torchs, [gradient.clone() for gradient in gradients.values()])
        require_equal(ours, torchs)


def test_a_gradient_that_is_not_finite_reaches_its_own_number_only(dtype: torch.dtype) -> None:
    ours, _ = pair_of(dtype, lr=1e-2)
    kernel, gradients = open_kernel(ours), draw(3, dtype)
    assert kernel is not None
    gradients[0][1, 2, 3] = torch.nan
    kernel.step(dict(zip("abc", gradients, strict=True)))
    broken = leaves_of(ours)[0].isnan()
    assert broken.sum() == 1
    assert broken[1, 2, 3]


def test_a_state_that_is_loaded_is_not_that_of_before(dtype: torch.dtype) -> None:
    ours, _ = pair_of(dtype, lr=1e-2)
    kernel = open_kernel(ours)
    assert kernel is not None
    assert kernel.is_current
    ours.load_state_dict(deepcopy(ours.state_dict()))
    assert not kernel.is_current
    assert open_kernel(ours) is not None


def parameter() -> Tensor:
    return torch.ones(2).requires_grad_()


@pytest.mark.parametrize(
    "make",
    [
        *(lambda: SGD([parameter()], lr=0.1), lambda: AdamW([parameter()], lr=0.1)),
        *(lambda: Adam([parameter()], amsgrad=True), lambda: Adam([parameter()], maximize=True)),
        *(lambda: Adam([parameter()], weight_decay=0.1), lambda: type("Mine", (Adam,), {})([parameter()])),
        *(lambda: Adam([{"params": [parameter()]}, {"params": [parameter()]}]), lambda: "no optimizer"),
        lambda: Adam([torch.ones(2, dtype=torch.bfloat16).requires_grad_()]),
        lambda: Adam([parameter(), torch.ones(2, dtype=torch.float64).requires_grad_()]),
        lambda: Adam([torch.ones(2, 2).T[:1].detach().requires_grad_(), torch.ones(3, 2).T.requires_grad_()]),
    ],
)
def test_what_our_adam_lacks_is_left_to_torch(make: Callable[[], Any]) -> None:
    assert not suits_kernel(make())


def test_hooks_of_an_optimizer_are_left_to_torch() -> None:
    optimizer = Adam([parameter()])
    assert suits_kernel(optimizer)
    handle = optimizer.register_step_post_hook(lambda *_: None)
    assert not suits_kernel(optimizer)
    handle.remove()
    assert suits_kernel(optimizer)


def test_trainings_step_by_our_adam_and_by_torchs_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = registry.load()
    training = finish(open_training(plugins, "ns-gan", 2, "stack", True))
    assert training.stage is not None
    assert {"critic", "generator"} == {
        player for player, kernel in training.stage.game.kernel_optimizers.items() if kernel is not None
    }
    monkeypatch.setenv(kernels.VARIABLE, "torch")
    training = finish(open_training(plugins, "ns-gan", 2, "stack", True))
    assert training.stage is not None
    assert training.stage.game.kernel_optimizers == {}
