"""Where the time of a generator step goes on one thread of a CPU: torch's operations, their time and their speed.

    python -m tests.benchmarks.profile_step wgan-gp --width 64 --rows 64 --seeds 16
    python -m tests.benchmarks.profile_step wgan-gp --shapes --top 20

The steps are those of a real training on the ring, once they are recorded. First they are timed as they are; then as
many with a clock around each operation. Columns: calls in a step, ms of processor time (without that of the clock),
their share of a step as it was timed at first, microseconds of a call, and for products the share of the matrix peak of
this thread, by the operations that ran (a record counts those of the same step before it was simplified). The last row
is what is left: Python between operations, and kernels that are no operations of torch's.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections import defaultdict
from dataclasses import dataclass
from time import thread_time
from typing import Any

import torch
from ganbench import registry
from ganbench.engine.train import prepare
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from tests.benchmarks.ganbench_steps import FIRST, make_batch


@dataclass
class Sum:
    """Calls of one operation, their seconds, and their floating-point operations."""

    calls: int = 0
    seconds: float = 0.0
    flops: int = 0


class OperationClock(TorchDispatchMode):
    """Adds up the processor time of each operation, by its name and, with `shapes`, those of its arguments."""

    def __init__(self, shapes: bool) -> None:
        super().__init__()
        self.shapes, self.sums = shapes, defaultdict(Sum)
        self.own = 0.0
        self.own = self.measure_own()

    def measure_own(self, times: int = 2000) -> float:
        """Return the seconds that the clock adds to an operation."""
        x, operation = torch.zeros(1), torch.ops.aten.neg.default._op
        began = thread_time()
        for _ in range(times):
            operation(x)
        direct = thread_time() - began
        with self:
            for _ in range(times):
                operation(x)
        (timed,) = self.sums.values()
        self.sums.clear()
        return max(0.0, timed.seconds - direct) / times

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        began = thread_time()
        out = func(*args, **kwargs)
        took = thread_time() - began - self.own
        name = func._schema.name.removeprefix("aten::")
        if self.shapes:
            name += " " + " ".join(str(list(each.shape)) for each in args if isinstance(each, Tensor))
        total = self.sums[name]
        total.calls += 1
        total.seconds += took
        if (formula := flop_registry.get(func._overloadpacket)) is not None:
            total.flops += formula(*args, **kwargs, out_val=out)
        return out


class Done(Exception):
    """Enough steps were profiled."""


class Profiler:
    """Called after each generator step: times `steps` of them as they are, then as many by operations."""

    def __init__(self, clock: OperationClock, steps: int) -> None:
        self.clock, self.steps, self.began, self.seconds = clock, steps, 0.0, 0.0

    def __call__(self, step: int, _: int) -> None:
        if step == FIRST:
            self.began = thread_time()
        elif step == FIRST + self.steps:
            self.seconds = (thread_time() - self.began) / self.steps
            self.clock.__enter__()
        elif step == FIRST + 2 * self.steps:
            self.clock.__exit__(None, None, None)
            raise Done


def measure_peak(size: int = 1024, times: int = 30) -> float:
    """Return the floating-point operations a second of this thread in a large product of matrices."""
    a, b, best = torch.randn(size, size), torch.randn(size, size), float("inf")
    for _ in range(times):
        began = thread_time()
        torch.mm(a, b)
        best = min(best, thread_time() - began)
    return 2 * size**3 / best


def format_table(sums: dict[str, Sum], steps: int, whole: float, peak: float, top: int) -> str:
    """Return the longest operations as Markdown, then all others together, and what is left of a step."""
    longest = sorted(sums.items(), key=lambda item: item[1].seconds, reverse=True)
    others = [total for _, total in longest[top:]]
    shown = [*longest[:top], ("other operations", add(others))] if others else longest
    every = add([total for _, total in longest])
    shown += [("all operations", every), ("the rest", Sum(0, steps * whole - every.seconds))]
    lines = ["| operation | calls | ms | share | us a call | of the peak |", "|---|---|---|---|---|---|"]
    for name, total in shown:
        per_call = f"{1e6 * total.seconds / total.calls:.1f}" if total.calls else ""
        of_peak = f"{total.flops / total.seconds / peak:.0%}" if total.flops else ""
        share, ms = total.seconds / (steps * whole), 1000 * total.seconds / steps
        lines.append(f"| {name} | {total.calls / steps:.1f} | {ms:.3f} | {share:.1%} | {per_call} | {of_peak} |")
    return "\n".join(lines)


def add(sums: list[Sum]) -> Sum:
    return Sum(*(sum(getattr(each, name) for each in sums) for name in ("calls", "seconds", "flops")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method")
    for name, number in {"seeds": 16, "width": 64, "rows": 64, "steps": 50, "top": 15}.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--shapes", action="store_true", help="tell operations apart by the shapes of their arguments")
    parser.add_argument("--form", choices=["stack", "loop"], default="")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    plugins = registry.load()
    batch = make_batch(plugins, asked.method, asked.seeds, asked.width, asked.rows, asked.form)
    peak, clock = measure_peak(), OperationClock(asked.shapes)
    profiler = Profiler(clock, asked.steps)
    with contextlib.suppress(Done):
        list(prepare(batch, plugins, torch.device("cpu")).run(profiler))
    whole = profiler.seconds
    of_peak = add(list(clock.sums.values())).flops / asked.steps / whole / peak
    sys.stdout.write(
        f"{asked.method}, 3x{asked.width}, batch {asked.rows}, {asked.seeds} seeds: {1000 * whole:.2f} ms of processor "
        f"time for a step of all, {of_peak:.0%} of {peak / 1e9:.0f} GFLOP/s\n\n"
    )
    sys.stdout.write(format_table(clock.sums, asked.steps, whole, peak, asked.top) + "\n")


if __name__ == "__main__":
    main()
