"""Measure the engine on one GPU and on one thread of the CPU: tables of docs/background/gpu.md, in ten minutes.

    python -m tests.device.measure [TITLE ...]

Times are medians of several rounds, each of which waits for the device.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import product
from statistics import median
from typing import Any

import torch
from ganbench import plan, registry, suite
from ganbench.api.trials import Batch, Mode, Precision
from ganbench.engine import device as devices
from ganbench.engine.train import Training, prepare
from torch.autograd import DeviceType  # type: ignore[attr-defined]
from torch.profiler import ProfilerActivity, profile

METHODS = ("ns-gan", "wgan-gp")
SEEDS, IMAGE_SEEDS = (1, 16, 64, 256), (1, 4, 16)
FORMS: tuple[Mode, ...] = ("stack", "loop")
CASES: tuple[tuple[Mode, Precision], ...] = (
    ("stack", "float32"),
    ("loop", "float32"),
    ("stack", "tf32"),
    ("stack", "bf16"),
)
"""The forms and precisions in which convolutional networks are measured."""

GPU, CPU = torch.device("cuda"), torch.device("cpu")
ROUNDS, LEAST, MOST = 5, 0.2, 3.0
"""Rounds of each measurement, the least seconds of a round, and the seconds after which no further round begins."""

REPEATED_STEPS = 40
"""Generator steps of a training that is repeated. Steps are replayed from the third on, and captured from the sixth."""

SUITES = (("smoke", "cpu", 1), ("smoke", "cuda", 1), ("toy", "cuda", 4))
"""Shipped suites that are run whole, where, and the workers that share the device."""

PATIENCE = 600
"""The seconds that a suite may take."""


def make_batch(
    method: str,
    seeds: int,
    space: str,
    dataset: str,
    rows: int,
    form: Mode = "stack",
    precision: Precision = "float32",
    options: Mapping[str, Any] | None = None,
) -> Batch:
    """Return one batch of all seeds of a method, whose networks are those of a space with these options."""
    table = {
        "question": "How fast is it?",
        "seeds": seeds,
        "methods": [method],
        "budget": {"generator_steps": 5000, "batch_size": rows, "snapshots": 1},
        "architectures": {"space": space, "options": options or {}},
        "dataset": [{"name": dataset}],
        "engine": {"memory": "60 GiB", "precision": precision, "together": max(33, seeds)},
    }
    (batch,) = plan.make(suite.parse(table), registry.load()).batches
    return replace(batch, mode=form)


@dataclass(frozen=True, kw_only=True)
class Speed:
    """The milliseconds of a generator step with its critic steps; its kernels, and the milliseconds that any runs."""

    ms: float
    kernels: float = math.nan
    busy_ms: float = math.nan

    @property
    def busy(self) -> str:
        """The kernels of a step, and the share of its time in which any runs, as two cells."""
        return f"{self.kernels:,.0f} | {100 * self.busy_ms / self.ms:.0f}%"


def time_steps(training: Training, *others: Training) -> Speed:
    """Return how fast a training steps once its steps are replayed; if there are others, all in turns.

    Several have a stream each: a step is one of each of them.
    """
    trainings = (training, *others)
    beside = others and training.device.type == "cuda"
    streams = [torch.cuda.stream(torch.cuda.Stream()) if beside else nullcontext() for _ in trainings]
    stages = []
    devices.synchronize(training.device)
    for each, stream in zip(trainings, streams, strict=True):
        with stream:
            stages.append(each.begin_stage(0))

    def train(count: int) -> float:
        devices.synchronize(training.device)
        began = time.perf_counter()
        with devices.products_in(training.program.precision, training.device):
            for _, (each, stage, stream) in product(range(count), list(zip(trainings, stages, streams, strict=True))):
                with stream:
                    each.train_step(stage.done, stage.game, stage.inputs)
                stage.done += 1
        devices.synchronize(training.device)
        return (time.perf_counter() - began) / count

    train(10)  # builds kernels, records the steps, and captures them
    count, rounds = max(1, round(LEAST / train(2))), list[float]()
    while len(rounds) < ROUNDS and sum(rounds) * count < MOST:
        rounds.append(train(count))
    if training.device.type == "cpu":
        return Speed(ms=1000 * median(rounds))
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as profiled:
        train(steps := min(5, count))
    ranges = [event.time_range for event in profiled.events() if event.device_type == DeviceType.CUDA]
    busy, last = 0.0, -math.inf
    for one in sorted(ranges, key=lambda one: one.start):  # cuDNN lets kernels run beside each other
        busy, last = busy + max(0.0, one.end - max(one.start, last)), max(one.end, last)
    return Speed(ms=1000 * median(rounds), kernels=len(ranges) / steps, busy_ms=busy / 1000 / steps)


def measure_stacks() -> Iterator[str]:
    """Yield the rows of the table of stacks: perceptrons on the ring, as many seeds as one program trains."""
    yield "| method | seeds | ms a step | steps of seeds a second | kernels | GPU works | captured |"
    yield "|---|---|---|---|---|---|---|"
    plugins = registry.load()
    for method, seeds in product(METHODS, SEEDS):
        training = prepare(make_batch(method, seeds, "mlp", "ring", 256), plugins, GPU)
        speed = time_steps(training)
        cells = f"{speed.ms:.2f} | {1000 * seeds / speed.ms:,.0f} | {speed.busy} | {describe_graphs(training)}"
        yield f"| {method} | {seeds} | {cells} |"


def measure_beside_cpu() -> Iterator[str]:
    """Yield the rows of the table of stacks on one thread of the CPU and on the GPU."""
    yield "| method | seeds | CPU, ms a step | GPU, ms a step | CPU / GPU |"
    yield "|---|---|---|---|---|"
    plugins = registry.load()
    for method, seeds in product(METHODS, SEEDS[:-1]):
        batch = make_batch(method, seeds, "mlp", "ring", 256)
        cpu, gpu = (time_steps(prepare(batch, plugins, place)).ms for place in (CPU, GPU))
        yield f"| {method} | {seeds} | {cpu:.1f} | {gpu:.2f} | {cpu / gpu:.1f} |"


def measure_streams() -> Iterator[str]:
    """Yield the rows of the table of batches side by side in one process, each on a stream of its own."""
    yield "| method | seeds of a batch | batches | ms a step of each | steps of seeds a second | kernels | GPU works |"
    yield "|---|---|---|---|---|---|---|"
    plugins = registry.load()
    for method, seeds, count in product(METHODS, SEEDS[:2], (1, 2, 4)):
        batch = make_batch(method, seeds, "mlp", "ring", 64)
        speed = time_steps(*(prepare(batch, plugins, GPU) for _ in range(count)))
        cells = f"{speed.ms:.2f} | {1000 * seeds * count / speed.ms:,.0f} | {speed.busy}"
        yield f"| {method} | {seeds} | {count} | {cells} |"


def measure_convolutions() -> Iterator[str]:
    """Yield the rows of the table of forms and precisions: DCGAN's networks on 32 pixels and three channels."""
    kinds = "method | seeds | form | precision"
    yield f"| {kinds} | ms a step | images a second | kernels | GPU works | peak, MB | captured |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    plugins, rows = registry.load(), 64
    for method, seeds, (form, precision) in product(METHODS[::-1], IMAGE_SEEDS, CASES):
        torch.cuda.reset_peak_memory_stats()
        training = prepare(make_batch(method, seeds, "dcgan", "shapes", rows, form, precision), plugins, GPU)
        speed = time_steps(training)
        peak = torch.cuda.max_memory_allocated() / 2**20
        cells = f"{speed.ms:.1f} | {1000 * seeds * rows / speed.ms:,.0f} | {speed.busy} | {peak:,.0f}"
        yield f"| {method} | {seeds} | {form} | {precision} | {cells} | {describe_graphs(training)} |"
        del training
        devices.free_cached_memory()


