"""What a run of very many batches costs beside its training: a real run, whose executor makes records up.

    python -m tests.benchmarks.bench_scale 1000 10000 100000        # batches of one trial
    python -m tests.benchmarks.bench_scale 1000 10000 --members 10  # of ten trials each
    python -m tests.benchmarks.bench_scale --workers 1 2 4 16       # what workers cost the driver

Plan, driver, display, store, resumed run and tables are the real ones; `synthetic_executor` stands in for workers. For
each number of batches it prints the seconds, the memory and the disk that they took, each in a process of its own. From
three sizes on, it predicts the largest by a straight line through the others. Seconds are the processor's, but where it
says wall.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from ganbench import Work, plan, registry
from ganbench.api.events import Finished
from ganbench.progress.live import LiveDisplay
from ganbench.runner.driver import run_events
from ganbench.runner.execution import open_events
from ganbench.runner.phases import PhaseTimer
from ganbench.runner.settings import Settings
from rich.console import Console

from tests.benchmarks.bench_growth import MEASURE, TABLES
from tests.benchmarks.contenders import run_together
from tests.support.executor_work import answer
from tests.support.large_results import ask

EXECUTOR = Path(__file__).with_name("synthetic_executor.py")
ARCHITECTURES, METHODS = 50, 2
PARTS = 10
"""Parts of a run whose seconds for each batch are compared."""
RATIOS = ("driver, last tenth / first", "driver, ms a batch", "driver, wall ms a batch")
"""Figures that do not grow with the number of batches, unless something is wrong."""
ONCE = """
from tests.benchmarks.bench_scale import simulate
print(__import__("json").dumps(simulate(*{0!r}, **{1!r})))
"""


class TwoClocks(PhaseTimer):
    """The phases of a run by processor time of this process, and in `wall` by the clock."""

    def __init__(self) -> None:
        super().__init__(now=time.process_time)
        self.wall = PhaseTimer()

    def enter(self, phase: str) -> str:
        self.wall.enter(phase)
        return super().enter(phase)

    def read(self) -> tuple[float, float]:
        """Return the seconds of storing and all that follows so far: of the processor, and by the clock."""
        self.enter(self.current)
        cpu, wall = (timer.seconds["store"] + timer.seconds["other"] for timer in (self, self.wall))
        return cpu, wall


def simulate(
    folder: str, batches: int, members: int = 1, points: int = 201, generator: int = 22_000, only: str = ""
) -> dict[str, Any]:
    """Run so many batches without training into a folder, or those that `only` selects; return what it took, by name.

    A folder that holds all of them already is a resumed run.
    """
    suite = ask(ARCHITECTURES, batches * members // (ARCHITECTURES * METHODS), together=members)
    options = {"points": points, "generator": generator, "folder": folder}
    settings = Settings(
        results=folder,
        files=(str(EXECUTOR),),
        executor="synthetic",
        executor_options=options,
        only=(only,) if only else (),
    )
    timer, began, done, stored = TwoClocks(), time.monotonic(), 0, 0
    marks: list[tuple[float, float]] = []
    timer.enter("other")
    with Path(os.devnull).open("w") as nowhere, LiveDisplay(Console(file=nowhere)) as display:
        for session, event in run_events(suite, settings, display.on_progress, timer, display.on_planning):
            if event is None:
                display.on_plan(session)
                every = max(1, len(session.todo.batches) // PARTS)
                continue
            display.on_event(session, event)
            if isinstance(event, Finished):
                if done % every == 0:  # the first time after the first batch, so without imports
                    marks.append(timer.read())
                done, stored = done + 1, stored + len(event.records)
    parts = 1000 * np.diff(marks, axis=0) / every if marks else np.zeros((1, 2))
    milliseconds, wall = parts.mean(axis=0).tolist()
    own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "batches": done,
        "trials": stored,
        "planned": len(session.plan.trials),
        "plan": timer.seconds["plan"] + others.ru_utime + others.ru_stime,
        "plan, wall": timer.wall.seconds["plan"],
        "calibrate": timer.seconds["calibrate"],
        "driver": milliseconds / 1000 * done,
        "driver, wall": wall / 1000 * done,
        "parts": parts[:, 0].tolist(),
        "whole run, wall": time.monotonic() - began,
        "run, GB": own.ru_maxrss / 2**20,
        "plan, GB": others.ru_maxrss / 2**20,
    }


def measure_folder(folder: Path) -> dict[str, float]:
    """Return the bytes of a results folder's database and of its generators, as they lie on the disk."""
    files = [file.stat() for file in os.scandir(folder / "networks")]
    return {
        "database, GB": (folder / "results.sqlite").stat().st_blocks * 512 / 1e9,
        "generators, GB": sum(each.st_blocks for each in files) * 512 / 1e9,
    }


