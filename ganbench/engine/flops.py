"""The floating-point operations and the memory of one update of one member, by torch's own formulas.

Matrix products and convolutions are counted, with two operations for each multiply-add. Elementwise operations,
products of a matrix and a vector, and the optimizer's arithmetic are not counted.

The memory is the largest number of bytes that the tensors of an update take together: what is saved for the backward
pass, and the values in between. So it is that of a CPU without the workspaces of its kernels.
"""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import conv_flop_count, flop_registry

from ganbench.engine.functional import iterate_leaves, map_leaves

RESULTS = 1 << 16
"""The number of operations whose results are remembered, by the shapes of their arguments."""


class Count(NamedTuple):
    """The floating-point operations of a function, and the most bytes that its tensors take at a time."""

    flops: int
    bytes: int


def count_member(function: Callable[..., Any], *trees: Any) -> Count:
    """Return the count of a call of `function` on the first member of trees of tensors [S, ...], given as [1, ...].

    The tensors have shapes but no numbers, so nothing is computed. A function that cannot run on such tensors, because
    it takes a number out of one for instance, is called once on the first member's own numbers. The state of torch's
    global random generator does not change.
    """
    try:
        return _count(function, map_leaves(_blank_member, trees))
    except Exception:  # a plugin may do anything with a tensor, and raise any exception then
        if any(tensor.is_meta for tensor in iterate_leaves(trees)):
            raise
        logging.getLogger("ganbench").info("FLOPs are counted on a real step of one member", exc_info=True)
        return _count(function, map_leaves(lambda tensor: tensor[:1] if tensor.dim() else tensor, trees))


def _blank_member(tensor: Tensor) -> Tensor:
    return tensor.new_empty((1, *tensor.shape[1:]), device="meta") if tensor.dim() else tensor


def _count(function: Callable[..., Any], trees: tuple[Any, ...]) -> Count:
    collects = gc.isenabled()
    gc.disable()  # else the moment of a collection would decide how many bytes are in use
    try:
        with torch.random.fork_rng(devices=[]), FlopCounter() as counter:
            function(*trees)
    finally:
        if collects:
            gc.enable()
    return Count(counter.total, counter.most_bytes)


class FlopCounter(TorchDispatchMode):
    """Adds up torch's own FLOP formulas for all operations that run while it is active, and watches their memory.

    torch's FlopCounterMode does the same, but it puts hooks on modules, and these fail under `torch.func.grad`.

    Operations on tensors without numbers (of the meta device) may have other tensors as arguments, such as a constant
    of a plugin; only their shapes are read. What does not depend on a tensor without numbers is computed: a plugin that
    keeps a constant keeps a real one.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = self.bytes = self.most_bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation, add its FLOPs to `total`, and watch the memory of its results."""
        kwargs = kwargs or {}
        if is_view(func):
            return func(*args, **kwargs)
        description = describe(args)
        if not has_blank(description):
            out = func(*args, **kwargs)
            self.total += _apply_formula(func, args, kwargs, out)
        elif func._schema.is_mutable:
            return func(*map(_strip_numbers, args), **kwargs)
        else:
            flops, result = infer(func, description, describe(tuple(kwargs.items())))
            self.total += flops
            out = restore(result)
        if not func._schema.is_mutable:
            self._watch(out)
        return out

    def _watch(self, out: Any) -> None:
        """Add the bytes of new tensors to those in use, until they are freed."""
        if isinstance(out, Tensor):
            storage = out.untyped_storage()
            self._add(size := storage.nbytes())
            weakref.finalize(storage, self._add, -size).atexit = False
        elif isinstance(out, list | tuple):
            for part in out:
                self._watch(part)

    def _add(self, size: int) -> None:
        self.bytes += size
        self.most_bytes = max(self.most_bytes, self.bytes)


class Blank(NamedTuple):
    """All that an operation on tensors without numbers depends on; `blank` is whether the tensor has no numbers."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    blank: bool


class Number(NamedTuple):
    """A Python number with its type: 1, 1.0 and True are equal, and give tensors of different types."""

    kind: type
    value: Any


def describe(value: Any) -> Any:
    """Return a hashable description of an operation's arguments; tensors become `Blank`, lists become tuples."""
    if isinstance(value, Tensor):
        return Blank(tuple(value.shape), value.stride(), value.dtype, value.is_meta)
    if isinstance(value, list | tuple):
        return tuple(map(describe, value))
    return Number(type(value), value) if isinstance(value, int | float) else value


def restore(description: Any) -> Any:
    """Return what a description describes, with tensors without numbers."""
    if isinstance(description, Blank):
        return torch.empty_strided(description.shape, description.stride, dtype=description.dtype, device="meta")
    if isinstance(description, Number):
        return description.value
    return [restore(part) for part in description] if isinstance(description, tuple) else description


def has_blank(description: Any) -> bool:
    """Return whether a tensor without numbers is among the described arguments."""
    if isinstance(description, Blank):
        return description.blank
    return type(description) is tuple and any(map(has_blank, description))


@lru_cache(maxsize=RESULTS)
def infer(func: Any, args: Any, kwargs: Any) -> tuple[int, Any]:
    """Return the FLOPs of an operation, and the description of its result, from the descriptions of its arguments.

    torch computes a shape in Python, which takes longer than a small product; so results are remembered.
    """
    arguments, options = restore(args), dict(restore(kwargs))
    out = func(*arguments, **options)
    return _apply_formula(func, arguments, options, out), describe(out)


@cache
def is_view(func: Any) -> bool:
    """Return whether an operation returns a view of an argument and writes to none."""
    return not func._schema.is_mutable and any(each.alias_info for each in func._schema.arguments)


def _strip_numbers(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.to("meta")
    return type(value)(map(_strip_numbers, value)) if isinstance(value, list | tuple) else value


def _apply_formula(func: Any, args: Any, kwargs: Any, out: Any) -> int:
    if func is torch.ops.aten.convolution_backward.default:
        return _count_convolution_backward(*args)
    formula = flop_registry.get(func._overloadpacket)
    return 0 if formula is None else formula(*args, **kwargs, out_val=out)


def _count_convolution_backward(
    gradient: Tensor, x: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any, dilation: Any, *rest: Any
) -> int:
    """Return the FLOPs of the gradients of a convolution: each takes as many as the convolution itself.

    torch's formula counts those of the weights once too often for each group.
    """
    transposed, *_, (of_input, of_weights, _) = rest
    forward = conv_flop_count(list(x.shape), list(weight.shape), list(gradient.shape), transposed=transposed)
    return (of_input + of_weights) * forward
