"""Where the workers of a run train: how many there are, on which devices, and with which share of a GPU's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganbench.errors import GanbenchError
from ganbench.runner.phases import available_cores

if TYPE_CHECKING:
    from ganbench.runner.settings import Settings

WORKERS_PER_GPU = 2
"""Workers that share a GPU unless --jobs says otherwise: while one evaluates on the CPU, the other one trains.

Four train hardly more than two, and take twice the memory (docs/background/gpu.md).
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


def list_places(jobs: int | None, *, device: str, most: int) -> list[dict[str, Any]]:
    """Return for each worker on this machine its device, and the share of that device's memory that it may use.

    They are `jobs` workers, `count_jobs` if it is None, but at most `most`, and go round the devices. On a CPU, which
    all workers share, there is nothing to say to them.
    """
    from ganbench.engine import device as devices

    chosen, workers = devices.choose_all(device), min(most, count_jobs(jobs, device))
    if chosen[0].type == "cpu":
        return [{} for _ in range(workers)]
    names = [str(chosen[i % len(chosen)]) for i in range(workers)]
    shares = {name: 1.0 if names.count(name) == 1 else SHARED_MEMORY / names.count(name) for name in names}
    return [{"device": name, "memory_share": shares[name]} for name in names]


def refuse_devices(settings: Settings) -> None:
    """Raise GanbenchError for a device that this machine does not have, and for several without workers.

    An executor that is not our own may train on other machines, whose devices only it knows.
    """
    from ganbench.engine import device as devices
    from ganbench.suite.tables import DEFAULTS

    if settings.executor in ("", DEFAULTS["executor"], DEFAULTS["executor here"]):
        devices.choose(settings.device)
    if settings.in_process and "," in settings.device:
        raise GanbenchError(
            f"--device {settings.device}: this process trains on one device, and has no workers. Use --jobs 2 or more, "
            "or name one."
        )


def choose_own_device(settings: Settings) -> str:
    """Return the device for what this process computes itself: the one of the settings, "auto" if it is elsewhere."""
    from ganbench.engine import device as devices

    try:
        devices.choose(settings.device)
    except GanbenchError:
        return "auto"
    return settings.device
