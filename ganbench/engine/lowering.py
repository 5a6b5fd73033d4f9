"""Build operations of `kernels.c` one after another, on arrays of which the memory is laid out later.

Views of tensors cost nothing: they are offsets and strides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, fx

from ganbench.engine.kernels import DIMENSIONS


class NotLowered(Exception):
    """A graph has an operation, or a tensor, that the kernels do not have; the message names it."""


@dataclass(eq=False)
class Array:
    """Memory of one tensor: an input or an output of the update, by number, or a place in the workspace."""

    elements: int
    kind: str = "workspace"
    number: int = 0
    base: int = 0
    offset: int = 0


Operand = tuple[Array, int, list[int]]
"""An array, the element at which a view of it begins, and its strides."""


@dataclass(frozen=True)
class Value:
    """A view of an array: its shape, strides and offset are those of a tensor without memory."""

    array: Array
    view: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the view."""
        return tuple(self.view.shape)


@dataclass
class Step:
    """One operation before its memory is laid out: an operand is None if the operation does not read it."""

    code: str
    size: list[int]
    operands: list[Operand]
    numbers: tuple[float, float] = (0.0, 0.0)


@dataclass
class Lowering:
    """A graph while it is lowered: the values of its nodes, and the steps so far."""

    dtype: torch.dtype
    steps: list[Step] = field(default_factory=list)
    values: dict[fx.Node, Any] = field(default_factory=dict)
    copies: dict[Any, Value] = field(default_factory=dict)

    # values

    def new(self, shape: Sequence[int]) -> Value:
        """Return a new value of this shape, in an array of its own."""
        return Value(Array(prod(shape)), torch.empty(tuple(shape), device="meta"))

    def constant(self, number: float, shape: Sequence[int]) -> Value:
        """Return a value that has this number everywhere: one element, repeated."""
        value = self.new([1])
        self.emit("FILL", value, numbers=(number, 0.0))
        return self.see(value, lambda view: view.expand(tuple(shape)) if shape else view.reshape(()))

    def see(self, value: Value, view: Callable[[Tensor], Tensor]) -> Value:
        """Return another view of a value."""
        return Value(value.array, view(value.view))

    def contiguous(self, value: Value) -> Value:
        """Return a value with the numbers of this one side by side: itself, or a copy, which is made once."""
        if value.view.is_contiguous():
            return value
        view = value.view
        key = (id(value.array), view.storage_offset(), view.shape, view.stride())
        if key not in self.copies:
            self.copies[key] = self.unary("COPY", value)
        return self.copies[key]

    # operations

    def emit(self, code: str, out: Value, *inputs: Value, numbers: tuple[float, float] = (0.0, 0.0)) -> Value:
        """Add an operation on each element; inputs are broadcast to the shape of the result."""
        views = [out.view, *(each.view.expand(out.shape) for each in inputs)]
        size, strides = coalesce(out.shape, [view.stride() for view in views])
        arrays = [out.array, *(each.array for each in inputs)]
        offsets = [int(view.storage_offset()) for view in views]
        self.steps.append(Step(code, size, list(zip(arrays, offsets, strides, strict=True)), numbers))
        return out

    def unary(self, code: str, value: Value, number: float = 0.0) -> Value:
        """Add an operation on each element of one value, with a number if it needs one."""
        return self.emit(code, self.new(value.shape), value, numbers=(float(number), 0.0))

    def binary(self, code: str, left: Any, right: Any, number: float = 1.0) -> Value:
        """Add an operation on the elements of two values; a number stands for a value of its own."""
        left, right = (each if isinstance(each, Value) else self.constant(each, ()) for each in (left, right))
        shape = torch.broadcast_shapes(left.shape, right.shape)
        return self.emit(code, self.new(shape), left, right, numbers=(float(number), 0.0))

    def reduce(self, code: str, value: Value, dims: Any, keepdim: bool = False, scale: float = 1.0) -> Value:
        """Add a sum, or another reduction, over these dimensions; over all of them without any."""
        count = len(value.shape)
        over = sorted({dim % count for dim in ([dims] if isinstance(dims, int) else dims or range(count))})
        kept = [dim for dim in range(count) if dim not in over]
        out = self.new([value.shape[dim] for dim in kept])
        size, first = coalesce([value.shape[d] for d in kept], [out.view.stride(), pick(value.view.stride(), kept)])
        inner, last = coalesce([value.shape[d] for d in over], [pick(value.view.stride(), over)])
        if out.shape == () or prod(out.shape) == 1:
            size, first = [], [[], []]
        if len(size) + len(inner) > DIMENSIONS:
            raise NotLowered("a reduction over too many dimensions")
        strides = [first[0] + [0] * len(inner), first[1] + last[0]]
        offsets = [0, int(value.view.storage_offset())]
        operands = list(zip([out.array, value.array], offsets, strides, strict=True))
        self.steps.append(Step(code, size + inner, operands, (scale, float(len(size)))))
        if keepdim:
            return self.see(out, lambda view: view.reshape([1 if d in over else s for d, s in enumerate(value.shape)]))
        return out

    def multiply(self, left: Value, right: Value, out: Value | None = None) -> Value:
        """Add the product of two matrices, [m, k] and [k, n]: a new value, or `out`, whose numbers lie side by side."""
        out = out or self.new([left.shape[0], right.shape[1]])
        (m, k), n = left.shape, right.shape[1]
        if not m or not k or not n:
            raise NotLowered("a product of empty matrices")
        operands = [(out.array, int(out.view.storage_offset()), [n, 1])]
        for value in (left, right):
            strides = find_matrix_strides(value)
            if strides is None:
                value = self.contiguous(value)
                strides = find_matrix_strides(value)
                assert strides is not None
            operands.append((value.array, int(value.view.storage_offset()), strides))
        self.steps.append(Step("PRODUCT", [m, k, n], operands))
        return out


def pick(values: Sequence[int], places: Sequence[int]) -> tuple[int, ...]:
    """Return the values at these places."""
    return tuple(values[place] for place in places)


def coalesce(shape: Sequence[int], strides: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """Return sizes and strides without dimensions of one, and with neighbours that lie in a line put together.

    Raise NotLowered if there are too many.
    """
    size: list[int] = []
    kept: list[list[int]] = [[] for _ in strides]
    for dim, length in enumerate(shape):
        if length == 1:
            continue
        steps = [int(each[dim]) for each in strides]
        if size and all(each[-1] == step * length for each, step in zip(kept, steps, strict=True)):
            size[-1] *= length
            for each, step in zip(kept, steps, strict=True):
                each[-1] = step
        else:
            size.append(length)
            for each, step in zip(kept, steps, strict=True):
                each.append(step)
    if not size:
        size = [prod(shape)]
        kept = [[1] for _ in strides]
    if len(size) > DIMENSIONS:
        raise NotLowered(f"a view of {len(size)} dimensions")
    return size, kept


def find_matrix_strides(value: Value) -> list[int] | None:
    """Return the strides of a matrix, of which one is 1, as BLAS wants them; None if it must be copied."""
    rows, columns = value.shape
    down, across = (int(stride) for stride in value.view.stride())
    across = 1 if columns == 1 and rows > 1 and down >= 1 else across
    if rows == 1 and across == 1:
        down = max(down, columns)
    if across == 1 and down >= columns:
        return [down, 1]
    if columns == 1 and down == 1:
        return [1, 1]
    if down == 1 and (across >= rows or columns == 1):
        return [1, max(across, rows)]
    return None
