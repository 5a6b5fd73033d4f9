"""Our kernels compute what torch computes: each operation, and whole trainings of every method."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from ganbench import GanbenchError, Objective, registry
from ganbench.api.trials import Mode
from ganbench.engine import kernel_step, kernels
from ganbench.engine.kernel_step import KernelStep, KernelUpdate, Members
from ganbench.engine.layout import Layout
from ganbench.engine.lowering import NotLowered
from ganbench.engine.program import Program
from ganbench.engine.replay import record
from ganbench.engine.train import RECORD_FROM, Training, prepare
from torch import Tensor
from torch.nn import functional as F

from tests.engine.test_comparisons import hidden_change
from tests.engine.test_replay import METHODS
from tests.support.small_games import NS, make_training, mlp, ring
from tests.support.tiny_batches import tiny_batch

STEADY = {"wgan": {"optimizer": {"name": "sgd", "lr": 0.01}}}
"""RMSprop turns the rounding of gradients that are zero into steps: torch's stack and loop differ by 3e-4 there."""

pytestmark = pytest.mark.skipif(not kernels.are_on(), reason="our kernels are turned off")

SHAPE = (4, 6)

OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sums of all kinds": lambda a, b: a + 2 * b + a.T.sum() - 3.5 + torch.add(a, b, alpha=-2) + (1.5 - a) - (a - b),
    "broadcast columns": lambda a, b: a[:, :1] * b + a[0] / (b.abs() + 1),
    "broadcast rows of a transpose": lambda a, b: a.T * b[:, 2] - b.T,
    "powers": lambda a, b: a**2 + (a.abs() + 1) ** 0.5 + (a.abs() + 1) ** -1 + (a.abs() + 1) ** 1.7 + a**3,
    "roots": lambda a, b: (a.abs() + 1).sqrt() * (b.abs() + 1).rsqrt() + (a.abs() + 1).reciprocal(),
    "exponentials": lambda a, b: a.exp() + (b.abs() + 1).log() + b.abs().log1p() + a.expm1(),
    "bounded": lambda a, b: a.tanh() + b.sigmoid() + a.sin() * b.cos() + torch.erf(a),
    "rectifiers": lambda a, b: a.relu() + F.leaky_relu(b, 0.2) + F.elu(a) + F.silu(b) + F.gelu(a),
    "softplus": lambda a, b: F.softplus(30 * a) + F.logsigmoid(20 * b),
    "clamps": lambda a, b: a.clamp(-0.5, 0.3) + b.clamp(min=0.1) + a.clamp(max=0.2),
    "signs": lambda a, b: a.sign() + b.sgn() + a.abs() - (-b),
    "comparisons": lambda a, b: torch.where((a > b) & (a >= -0.3) | (b < 0.1) | (a == b), a, 2 * b),
    "other comparisons": lambda a, b: torch.where((a <= b) & (b != 0) & ~(a < -1) & (a <= 3), a, torch.zeros_like(b)),
    "extrema": lambda a, b: torch.maximum(a, b) - torch.minimum(a, b) + a.amax(1, keepdim=True) + b.amin(0),
    "masked": lambda a, b: a.masked_fill(b > 0, -7.0),
    "means": lambda a, b: a.mean(0) + b.mean(1, keepdim=True) + a.mean() + b.sum((0, 1)),
    "sums over transposes": lambda a, b: a.T.sum(0)[:, None] + b.T.sum(1)[None] + a.T.sum(1),
    "spread": lambda a, b: a.var(0) + b.std(1, keepdim=True) + a.std(correction=0),
    "norms": lambda a, b: torch.linalg.vector_norm(a, dim=1, keepdim=True) * b + a.norm(),
    "products": lambda a, b: a @ b.T @ a + (a.T @ b)[:4] + a @ (a.T @ b),
    "products of columns": lambda a, b: a[:, :1] @ b[:1] + a[:, 1:2] @ b.T[3:4, :1] + (a[:1] @ b.T) @ b,
    "vectors": lambda a, b: (a @ b[0])[:, None] + torch.dot(a[0], b[1]) + a.T.mv(b[:, 0]),
    "linear": lambda a, b: F.linear(a, b, a[:, 0]) @ b,
    "linear and rectified": lambda a, b: F.linear(a, b, a[:, 0]).relu() @ b,
    "stacked products": lambda a, b: torch.bmm(a.view(2, 2, 6), b.view(2, 6, 2)).sum(0).repeat(2, 3),
    "joined": lambda a, b: torch.cat([a, b], 1)[:, 3:9] + torch.stack([a, b], 2)[..., 1],
    "pieces": lambda a, b: sum(a.unbind(0)) + sum(b.split(2, 0)).sum(0) + a.select(1, 2)[:, None],
    "layouts": lambda a, b: a.T.reshape(4, 6) + b.permute(1, 0).contiguous().view(4, 6) + a.flatten()[::1].view(4, 6),
    "repeated": lambda a, b: a.repeat(2, 2)[3:7, 5:11] + b.expand(3, 4, 6).sum(0) + F.pad(a, (1, 2, 0, 1))[1:, 1:7],
    "diagonals": lambda a, b: (a @ b.T).diagonal()[:, None] * b + torch.diag_embed(a[0])[:4],
    "layer norm": lambda a, b: F.layer_norm(a, (6,), b[0], b[1]),
    "batch norm": lambda a, b: F.batch_norm(a, None, None, b[0], b[1], training=True),
    "group norm": lambda a, b: F.group_norm(a, 2, b[0], b[1]),
    "softmax": lambda a, b: a.softmax(1) + b.log_softmax(0),
    "cross entropy": lambda a, b: F.binary_cross_entropy_with_logits(a, b.sigmoid()) * b,
    "distances": lambda a, b: (a[:, None] - b[None]).square().sum(2) @ a,
    "one number": lambda a, b: a.sum() * torch.ones_like(b) + a.new_full((6,), 2.0),
}


