"""Transposed convolutions to few channels have the values, derivatives and FLOPs of torch's, by other operations."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from ganbench.engine import few_channels
from ganbench.engine.few_channels import FewChannels
from ganbench.engine.flops import FlopCounter
from ganbench.engine.train import RECORD_FROM, Training
from torch import Tensor
from torch.func import grad, vmap
from torch.nn import functional

from tests.support.metric_checks import normal
from tests.support.operation_names import OperationNames
from tests.support.small_games import conv, images, make_training, wgan_gp

CASES: dict[str, dict[str, Any]] = {
    "usual": {"kernel_size": (4, 4), "stride": 2, "padding": 1},
    "every pixel": {"kernel_size": (3, 3), "padding": 1},
    "oblong": {"kernel_size": (2, 5), "stride": (1, 3), "padding": (0, 2)},
    "dilated": {"kernel_size": (3, 3), "stride": 2, "padding": 2, "dilation": 2},
    "one pixel more": {"kernel_size": (3, 3), "stride": 2, "padding": 1, "output_padding": 1},
}


def transposed(case: str, channels: int = 2, groups: int = 1) -> tuple[Callable[..., Tensor], tuple[Tensor, ...]]:
    """Return a transposed convolution of six channels, and its images, weights and bias."""
    options = dict(CASES[case])
    kernel = options.pop("kernel_size")
    arguments = normal(0, 3, 6, 5, 4), normal(1, 6, channels, *kernel), normal(2, groups * channels)
    return lambda x, w, b: functional.conv_transpose2d(x, w, b, groups=groups, **options), arguments


def ordinary(case: str, channels: int = 2, groups: int = 1) -> tuple[Callable[..., Tensor], tuple[Tensor, ...]]:
    """Return a convolution to six channels, and its images, weights and bias."""
    options = {key: value for key, value in CASES[case].items() if key != "output_padding"}
    kernel = options.pop("kernel_size")
    arguments = normal(0, 3, groups * channels, 9, 8), normal(1, 6, channels, *kernel), normal(2, 6)
    return lambda x, w, b: functional.conv2d(x, w, b, groups=groups, **options), arguments


def derive(convolve: Callable[..., Tensor], arguments: tuple[Tensor, ...]) -> list[Tensor]:
    """Return the values, the gradients of the sum of their squares, and those of the squares of these gradients."""

    def loss(*arguments: Tensor) -> Tensor:
        return convolve(*arguments).square().sum()

    def penalty(*arguments: Tensor) -> Tensor:
        return grad(loss)(*arguments).square().sum()

    return [convolve(*arguments), *(g for f in (loss, penalty) for g in grad(f, argnums=(0, 1))(*arguments))]


@pytest.mark.parametrize(("kind", "groups"), list(product((transposed, ordinary), (1, 3))))
@pytest.mark.parametrize("case", CASES)
def test_values_and_both_derivatives_are_those_of_torch(case: str, kind: Any, groups: int) -> None:
    convolve, arguments = kind(case, groups=groups)
    with OperationNames() as as_torch:
        expected = derive(convolve, arguments)
    with OperationNames() as names, FewChannels():
        found = derive(convolve, arguments)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-9)
    assert "col2im" not in as_torch.names
    assert "col2im" in names.names


def test_members_side_by_side_are_convolved_as_each_alone() -> None:
    convolve, (x, w, b) = transposed("usual")
    members = torch.stack([x, x + 1, -x]), torch.stack([w, 2 * w, -w]), torch.stack([b, b, 2 * b])
    with OperationNames() as names, FewChannels():
        together = vmap(convolve)(*members)
    assert "col2im" in names.names
    for each, *alone in zip(together, *members, strict=True):
        torch.testing.assert_close(each, convolve(*alone), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("channels", [few_channels.MOST, few_channels.MOST + 1])
@pytest.mark.parametrize("kind", [transposed, ordinary])
def test_only_few_channels_are_convolved_so(kind: Any, channels: int) -> None:
    convolve, arguments = kind("usual", channels)
    with OperationNames() as names, FewChannels():
        derive(convolve, arguments)
    assert ("col2im" in names.names) == (channels <= few_channels.MOST)


def test_other_dimensions_and_precisions_are_torchs() -> None:
    line, weights = normal(0, 2, 6, 5), normal(0, 6, 1, 3)
    with OperationNames() as names, FewChannels():
        functional.conv_transpose1d(line, weights)
        convolve, arguments = transposed("usual")
        convolve(*(each.bfloat16() for each in arguments))
    assert "col2im" not in names.names


def test_no_gradient_is_computed_that_is_not_wanted() -> None:
    convolve, (x, w, b) = ordinary("usual")
    with OperationNames() as names, FewChannels():
        grad(lambda w: convolve(x, w, b).sum())(w)
        assert "col2im" not in names.names
        grad(lambda x: convolve(x, w, b).sum())(x)
    assert names.names.count("convolution_backward") == 1


def test_flops_are_those_of_the_convolution() -> None:
    convolve, arguments = transposed("usual")
    totals = []
    for mode in (OperationNames(), FewChannels()):
        with FlopCounter() as counter, mode:
            derive(convolve, arguments)
        totals.append(counter.total)
    assert totals[0] == totals[1] > 0


@pytest.mark.parametrize("recordable", [False, True])
@pytest.mark.parametrize("mode", ["stack", "loop"])
def test_a_training_convolves_so_and_ends_where_that_of_torch_ends(
    mode: str, recordable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(replaced: bool) -> Training:
        training = make_training(wgan_gp(), conv(), images(), mode=mode, steps=RECORD_FROM)
        training.recordable = recordable
        stage = training.begin_stage(0)
        with OperationNames() as names:
            training.train_step(0, stage.game, stage.inputs)
        assert ("col2im" in names.names) == replaced
        for t in range(1, 6):
            training.train_step(t, stage.game, stage.inputs)
        return training

    found = train(replaced=True)
    monkeypatch.setattr(few_channels, "MOST", 0)
    expected = train(replaced=False)
    for player, weights in found.stage.game.ensemble.detached.items():
        for name, p in weights.items():
            torch.testing.assert_close(p, expected.stage.game.ensemble.detached[player][name], rtol=0, atol=1e-9)
