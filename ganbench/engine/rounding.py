"""Networks whose matrix products and convolutions are computed in bfloat16."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

NORMS: frozenset[Callable[..., Any]] = frozenset(
    getattr(owner, f"{kind}_norm") for owner in (torch, functional) for kind in ("batch", "group", "instance", "layer")
)


class WholeNorms(TorchFunctionMode):
    """Normalises in float32: the kernels of a CPU do not take samples of bfloat16 and weights of float32 together."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function, with its first argument in float32 if it normalises."""
        if function in NORMS:
            args = (args[0].float(), *args[1:])
        return function(*args, **(kwargs or {}))


@contextmanager
def rounding(device: str) -> Iterator[None]:
    """Compute matrix products and convolutions in bfloat16 inside, by torch's autocast on this type of device."""
    # without the cache of casts, which would keep tensors of one level of vmap or grad for another
    with torch.autocast(device, torch.bfloat16, cache_enabled=False), WholeNorms():
        yield
