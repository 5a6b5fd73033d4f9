"""The device that training runs on, and the settings that make training repeatable there."""

from __future__ import annotations

import platform
from typing import Any

import torch

from ganbench.errors import GanbenchError


def choose(device: str = "auto") -> torch.device:
    """Return the device to train on; "auto" is CUDA if there is a CUDA device, otherwise the CPU.

    Raise GanbenchError for an unknown device, or if CUDA is requested and torch finds none.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device not in ("cpu", "cuda"):
        raise GanbenchError(f"device {device!r} is unknown. Known: auto, cpu, cuda.")
    if device == "cuda" and not torch.cuda.is_available():
        raise GanbenchError("device 'cuda': torch finds no CUDA device here. Use --device cpu, or auto.")
    return torch.device(device)


def configure(device: str = "auto") -> torch.device:
    """Return the device to train on, and make torch repeatable: one thread, no TF32, no autotuned kernels."""
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    return choose(device)


def describe(device: torch.device) -> dict[str, Any]:
    """Return what a record stores of the device: its type and name, the number of threads, and torch's version."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {"device": device.type, "device_name": name, "threads": torch.get_num_threads(), "torch": torch.__version__}


def free_cached_memory() -> None:
    """Release the CUDA memory that torch has cached for later use."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished all work, so that a clock read afterwards includes it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
