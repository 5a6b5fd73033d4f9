"""What plugins must not do while a model trains, and the checks that detect it on any machine."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ganbench.engine.plugin_state import WAY_OUT, PluginWatch, find_change
from ganbench.testing.rule import ContractError, require

CALLS = 64
"""How often a part is called with equal inputs, to find one that counts its calls."""

DRAW = "it draws random numbers itself: declare them as `draws={...: Draw(...)}` and read `play.draws`"
OPERATIONS = {
    "_local_scalar_dense": "it takes a number out of a tensor (.item(), float(), `if` on a tensor): keep the tensor, "
    "and use torch.where",
    "nonzero": "it looks up where a tensor is nonzero, and that shape depends on values: use torch.where",
    "masked_select": "it selects by a mask, and the result's shape depends on values: use torch.where",
    "lift_fresh": "it makes a tensor from a Python value in every step (torch.tensor(...)): use the number itself, "
    "or make the tensor in `build`",
    **dict.fromkeys(
        ["rand", "randn", "rand_like", "randn_like", "randint", "randint_like", "randperm", "normal", "normal_"], DRAW
    ),
    **dict.fromkeys(["uniform_", "bernoulli", "bernoulli_", "multinomial", "native_dropout", "exponential_"], DRAW),
}
"""torch's operations that stop a step from being mapped over seeds or captured as a CUDA graph."""
MASK = "it indexes by a boolean mask, and the result's shape depends on values: use torch.where"


class Capture(TorchDispatchMode):
    """A context that raises ContractError at the first operation a CUDA graph cannot capture; it needs no GPU."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation, unless it is forbidden."""
        name = func._schema.name.split("::")[-1]
        if name in OPERATIONS:
            raise ContractError(f"{OPERATIONS[name]} (torch: {name})")
        if name.startswith("index") and any(t.dtype in (torch.bool, torch.uint8) for t in _indices(args)):
            raise ContractError(f"{MASK} (torch: {name})")
        return func(*args, **(kwargs or {}))


def _indices(args: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(args[1:2]) if isinstance(leaf, Tensor))


@contextmanager
def require_no_global_random(way_out: str = "declare the numbers as `draws={...: Draw(...)}`") -> Iterator[None]:
    """Raise ContractError if the block draws from the global generator of torch, Python or NumPy."""
    import numpy

    def states() -> dict[str, str]:
        numpy_state: Any = numpy.random.get_state()
        return {
            "torch": repr(torch.random.get_rng_state().tolist()),
            "Python": repr(random.getstate()),
            "NumPy": repr([numpy_state[1].tolist(), *numpy_state[2:]]),
        }

    before = states()
    yield
    changed = [library for library, state in states().items() if state != before[library]]
    if changed:
        raise ContractError(f"it draws random numbers from {changed[0]}'s global generator: {way_out}")


@contextmanager
def require_unchanged(what: str, tree: Any) -> Iterator[None]:
    """Raise ContractError if the block changes a bit of a tensor in this tree; `what` names the tree."""
    tensors = [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
    before = [tensor.detach().clone() for tensor in tensors]
    yield
    if not all(equal_bits(tensor, old) for tensor, old in zip(tensors, before, strict=True)):
        raise ContractError(f"it changes {what} in place: compute new tensors (`x = x.clamp(..)`, not `x.clamp_(..)`)")


def require_equal_calls(part: Any, call: Callable[[int], Any], points: int = 1) -> None:
    """Raise ContractError if a part gives other values for equal inputs in one of many calls, or changes in Python.

    `call(point)` calls the part; each of the `points` has other inputs. They take turns.
    """
    watch = PluginWatch({"it": part})
    first = [tree_leaves(detach_values(partial(call, i))) for i in range(points)]
    before, differs_at = watch.look_at(part), 0
    for n in range(points, CALLS):
        values = tree_leaves(detach_values(partial(call, n % points)))
        if not differs_at and not all(map(equal_bits, values, first[n % points])):
            differs_at = n + 1
    change = find_change(before, watch.look_at(part))
    require(not change, f"it counts its calls, or keeps another state in Python: {change} in {CALLS} calls. {WAY_OUT}")
    require(
        not differs_at,
        f"it gives other values for equal inputs at call {differs_at}: it counts its calls, or reads a clock, a global "
        f"variable or random numbers of its own. {WAY_OUT}",
    )


def equal_bits(first: Tensor, second: Tensor) -> bool:
    """Return whether two tensors are equal bit by bit, NaN included."""
    return first.shape == second.shape and bool(torch.equal(first.nan_to_num(7.25e9), second.nan_to_num(7.25e9)))


def largest_difference(first: Any, second: Any) -> float:
    """Return the largest difference between two trees of tensors, relative for values above one; inf for NaN in one."""
    worst = 0.0
    for a, b in zip(tree_leaves(first), tree_leaves(second), strict=True):
        gap = ((a - b).abs() / b.abs().clamp(min=1.0)).detach()
        worst = max(worst, float(gap.nan_to_num(torch.inf).max()) if gap.numel() else 0.0)
    return worst


def detach_values(function: Callable[[], Any]) -> Any:
    """Call a function and return its result, with every tensor detached from its graph."""
    return torch.utils._pytree.tree_map(lambda t: t.detach().clone() if isinstance(t, Tensor) else t, function())
