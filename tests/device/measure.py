"""Measure the engine on one GPU, beside one thread of the CPU: the tables of docs/gpu.md.

    tests/device/run                  # the tests on the GPU, and these tables
    python -m tests.device.measure

Times are medians of several rounds, each of which waits for the device.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from statistics import median

import torch
from ganbench import plan, registry, suite
from ganbench.api.trials import Batch, Mode
from ganbench.engine import device as devices
from ganbench.engine.train import Training, prepare

METHODS, FORMS = ("ns-gan", "wgan-gp"), ("stack", "loop")
GPU, CPU = torch.device("cuda"), torch.device("cpu")
ROUNDS, LEAST = 5, 0.2
"""Rounds of each measurement, and the least seconds of a round."""

REPEATED_STEPS = 150
"""Generator steps of a training that is repeated: enough for steps to be recorded and replayed."""

SUITES = {"smoke": 1, "toy": 4}
"""Shipped suites that are run whole on the GPU, and the workers that share it."""


def make_batch(
    method: str, seeds: int, space: str, dataset: str, rows: int, form: Mode = "stack", precision: str = "float32"
) -> Batch:
    """Return one batch of all seeds of a method."""
    table = {
        "question": "How fast is it?",
        "seeds": seeds,
        "methods": [method],
        "budget": {"generator_steps": 5000, "batch_size": rows, "snapshots": 1},
        "architectures": {"space": space},
        "dataset": [{"name": dataset}],
        "engine": {"memory": "60 GiB", "precision": precision},
    }
    batches = plan.make(suite.parse(table), registry.load()).batches
    return replace(batches[0], trials=tuple(trial for batch in batches for trial in batch.trials), mode=form)


def time_steps(training: Training) -> float:
    """Return the milliseconds of a generator step with its critic steps."""
    stage = training.begin_stage(0)

    def train(count: int) -> float:
        devices.synchronize(training.device)
        began = time.perf_counter()
        for _ in range(count):
            training.train_step(stage.done, stage.game, stage.inputs)
            stage.done += 1
        devices.synchronize(training.device)
        return (time.perf_counter() - began) / count

    train(5)  # builds kernels, and records the steps
    count = max(1, round(LEAST / train(2)))
    return 1000 * median(train(count) for _ in range(ROUNDS))


def measure_stacks() -> Iterator[str]:
    """Yield the rows of the table of stacks: perceptrons on the ring, as many seeds as one program trains."""
    yield "| method | seeds | CPU, ms a step | GPU, ms a step | CPU / GPU | GPU, steps of seeds a second |"
    yield "|---|---|---|---|---|---|"
    plugins = registry.load()
    for method in METHODS:
        for seeds in (1, 16, 64, 256):
            batch = make_batch(method, seeds, "mlp", "ring", 256)
            gpu = time_steps(prepare(batch, plugins, GPU))
            cpu = time_steps(prepare(batch, plugins, CPU)) if seeds <= 16 else math.nan
            yield f"| {method} | {seeds} | {cpu:.1f} | {gpu:.2f} | {cpu / gpu:.1f} | {1000 * seeds / gpu:,.0f} |"


def measure_convolutions() -> Iterator[str]:
    """Yield the rows of the table of forms and precisions: DCGAN's networks on 32 pixels and three channels."""
    yield "| method | seeds | form | precision | ms a step | images a second | peak, MB |"
    yield "|---|---|---|---|---|---|---|"
    plugins, rows = registry.load(), 64
    for method in METHODS:
        for seeds, form in product((1, 4, 16), FORMS):
            for precision in ("float32", "tf32", "bf16"):
                torch.cuda.reset_peak_memory_stats()
                ms = time_steps(
                    prepare(make_batch(method, seeds, "dcgan", "shapes", rows, form, precision), plugins, GPU)
                )
                peak = torch.cuda.max_memory_allocated() / 2**20
                speed = 1000 * seeds * rows / ms
                yield f"| {method} | {seeds} | {form} | {precision} | {ms:.1f} | {speed:,.0f} | {peak:,.0f} |"
                devices.free_cached_memory()


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
    yield "| suite | workers | seconds | exit status |"
    yield "|---|---|---|---|"
    for name, workers in SUITES.items():
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            order = ["run", f"suites/{name}.toml", "--device", "cuda", "--jobs", str(workers), "--results", folder]
            done = subprocess.run([sys.executable, "-m", "ganbench", *order], capture_output=True, text=True)
            yield f"| {name} | {workers} | {time.perf_counter() - began:.0f} | {done.returncode} |"
            if done.returncode:
                raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "Seeds in one stack": measure_stacks,
    "Convolutional networks": measure_convolutions,
    "Repeats": measure_repeats,
    "Suites": measure_suites,
}


def show(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Print every table; a table that fails does not keep the next from being measured."""
    torch.set_num_threads(1)
    devices.configure("cuda")
    day = datetime.now(UTC).date()
    show(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, CUDA {torch.version.cuda}, {day}")
    failed = 0
    for title, measure in TABLES.items():
        show(f"\n## {title}\n")
        try:
            for row in measure():
                show(row)
        except Exception as error:
            failed = 1
            show(f"\nFAILED: {type(error).__name__}: {error}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
