"""Which form convolutional networks train in fastest here: a stack or a loop of seeds, and which layout of memory.

    python -m tests.benchmarks.bench_images

It prints the tables of docs/background/images.md: ratios of medians of CPU time, one thread, measured in turns.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median
from time import thread_time

import torch
from ganbench import Ask, plan, registry, suite
from ganbench.api.trials import Batch
from ganbench.engine.train import Training, prepare
from torch import Tensor, nn
from torch.nn.functional import softplus

from tests.support.conv_space import LATENT, Images, networks

METHODS = ("ns-gan", "wgan-gp")
SEEDS, BATCH, ROUNDS, STEPS = 3, 32, 7, 3
SIZES = ((16, 8), (16, 16), (16, 32), (32, 8), (32, 16), (32, 32))
"""Pixels of a side, and filters of the widest maps; each halving of the side doubles them."""
FORMS = (
    *((SEEDS, BATCH, *size) for size in SIZES),
    *((seeds, rows, *size) for seeds, rows in ((8, 32), (8, 64)) for size in ((16, 8), (16, 16), (32, 8))),
)
"""Seeds, rows of a batch, and sizes for which forms are compared; more seeds where a stack of three is faster."""


def make_batch(plugins: registry.Registry, seeds: int, rows: int, side: int, filters: int, method: str) -> Batch:
    """Return the batch of all seeds of a method, on networks of four layers."""
    table = {
        "question": "Which form is faster?",
        "seeds": seeds,
        "methods": [method],
        "budget": {"generator_steps": 1000, "batch_size": rows, "snapshots": 1},
        "architectures": {"space": "conv", "options": {"filters": filters}},
        "dataset": [{"name": "noise-images", "side": side}],
    }
    (batch,) = plan.make(suite.parse(table), plugins).batches
    return batch


def open_steps(training: Training) -> Callable[[], object]:
    """Return a function that trains a generator step; its steps are recorded."""
    stage = training.begin_stage(0)

    def step() -> None:
        training.train_step(stage.done, stage.game, stage.inputs)
        stage.done += 1

    for _ in range(3):
        step()
    return step


def time_in_turns(steps: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median milliseconds of each function, called in turns."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            began = thread_time()
            for _ in range(STEPS):
                step()
            times[name].append(1000 * (thread_time() - began) / STEPS)
    return {name: median(each) for name, each in times.items()}


def compare_forms() -> Iterator[str]:
    """Yield the rows of the table of stacks and loops."""
    plugins = registry.load(plugins=[Images()])
    yield "| seeds | batch | pixels | filters | method | loop, ms | stack, ms | loop / stack |"
    yield "|---|---|---|---|---|---|---|---|"
    for seeds, rows, side, filters in FORMS:
        for method in METHODS:
            batch = make_batch(plugins, seeds, rows, side, filters, method)
            forms = {
                mode: open_steps(prepare(replace(batch, mode=mode), plugins, torch.device("cpu")))
                for mode in ("loop", "stack")
            }
            loop, stack = time_in_turns(forms).values()
            times = f"{loop:.1f} | {stack:.1f} | {loop / stack:.2f}"
            yield f"| {seeds} | {rows} | {side} | {filters} | {method} | {times} |"


def critic_loss(method: str, critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """Return the critic's loss as the papers of the methods have it."""
    if method == "ns-gan":
        return softplus(-critic(real)).mean() + softplus(critic(fake)).mean()
    between = torch.lerp(fake, real, torch.rand(len(real), 1, 1, 1)).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty = ((slope.flatten(1).square().sum(1) + 1e-12).sqrt() - 1).square().mean()
    return critic(fake).mean() - critic(real).mean() + 10 * penalty


def compare_layouts() -> Iterator[str]:
    """Yield the rows of the table of layouts: a critic's and a generator's gradients of one seed, in plain torch."""
    yield "| pixels | filters | method | contiguous, ms | channels last, ms | contiguous / channels last |"
    yield "|---|---|---|---|---|---|"
    for side, filters in SIZES:
        spec = {f"{p}_{k}": v for p in ("generator", "critic") for k, v in (("depth", 4), ("filters", filters))}
        spec |= {
            f"{p}_{k}": v for p in ("generator", "critic") for k, v in (("normalised", False), ("activation", "relu"))
        }
        for method in METHODS:
            steps = {}
            for layout in (torch.contiguous_format, torch.channels_last):
                made = networks(spec, Ask(shape=(1, side, side), classes=0))
                g, d = (net.to(memory_format=layout) for net in (made.generator, made.critic))
                real = torch.randn(BATCH, 1, side, side).to(memory_format=layout)

                def step(g: nn.Module = g, d: nn.Module = d, real: Tensor = real, method: str = method) -> None:
                    z = torch.randn(BATCH, LATENT)
                    critic_loss(method, d, real, g(z).detach()).backward()
                    softplus(-d(g(z))).mean().backward()

                step()
                steps[str(layout)] = step
            before, after = time_in_turns(steps).values()
            yield f"| {side} | {filters} | {method} | {before:.1f} | {after:.1f} | {before / after:.2f} |"


if __name__ == "__main__":
    torch.set_num_threads(1)
    for compare in (compare_forms, compare_layouts):
        for line in compare():
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