def run_once(
    function: Callable[..., Tensor], tensors: tuple[Tensor, ...], derivatives: int = 0
) -> tuple[list[Tensor], list[Tensor]]:
    """Return what torch and what our kernels compute: the value, and gradients of it, and of their squares."""

    def outputs(persistent: Any, inputs: Any) -> Any:
        leaves = [t[0].detach().requires_grad_() for t in inputs]
        with torch.enable_grad():
            results = [function(*leaves)]
            total = results[0].sum()
            for order in range(derivatives):
                found = torch.autograd.grad(total, leaves, create_graph=order + 1 < derivatives, allow_unused=True)
                found = [g for g in found if g is not None and (g.requires_grad or order + 1 == derivatives)]
                if not found:
                    break
                results += found
                total = sum(g.square().sum() for g in found)  # type: ignore[assignment]
        return tuple(t.detach().unsqueeze(0) for t in results)

    inputs = tuple(t.unsqueeze(0) for t in tensors)
    persistent = (torch.zeros(1, 1, dtype=tensors[0].dtype),)
    recording = record(outputs, persistent, inputs)
    update = KernelUpdate(recording, Members(persistent, (), 1), inputs)
    return [*outputs(persistent, inputs)], [*update(inputs)]


def draw(dtype: torch.dtype, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(SHAPE, generator=generator, dtype=torch.float64) for _ in range(2))
    return a.to(dtype), b.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_and_its_derivatives_are_those_of_torch(name: str, dtype: torch.dtype) -> None:
    tolerance = 1e-10 if dtype == torch.float64 else 1e-3
    for derivatives in (0, 1, 2):
        expected, found = run_once(OPERATIONS[name], draw(dtype), derivatives)
        for one, other in zip(expected, found, strict=True):
            torch.testing.assert_close(other, one, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["rectifiers", "extrema", "clamps", "comparisons", "means", "products", "masked"])
def test_what_is_not_finite_stays_so(name: str) -> None:
    a, b = draw(torch.float64)
    a[0, 0], a[1, 1], b[2, 2] = torch.nan, torch.inf, -torch.inf
    (expected,), (found,) = run_once(OPERATIONS[name], (a, b))
    torch.testing.assert_close(found, expected, equal_nan=True)


