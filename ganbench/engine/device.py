"""Where training happens, and what makes it repeatable there."""

from __future__ import annotations

import platform
from typing import Any

import torch

from ganbench.errors import GanbenchError


def choose(device: str = "auto") -> torch.device:
    """Give the device to train on; `auto` takes CUDA where there is one.

    Raises GanbenchError for a device that is not there.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device not in ("cpu", "cuda"):
        raise GanbenchError(f"device {device!r} is unknown. Known: auto, cpu, cuda.")
    if device == "cuda" and not torch.cuda.is_available():
        raise GanbenchError("device 'cuda': torch finds no CUDA device here. Use --device cpu, or auto.")
    return torch.device(device)


def configure(device: str = "auto") -> torch.device:
    """Choose the device and set everything that repeatability hangs on: one thread, no TF32, no autotuned kernels."""
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    return choose(device)


def describe(device: torch.device) -> dict[str, Any]:
    """Give what a record keeps of the device it was trained on."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {"device": device.type, "device_name": name, "threads": torch.get_num_threads(), "torch": torch.__version__}


def free_cached_memory() -> None:
    """Give memory that torch keeps for later back to the device."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given, so that a clock read now tells the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
