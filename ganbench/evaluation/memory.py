"""What evaluation does when memory runs out: the same work in halves, and no training again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ganbench.engine.device import free_cached_memory
from ganbench.errors import GanbenchError, describe

EVALUATION_BYTES = 2**30
"""Members are judged together while what is kept of their samples fits into this. It is no machine's memory."""

ALLOCATOR_MESSAGES = ("DefaultCPUAllocator: can't allocate memory", "DefaultCPUAllocator: not enough memory")
"""Parts of the RuntimeError of torch's CPU allocator when memory runs out, on Linux and on other systems."""

Result = TypeVar("Result")


class MemoryExhausted(GanbenchError):
    """Memory ran out in evaluation, also with a single sample or model at a time."""


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an exception means that memory ran out: Python's, CUDA's, or that of torch's CPU allocator."""
    if isinstance(error, MemoryError | MemoryExhausted) or type(error).__name__ == "OutOfMemoryError":
        return True
    if type(error) is not RuntimeError:  # a plugin's own class may not even be able to say what it means
        return False
    return any(message in str(error) for message in ALLOCATOR_MESSAGES)


def halve_until_it_fits(call: Callable[[int], Result], size: int, what: str) -> tuple[Result, int]:
    """Return what `call(size)` returns, and the size, which is halved each time that memory runs out.

    Raise MemoryExhausted if it still runs out at a size of 1; `what` says what the memory was for.
    """
    while True:
        try:
            return call(size), size
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error) if isinstance(error, MemoryExhausted) else f"{what}: {describe(error)}"
        free_cached_memory()  # only here, where the exception no longer holds its tensors
        if size <= 1:
            raise MemoryExhausted(reason)
        size //= 2
