"""The floating-point operations of one update of one member, counted by torch on one step.

Matrix products and convolutions are counted, with two operations for each multiply-add. Elementwise operations and the
optimizer's arithmetic are not counted.
"""

from __future__ import annotations

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class FlopCounter(TorchDispatchMode):
    """Adds up torch's own FLOP formulas for all operations that run while it is active.

    torch's FlopCounterMode does the same, but it puts hooks on modules, and these fail under `torch.func.grad`.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation and add its FLOPs to `total`."""
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=out)
        return out