def run_program(program: str) -> dict[str, Any]:
    """Return what a program prints as JSON in its last line, run in a process of its own."""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def measure_size(place: Path, batches: int, **options: int) -> dict[str, Any]:
    """Return what so many batches took: to run, to resume, to tabulate and to keep."""
    folder = str(place / f"{batches}")
    measured = run_program(ONCE.format((folder, batches), options))
    measured |= measure_folder(Path(folder))
    resumed = run_program(ONCE.format((folder, batches), options))
    assert measured["trials"] == measured["planned"] == resumed["planned"]
    assert resumed["batches"] == 0
    tables = run_program(TABLES.format(0, 0, folder) + MEASURE)
    assert tables["count"] == measured["planned"]
    measured["resume, wall"], measured["resume, GB"] = resumed["whole run, wall"], resumed["run, GB"]
    measured["tables"], measured["tables, GB"] = tables["cpu"], tables["gigabytes"]
    parts, _, _ = (measured.pop(name) for name in ("parts", "batches", "planned"))
    measured["driver, last tenth / first"] = parts[-1] / parts[0]
    measured["driver, ms a batch"] = 1000 * measured["driver"] / batches
    measured["driver, wall ms a batch"] = 1000 * measured["driver, wall"] / batches
    return measured


def measure_merge(place: Path, batches: int, **options: int) -> dict[str, float]:
    """Return what it took to merge two folders that each have a half of so many batches: seconds for each trial."""
    halves = [str(place / f"{batches}-{method}") for method in ("ns-gan", "wgan-gp")]
    for half, method in zip(halves, ("ns-gan", "wgan-gp"), strict=True):
        run_program(ONCE.format((half, batches), {**options, "only": f"method={method}"}))
    words = [sys.executable, "-m", "ganbench", "merge", *halves, "--out", str(place / f"{batches}-merged")]
    usage, _ = run_together([words], None)
    trials = batches * options["members"]
    return {"merge, CPU": usage.processor / trials, "wall": usage.wall / trials, "GB": usage.memory / 2**30}


def predict(sizes: Sequence[int], values: Sequence[float], size: int) -> float:
    """Return the value of a size on the straight line through those of the others."""
    slope, start = np.polyfit(sizes, values, 1)
    return float(start + slope * size)


def describe(measured: Mapping[int, Mapping[str, Any]]) -> str:
    """Return the figures of all sizes as a table in Markdown, with the prediction of the largest from three on."""
    *fitted, largest = sorted(measured)
    heads = [*map(str, [*fitted, largest]), *(["predicted"] if len(fitted) > 1 else [])]
    lines = [["batches", *heads], ["---"] * (len(heads) + 1)]
    for name in measured[largest]:
        values = [float(measured[size][name]) for size in (*fitted, largest)]
        cells = [f"{value:.4g}" for value in values]
        if len(fitted) > 1:
            cells.append("" if name in RATIOS else f"{predict(fitted, values[:-1], largest):.4g}")
        lines.append([name, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def measure_workers(workers: int, seconds: float, batches: int = 300) -> float:
    """Return what a batch of one trial costs this process to send to one of the workers, and to get records of.

    `seconds` pass between two batches that end: their work is to wait, so that even two cores have many workers.
    """
    plugins = registry.load()
    planned = plan.make(ask(1, batches // METHODS, together=1), plugins).batches
    work = Work(partial(answer, seconds=seconds * workers, points=201))
    with open_events(plugins.build("executors", "local", {"jobs": workers}), work, planned) as events:
        ended = (event for event in events if isinstance(event, Finished))
        for _ in islice(ended, 2 * workers):  # all of them have started
            pass
        began = time.process_time()
        count = sum(1 for _ in ended)
        return (time.process_time() - began) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("batches", nargs="*", type=int, help="a multiple of 100")
    parser.add_argument("--members", type=int, default=1, help="trials of each batch")
    parser.add_argument("--points", type=int, default=201, help="values of each of the seven signals of a trial")
    parser.add_argument("--generator", type=int, default=22_000, help="bytes of each generator")
    parser.add_argument("--place", help="where the results folders are made, and kept")
    parser.add_argument("--merge", nargs="*", type=int, default=[], help="batches of two folders that are merged")
    parser.add_argument("--workers", nargs="*", type=int, default=[], help="numbers of workers to measure")
    given = parser.parse_args()
    cells = ARCHITECTURES * METHODS
    for n in (*given.batches, *given.merge):
        if n <= 0 or n % cells:
            parser.error(f"{n} batches: give a multiple of {cells}, so that each architecture and method has one.")
    options = {"members": given.members, "points": given.points, "generator": given.generator}
    with tempfile.TemporaryDirectory() as place:
        kept = Path(given.place or place)
        measured = {}
        for n in given.batches:
            measured[n] = measure_size(kept, n, **options)
            sys.stderr.write(f"{n} batches: {json.dumps(measured[n])}\n")
        if measured:
            sys.stdout.write(describe(measured) + "\n")
        for n in given.merge:
            merged = measure_merge(kept, n, **options)
            text = ", ".join(f"{name} {1000 * value:.2f} ms a trial" for name, value in list(merged.items())[:2])
            sys.stdout.write(f"{n} batches in two folders: {text}, {merged['GB']:.2f} GB\n")
    for workers in given.workers:
        milliseconds = 1000 * median(measure_workers(workers, 0.01) for _ in range(3))
        sys.stdout.write(f"{workers} workers: {milliseconds:.2f} CPU ms of the driver a batch\n")


if __name__ == "__main__":
    main()
