"""The rules for normalisations: of layers, of groups of channels, and of batches, by the batch's own statistics."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch

from ganbench.engine.lowering import Lowering, NotLowered, Value
from ganbench.engine.lowering_rules import rule

aten = torch.ops.aten

Dims = Sequence[int]


def normalise(lowering: Lowering, value: Value, dims: Dims, eps: float) -> tuple[Value, Value, Value]:
    """Return a value with mean 0 and variance 1 over some dimensions, the mean, and 1 / deviation."""
    count = prod(value.shape[dim] for dim in dims)
    mean = lowering.reduce("SUM", value, dims, True, 1.0 / count)
    centred = lowering.binary("SUBTRACT", value, mean)
    variance = lowering.reduce("SUM", lowering.unary("SQUARE", centred), dims, True, 1.0 / count)
    scale = lowering.unary("RSQRT", lowering.unary("ADD_NUMBER", variance, eps))
    return lowering.binary("MULTIPLY", centred, scale), mean, scale


def normalise_back(
    lowering: Lowering, gradient: Value, value: Value, mean: Value, scale: Value, dims: Dims
) -> tuple[Value, Value]:
    """Return the gradient of the value before its normalisation, and the normalised value."""
    count = prod(value.shape[dim] for dim in dims)
    normal = lowering.binary("MULTIPLY", lowering.binary("SUBTRACT", value, mean), scale)
    along = lowering.reduce("SUM", lowering.binary("MULTIPLY", gradient, normal), dims, True, 1.0 / count)
    middle = lowering.reduce("SUM", gradient, dims, True, 1.0 / count)
    rest = lowering.binary("SUBTRACT", gradient, lowering.binary("MULTIPLY", normal, along))
    return lowering.binary("MULTIPLY", lowering.binary("SUBTRACT", rest, middle), scale), normal


def scale_and_shift(lowering: Lowering, value: Value, weight: Value | None, bias: Value | None, dim: int) -> Value:
    """Return a value times a weight plus a bias of some of its dimensions, from `dim` on."""
    for code, each in (("MULTIPLY", weight), ("ADD", bias)):
        if each is not None:
            value = lowering.binary(code, value, along(lowering, each, len(value.shape), dim))
    return value


def along(lowering: Lowering, value: Value, dims: int, dim: int) -> Value:
    """Return a value that is broadcast along the dimensions before and after its own."""
    shape = (*value.shape, *(1 for _ in range(dims - dim - len(value.shape))))
    return lowering.see(value, lambda view: view.view(shape))


@rule(aten.native_layer_norm.default)
def layer_norm(
    lowering: Lowering, value: Value, shape: Dims, weight: Value | None, bias: Value | None, eps: float
) -> list[Value]:
    """Return the normalised value, the mean, and 1 / deviation."""
    first = len(value.shape) - len(shape)
    normal, mean, scale = normalise(lowering, value, range(first, len(value.shape)), eps)
    return [scale_and_shift(lowering, normal, weight, bias, first), mean, scale]


@rule(aten.native_layer_norm_backward.default)
def layer_norm_backward(
    lowering: Lowering,
    gradient: Value,
    value: Value,
    shape: Dims,
    mean: Value,
    scale: Value,
    weight: Value | None,
    bias: Value | None,
    mask: Sequence[bool],
) -> list[Value]:
    """Return the gradients of the value, the weight and the bias."""
    first = len(value.shape) - len(shape)
    weighed = scale_and_shift(lowering, gradient, weight, None, first)
    dims = range(first, len(value.shape))
    of_value, normal = normalise_back(lowering, weighed, value, mean, scale, dims)
    over = list(range(first))
    of_weight = lowering.reduce("SUM", lowering.binary("MULTIPLY", gradient, normal), over) if over else gradient
    return [of_value, of_weight, lowering.reduce("SUM", gradient, over) if over else gradient]


def channels_first(value: Value) -> list[int]:
    """Return the dimensions of samples and of positions, without that of channels."""
    return [dim for dim in range(len(value.shape)) if dim != 1]


@rule(aten._native_batch_norm_legit.no_stats)
def batch_norm(
    lowering: Lowering,
    value: Value,
    weight: Value | None,
    bias: Value | None,
    training: bool,
    momentum: float,
    eps: float,
) -> list[Value]:
    """Return the value normalised by its batch, the mean, and 1 / deviation, [c]."""
    normal, mean, scale = normalise(lowering, value, channels_first(value), eps)
    flat = [lowering.see(each, lambda view: view.reshape(-1)) for each in (mean, scale)]
    return [scale_and_shift(lowering, normal, weight, bias, 1), *flat]


@rule(aten.native_batch_norm.default)
def batch_norm_with_statistics(
    lowering: Lowering,
    value: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    training: bool,
    momentum: float,
    eps: float,
) -> list[Value]:
    """Return the same, for a layer that keeps no statistics."""
    if not training or running_mean is not None:
        raise NotLowered("batch normalisation by running statistics")
    return batch_norm(lowering, value, weight, bias, training, momentum, eps)


@rule(aten.native_batch_norm_backward.default)
def batch_norm_backward(
    lowering: Lowering,
    gradient: Value,
    value: Value,
    weight: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    mean: Value | None,
    scale: Value | None,
    training: bool,
    eps: float,
    mask: Sequence[bool],
) -> list[Value]:
    """Return the gradients of the value, the weight and the bias."""
    if not training or mean is None or scale is None:
        raise NotLowered("batch normalisation by running statistics")
    dims = len(value.shape)
    mean, scale = along(lowering, mean, dims, 1), along(lowering, scale, dims, 1)
    weighed = scale_and_shift(lowering, gradient, weight, None, 1)
    of_value, normal = normalise_back(lowering, weighed, value, mean, scale, channels_first(value))
    over = channels_first(value)
    products = lowering.binary("MULTIPLY", gradient, normal)
    return [of_value, lowering.reduce("SUM", products, over), lowering.reduce("SUM", gradient, over)]


@rule(aten.native_group_norm.default)
def group_norm(
    lowering: Lowering,
    value: Value,
    weight: Value | None,
    bias: Value | None,
    samples: int,
    channels: int,
    positions: int,
    groups: int,
    eps: float,
) -> list[Value]:
    """Return the value normalised by groups of channels, the mean, and 1 / deviation, [n, groups]."""
    grouped = group(lowering, value, samples, groups)
    normal, mean, scale = normalise(lowering, grouped, [2], eps)
    made = lowering.see(normal, lambda view: view.view(value.shape))
    flat = [lowering.see(each, lambda view: view.view(samples, groups)) for each in (mean, scale)]
    return [scale_and_shift(lowering, made, weight, bias, 1), *flat]


def group(lowering: Lowering, value: Value, samples: int, groups: int) -> Value:
    """Return a value as [n, groups, rest]."""
    return lowering.see(lowering.contiguous(value), lambda view: view.view(samples, groups, -1))


@rule(aten.native_group_norm_backward.default)
def group_norm_backward(
    lowering: Lowering,
    gradient: Value,
    value: Value,
    mean: Value,
    scale: Value,
    weight: Value | None,
    samples: int,
    channels: int,
    positions: int,
    groups: int,
    mask: Sequence[bool],
) -> list[Value]:
    """Return the gradients of the value, the weight and the bias."""
    weighed = scale_and_shift(lowering, gradient, weight, None, 1)
    mean, scale = (lowering.see(each, lambda view: view.view(samples, groups, 1)) for each in (mean, scale))
    weighed, grouped = (group(lowering, each, samples, groups) for each in (weighed, value))
    of_value, normal = normalise_back(lowering, weighed, grouped, mean, scale, [2])
    of_value, normal = (lowering.see(each, lambda view: view.view(value.shape)) for each in (of_value, normal))
    over = channels_first(value)
    products = lowering.binary("MULTIPLY", gradient, normal)
    return [of_value, lowering.reduce("SUM", products, over), lowering.reduce("SUM", gradient, over)]
