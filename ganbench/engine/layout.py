"""Lay out the memory of lowered operations, so that what lives at different times shares it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import fx

from ganbench.engine import lowering_layouts, lowering_norms  # noqa: F401  (they register their rules)
from ganbench.engine.kernels import DIMENSIONS, OPERATION, list_codes
from ganbench.engine.lowering import Array, Lowering, NotLowered, Operand, Step, Value
from ganbench.engine.lowering_rules import lower_operation

SMALL, MANY = 1 << 12, 3
"""The most numbers of a matrix that is copied into rows before it is multiplied by, and the fewest such products."""

ALIGNMENT = 16
"""Arrays begin at multiples of so many numbers: at the begin of a line of the cache."""


class Layout:
    """The operations of an update, and the arrays that they work on: the workspace, the inputs, the outputs.

    `operations` are in the layout of `kernels.c`. `workspace` is its length. `inputs` are the numbers of the inputs
    that are read. `outputs` are the shapes of what the graph returns.
    """

    def __init__(self, graph: fx.Graph, dtype: torch.dtype) -> None:
        self.inputs: list[int] = []
        lowering = Lowering(dtype)
        results = lower_graph(graph, lowering)
        self.outputs = [value.shape for value in results]
        steps = write_results(lowering, results)
        steps = fuse(straighten(steps))
        self.workspace = place(steps)
        self._number_arrays(steps)
        self.operations = np.array([encode(step) for step in steps], OPERATION)

    def _number_arrays(self, steps: Sequence[Step]) -> None:
        arrays = {id(array): array for step in steps for array, _, _ in step.operands}.values()
        self.inputs = sorted({array.number for array in arrays if array.kind == "input"})
        bases = {number: 1 + i for i, number in enumerate(self.inputs)}
        for array in arrays:
            if array.kind == "input":
                array.base = bases[array.number]
            elif array.kind == "output":
                array.base = 1 + len(self.inputs) + array.number


def lower_graph(graph: fx.Graph, lowering: Lowering) -> list[Value]:
    """Lower every node of a graph, and return the values that it returns.

    Raise NotLowered if an operation has no rule, or if a tensor is neither a number of this precision nor a truth.
    """
    values: dict[fx.Node, Any] = {}
    inputs = 0
    for node in graph.nodes:
        if node.op == "placeholder":
            values[node] = open_input(node, inputs, lowering)
            inputs += 1
        elif node.op == "output":
            if wrong := {find_type(each) for each in node.args[0]} - {lowering.dtype}:
                raise NotLowered(f"a result of {wrong.pop()}")
            return [require(values[each]) for each in node.args[0]]
        elif node.op == "get_attr":
            values[node] = read_constant(node, lowering)
        elif node.target.__name__ == "getitem":
            values[node] = values[node.args[0]][node.args[1]]
        else:
            # truths, and counts of them, are numbers like all others here
            if (kind := find_type(node)) not in (None, lowering.dtype, torch.bool, torch.int64):
                raise NotLowered(f"{node.target} of {kind}")
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda each: require(values[each]))
            values[node] = lower_operation(lowering, node.target, args, kwargs)
    raise AssertionError("a graph has an output")


def find_type(node: fx.Node) -> torch.dtype | None:
    """Return the type of a node's value; None if it is not one tensor."""
    return getattr(node.meta.get("form"), "dtype", None)


def open_input(node: fx.Node, number: int, lowering: Lowering) -> Value | NotLowered:
    """Return the value of an input; an error instead, if it cannot be read by an operation."""
    form = node.meta["form"]
    if form.dtype != lowering.dtype:
        return NotLowered(f"an input of {form.dtype}")
    array = Array(1, "input", number)
    return Value(array, torch.empty_strided(form.shape, form.stride, device="meta"))


def read_constant(node: fx.Node, lowering: Lowering) -> Value:
    """Return the value of a tensor that is part of the graph: a single number."""
    tensor: torch.Tensor = node.meta["constant"]
    if tensor.numel() != 1:
        raise NotLowered("a tensor that is part of the graph")
    return lowering.constant(float(tensor), tensor.shape)


def require(value: Any) -> Any:
    """Return a value; raise it if it is an error."""
    if isinstance(value, NotLowered):
        raise value
    return value


def write_results(lowering: Lowering, results: Sequence[Value]) -> list[Step]:
    """Let the last operation of each result write into its output, or copy it there; return all steps."""
    written = {id(step.operands[0][0]) for step in lowering.steps}
    taken: set[int] = set()
    for number, value in enumerate(results):
        whole = value.view.is_contiguous() and value.view.numel() == value.array.elements
        if whole and value.array.kind == "workspace" and id(value.array) in written and id(value.array) not in taken:
            taken.add(id(value.array))
            value.array.kind, value.array.number = "output", number
        else:
            out = Value(Array(value.view.numel(), "output", number), torch.empty(value.shape, device="meta"))
            lowering.emit("COPY", out, value)
    return lowering.steps