def describe_graphs(training: Training) -> str:
    """Return whether all updates were captured, and why not."""
    reasons = training.facts.get("not_captured", {"both": "called"})
    return "yes" if training.facts.get("captured") else "; ".join(f"{who}: {why}" for who, why in reasons.items())


def measure_repeats() -> Iterator[str]:
    """Yield the rows of the table of repeats: whether two trainings of the same batch end at the same bits."""
    yield "| method | networks | form | equal bits | largest difference of a weight |"
    yield "|---|---|---|---|---|"
    plugins = registry.load()
    for method, space, form in product((*METHODS, "hinge-sn"), ("mlp", "dcgan"), FORMS):
        batch, ends = make_batch(method, 3, space, "digits", 64, form), []
        for _ in range(2):
            training = prepare(batch, plugins, GPU)
            stage = training.begin_stage(0)
            for t in range(REPEATED_STEPS):
                training.train_step(t, stage.game, stage.inputs)
            ends.append({name: p.clone() for name, p in stage.game.ensemble.detached["generator"].items()})
        first, second = ends
        equal = "yes" if all(torch.equal(first[name], second[name]) for name in first) else "no"
        difference = max(float((first[name] - second[name]).abs().max()) for name in first)
        yield f"| {method} | {space} | {form} | {equal} | {difference:.1e} |"


def measure_suites() -> Iterator[str]:
    """Yield the rows of the table of whole suites: training, evaluation and tables."""
    yield "| suite | device | workers | seconds | exit status |"
    yield "|---|---|---|---|---|"
    for name, place, workers in SUITES:
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            order = ["run", f"suites/{name}.toml", "--device", place, "--jobs", str(workers), "--results", folder]
            command = [sys.executable, "-m", "ganbench", *order]
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
            yield f"| {name} | {place} | {workers} | {time.perf_counter() - began:.0f} | {done.returncode} |"
            if done.returncode:
                raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "Seeds in one stack": measure_stacks,
    "Beside a CPU": measure_beside_cpu,
    "Batches on streams": measure_streams,
    "Repeats": measure_repeats,
    "Suites": measure_suites,
    "Convolutional networks": measure_convolutions,
}


def show(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(titles: Sequence[str]) -> int:
    """Print the tables of these titles, or all; one that fails does not keep the next from being measured."""
    torch.set_num_threads(1)
    devices.configure("cuda")
    day = datetime.now(UTC).date()
    show(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, CUDA {torch.version.cuda}, {day}")
    failed = 0
    for title, measure in TABLES.items():
        if titles and title not in titles:
            continue
        show(f"\n## {title}\n")
        try:
            for row in measure():
                show(row)
        except Exception as error:
            failed = 1
            show(f"\nFAILED: {type(error).__name__}: {error}")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
