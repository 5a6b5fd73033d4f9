"""How busy one GPU is while `ganbench run` trains random architectures on it, with one, two and four workers.

    python -m tests.device.windows [FOLDER]      # writes FOLDER/windows.json, and all output to FOLDER/window-*.log

Each run is stopped after a fixed time, as by Ctrl-C; what it has done by then is measured. So a run that is slower than
expected is a number, and no failure.
"""

from __future__ import annotations

import ctypes
import json
import math
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import mean
from typing import Any

import psutil
from ganbench.runner.places import WORKERS_PER_GPU

from tests.device.measure import show

SUITE = """
question = "How busy is the GPU?"
seeds = {seeds}
methods = ["wgan-gp"]
budget = {{ generator_steps = {steps}, batch_size = 64, snapshots = 2 }}
architectures = {{ space = "random-mlp", sample = 40, seed = 1, options = {{ depths = [4], normalised = [false] }} }}
measurement = {{ samples = 2000 }}
engine = {{ together = 64 }}
[[dataset]]
name = "ring"
"""
"""More architectures than any window trains. All have as many operations a step, so that the windows compare."""

TARGET = 0.9
"""The share of the time in which a kernel should run, with the workers that a GPU has by default."""

PERIOD = 0.1
"""Seconds between two readings of how busy the GPU is."""

START, PATIENCE = 20.0, 10.0
"""Seconds until the first step, at most, and seconds that a run has to stop after a signal."""

TAIL = 3000
"""Characters at the end of each log that are reported."""

Read = Callable[[], float]
"""A function that returns the share of the last moments in which the GPU worked."""


@dataclass(frozen=True)
class Window:
    """One run: its workers, how long it trains from its first step on, and the generator steps of a trial."""

    workers: int
    seconds: float = 20.0
    steps: int = 1500
    seeds: int = 32
    profiled: bool = False


WINDOWS = (Window(1), Window(2), Window(4), Window(2, seconds=10.0, steps=300, profiled=True))
"""The last one is profiled: its clock waits for the GPU after each part, which makes the GPU less busy."""


def watch(window: Window, device: str, read: Read | None, log: Path | None = None) -> dict[str, Any]:
    """Run the suite in a window, and return what was done and how busy the device was.

    Whatever happens, the run is stopped, its output is written to `log`, and no process of it is left.
    """
    with tempfile.TemporaryDirectory() as folder:
        suite, results, output = Path(folder, "busy.toml"), Path(folder, "results"), Path(folder, "output")
        suite.write_text(SUITE.format(steps=window.steps, seeds=window.seeds))
        where = ["--device", device, "--jobs", str(window.workers), "--results", str(results), "--watch", "jsonl"]
        command = [sys.executable, "-m", "ganbench", "run", str(suite), *where, *["--profile"] * window.profiled]
        began, run_began = time.time(), time.monotonic()
        found: dict[str, Any] = {"workers": window.workers, "profiled": window.profiled}
        try:
            with output.open("w") as file, readings_of(read, run_began) as readings:
                run = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
                try:
                    found["ended_by_itself"] = wait_for_step(run, results) or wait(run, window.seconds)
                finally:
                    found["seconds"] = time.monotonic() - run_began
                    found |= stop(run)
        finally:
            text = join_logs(output, results)
            if log is not None:
                log.write_text(text)
        return found | describe_use(readings) | sum_events(list_events(results), window.steps, began) | {"output": text}


def wait(run: subprocess.Popen[Any], seconds: float) -> bool:
    """Return whether a run ended within so many seconds."""
    try:
        run.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def wait_for_step(run: subprocess.Popen[Any], results: Path) -> bool:
    """Wait for the first step of a run, START seconds at most; return whether the run has ended before."""
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and not any(event["event"] == "progress" for event in list_events(results)):
        if wait(run, PERIOD):
            return True
    return False


def stop(run: subprocess.Popen[Any]) -> dict[str, Any]:
    """Stop a run and whatever it has started; return its exit status, and how many of its processes were left."""
    started = []
    if run.poll() is None:
        started = psutil.Process(run.pid).children(recursive=True)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            run.send_signal(number)
            if wait(run, PATIENCE):
                break
    _, left = psutil.wait_procs(started, 2.0)
    for process in left:
        process.kill()
    return {"exit_status": run.returncode, "left": len(left)}


def join_logs(output: Path, results: Path) -> str:
    """Return the ends of what a run printed and of the logs of its workers."""
    files = [output, *sorted(results.glob("log/*.log"))]
    return "\n".join(f"== {file.name}\n{file.read_text(errors='replace')[-TAIL:]}" for file in files if file.exists())


@contextmanager
def readings_of(read: Read | None, began: float) -> Iterator[list[tuple[float, float]]]:
    """Take readings in a thread while the context lasts, as seconds since `began` and shares."""
    readings: list[tuple[float, float]] = []
    ended = threading.Event()

    def follow() -> None:
        while read is not None and not ended.wait(PERIOD):
            readings.append((time.monotonic() - began, read()))

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield readings
    finally:
        ended.set()
        thread.join()


def describe_use(readings: list[tuple[float, float]]) -> dict[str, Any]:
    """Return when the first kernel ran, and how busy the device was from then until the last one."""
    working = [i for i, (_, share) in enumerate(readings) if share > 0]
    if not working:
        return {"first_kernel": math.nan, "busy": math.nan, "readings": 0}
    between = readings[working[0] : working[-1] + 1]
    return {"first_kernel": between[0][0], "busy": mean(share for _, share in between), "readings": len(between)}


