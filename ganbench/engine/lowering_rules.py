"""What the operations of a recorded graph become in `kernels.c`: a rule for each of torch's operations."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch

from ganbench.engine.lowering import Lowering, NotLowered, Value

aten, prims = torch.ops.aten, torch.ops.prims

Rule = Callable[..., Any]
"""A function from the lowering and an operation's arguments to its value."""

VIEWS: set[Any] = {
    *(aten.view.default, aten._unsafe_view.default, aten.reshape.default, aten.expand.default, aten.t.default),
    *(aten.transpose.int, aten.permute.default, aten.unsqueeze.default, aten.squeeze.default, aten.squeeze.dim),
    *(aten.squeeze.dims, aten.squeeze_.dim, aten.select.int, aten.slice.Tensor, aten.diagonal.default),
    *(aten.unbind.int, aten.split.Tensor, aten.split_with_sizes.default, aten.numpy_T.default),
}
"""Operations that return other views of their first argument. squeeze_ is called on values of its own only."""

SAME = {aten.alias.default, aten.detach.default, aten.lift_fresh.default, aten.lift_fresh_copy.default}

UNARY: dict[Any, str] = {
    aten.neg.default: "NEG",
    aten.reciprocal.default: "RECIPROCAL",
    aten.sqrt.default: "SQRT",
    aten.rsqrt.default: "RSQRT",
    aten.square.default: "SQUARE",
    aten.exp.default: "EXP",
    aten.log.default: "LOG",
    aten.log1p.default: "LOG1P",
    aten.expm1.default: "EXPM1",
    aten.tanh.default: "TANH",
    aten.sigmoid.default: "SIGMOID",
    aten.relu.default: "RELU",
    aten.abs.default: "ABS",
    aten.sgn.default: "SIGN",
    aten.sign.default: "SIGN",
    aten.erf.default: "ERF",
    aten.sin.default: "SIN",
    aten.cos.default: "COS",
    aten.isfinite.default: "FINITE",
    aten.bitwise_not.default: "NOT",
    aten.logical_not.default: "NOT",
    aten.clone.default: "COPY",
    aten._to_copy.default: "COPY",
    prims.convert_element_type.default: "COPY",
}

WITH_NUMBER: dict[Any, str] = {
    aten.clamp_min.default: "AT_LEAST",
    aten.clamp_max.default: "AT_MOST",
    aten.eq.Scalar: "EQUAL_NUMBER",
    aten.ne.Scalar: "UNEQUAL_NUMBER",
    aten.gt.Scalar: "GREATER_NUMBER",
    aten.lt.Scalar: "LESS_NUMBER",
    aten.ge.Scalar: "ABOVE_NUMBER",
    aten.le.Scalar: "BELOW_NUMBER",
    aten.mul.Scalar: "MULTIPLY_NUMBER",
}

BINARY: dict[Any, str] = {
    aten.maximum.default: "MAXIMUM",
    aten.minimum.default: "MINIMUM",
    aten.eq.Tensor: "EQUAL",
    aten.ne.Tensor: "UNEQUAL",
    aten.gt.Tensor: "GREATER",
    aten.lt.Tensor: "LESS",
    aten.ge.Tensor: "ABOVE",
    aten.le.Tensor: "BELOW",
    aten.bitwise_and.Tensor: "AND",
    aten.logical_and.default: "AND",
    aten.bitwise_or.Tensor: "OR",
    aten.logical_or.default: "OR",
    aten.pow.Tensor_Tensor: "POWER",
    prims.add.default: "ADD",
    prims.ne.default: "UNEQUAL",
    aten.tanh_backward.default: "TANH_GRADIENT",
    aten.sigmoid_backward.default: "SIGMOID_GRADIENT",
}

POWERS = {2: "SQUARE", 0.5: "SQRT", -1: "RECIPROCAL", -0.5: "RSQRT", 1: "COPY"}

RULES: dict[Any, Rule] = {}
"""The rules of the operations that need more than a table."""


