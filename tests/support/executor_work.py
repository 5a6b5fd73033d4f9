"""Small work functions for the tests of executors, in a module that a spawned process can import."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ganbench.api.records import Record
from ganbench.api.trials import Batch, Budget, Measurement, Part, Recipe, Trial

Report = Callable[[int, int], None]


def make_batch(name: str) -> Batch:
    """Make a batch of one trial with this name."""
    part = Part("any")
    recipe = Recipe(loss=part, dynamics=part, critic_optimizer=part, generator_optimizer=part)
    budget = Budget(generator_steps=1, batch_size=1, snapshots=(1,))
    labels = {"method": name, "dataset": "none", "architecture": "none"}
    trial = Trial(dataset=part, architecture=part, spec={}, recipe=recipe, seed=0, budget=budget, labels=labels)
    return Batch(trials=(trial,), mode="loop", measurement=Measurement(metrics=()))


def name_of(batch: Batch) -> str:
    """Return the name that a batch was made with."""
    return batch.trials[0].labels["method"]


def make_records(batch: Batch, **facts: Any) -> list[Record]:
    """Return the one record of a batch, with these facts of its worker."""
    return [Record(trial=batch.trials[0], facts=facts)]


def report_three_steps(batch: Batch, report: Report) -> list[Record]:
    """Report three steps without waiting."""
    for step in (1, 2, 3):
        report(step, 3)
    return make_records(batch, process=os.getpid())


def tell_device(batch: Batch, report: Report, *, device: str) -> list[Record]:
    """Return a record with the device that the worker was given, after a moment in which the others begin."""
    time.sleep(0.2)
    return make_records(batch, process=os.getpid(), device=device)


def raise_if_bad(batch: Batch, report: Report) -> list[Record]:
    """Raise ValueError for the batch named bad."""
    if name_of(batch) == "bad":
        raise ValueError("planted failure")
    return make_records(batch)


def act_if_bad(act: Callable[[], None], batch: Batch, report: Report) -> list[Record]:
    """Write to stderr and then call `act`, for the batch named bad."""
    if name_of(batch) == "bad":
        os.write(2, b"a library complains\n")
        act()
    return make_records(batch)


exit_if_bad = partial(act_if_bad, partial(os._exit, 3))
exit_cleanly_if_bad = partial(act_if_bad, partial(os._exit, 0))
segfault_if_bad = partial(act_if_bad, partial(ctypes.string_at, 0))


class NotAnException(BaseException):
    """An error that `except Exception` does not catch."""


def raise_new(error: type[BaseException]) -> None:
    """Raise an error of this class."""
    raise error("planted")


def kill_this_process() -> None:
    """Kill this process, as the kernel kills one that uses too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_the_first_time(marker: str) -> None:
    """Kill this process, unless the file `marker` says that another process was killed before."""
    if not Path(marker).exists():
        Path(marker).touch()
        kill_this_process()


be_killed_if_bad = partial(act_if_bad, kill_this_process)
oversleep_if_bad = partial(act_if_bad, partial(time.sleep, 60))


def change_process_if_bad(batch: Batch, report: Report) -> list[Record]:
    """Report the number of the process, and for batches whose name begins with bad that they changed it."""
    changed = {"process_changes": ["something"]} if name_of(batch).startswith("bad") else {}
    return make_records(batch, process=os.getpid(), **changed)


def return_unpicklable(batch: Batch, report: Report) -> list[Any]:
    """Return a result that cannot be pickled."""
    return [lambda: None]


class CannotBeRebuilt(Exception):
    """An exception that can be pickled but not unpickled."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__("planted failure")


def raise_what_cannot_be_rebuilt(batch: Batch, report: Report) -> list[Record]:
    """Raise an exception that would break the process pool if it were sent back."""
    raise CannotBeRebuilt(1, 2)


def count_threads(batch: Batch, report: Report) -> list[Record]:
    """Report the number of threads that torch uses."""
    import torch

    return make_records(batch, threads=torch.get_num_threads())


def wait_for_another_worker(folder: str, batch: Batch, report: Report) -> list[Record]:
    """Leave a file in the folder, and wait until another worker has left one too."""
    Path(folder, name_of(batch)).touch()
    deadline = time.monotonic() + 20
    while len(list(Path(folder).iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    return make_records(batch, met=len(list(Path(folder).iterdir())))


def sleep_for_a_minute(batch: Batch, report: Report) -> list[Record]:
    """Report the process's number as a step, then sleep for a minute."""
    report(os.getpid(), 1 << 30)
    time.sleep(60)
    return make_records(batch)


def sleep_once(marker: str, batch: Batch, report: Report) -> list[Record]:
    """Report the process's number as a step, then sleep for a minute, unless a process did so before."""
    report(os.getpid(), 1 << 30)
    if not Path(marker).exists():
        Path(marker).touch()
        time.sleep(60)
    return make_records(batch)


def wait_a_second(batch: Batch, report: Report) -> list[Record]:
    """Do nothing for a second."""
    time.sleep(1)
    return make_records(batch)


def return_bytes(size: int, batch: Batch, report: Report) -> list[Record]:
    """Return a record of so many bytes."""
    return make_records(batch, bytes=bytes(size))


def make_seeds(name: str, seeds: int, mode: Any = "stack") -> Batch:
    """Make a batch of so many seeds with this name."""
    batch = make_batch(name)
    return replace(batch, mode=mode, trials=tuple(replace(batch.trials[0], seed=seed) for seed in range(seeds)))


def be_killed_above(most: int, batch: Batch, report: Report) -> list[Record]:
    """Be killed with more trials than `most` at a time, as by a system whose memory is full; report two steps."""
    for step in (1, 2):
        report(step, 2)
    if len(batch.trials) > most:
        kill_this_process()
    return [Record(trial=trial, composition={"members": len(batch.trials)}) for trial in batch.trials]


def describe_start(batch: Batch, report: Report) -> list[Record]:
    """Return how this process began: what it has imported, its parent, its open files and how it takes SIGTERM."""
    from multiprocessing import parent_process

    driver = parent_process()
    return make_records(
        batch,
        process=os.getpid(),
        parent=os.getppid(),
        driver=driver and driver.pid,
        has_torch="torch" in sys.modules,
        threads=os.environ.get("OMP_NUM_THREADS"),
        files=[os.path.realpath(f"/proc/self/fd/{each}") for each in os.listdir("/proc/self/fd")],
        ends_by_sigterm=signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
    )


def kill_if_bad(batch: Batch, report: Report) -> list[Record]:
    """Kill this process for the batch named bad."""
    return act_if_bad(kill_this_process, batch, report)


def sleep_for_ever(batch: Batch, report: Report) -> list[Record]:
    """Tell a file named by the batch's name who works here, and wait."""
    Path(name_of(batch)).write_text(f"{os.getpid()} {os.getppid()}")
    time.sleep(600)
    return make_records(batch)


def answer(batch: Batch, report: Report, seconds: float, points: int) -> list[Record]:
    """Wait so long, and return a record of each trial with seven signals of so many values."""
    time.sleep(seconds)
    signals = {f"signal.{i}": (list(range(points)), [0.1 * each for each in range(points)]) for i in range(7)}
    return [Record(trial=trial, signals=signals) for trial in batch.trials]
