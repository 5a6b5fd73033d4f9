"""How fast a GPU trains, beside a plain loop on the same GPU, in some 70 seconds: a table, and JSON.

    python -m tests.device.benchmark [FOLDER]      # writes FOLDER/benchmark.json

A case that fails is a row that says so, and the next one follows. The exit status is 0 if every target is met.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
from ganbench import registry
from ganbench.engine import device as devices
from ganbench.engine.random_streams import BLOCK_STEPS
from ganbench.engine.train import Training, prepare

from tests.device.measure import GPU, make_batch, show, time_steps
from tests.device.plain_loop import time_plain_loop


@dataclass(frozen=True)
class Case:
    """Networks and data of a comparison, and how many times as many trials an hour as the plain loop are wanted."""

    title: str
    method: str
    seeds: int
    rows: int
    target: float
    space: str = "mlp"
    dataset: str = "ring"
    options: dict[str, Any] = field(default_factory=dict)


CASES = (
    Case("3 x 64", "wgan-gp", 256, 64, 100.0, options={"generator_width": 64, "critic_width": 64}),
    Case("3 x 512", "wgan-gp", 64, 256, 30.0, options={"generator_width": 512, "critic_width": 512}),
    Case("dcgan 32 x 32", "ns-gan", 8, 64, 3.0, space="dcgan", dataset="shapes"),
    Case("dcgan 32 x 32", "wgan-gp", 8, 64, 3.0, space="dcgan", dataset="shapes"),
)
PLAIN_SECONDS = 4.0
"""The seconds for which a plain loop is timed."""

UNWAITED = BLOCK_STEPS + 1
"""Updates of the critic in which torch raises if anything waits for the GPU: so many that each stream draws again."""


def compare(case: Case) -> dict[str, Any]:
    """Return how long a step takes in ganbench and in a plain loop, and whether it is captured and never waits."""
    batch = make_batch(case.method, case.seeds, case.space, case.dataset, case.rows, options=case.options)
    plugins = registry.load()
    training = prepare(batch, plugins, GPU)
    torch.cuda.reset_peak_memory_stats()
    speed = time_steps(training)
    plain = time_plain_loop(training, case.method, case.rows, PLAIN_SECONDS)
    ratio = plain * case.seeds / speed.ms
    return {
        "plain_ms": plain,
        "ms": speed.ms,
        "ratio": ratio,
        "met": ratio >= case.target,
        "busy": speed.busy_ms / speed.ms,
        "kernels": speed.kernels,
        "peak_mb": torch.cuda.max_memory_allocated() / 2**20,
        "waits": find_wait(training),
        **training.facts,
    }


def find_wait(training: Training) -> str:
    """Return what waits for the GPU in some steps; "" if nothing does."""
    stage = training.stage
    assert stage is not None
    training.is_compared = lambda player, count: False  # type: ignore[method-assign]
    stage.game.is_compared = training.is_compared
    torch.cuda.set_sync_debug_mode("error")
    try:
        last = stage.game.updates["critic"] + UNWAITED
        while stage.game.updates["critic"] < last:
            training.set_progress(0.5, 0.5, stage.game.ensemble)
            training.train_step(stage.done, stage.game, stage.inputs)
            stage.done += 1
    except RuntimeError as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{str(error).partition(chr(10))[0]} ({place.filename}, line {place.lineno}: {place.line})"
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return ""


def measure() -> Iterator[dict[str, Any]]:
    """Yield the results, one after another."""
    for case in CASES:
        yield try_to(partial(compare, case)) | {
            "case": case.title,
            "method": case.method,
            "seeds": case.seeds,
            "target": case.target,
        }


def try_to(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what the work returns, or why it failed."""
    try:
        return work()
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"[:1000], "met": False}
    finally:
        devices.free_cached_memory()


def describe(row: dict[str, Any]) -> str:
    """Return a result as a row of the table."""
    if "failed" in row:
        return f"| {row['case']} | {row['method']} | FAILED: {row['failed'].partition(chr(10))[0]} |"
    speed = f"{row['seeds']} seeds | {row['ms']:.2f} ms | {row['plain_ms']:.2f} ms | {row['ratio']:.1f}x, wanted"
    captured = "captured" if row["captured"] else f"not captured: {row['not_captured']}"
    state = f"{captured}; {100 * row['busy']:.0f}% busy{'; waits: ' + row['waits'] if row['waits'] else ''}"
    return f"| {row['case']} | {row['method']} | {speed} {row['target']:.0f}x | {state} |"


def main(folder: str = "") -> int:
    """Print the table, write the results after each row, and return the exit status."""
    devices.configure("cuda")
    card = {
        "card": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "date": str(datetime.now(UTC).date()),
    }
    show(f"{card['card']}, torch {card['torch']}, CUDA {card['cuda']}, {card['date']}\n")
    show("| networks | method | trains | a step | plain loop, one seed | trials an hour / plain loop | graphs |")
    show("|---|---|---|---|---|---|---|")
    results: list[dict[str, Any]] = []
    for row in measure():
        results.append(row)
        show(describe(row))
        if folder:
            Path(folder, "benchmark.json").write_text(json.dumps({**card, "results": results}, indent=1))
    return 0 if all(row["met"] for row in results) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