def test_strange_layouts_are_read_as_they_are() -> None:
    a, b = draw(torch.float64)
    for function in (lambda x, y: x @ y.T, lambda x, y: x.T @ y, lambda x, y: (x + y).sum(0)):
        wide = torch.stack([a, b], 2)  # strides of two
        expected, found = run_once(lambda w, function=function: function(w[..., 0], w[..., 1]), (wide,))
        torch.testing.assert_close(found[0], expected[0])


def test_an_operation_that_the_kernels_lack_is_named() -> None:
    graph = record(lambda persistent, x: {"y": x["x"].cumsum(1)}, (), {"x": torch.ones(1, 3)}).graph
    with pytest.raises(NotLowered, match=r"aten\.cumsum"):
        Layout(graph, torch.float32)
    graph = record(lambda persistent, x: {"y": x["x"] + 1}, (), {"x": torch.ones(1, 3, dtype=torch.long)}).graph
    with pytest.raises(NotLowered, match="int64"):
        Layout(graph, torch.float32)


@pytest.mark.parametrize(("products", "width", "copies"), [(3, 8, 1), (2, 8, 0), (3, 128, 0)])
def test_a_small_transposed_weight_of_many_products_is_copied_once(products: int, width: int, copies: int) -> None:
    def function(persistent: Any, inputs: Any) -> Any:
        x = inputs[0][0]
        for _ in range(products):
            x = F.linear(x, persistent[0][0]).tanh()
        return (x[None],)

    generator = torch.Generator().manual_seed(0)
    weight, x = (torch.randn(1, width, width, generator=generator, dtype=torch.float64) for _ in range(2))
    recording = record(function, (weight,), (x,))
    codes = list(Layout(recording.graph, torch.float64).operations["code"])
    assert codes.count(kernels.list_codes()["PRODUCT"]) == products
    assert codes.count(kernels.list_codes()["COPY"]) == copies
    (found,) = KernelUpdate(recording, Members((weight,), (), 1), (x,))((x,))
    torch.testing.assert_close(found, *function((weight,), (x,)))


def test_memory_is_shared_by_what_does_not_live_together() -> None:
    def function(persistent: Any, x: Tensor) -> Any:
        for _ in range(20):
            x = x.exp().neg()
        return (x,)

    graph = record(lambda persistent, inputs: function(persistent, inputs[0]), (), (torch.zeros(1, 64),)).graph
    assert Layout(graph, torch.float32).workspace <= 3 * 64


@pytest.fixture(scope="module")
def plugins() -> registry.Registry:
    return registry.load()


def open_training(
    plugins: registry.Registry, method: str, seeds: int, mode: Mode, kernel: bool, **options: Any
) -> Training:
    """Open a training in float64 whose updates are by our kernels, or are called."""
    settings = {"name": method, **METHODS[method], **STEADY.get(method, {})}
    batch = tiny_batch(settings, seeds, mode, RECORD_FROM, options)
    training = prepare(batch, plugins, torch.device("cpu"), torch.float64)
    training.recordable = kernel
    return training


