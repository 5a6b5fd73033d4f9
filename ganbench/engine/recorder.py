"""Record the operations of torch that a function runs, as a graph."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from ganbench.errors import GanbenchError

Decompositions = Mapping[Any, Callable[..., Any]]
"""For each operation that is to be taken apart, the function that does the same by other operations.

If there are any, then so is each operation that torch itself defines by others (`OpOverload.decompose`).
"""

aten = torch.ops.aten


class NotRecorded(GanbenchError):
    """A function does what no graph of operations can repeat."""


class Form(NamedTuple):
    """The form of a tensor that a node stands for; each node of a tensor has it as `meta["form"]`."""

    shape: torch.Size
    dtype: torch.dtype
    stride: tuple[int, ...]
    device: torch.device


class Recorder(TorchDispatchMode):
    """Runs operations, and adds a node to `graph` for each: below autograd and vmap, whose own operations it sees.

    A tensor that no recorded operation made is a constant: a node `get_attr` with the tensor as `meta["constant"]`.
    """

    def __init__(self, decompositions: Decompositions) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph, self.decompositions = fx.Graph(), decompositions
        self.nodes: dict[Tensor, fx.Node] = WeakTensorKeyDictionary()  # type: ignore[assignment]
        self.known: set[fx.Node] = set()
        """The nodes with the same values in every call, because they are computed from numbers in the code alone."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation and add its node; raise NotRecorded if it reads a value that changes from call to call."""
        kwargs = kwargs or {}
        if self.decompositions:
            with self:
                parts = self.decompositions.get(func, func.decompose)(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        nodes = fx.node.map_aggregate((args, dict(kwargs)), self.find)
        node_args, node_kwargs = nodes
        read: list[fx.Node] = []
        fx.node.map_arg(nodes, read.append)
        is_known = bool(read) and self.known.issuperset(read)
        if torch.Tag.data_dependent_output in func.tags:
            if read and not is_known:
                raise NotRecorded(f"the code of a step reads a value of a tensor, by {func}")
            return func(*args, **kwargs)
        if func is aten.lift_fresh.default:  # torch.tensor(...) in the code: a new tensor at each call
            func, is_known = aten.lift_fresh_copy.default, True
        values = func(*args, **kwargs)
        node = self.graph.create_node("call_function", func, node_args, node_kwargs)
        if is_known and torch.Tag.nondeterministic_seeded not in func.tags:
            self.known.add(node)
        self.keep(node, values)
        return values

    def find(self, value: Any) -> Any:
        """Return the node of a tensor; any other value is returned as it is."""
        if not isinstance(value, Tensor):
            return value
        node = self.nodes.get(value)
        if node is None:
            node = self.graph.create_node("get_attr", "constant", name="constant")
            node.meta["constant"] = value
            self.keep(node, value)
        return node

    def keep(self, node: fx.Node, values: Any) -> None:
        """Let a node stand for a tensor, or nodes of its own for each of several tensors."""
        if isinstance(values, Tensor):
            node.meta["form"] = Form(values.shape, values.dtype, values.stride(), values.device)
            self.nodes[values] = node
        elif isinstance(values, list | tuple):
            for i, value in enumerate(values):
                part = self.graph.create_node("call_function", operator.getitem, (node, i))
                if node in self.known:
                    self.known.add(part)
                self.keep(part, value)


def record_operations(
    function: Callable[..., Sequence[Tensor]], tensors: Sequence[Tensor], decompositions: Decompositions | None = None
) -> fx.Graph:
    """Call `function(*tensors)` and return the graph of its operations, whose inputs are these tensors, in order.

    Raise NotRecorded if its code reads the value of a tensor that depends on them.
    """
    recorder = Recorder(decompositions or {})
    for i, tensor in enumerate(tensors):
        recorder.keep(recorder.graph.placeholder(f"input_{i}"), tensor)
    with recorder:
        results = function(*tensors)
    recorder.graph.output(tuple(map(recorder.find, results)))
    return recorder.graph
