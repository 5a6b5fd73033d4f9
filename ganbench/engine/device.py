"""The device that training runs on, and the settings that make training repeatable there."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ganbench.api.trials import Precision
from ganbench.errors import GanbenchError

KNOWN = "Known to --device: auto, cpu, cuda, cuda:1, ..., and several as cuda:0,1."


def choose(device: str = "auto") -> torch.device:
    """Return the device to train on: "cpu", "cuda" or "cuda:1"; "auto" is CUDA if there is one, otherwise the CPU.

    Of several it is the first. Raise GanbenchError for an unknown device, or if torch does not find a CUDA device.
    """
    return choose_all(device)[0]


def choose_all(device: str = "auto") -> list[torch.device]:
    """Return the devices that a name stands for: one, or several CUDA devices as in "cuda:0,1" or "cuda:0,cuda:1"."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    first, *others = device.split(",")
    names = [first, *(f"cuda:{other}" if other.isdecimal() else other for other in others)]
    for name in names:
        kind, _, number = name.partition(":")
        if kind not in ("cpu", "cuda") or (":" in name and not (kind == "cuda" and number.isdecimal())):
            raise GanbenchError(f"device {name!r} is unknown. {KNOWN}")
        if others and not number:
            raise GanbenchError(f"device {device!r}: each of several devices needs its number. {KNOWN}")
        if kind == "cuda" and not torch.cuda.is_available():
            raise GanbenchError(f"device {device!r}: torch finds no CUDA device here. Use --device cpu, or auto.")
        if number and int(number) >= (count := torch.cuda.device_count()):
            raise GanbenchError(f"device {name!r}: torch finds {count} CUDA devices here: cuda:0 to cuda:{count - 1}.")
    devices = [torch.device(name) for name in names]
    if len(set(devices)) < len(devices):
        raise GanbenchError(f"device {device!r}: a device is named twice. More workers on one GPU: --jobs.")
    return devices


def configure(device: str = "auto", memory_share: float = 1.0) -> torch.device:
    """Return the device to train on, and make torch repeatable: one thread, no TF32, the same kernels in one order.

    With a `memory_share` below 1, this process may use so much of the memory of a GPU, and runs out of memory beyond.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it is first used
    torch.set_num_threads(1)
    # A thread of its own for a GPU numbers what it differentiates apart from this one. Which of two second derivatives
    # is added first would depend on both counts, so on all that was computed before.
    torch.autograd.set_multithreading_enabled(False)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    chosen = choose(device)
    if chosen.type == "cuda":
        if chosen.index is not None:
            torch.cuda.set_device(chosen)  # streams, graphs and random states are those of the current device
        if memory_share < 1:
            torch.cuda.set_per_process_memory_fraction(memory_share, chosen)
    return chosen


@contextmanager
def products_in(precision: Precision, device: torch.device) -> Iterator[None]:
    """Let CUDA round the factors of float32 products to TF32 inside, for that precision; on a CPU nothing changes."""
    flags: tuple[Any, ...] = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [flag.allow_tf32 for flag in flags]
    try:
        for flag in flags:
            flag.allow_tf32 = precision == "tf32" and device.type == "cuda"
        yield
    finally:
        for flag, allowed in zip(flags, before, strict=True):
            flag.allow_tf32 = allowed


def describe(device: torch.device) -> dict[str, Any]:
    """Return what a record stores of the device: its type and name, the number of threads, and torch's version."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {"device": device.type, "device_name": name, "threads": torch.get_num_threads(), "torch": torch.__version__}


def free_cached_memory() -> None:
    """Release the CUDA memory that torch has cached for later use."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished all work, so that a clock read afterwards includes it.

    While a CUDA graph is captured there is no work to wait for, and a wait would end the capture.
    """
    if device.type == "cuda" and not torch.cuda.is_current_stream_capturing():
        torch.cuda.synchronize(device)
