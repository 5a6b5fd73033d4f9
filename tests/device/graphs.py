"""What a CUDA graph would bring: the gradients of a step as they are replayed today, and as one captured graph.

    python -m tests.device.graphs

It needs a CUDA GPU, and takes a minute. Each graph is compared with the replay that it was captured from, bit by bit.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from ganbench import registry
from ganbench.engine import device as devices
from ganbench.engine.functional import iterate_leaves, map_leaves
from ganbench.engine.train import prepare

from tests.device.measure import GPU, make_batch, show

CASES = (
    ("ns-gan", "mlp", "ring", 16, "stack"),
    ("wgan-gp", "mlp", "ring", 16, "stack"),
    ("hinge-sn", "mlp", "ring", 16, "stack"),
    ("ns-gan", "dcgan", "shapes", 4, "stack"),
    ("wgan-gp", "dcgan", "shapes", 4, "stack"),
    ("wgan-gp", "dcgan", "shapes", 4, "loop"),
    ("wgan-gp", "dcgan", "shapes", 16, "stack"),
)
"""Method, networks, data, seeds and form."""
CALLS = 30


def time_calls(function: Callable[[], object]) -> float:
    """Return the milliseconds of a call, the mean of many, after three that do not count."""
    for _ in range(3):
        function()
    devices.synchronize(GPU)
    began = time.perf_counter()
    for _ in range(CALLS):
        function()
    devices.synchronize(GPU)
    return 1000 * (time.perf_counter() - began) / CALLS


def capture(replay: Callable[[], Any]) -> tuple[torch.cuda.CUDAGraph, Any]:
    """Return the graph of one replay, and the tensors that it writes its results to."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            replay()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = replay()
    return graph, results


def compare(function: Any, drawn: Any) -> tuple[float, float, bool]:
    """Return the milliseconds of a recorded step's replay and of its graphs, and whether their bits are equal."""
    parts = [(function, drawn)]
    if hasattr(function, "steps"):  # a loop has a recording of each seed
        parts = [
            (step, map_leaves(lambda t, i=i: t[i : i + 1].clone(), drawn)) for i, step in enumerate(function.steps)
        ]
    replays = [lambda step=step, part=part: step.replay(part) for step, part in parts]
    captured = [capture(replay) for replay in replays]

    def play() -> None:
        for graph, _ in captured:
            graph.replay()

    replayed, played = time_calls(lambda: function(drawn)), time_calls(play)
    pairs = [
        pair
        for (_, results), replay in zip(captured, replays, strict=True)
        for pair in zip(iterate_leaves(results), iterate_leaves(replay()), strict=True)
    ]
    return replayed, played, all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in pairs)


def measure() -> Iterator[str]:
    """Yield the rows of the table."""
    yield "| method | networks | seeds | form | player | replay, ms | graph, ms | equal bits |"
    yield "|---|---|---|---|---|---|---|---|"
    plugins = registry.load()
    for method, space, dataset, seeds, form in CASES:
        rows = 64 if space == "dcgan" else 256
        training = prepare(make_batch(method, seeds, space, dataset, rows, form), plugins, GPU)  # type: ignore[arg-type]
        stage = training.begin_stage(0)
        for t in range(4):
            training.train_step(t, stage.game, stage.inputs)
        for (player, _), function in stage.game.gradient_functions.items():
            replayed, played, equal = compare(function, map_leaves(torch.clone, stage.inputs[player].next()))
            bits = "yes" if equal else "no"
            yield f"| {method} | {space} | {seeds} | {form} | {player} | {replayed:.2f} | {played:.2f} | {bits} |"


if __name__ == "__main__":
    torch.set_num_threads(1)
    devices.configure("cuda")
    for row in measure():
        show(row)
    sys.exit(0)