def rule(*targets: Any) -> Callable[[Rule], Rule]:
    """Register a rule for these operations."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(targets, function))
        return function

    return register


def is_known(target: Any) -> bool:
    """Return whether an operation has a rule."""
    return target in VIEWS | SAME or any(target in table for table in (UNARY, WITH_NUMBER, BINARY, RULES))


def lower_operation(lowering: Lowering, target: Any, args: Any, kwargs: Any) -> Any:
    """Add the steps of an operation with these arguments, and return its value, or its values.

    Raise NotLowered if there is no rule for it.
    """
    if target in SAME:
        return args[0]
    if target in VIEWS:
        return look(lowering, target, *args, **kwargs)
    if target in UNARY:
        return lowering.unary(UNARY[target], args[0])
    if target in WITH_NUMBER:
        return lowering.unary(WITH_NUMBER[target], args[0], args[1])
    if target in BINARY:
        return lowering.binary(BINARY[target], args[0], args[1])
    if target in RULES:
        return RULES[target](lowering, *args, **kwargs)
    raise NotLowered(str(target))


def look(lowering: Lowering, target: Any, value: Value, *args: Any, **kwargs: Any) -> Any:
    """Return another view of a value, or several; a copy is made where its numbers do not lie as the view needs."""
    target = aten.squeeze.dim if target is aten.squeeze_.dim else target
    try:
        seen = target(value.view, *args, **kwargs)
    except RuntimeError:
        value = lowering.contiguous(value)
        seen = target(value.view, *args, **kwargs)
    if isinstance(seen, list | tuple):
        return [Value(value.array, view) for view in seen]
    if seen.untyped_storage()._cdata != value.view.untyped_storage()._cdata:  # reshape has copied
        value = lowering.contiguous(value)
        seen = value.view.view(seen.shape)
    return Value(value.array, seen)


@rule(aten.add.Tensor, aten.add.Scalar)
def add(lowering: Lowering, left: Any, right: Any, alpha: float = 1) -> Value:
    """Add alpha times the right value."""
    if not isinstance(right, Value):
        return lowering.unary("ADD_NUMBER", left, right * alpha)
    return lowering.binary("ADD", left, right, alpha)


@rule(aten.sub.Tensor, aten.sub.Scalar)
def subtract(lowering: Lowering, left: Any, right: Any, alpha: float = 1) -> Value:
    """Subtract alpha times the right value."""
    if not isinstance(right, Value):
        return lowering.unary("ADD_NUMBER", left, -right * alpha)
    return lowering.binary("SUBTRACT", left, right, alpha)


@rule(aten.rsub.Scalar)
def subtract_from_number(lowering: Lowering, value: Value, number: float, alpha: float = 1) -> Value:
    """Subtract alpha times the value from a number."""
    return lowering.unary("ADD_NUMBER", lowering.unary("MULTIPLY_NUMBER", value, -alpha), number)


@rule(aten.mul.Tensor)
def multiply(lowering: Lowering, left: Any, right: Any) -> Value:
    """Multiply element by element."""
    if not isinstance(right, Value):
        return lowering.unary("MULTIPLY_NUMBER", left, right)
    return lowering.binary("MULTIPLY", left, right)


@rule(aten.div.Tensor, aten.div.Scalar)
def divide(lowering: Lowering, left: Any, right: Any) -> Value:
    """Divide element by element."""
    if not isinstance(right, Value):
        return lowering.unary("MULTIPLY_NUMBER", left, 1.0 / right)
    return lowering.binary("DIVIDE", left, right)


@rule(aten.pow.Tensor_Scalar)
def power(lowering: Lowering, value: Value, exponent: float) -> Value:
    """Return a power of each element."""
    if exponent in POWERS:
        return lowering.unary(POWERS[exponent], value)
    return lowering.unary("POWER_NUMBER", value, exponent)


@rule(aten.clamp.default)
def clamp(lowering: Lowering, value: Value, least: float | None = None, most: float | None = None) -> Value:
    """Bound each element."""
    if least is not None:
        value = lowering.unary("AT_LEAST", value, least)
    return value if most is None else lowering.unary("AT_MOST", value, most)


@rule(aten.softplus.default)
def softplus(lowering: Lowering, value: Value, beta: float = 1, threshold: float = 20) -> Value:
    """Return log(1 + exp(x)), linear above 20."""
    if (beta, threshold) != (1, 20):
        raise NotLowered("softplus with numbers of its own")
    return lowering.unary("SOFTPLUS", value)


@rule(aten.softplus_backward.default)
def softplus_backward(lowering: Lowering, gradient: Value, value: Value, beta: float, threshold: float) -> Value:
    """Return the gradient of softplus."""
    scaled = lowering.unary("MULTIPLY_NUMBER", value, beta)
    slope = lowering.binary("MULTIPLY", gradient, lowering.unary("SIGMOID", scaled))
    return choose(lowering, lowering.unary("GREATER_NUMBER", scaled, threshold), gradient, slope)


@rule(aten.leaky_relu.default)
def leaky_relu(lowering: Lowering, value: Value, slope: float = 0.01) -> Value:
    """Return the leaky rectifier."""
    return lowering.unary("LEAKY", value, slope)


@rule(aten.leaky_relu_backward.default)
def leaky_relu_backward(lowering: Lowering, gradient: Value, value: Value, slope: float, _: bool) -> Value:
    """Return the gradient of the leaky rectifier."""
    return lowering.binary("LEAKY_GRADIENT", gradient, value, slope)


@rule(aten.threshold_backward.default)
def threshold_backward(lowering: Lowering, gradient: Value, value: Value, threshold: float) -> Value:
    """Return the gradient of the rectifier."""
    return lowering.binary("RELU_GRADIENT", gradient, value, threshold)


@rule(aten.where.self)
def choose(lowering: Lowering, condition: Value, left: Any, right: Any) -> Value:
    """Choose each element from one of two values."""
    values = [each if isinstance(each, Value) else lowering.constant(each, ()) for each in (left, right)]
    shape = torch.broadcast_shapes(condition.shape, *(each.shape for each in values))
    return lowering.emit("CHOOSE", lowering.new(shape), condition, *values)


@rule(aten.masked_fill.Scalar)
def masked_fill(lowering: Lowering, value: Value, mask: Value, number: float) -> Value:
    """Put a number where the mask is true."""
    return choose(lowering, mask, number, value)


# reductions


@rule(aten.sum.default, aten.sum.dim_IntList)
def sum_over(lowering: Lowering, value: Value, dims: Any = None, keepdim: bool = False, dtype: Any = None) -> Value:
    """Return the sum."""
    return lowering.reduce("SUM", value, dims, keepdim)


def count_elements(value: Value, dims: Any) -> int:
    """Return the number of elements that are reduced to one."""
    count = len(value.shape)
    over = {dim % count for dim in ([dims] if isinstance(dims, int) else dims or range(count))}
    return prod(value.shape[dim] for dim in over)


@rule(aten.mean.default, aten.mean.dim)
def mean(lowering: Lowering, value: Value, dims: Any = None, keepdim: bool = False, dtype: Any = None) -> Value:
    """Return the mean."""
    return lowering.reduce("SUM", value, dims, keepdim, 1.0 / count_elements(value, dims))


@rule(aten.amax.default, aten.max.default)
def largest(lowering: Lowering, value: Value, dims: Any = None, keepdim: bool = False) -> Value:
    """Return the largest element."""
    return lowering.reduce("LARGEST", value, dims, keepdim)


@rule(aten.amin.default, aten.min.default, aten.all.default, aten.all.dim)
def smallest(lowering: Lowering, value: Value, dims: Any = None, keepdim: bool = False) -> Value:
    """Return the smallest element; of truths, whether all are true."""
    return lowering.reduce("SMALLEST", value, dims, keepdim)


@rule(aten.var.correction)
def variance(
    lowering: Lowering, value: Value, dims: Any = None, *, correction: float | None = None, keepdim: bool = False
) -> Value:
    """Return the variance."""
    middle = mean(lowering, value, dims, keepdim=True)
    squares = lowering.unary("SQUARE", lowering.binary("SUBTRACT", value, middle))
    degrees = count_elements(value, dims) - (1 if correction is None else correction)
    return lowering.reduce("SUM", squares, dims, keepdim, 1.0 / degrees if degrees > 0 else float("nan"))


@rule(aten.std.correction)
def deviation(lowering: Lowering, value: Value, dims: Any = None, **options: Any) -> Value:
    """Return the standard deviation."""
    return lowering.unary("SQRT", variance(lowering, value, dims, **options))


@rule(aten.var_mean.correction)
def variance_and_mean(lowering: Lowering, value: Value, dims: Any = None, **options: Any) -> list[Value]:
    """Return the variance and the mean."""
    keepdim = options.get("keepdim", False)
    return [variance(lowering, value, dims, **options), mean(lowering, value, dims, keepdim)]


@rule(aten.linalg_vector_norm.default)
def norm(
    lowering: Lowering, value: Value, order: float = 2, dims: Any = None, keepdim: bool = False, dtype: Any = None
) -> Value:
    """Return the Euclidean norm."""
    if order != 2 or dtype is not None:
        raise NotLowered(f"a norm of order {order}")
    return lowering.unary("SQRT", lowering.reduce("SUM", lowering.unary("SQUARE", value), dims, keepdim))
