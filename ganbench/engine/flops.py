"""The floating-point operations of one update of one member, by torch's own formulas.

Matrix products and convolutions are counted, with two operations for each multiply-add. Elementwise operations,
products of a matrix and a vector, and the optimizer's arithmetic are not counted.

The count is that of one member alone. In a stack, torch turns the convolutions of all members into one with groups, and
counts the gradient of its weights once too often for each group.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ganbench.engine.functional import map_leaves

RESULTS = 1 << 16
"""The number of operations whose results are remembered, by the shapes of their arguments."""


def count_member_flops(function: Callable[..., Any], *trees: Any) -> int:
    """Return the FLOPs of a call of `function` on the first member of trees of tensors [S, ...], given as [1, ...].

    The tensors have shapes but no numbers, so nothing is computed. A function that cannot run on such tensors, because
    it takes a number out of one for instance, is called once on the first member's own numbers. The state of torch's
    global random generator does not change.
    """
    try:
        return _count(function, map_leaves(_blank_member, trees))
    except Exception:  # a plugin may do anything with a tensor, and raise any exception then
        logging.getLogger("ganbench").info("FLOPs are counted on a real step of one member", exc_info=True)
        return _count(function, map_leaves(lambda tensor: tensor[:1] if tensor.dim() else tensor, trees))


def _blank_member(tensor: Tensor) -> Tensor:
    return tensor.new_empty((1, *tensor.shape[1:]), device="meta") if tensor.dim() else tensor


def _count(function: Callable[..., Any], trees: tuple[Any, ...]) -> int:
    with torch.random.fork_rng(devices=[]), FlopCounter() as counter:
        function(*trees)
    return counter.total


class FlopCounter(TorchDispatchMode):
    """Adds up torch's own FLOP formulas for all operations that run while it is active.

    torch's FlopCounterMode does the same, but it puts hooks on modules, and these fail under `torch.func.grad`.

    Operations on tensors without numbers (of the meta device) may have other tensors as arguments, such as a constant
    of a plugin; only their shapes are read. What does not depend on a tensor without numbers is computed: a plugin that
    keeps a constant keeps a real one.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation and add its FLOPs to `total`."""
        kwargs = kwargs or {}
        if is_view(func):
            return func(*args, **kwargs)
        description = describe(args)
        if not has_blank(description):
            out = func(*args, **kwargs)
            self.total += _apply_formula(func, args, kwargs, out)
            return out
        if func._schema.is_mutable:
            return func(*map(_strip_numbers, args), **kwargs)
        flops, result = infer(func, description, describe(tuple(kwargs.items())))
        self.total += flops
        return restore(result)


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
    formula = flop_registry.get(func._overloadpacket)
    return 0 if formula is None else formula(*args, **kwargs, out_val=out)