def straighten(steps: Sequence[Step]) -> list[Step]:
    """Copy each small transposed weight that many products read on their right into rows, once.

    BLAS multiplies small matrices by rows a third faster; large ones it copies itself.
    """
    uses = Counter(identify(step) for step in steps if has_transposed_weight(step))
    copies: dict[Any, Operand] = {}
    made: list[Step] = []
    for step in steps:
        if has_transposed_weight(step) and uses[identify(step)] >= MANY:
            rows, columns = step.size[1:]
            if identify(step) not in copies:
                copies[identify(step)] = copy = (Array(rows * columns), 0, [columns, 1])
                made.append(Step("COPY", [rows, columns], [copy, step.operands[2]]))
            step = Step("PRODUCT", step.size, [*step.operands[:2], copies[identify(step)]])
        made.append(step)
    return made


def has_transposed_weight(step: Step) -> bool:
    """Return whether a step is a product whose right side is a small transposed input, which nothing writes."""
    if step.code != "PRODUCT":
        return False
    array, _, strides = step.operands[2]
    return array.kind == "input" and strides[1] != 1 and step.size[1] * step.size[2] <= SMALL


def identify(step: Step) -> tuple[Any, ...]:
    """Return what the right side of a product is: equal for equal matrices."""
    array, offset, strides = step.operands[2]
    return id(array), offset, *strides, *step.size[1:]


def fuse(steps: Sequence[Step]) -> list[Step]:
    """Put a sum and the rectifier that alone reads it into one operation."""
    uses: dict[int, int] = {}
    for step in steps:
        for array, _, _ in step.operands:
            uses[id(array)] = uses.get(id(array), 0) + 1
    made: list[Step] = []
    for step in steps:
        before = made[-1] if made else None
        if (
            before is not None
            and (step.code, before.code, before.numbers[0]) == ("RELU", "ADD", 1.0)
            and before.operands[0][0] is step.operands[1][0]
            and uses[id(before.operands[0][0])] == 2
            and before.operands[0][0].kind == "workspace"
            and before.operands[0][1:] == step.operands[1][1:]
            and before.size == step.size
        ):
            made[-1] = Step("ADD_RELU", before.size, [step.operands[0], *before.operands[1:]])
        else:
            made.append(step)
    return made


def place(steps: Sequence[Step]) -> int:
    """Set the offsets of the arrays in the workspace, and return its length; arrays that never live together share."""
    last: dict[int, int] = {}
    arrays: dict[int, Array] = {}
    for i, step in enumerate(steps):
        for array, _, _ in step.operands:
            if array.kind == "workspace":
                last[id(array)], arrays[id(array)] = i, array
    free: list[tuple[int, int]] = []
    length, placed = 0, set[int]()
    for i, step in enumerate(steps):
        for array, _, _ in step.operands:
            if array.kind != "workspace" or id(array) in placed:
                continue
            placed.add(id(array))
            needed = round_up(array.elements)
            fitting = [piece for piece in free if piece[1] >= needed]
            if fitting:
                piece = min(fitting, key=lambda piece: piece[1])
                free.remove(piece)
                array.offset = piece[0]
                if piece[1] > needed:
                    free.append((piece[0] + needed, piece[1] - needed))
            else:
                array.offset, length = length, length + needed
        for key in {id(array) for array, _, _ in step.operands if last.get(id(array)) == i}:
            free = join([*free, (arrays[key].offset, round_up(arrays[key].elements))])
    return length


def round_up(elements: int) -> int:
    """Return the least multiple of the alignment that is not smaller."""
    return -(-max(1, elements) // ALIGNMENT) * ALIGNMENT


def join(pieces: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return free pieces, (begin, length), with neighbours put together."""
    joined: list[tuple[int, int]] = []
    for begin, length in sorted(pieces):
        if joined and sum(joined[-1]) == begin:
            joined[-1] = (joined[-1][0], joined[-1][1] + length)
        else:
            joined.append((begin, length))
    return joined


def encode(step: Step) -> Any:
    """Return an operation in the layout of `kernels.c`."""

    def pad(numbers: Sequence[int]) -> tuple[int, ...]:
        return *numbers, *(DIMENSIONS - len(numbers)) * (0,)

    operands = [(array.base, array.offset + offset, pad(strides)) for array, offset, strides in step.operands]
    operands += (4 - len(operands)) * [(0, 0, pad(()))]
    return (list_codes()[step.code], len(step.size), pad(step.size), step.numbers, operands)
