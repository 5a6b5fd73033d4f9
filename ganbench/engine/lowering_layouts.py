"""The rules for products of matrices, for new tensors, and for putting tensors together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from ganbench.engine.lowering import Lowering, NotLowered, Value
from ganbench.engine.lowering_rules import rule

aten = torch.ops.aten

MOST_PRODUCTS = 64
"""Products of stacked matrices are operations of their own, up to so many."""


@rule(aten.mm.default)
def matrix_product(lowering: Lowering, left: Value, right: Value) -> Value:
    """Return the product of two matrices."""
    return lowering.multiply(left, right)


@rule(aten.addmm.default)
def linear(lowering: Lowering, bias: Value, left: Value, right: Value, beta: float = 1, alpha: float = 1) -> Value:
    """Return bias + left right."""
    if (beta, alpha) != (1, 1):
        raise NotLowered("addmm with factors")
    return lowering.binary("ADD", lowering.multiply(left, right), bias)


@rule(aten.mv.default)
def matrix_vector(lowering: Lowering, left: Value, right: Value) -> Value:
    """Return the product of a matrix and a vector."""
    product = lowering.multiply(left, lowering.see(right, lambda view: view.unsqueeze(1)))
    return lowering.see(product, lambda view: view.squeeze(1))


@rule(aten.dot.default)
def dot(lowering: Lowering, left: Value, right: Value) -> Value:
    """Return the product of two vectors."""
    return lowering.reduce("SUM", lowering.binary("MULTIPLY", left, right), None)


@rule(aten.bmm.default)
def stacked_product(lowering: Lowering, left: Value, right: Value) -> Value:
    """Return the products of stacked matrices."""
    count, rows, columns = left.shape[0], left.shape[1], right.shape[2]
    if count > MOST_PRODUCTS:
        raise NotLowered(f"a product of {count} stacked matrices")
    out = lowering.new([count, rows, columns])
    for i in range(count):
        take = partial(torch.select, dim=0, index=i)
        lowering.multiply(lowering.see(left, take), lowering.see(right, take), lowering.see(out, take))
    return out


# new tensors


def fill(lowering: Lowering, shape: Sequence[int], number: float, options: dict[str, Any]) -> Value:
    """Return a value that has one number everywhere."""
    if options.get("dtype") not in (None, lowering.dtype, torch.bool, torch.int64):
        raise NotLowered(f"a tensor of {options['dtype']}")
    return lowering.constant(float(number), shape)


@rule(aten.zeros_like.default, aten.new_zeros.default)
def zeros_like(lowering: Lowering, value: Value, shape: Sequence[int] | None = None, **options: Any) -> Value:
    """Return zeros."""
    return fill(lowering, value.shape if shape is None else shape, 0, options)


@rule(aten.ones_like.default, aten.new_ones.default)
def ones_like(lowering: Lowering, value: Value, shape: Sequence[int] | None = None, **options: Any) -> Value:
    """Return ones."""
    return fill(lowering, value.shape if shape is None else shape, 1, options)


@rule(aten.full_like.default)
def full_like(lowering: Lowering, value: Value, number: float, **options: Any) -> Value:
    """Return a number everywhere."""
    return fill(lowering, value.shape, number, options)


@rule(aten.fill.Scalar)
def fill_value(lowering: Lowering, value: Value, number: float) -> Value:
    """Return a number everywhere."""
    return lowering.constant(number, value.shape)


@rule(aten._efficientzerotensor.default, aten.empty_permuted.default)
def unwritten(lowering: Lowering, shape: Sequence[int], *args: Any, **options: Any) -> Value:
    """Return zeros, also where any numbers would do."""
    return lowering.constant(0, shape)


@rule(aten.zeros.default)
def zeros(lowering: Lowering, shape: Sequence[int], **options: Any) -> Value:
    """Return zeros."""
    return fill(lowering, shape, 0, options)


@rule(aten.ones.default)
def ones(lowering: Lowering, shape: Sequence[int], **options: Any) -> Value:
    """Return ones."""
    return fill(lowering, shape, 1, options)


@rule(aten.full.default)
def full(lowering: Lowering, shape: Sequence[int], number: float, **options: Any) -> Value:
    """Return a number everywhere."""
    return fill(lowering, shape, number, options)


@rule(aten.scalar_tensor.default)
def scalar(lowering: Lowering, number: float, **options: Any) -> Value:
    """Return a number."""
    return fill(lowering, (), number, options)


@rule(aten.diag_embed.default)
def diagonal_matrix(lowering: Lowering, value: Value, *args: Any) -> Value:
    """Return matrices with these diagonals."""
    made = torch.diag_embed(value.view, *args)
    return put(lowering, made.shape, value, lambda view: torch.diagonal(view, *(args or (0, -2, -1))))


# putting tensors together


def put(lowering: Lowering, shape: Sequence[int], value: Value, place: Any) -> Value:
    """Return zeros of this shape with a value in a place of them."""
    out = lowering.new(shape)
    lowering.emit("FILL", out)
    lowering.emit("COPY", lowering.see(out, place), value)
    return out


@rule(aten.cat.default)
def concatenate(lowering: Lowering, values: Sequence[Value], dim: int = 0) -> Value:
    """Return values one after another along a dimension."""
    values = [value for value in values if value.shape != (0,)]
    shape = list(values[0].shape)
    shape[dim] = sum(value.shape[dim] for value in values)
    out, begin = lowering.new(shape), 0
    for value in values:
        length = value.shape[dim]
        place = partial(torch.narrow, dim=dim, start=begin, length=length)
        lowering.emit("COPY", lowering.see(out, place), value)
        begin += length
    return out


@rule(aten.stack.default)
def stack(lowering: Lowering, values: Sequence[Value], dim: int = 0) -> Value:
    """Return values along a new dimension."""
    return concatenate(lowering, [lowering.see(value, lambda view: view.unsqueeze(dim)) for value in values], dim)


@rule(aten.slice_backward.default)
def slice_backward(
    lowering: Lowering, value: Value, shape: Sequence[int], dim: int, start: int, end: int, step: int
) -> Value:
    """Return zeros with a value in a slice of them."""
    return put(lowering, shape, value, lambda view: aten.slice.Tensor(view, dim, start, end, step))


@rule(aten.select_backward.default)
def select_backward(lowering: Lowering, value: Value, shape: Sequence[int], dim: int, index: int) -> Value:
    """Return zeros with a value at an index of a dimension."""
    return put(lowering, shape, value, lambda view: view.select(dim, index))


@rule(aten.diagonal_backward.default)
def diagonal_backward(
    lowering: Lowering, value: Value, shape: Sequence[int], offset: int, dim1: int, dim2: int
) -> Value:
    """Return zeros with a value on their diagonal."""
    return put(lowering, shape, value, lambda view: view.diagonal(offset, dim1, dim2))


@rule(aten.constant_pad_nd.default)
def pad(lowering: Lowering, value: Value, widths: Sequence[int], number: float = 0) -> Value:
    """Return a value with a margin of zeros, or without one where a width is negative."""
    if number:
        raise NotLowered("a margin of other numbers than zeros")
    pairs = list(zip(widths[::2], widths[1::2], strict=True))

    def trim(view: torch.Tensor, sign: int) -> torch.Tensor:
        for place, (before, after) in enumerate(pairs):
            dim, cut = view.dim() - 1 - place, max(0, sign * before)
            view = view.narrow(dim, cut, view.shape[dim] - cut - max(0, sign * after))
        return view

    value = lowering.see(value, lambda view: trim(view, -1))
    shape = torch.constant_pad_nd(value.view, [max(0, width) for width in widths]).shape
    return value if shape == value.shape else put(lowering, shape, value, lambda view: trim(view, 1))


@rule(aten.repeat.default)
def repeat(lowering: Lowering, value: Value, times: Sequence[int]) -> Value:
    """Return a value several times along its dimensions."""
    shape = [1] * (len(times) - len(value.shape)) + list(value.shape)
    pairs = [length for pair in zip(times, shape, strict=True) for length in pair]
    singles = [length for size in shape for length in (1, size)]
    wide = lowering.see(lowering.contiguous(value), lambda view: view.view(singles).expand(pairs))
    made = [count * size for count, size in zip(times, shape, strict=True)]
    return lowering.see(lowering.contiguous(wide), lambda view: view.view(made))
