"""Where the workers of a run train: how many there are, on which devices, and with which share of a GPU's memory."""

from __future__ import annotations

from typing import Any

from ganbench.errors import GanbenchError
from ganbench.runner.phases import available_cores

WORKERS_PER_GPU = 2
"""Workers that share a GPU unless --jobs says otherwise: while one evaluates on the CPU, the other one trains.

Four train hardly more than two, and take twice the memory (docs/gpu.md).
"""

SHARED_MEMORY = 0.95
"""The part of a GPU's memory that its workers share, if they are several; CUDA itself needs the rest."""


def count_jobs(jobs: int | None, device: str) -> int:
    """Return how many workers a run starts: `jobs`, by default one for each core, and on GPUs two for each of them."""
    if jobs is not None:
        return jobs
    from ganbench.engine import device as devices

    chosen = devices.choose_all(device)
    cores = available_cores()
    return cores if chosen[0].type == "cpu" else max(len(chosen), min(cores, WORKERS_PER_GPU * len(chosen)))


def list_places(device: str, workers: int) -> list[dict[str, Any]]:
    """Return for each worker its device, and the share of that device's memory that it may use.

    The workers go round the devices. It is empty for a CPU, of which all workers use the same.
    """
    from ganbench.engine import device as devices

    chosen = devices.choose_all(device)
    if chosen[0].type == "cpu":
        return []
    names = [str(chosen[i % len(chosen)]) for i in range(workers)]
    shares = {name: 1.0 if names.count(name) == 1 else SHARED_MEMORY / names.count(name) for name in names}
    return [{"device": name, "memory_share": shares[name]} for name in names]


def refuse_devices_here(jobs: int | None, device: str) -> None:
    """Raise GanbenchError for several devices without workers."""
    if jobs == 0 and "," in device:
        raise GanbenchError(
            f"--device {device}: this process trains on one device, and --jobs is 0. Use --jobs 2 or more, or name one."
        )
