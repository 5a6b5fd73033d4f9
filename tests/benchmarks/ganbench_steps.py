"""Train one batch of ganbench on one thread, and say what its generator steps take, without start-up and recording.

    python -m tests.benchmarks.ganbench_steps wgan-gp --seeds 16 --steps 100

After some first steps, in which the updates are recorded, it trains `steps` generator steps for each line that it
reads, and says what they took.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from typing import Any

import torch
from ganbench import plan, registry, suite
from ganbench.api.trials import Batch
from ganbench.engine.train import prepare

FIRST = 20
"""Generator steps that no answer counts: they count operations, record, and compare."""


def make_batch(plugins: registry.Registry, method: str, seeds: int, width: int, rows: int, form: str = "") -> Batch:
    """Return the batch of all seeds of a method on the ring, with `mlp` of this width and the method's own settings.

    `form` is "stack" or "loop"; "" is what a plan chooses.
    """
    table: dict[str, Any] = {
        "question": "What does a step take?",
        "seeds": seeds,
        "methods": [method],
        "budget": {"generator_steps": 10_000, "batch_size": rows, "snapshots": 1},
        "architectures": {"space": "mlp", "options": {"generator_width": width, "critic_width": width}},
        "dataset": [{"name": "ring"}],
    }
    batches = plan.make(suite.parse(table), plugins).batches
    trials = tuple(trial for batch in batches for trial in batch.trials)  # a plan of so few shares them out to workers
    return replace(batches[0], trials=trials, mode=form or batches[0].mode)


class Meter:
    """Called after each generator step: it stops the training after each block of steps, until it is asked for more."""

    def __init__(self, block: int) -> None:
        self.block, self.end = block, FIRST
        self.wall = self.processor = 0.0

    def __call__(self, step: int, steps: int) -> None:
        if step < self.end:
            return
        if step > FIRST:
            self.answer(wall=time.perf_counter() - self.wall, processor=time.process_time() - self.processor)
        else:
            self.answer(threads=torch.get_num_threads())
        if not sys.stdin.readline():
            sys.exit()
        self.end += self.block
        self.wall, self.processor = time.perf_counter(), time.process_time()

    def answer(self, **numbers: float) -> None:
        sys.stdout.write(json.dumps(numbers) + "\n")
        sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method")
    for name, number in {"seeds": 16, "width": 64, "rows": 64, "steps": 100}.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--form", choices=["stack", "loop"], default="")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    plugins = registry.load()
    batch = make_batch(plugins, asked.method, asked.seeds, asked.width, asked.rows, asked.form)
    for _ in prepare(batch, plugins, torch.device("cpu")).run(Meter(asked.steps)):
        pass


if __name__ == "__main__":
    main()
