"""What stands for CUDA graphs where there is no GPU: a capture lists operations, and a replay does them again.

As with CUDA, a capture does not change a number, a replay runs no Python of the engine, it reads and writes the same
memory each time, and whatever waits for a value cannot be captured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "unique")
"""Operations for which a CPU waits until a GPU has computed a value, by the beginnings of their names."""

Step = Callable[[], None]


class CaptureError(RuntimeError):
    """Operations that a GPU cannot capture."""


class OperationList(TorchDispatchMode):
    """Lists what runs in its block; what writes into a tensor is listed but not done."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name.removeprefix("aten::")
        if name.startswith(WAITS):
            raise CaptureError(f"{name} waits for the device")
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise CaptureError(f"{name} draws random numbers")
        if func._schema.is_mutable and torch.Tag.inplace_view not in func.tags:
            self.steps.append(lambda: func(*args, **kwargs))
            return self.find_written(func, args, kwargs)
        made = func(*args, **kwargs)
        # aliases: the returned tensor may get another shape in place
        outputs = [leaf.detach() for leaf in tree_flatten(made)[0] if isinstance(leaf, Tensor)]
        inputs = {leaf.untyped_storage().data_ptr() for leaf in tree_flatten((args, kwargs))[0] if is_stored(leaf)}
        if any(leaf.untyped_storage().data_ptr() not in inputs for leaf in outputs if is_stored(leaf)):
            self.steps.append(lambda: write(func(*args, **kwargs), outputs))
        return made  # a view needs no step: it shows the memory of its argument

    @staticmethod
    def find_written(func: Any, args: Any, kwargs: Any) -> Any:
        """Return what an operation returns that writes into its arguments: those arguments."""
        names = [argument.name for argument in func._schema.arguments]
        given = dict(zip(names, args, strict=False)) | kwargs
        written = [
            given[argument.name]
            for argument in func._schema.arguments
            if argument.alias_info is not None and argument.alias_info.is_write and argument.name in given
        ]
        returned = written[: len(func._schema.returns)]
        return None if not returned else returned[0] if len(returned) == 1 else tuple(returned)


def is_stored(leaf: Any) -> bool:
    """Return whether this is a tensor with memory."""
    return isinstance(leaf, Tensor) and leaf.numel() > 0


def write(made: Any, outputs: list[Tensor]) -> None:
    """Write the values of an operation into the tensors that its capture returned."""
    for new, old in zip((leaf for leaf in tree_flatten(made)[0] if isinstance(leaf, Tensor)), outputs, strict=True):
        old.copy_(new)


class RecordedGraphs:
    """The graphs of one game on a CPU. `captures`, `replays` and `warm_ups` count what was done."""

    def __init__(self) -> None:
        self.captures = self.replays = self.warm_ups = 0

    def warm_up(self, work: Callable[[], None]) -> None:
        """Do the work."""
        self.warm_ups += 1
        work()

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """List the operations of the work without a change of any number that exists."""
        self.captures += 1
        with OperationList() as listed:
            work()

        def replay() -> None:
            self.replays += 1
            with torch.no_grad():
                for step in listed.steps:
                    step()

        return replay
