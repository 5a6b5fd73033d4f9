"""What plugins may not do while a model trains, and the watchmen that notice it on any machine."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ganbench.testing.rule import ContractError

DRAW = "it draws random numbers itself: declare them as `draws={...: Draw(...)}` and read `play.draws`"
OPERATIONS = {
    "_local_scalar_dense": "it takes a number out of a tensor (.item(), float(), `if` on a tensor): keep it a tensor, "
    "and choose by torch.where",
    "nonzero": "it looks up where a tensor is nonzero, whose shape hangs on values: use torch.where",
    "masked_select": "it selects by a mask, whose shape hangs on values: use torch.where",
    "lift_fresh": "it makes a tensor of a Python value in every step (torch.tensor(...)): write the number itself, "
    "or make the tensor in `build`",
    **dict.fromkeys(
        ["rand", "randn", "rand_like", "randn_like", "randint", "randint_like", "randperm", "normal", "normal_"], DRAW
    ),
    **dict.fromkeys(["uniform_", "bernoulli", "bernoulli_", "multinomial", "native_dropout", "exponential_"], DRAW),
}
"""torch's operations that stop a step from being mapped over seeds or captured as a CUDA graph."""
MASK = "it indexes by a mask of booleans, whose shape hangs on values: use torch.where"


class Capture(TorchDispatchMode):
    """Raises ContractError at the first operation that a CUDA graph could not capture; needs no GPU for it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Look at one operation and let it go on."""
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
    """Raise ContractError if torch's, Python's or NumPy's global generator has moved meanwhile."""
    import numpy

    def states() -> dict[str, str]:
        held = {"torch": torch.random.get_rng_state().tolist(), "Python": random.getstate()}
        return {name: repr(state) for name, state in held.items()} | {"NumPy": repr(_numpy())}

    def _numpy() -> list[Any]:
        state: Any = numpy.random.get_state()
        return [state[1].tolist(), *state[2:]]

    before = states()
    yield
    moved = {name: state != before[name] for name, state in states().items()}
    whose = [name for name, has in moved.items() if has]
    if whose:
        raise ContractError(f"it draws random numbers from {whose[0]}'s global generator: {way_out}")


@contextmanager
def require_unchanged(what: str, given: Any) -> Iterator[None]:
    """Raise ContractError if a tensor in this tree is changed in place meanwhile, bit by bit."""
    tensors = [leaf for leaf in tree_leaves(given) if isinstance(leaf, Tensor)]
    before = [tensor.detach().clone() for tensor in tensors]
    yield
    if not all(equal_bits(tensor, old) for tensor, old in zip(tensors, before, strict=True)):
        raise ContractError(f"it changes {what} in place: compute new tensors (`x = x.clamp(..)`, not `x.clamp_(..)`)")


def equal_bits(one: Tensor, other: Tensor) -> bool:
    """Say whether two tensors are equal bit by bit, NaN included."""
    return one.shape == other.shape and bool(torch.equal(one.nan_to_num(7.25e9), other.nan_to_num(7.25e9)))


def largest_difference(one: Any, other: Any) -> float:
    """Give the largest difference between two trees of tensors, relative to values above one; inf if NaN in one."""
    worst = 0.0
    for a, b in zip(tree_leaves(one), tree_leaves(other), strict=True):
        gap = ((a - b).abs() / b.abs().clamp(min=1.0)).detach()
        worst = max(worst, float(gap.nan_to_num(torch.inf).max()) if gap.numel() else 0.0)
    return worst


def detach_values(function: Callable[[], Any]) -> Any:
    """Call a function and give what it gives, detached from every graph."""
    return torch.utils._pytree.tree_map(lambda t: t.detach().clone() if isinstance(t, Tensor) else t, function())