def list_events(results: Path) -> list[dict[str, Any]]:
    """Return the events of a run so far, which its watcher writes into the results folder."""
    file = results / "watch" / "jsonl" / "events.jsonl"
    whole = file.read_text().rpartition("\n")[0] if file.exists() else ""  # the last line may be half written
    return [json.loads(line) for line in whole.splitlines()]


@dataclass
class Done:
    """What a batch has done: its members, its last generator step, and the times of its first and last report."""

    members: int = 0
    step: int = 0
    first: float = math.nan
    last: float = math.nan

    def report(self, step: int, now: float) -> None:
        """Note a step that is done."""
        self.first = now if math.isnan(self.first) else self.first
        self.step, self.last = step, now


def sum_events(events: list[dict[str, Any]], steps: int, began: float) -> dict[str, Any]:
    """Return what a run has done: trials by status, and steps a second; a whole trial has so many `steps`.

    Steps count once for each seed, from the first report of a step to the last; times are seconds since `began`.
    """
    batches: dict[str, Done] = {}
    trials, work = Counter[str](), Counter[str]()
    for event in events:
        now = datetime.fromisoformat(event["time"]).timestamp() - began
        if event["event"] == "started":
            batches[event["batch"]] = Done(len(event["trials"]))
        elif event["event"] == "progress":
            batches[event["batch"]].report(event["step"], now)
        elif event["event"] == "trial":
            trials[event["status"]] += 1
            work.update(event["seconds"])
            batches[event["batch"]].report(steps, now)
    seen = [done for done in batches.values() if done.step]
    first, last = min((done.first for done in seen), default=math.nan), max((done.last for done in seen), default=0.0)
    total = sum(done.members * done.step for done in seen)
    return {
        "batches": len(batches),
        "trials": dict(trials),
        "first_step": first,
        "steps": total,
        "steps_per_second": total / (last - first) if seen and last > first else math.nan,
        "work": dict(work),
    }


class Utilization(ctypes.Structure):
    """NVML's `nvmlUtilization_t`: percents of the time in which a kernel ran, and in which memory was used."""

    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


def open_nvml(index: int, library: Any = None) -> Read:
    """Return the function that reads how busy a GPU is, as `nvidia-smi` does; raise OSError where there is none.

    The driver averages over its own last moments, which are up to a second.
    """
    nvml = library or ctypes.CDLL("libnvidia-ml.so.1")
    device, use = ctypes.c_void_p(), Utilization()

    def check(status: int) -> None:
        if status:
            raise OSError(f"NVML answers with error {status}")

    check(nvml.nvmlInit_v2())
    check(nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(device)))

    def read() -> float:
        check(nvml.nvmlDeviceGetUtilizationRates(device, ctypes.byref(use)))
        return use.gpu / 100

    read()
    return read


def describe(row: dict[str, Any]) -> str:
    """Return a result as a row of the table."""
    work = sum(row["work"].values())
    evaluated = f"{row['work'].get('evaluate', 0.0) / work:.0%} of the work is evaluation" if work else "no batch ended"
    state = f"{evaluated}; exit status {row['exit_status']}; {row['left']} processes left"
    workers = f"{row['workers']}{' (profiled)' if row['profiled'] else ''}"
    times = f"{row['first_kernel']:.1f} s | {row['first_step']:.1f} s"
    speed = f"{sum(row['trials'].values())} | {row['steps_per_second']:,.0f} | {row['busy']:.0%}"
    return f"| {workers} | {times} | {speed} | {state} |"


def succeeded(row: dict[str, Any]) -> bool:
    """Return whether a run trained until it was stopped in good order, and met the target if it is tested here."""
    tested = row["workers"] == WORKERS_PER_GPU and not row["profiled"]
    in_order = row["exit_status"] in (0, 128 + signal.SIGINT) and row["steps"] > 0 and not row["left"]
    return in_order and not row["trials"].get("failed") and (not tested or row["busy"] >= TARGET)


def main(folder: str = "", device: str = "cuda:0", *, windows: Sequence[Window] = WINDOWS) -> int:
    """Print the table, write the results after each row, and return the exit status."""
    read: Read | None = None
    try:
        read = open_nvml(int(device.partition(":")[2] or 0)) if device.startswith("cuda") else None
    except (OSError, AttributeError) as error:
        show(f"how busy the GPU is cannot be read: {error}")
    show("| workers | first kernel after | first step after | trials | steps of seeds a second | GPU works | |")
    show("|---|---|---|---|---|---|---|")
    rows: list[dict[str, Any]] = []
    for window in windows:
        name = f"window-{window.workers}{'-profiled' if window.profiled else ''}.log"
        row = watch(window, device, read, Path(folder, name) if folder else None)
        rows.append(row)
        show(describe(row))
        if window.profiled or not succeeded(row):
            show(row["output"])
        if folder:
            Path(folder, "windows.json").write_text(json.dumps({"device": device, "windows": rows}, indent=1))
    compared = [row for row in rows if not row["profiled"] and row["steps_per_second"] > 0]
    if compared:
        fastest = max(compared, key=lambda row: row["steps_per_second"])["workers"]
        show(f"most steps a second: with {fastest} workers; by default a GPU has {WORKERS_PER_GPU}")
    return 0 if all(map(succeeded, rows)) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
