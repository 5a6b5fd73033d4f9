"""What a trial costs beside its training, from few trials to many: it should not grow with their number.

    python -m tests.benchmarks.bench_trials 10 100 1000

Each trial is an architecture of its own on the ring, with ten generator steps of ns-gan, so nearly all of its time is
what surrounds a training: plan, building, evaluation, storing, tables. The time is the processor's, of the driver and
all workers, as the wall's would measure the neighbours. The run of one trial is subtracted, as the fixed cost.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.benchmarks.contenders import run_together

SUITE = """
question = "What does a trial cost beside its training?"
methods = ["ns-gan"]
[budget]
generator_steps = 10
batch_size = 16
snapshots = 1
[architectures]
space = "random-mlp"
sample = {count}
[architectures.options]
widths = [{widths}]
[measurement]
samples = 100
[[dataset]]
name = "ring"
"""


def processor_seconds(count: int, jobs: int = 1) -> float:
    """Return the processor time of a run of so many trials, with everything that it starts."""
    with tempfile.TemporaryDirectory() as folder:
        suite = Path(folder, "many.toml")
        suite.write_text(SUITE.format(count=count, widths=", ".join(map(str, range(8, 64)))))
        words = [sys.executable, "-m", "ganbench", "run", suite, "--jobs", jobs, "--results", Path(folder, "results")]
        usage, _ = run_together([words], None)
    return usage.processor


if __name__ == "__main__":
    fixed = processor_seconds(1)
    sys.stdout.write(f"one trial: {fixed:.2f} CPU s\n")
    for count in map(int, sys.argv[1:]):
        sys.stdout.write(f"{count} trials: {(processor_seconds(count) - fixed) / (count - 1):.4f} CPU s each\n")