@pytest.mark.parametrize(("seeds", "mode"), [(1, "loop"), (3, "stack"), (2, "loop")])
@pytest.mark.parametrize("method", METHODS)
def test_a_training_by_kernels_is_that_of_torch(
    plugins: registry.Registry, method: str, seeds: int, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganbench.engine.replay.COMPARED_EVERY", 16)
    called, trained = (open_training(plugins, method, seeds, mode, kernel) for kernel in (False, True))
    *_, expected = called.run()
    *_, found = trained.run()
    assert trained.stage is not None
    functions = trained.stage.game.gradient_functions.values()
    assert all(isinstance(function, KernelStep) and function.lowered for function in functions)
    for name, weights in expected.generators.items():
        torch.testing.assert_close(found.generators[name], weights, rtol=1e-9, atol=1e-9)
    for name, (_, values) in expected.signals.items():
        torch.testing.assert_close(found.signals[name][1], values, rtol=1e-8, atol=1e-8, equal_nan=True)
    assert found.updates == expected.updates


def test_a_member_has_gradients_of_the_same_bits_in_every_company(plugins: registry.Registry) -> None:
    """What torch's stacked products do not promise: kernels compute one member after another."""
    gradients = []
    for seeds, mode in ((3, "stack"), (1, "loop")):
        training = open_training(plugins, "wgan-gp", seeds, mode, True)
        training.train_step(0, (stage := training.begin_stage(0)).game, stage.inputs)
        critic = stage.game.ensemble.parameters["critic"].values()
        gradients.append([p.grad[0].clone() for p in critic if p.grad is not None])
    assert len(gradients[0]) > 3
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_loss_that_changes_over_where_nothing_can_look_is_found(seeds: int) -> None:
    objective = Objective(hidden_change(at=40), NS.generator)
    program = Program(objective=objective, loss_name="loss 'mine'")
    mode = "loop" if seeds == 1 else "stack"
    run = make_training(program, mlp(), ring(), seeds=range(seeds), mode=mode, steps=4 * RECORD_FROM)
    run.recordable, run.budget = True, replace(run.budget, snapshots=tuple(range(10, 4 * RECORD_FROM + 1, 10)))
    with pytest.raises(GanbenchError, match=r"^loss 'mine' or the architecture gives other values when it is called"):
        list(run.run())


class Wrong(KernelUpdate):
    """Kernels with a fault: from their first call on, or in that one alone."""

    always, calls = True, 0

    def __call__(self, inputs: Any) -> Any:
        values = super().__call__(inputs)
        if self.always or not self.calls:
            values[0].mul_(1.01)
        self.calls += 1
        return values


@pytest.mark.parametrize("always", [True, False])
def test_kernels_that_disagree_are_not_used(
    always: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What is gone when the same is computed again, or for other inputs, is rounding, and the kernels stay."""
    monkeypatch.setattr(kernel_step, "KernelUpdate", Wrong)
    monkeypatch.setattr(Wrong, "always", always)
    weights, x = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[5.0, 6.0], [7.0, 8.0]])
    step = KernelStep(lambda persistent, x: (x[0] * persistent[0],), Members((weights,), (), 2), lambda x: "torch")
    with caplog.at_level(logging.WARNING, "ganbench"):
        values = step((x,))
    if always:
        assert values == "torch"
        assert "disagree" in caplog.text
        assert step.lowered is False
    else:
        assert torch.equal(values[0], weights * x), "the values are those of the inputs that came"
        assert step.lowered


def test_a_difference_of_large_numbers_may_be_rounded_otherwise() -> None:
    """The kernels may be off by twice what torch is off, beside the tolerance."""
    exact, one, other, far = (torch.tensor([1.0, x]) for x in (0.0, 0.01, -0.018, 0.03))
    assert not kernel_step.are_close([other], [exact])
    assert kernel_step.are_close([other], [exact], [one])
    assert not kernel_step.are_close([far], [exact], [one])
    assert kernel_step.are_close([exact.double()], [exact.double()], [exact])


def test_without_a_compiler_torch_runs_the_updates(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Any
) -> None:
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("CC", "no-such-compiler")
    with caplog.at_level(logging.INFO, "ganbench"):
        assert kernels.load.__wrapped__(torch.float32) is None
    assert "no C compiler" in caplog.text
    compiler = tmp_path / "failing"
    compiler.write_text("#!/bin/sh\necho it is broken >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    with caplog.at_level(logging.INFO, "ganbench"):
        assert kernels.load.__wrapped__(torch.float32) is None
    assert "it is broken" in caplog.text


def test_the_environment_turns_the_kernels_off(plugins: registry.Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kernels.VARIABLE, "torch")
    training = open_training(plugins, "ns-gan", 1, "loop", True)
    list(training.run())
    assert training.stage is not None
    assert not any(isinstance(f, KernelStep) for f in training.stage.game.gradient_functions.values())
