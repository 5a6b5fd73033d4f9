"""Tensors that are computed once and kept in the cache folder by the hash of all that they depend on.

All workers and later runs read them. What takes less than `KEEP_FROM` seconds is computed again instead.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from time import perf_counter

from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ganbench.api.cache_folder import find_cache_folder

KEEP_FROM = 1.0
"""Seconds of work that are worth a file."""

MOST_BYTES = 8 * 2**30
"""The files of the folder have at most so many bytes together; those that were not read for longest are removed."""

PATIENCE = 3600.0
"""Seconds to wait for another process that computes the same. Then both do."""


def load_or_make(key: str, make: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the tensors that are kept under a key, a hash of all that they depend on; `make` computes what is not.

    Only one process at a time computes them. A broken file is made again, with a warning. Where the folder cannot be
    written, nothing is kept.
    """
    folder = find_cache_folder() / "evaluation"
    file = folder / f"{key}.safetensors"
    with ExitStack() as held:
        with suppress(OSError, Timeout):
            (folder / "locks").mkdir(parents=True, exist_ok=True)
            held.enter_context(FileLock(folder / "locks" / key[:2], timeout=PATIENCE))
        if file.exists():
            try:
                os.utime(file)
                return load_file(file)
            except (OSError, SafetensorError, ValueError, KeyError) as error:
                warnings.warn(f"{file}: it is broken ({error}), and is made again.", RuntimeWarning, stacklevel=2)
        began = perf_counter()
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in make().items()}
        if perf_counter() - began >= KEEP_FROM:
            with suppress(OSError, SafetensorError):
                keep(tensors, file)
        return tensors


def keep(tensors: dict[str, Tensor], file: Path) -> None:
    """Write tensors to a file, whole or not at all, and remove the oldest files if all are too large."""
    temporary = file.with_suffix(f".{os.getpid()}")
    try:
        save_file(tensors, temporary)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    files = sorted(file.parent.glob("*.safetensors"), key=lambda each: each.stat().st_mtime, reverse=True)
    total = 0
    for each in files:
        total += each.stat().st_size
        if total > MOST_BYTES and each != file:
            each.unlink(missing_ok=True)
