"""Floating-point operations of an update of one member, counted by torch on one step.

Multiplications of matrices and convolutions count, two operations for each multiply-add; what is elementwise, and the
optimizer's own arithmetic, does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

if TYPE_CHECKING:
    pass


class Counter(TorchDispatchMode):
    """Adds up torch's own formulas for the operations that run under it.

    torch's FlopCounterMode does so too, but watches modules with hooks that `torch.func.grad` does not bear.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count it."""
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=out)
        return out
