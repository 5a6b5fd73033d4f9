"""What the executors' tests give workers to do: tiny works in a module that a spawned process can import."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ganbench.api.records import Record
from ganbench.api.trials import Batch, Budget, Measurement, Part, Recipe, Trial

Report = Callable[[int, int], None]


def batch(name: str) -> Batch:
    """Make a batch of one trial that people call by this name."""
    part = Part("any")
    recipe = Recipe(loss=part, dynamics=part, critic_optimizer=part, generator_optimizer=part)
    budget = Budget(generator_steps=1, batch_size=1, snapshots=(1,))
    labels = {"method": name, "dataset": "none", "architecture": "none"}
    trial = Trial(dataset=part, architecture=part, spec={}, recipe=recipe, seed=0, budget=budget, labels=labels)
    return Batch(trials=(trial,), mode="loop", measurement=Measurement(metrics=()))


def name(batch: Batch) -> str:
    """Give the name that a batch was made with."""
    return batch.trials[0].labels["method"]


def answer(batch: Batch, **facts: Any) -> list[Record]:
    """Give the one record of a batch, with what its worker found out."""
    return [Record(trial=batch.trials[0], facts=facts)]


def three_steps(batch: Batch, report: Report) -> list[Record]:
    """Report three steps, quickly."""
    for step in (1, 2, 3):
        report(step, 3)
    return answer(batch, process=os.getpid())


def raise_if_bad(batch: Batch, report: Report) -> list[Record]:
    """Raise for the batch named bad."""
    if name(batch) == "bad":
        raise ValueError("no such luck")
    return answer(batch)


def act_if_bad(act: Callable[[], None], batch: Batch, report: Report) -> list[Record]:
    """Complain on stderr, then do something terrible, for the batch named bad."""
    if name(batch) == "bad":
        os.write(2, b"a library complains\n")
        act()
    return answer(batch)


exits = partial(act_if_bad, partial(os._exit, 3))
exits_well = partial(act_if_bad, partial(os._exit, 0))
leaves = partial(act_if_bad, sys.exit)
segfaults = partial(act_if_bad, partial(ctypes.string_at, 0))


def kill_me() -> None:
    """Die as the kernel kills who takes too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_the_first_time(sign: str) -> None:
    """Die, unless another has died here before."""
    if not Path(sign).exists():
        Path(sign).touch()
        kill_me()


is_killed = partial(act_if_bad, kill_me)
oversleeps = partial(act_if_bad, partial(time.sleep, 60))


def unpicklable(batch: Batch, report: Report) -> list[Any]:
    """Give what cannot travel back."""
    return [lambda: None]


class Treacherous(Exception):
    """An exception that pickles but cannot be rebuilt."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("treachery")


def raise_treacherous(batch: Batch, report: Report) -> list[Record]:
    """Raise what would break the pool if it travelled."""
    raise Treacherous(1, 2)


def threads(batch: Batch, report: Report) -> list[Record]:
    """Find out how many threads torch takes."""
    import torch

    return answer(batch, threads=torch.get_num_threads())


def meet(folder: str, batch: Batch, report: Report) -> list[Record]:
    """Leave a sign, and wait until another worker has left one too."""
    Path(folder, name(batch)).touch()
    deadline = time.monotonic() + 20
    while len(list(Path(folder).iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    return answer(batch, met=len(list(Path(folder).iterdir())))


def sleep(batch: Batch, report: Report) -> list[Record]:
    """Tell its process's number as a step, then do nothing for a minute."""
    report(os.getpid(), 1 << 30)
    time.sleep(60)
    return answer(batch)
