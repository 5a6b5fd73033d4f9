"""The numbers that a program reads at each step: constants, schedules, and numbers of which each member has its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ganbench.api import schedules
from ganbench.engine.functional import map_leaves
from ganbench.errors import GanbenchError

FORM = frozenset(
    {
        *(getattr(Tensor, name).__get__ for name in ("shape", "dtype", "device", "layout", "ndim", "is_meta")),
        *(getattr(Tensor, name).__get__ for name in ("_version", "requires_grad", "is_leaf", "grad", "grad_fn")),
        *(Tensor.dim, Tensor.ndimension, Tensor.size, Tensor.numel, Tensor.element_size, Tensor.__len__),
        *(Tensor.is_floating_point, Tensor.is_complex, Tensor.is_inference, Tensor.__hash__),
    }
)
"""What is asked of a tensor's form, and not of its number."""

COMPARISONS = frozenset(
    {
        *(Tensor.lt, Tensor.le, Tensor.gt, Tensor.ge, Tensor.eq, Tensor.ne),
        *(Tensor.__lt__, Tensor.__le__, Tensor.__gt__, Tensor.__ge__, Tensor.__eq__, Tensor.__ne__),
        *(torch.lt, torch.le, torch.gt, torch.ge, torch.eq, torch.ne),
    }
)
"""Comparisons, by which a plugin may refuse a number while it is built."""


class MemberScalar(Tensor):
    """A number of which each member of a batch has its own, in the place of the one that a plugin reads: a 0-d tensor.

    `stacked` are the members' numbers, [S]. While a member's functions run, `bound` sets `current`, the number of that
    member (of all of them at once, where a function is mapped), and every operation of torch reads that.
    """

    stacked: Tensor
    current: Tensor | None

    @staticmethod
    def make(stacked: Tensor) -> MemberScalar:
        """Return the number of which the members have these, [S]."""
        scalar = Tensor._make_subclass(MemberScalar, stacked.new_zeros(()))
        scalar.stacked, scalar.current = stacked, None
        return scalar

    def read(self) -> Tensor:
        """Return the number of the member whose functions run.

        Raise GanbenchError outside of them, where there is none.
        """
        if self.current is None:
            raise GanbenchError(
                "it computes with an option annotated Scalar while it is built, and the members of its batch have "
                f"different numbers there ({', '.join(f'{x:g}' for x in dict.fromkeys(self.stacked.tolist()))}). "
                "Compute with it in the functions that are called at each step, or make the option a float."
            )
        return self.current

    def compare(self, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Return what a comparison says of every member's number; raise GanbenchError if the members differ in it."""
        answers = func(*(each.stacked if each is self else read(each) for each in args), **kwargs)
        return answers[0] if bool((answers == answers[0]).all()) else self.read()

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"MemberScalar({self.stacked.tolist()})"

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call a function of torch with the current numbers in place of these."""
        kwargs = kwargs or {}
        if func in FORM:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **kwargs)
        if func in COMPARISONS:
            unbound = [each for each in args if isinstance(each, MemberScalar) and each.current is None]
            if unbound:
                return unbound[0].compare(func, args, kwargs)
        return func(*(read(each) for each in args), **{name: read(each) for name, each in kwargs.items()})


def read(value: Any) -> Any:
    """Return an argument with the current numbers in place of `MemberScalar`s, also inside of lists and tuples."""
    if isinstance(value, MemberScalar):
        return value.read()
    return type(value)(map(read, value)) if type(value) in (list, tuple) else value


@contextmanager
def bound(handles: Sequence[MemberScalar], numbers: Sequence[Tensor]) -> Iterator[None]:
    """Let each of the handles stand for one of these numbers, 0-d tensors, in the block."""
    for handle, number in zip(handles, numbers, strict=True):
        handle.current = number
    try:
        yield
    finally:
        for handle in handles:
            handle.current = None


def bind(handles: Sequence[MemberScalar], member: Callable[..., Any]) -> Callable[..., Any]:
    """Return a member's function with the numbers that the handles stand for as one more argument, the last."""
    if not handles:
        return lambda *arguments: member(*arguments[:-1])

    def call(*arguments: Any) -> Any:
        with bound(handles, arguments[-1]):
            return map_leaves(read, member(*arguments[:-1]))

    return call


class ScheduledScalars:
    """The numbers of a program that change from step to step or from member to member.

    `shared` are the 0-d tensors of schedules that all members follow, `handles` the numbers of which each member has
    its own. The engine sets both before each step.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype
        self.schedules: list[tuple[Tensor, Callable[[float], float]]] = []
        self.shared: list[Tensor] = []
        self.handles: list[MemberScalar] = []

    def __call__(self, value: Any) -> float | Tensor:
        """Return a plain number as a float, and a schedule as a 0-d tensor that follows the progress of the run."""
        if not isinstance(value, Mapping):
            return float(value)
        scalar = torch.empty((), device=self.device, dtype=self.dtype)
        self._follow(scalar, value)
        self.shared.append(scalar)
        return scalar

    def spread(self, values: Sequence[Any]) -> float | Tensor:
        """Return the number of all members, of which each has its own: one value for each, a number or a schedule."""
        if all(value == values[0] for value in values):
            return self(values[0])
        self.handles.append(MemberScalar.make(self.stack(values)))
        return self.handles[-1]

    def stack(self, values: Sequence[Any]) -> Tensor:
        """Return a tensor with one value for each member, [S], in which schedules follow the progress of the run."""
        stacked = torch.empty(len(values), device=self.device, dtype=self.dtype)
        for i, value in enumerate(values):
            if isinstance(value, Mapping):
                self._follow(stacked[i], value)
            else:
                stacked[i] = float(value)
        return stacked

    def _follow(self, scalar: Tensor, table: Mapping[str, Any]) -> None:
        schedule = schedules.parse_scalar(table)
        self.schedules.append((scalar.fill_(schedule(0.0)), schedule))

    def set_progress(self, progress: float) -> None:
        """Set every scheduled number to its value at this progress, in [0, 1]."""
        for scalar, schedule in self.schedules:
            scalar.fill_(schedule(progress))
