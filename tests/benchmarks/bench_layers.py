"""How fast the layers of convolutional networks are here, how their gradients begin, and what Inception-v3 costs.

    python -m tests.benchmarks.bench_layers

It prints figures of docs/background/images.md: medians of milliseconds on one thread.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import torch
from ganbench import Ask, registry
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.functional import layer_norm, softplus
from torch.utils.flop_counter import FlopCounterMode

from tests.plugins.test_extractors import Unfilled

SEEDS, BATCH, SIDE, CHANNELS, TURNS = 3, 32, 16, (64, 16), 7
RESCALED = 2, 2


class Affine(nn.Module):
    """A norm of [n, c, h, w] by a function, then a gain and an offset for each channel."""

    def __init__(self, channels: int, normalise: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.normalise = normalise

    def forward(self, x: Tensor) -> Tensor:
        return self.normalise(x) * self.weight[:, None, None] + self.bias[:, None, None]


class Call(nn.Module):
    """A function of [n, c, h, w] without parameters."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def whiten(*axes: int) -> Callable[[Tensor], Tensor]:
    """Return the function that subtracts the mean and divides by the deviation over these axes."""

    def apply(x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
        return (x - mean) * torch.rsqrt(variance + 1e-5)

    return apply


def expand(x: Tensor) -> Tensor:
    """Return maps of twice the side, [n, c, 2 h, 2 w], by nearest neighbours."""
    n, c, h, w = x.shape
    return x[:, :, :, None, :, None].expand(n, c, h, 2, w, 2).reshape(n, c, 2 * h, 2 * w)


def average_slices(x: Tensor) -> Tensor:
    """Return maps of half the side, [n, c, h / 2, w / 2], by means."""
    return (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4


def list_layers(c: int) -> dict[str, Callable[[], nn.Module]]:
    """Return what makes each layer of `c` channels, by its name in the table."""
    return {
        f"transposed 4 x 4, stride 2, to {c // 2} channels": lambda: nn.ConvTranspose2d(c, c // 2, 4, 2, 1),
        "nearest neighbours, then 3 x 3": lambda: nn.Sequential(
            nn.Upsample(scale_factor=RESCALED), nn.Conv2d(c, c // 2, 3, padding=1)
        ),
        "3 x 3, then PixelShuffle": lambda: nn.Sequential(nn.Conv2d(c, 2 * c, 3, padding=1), nn.PixelShuffle(2)),
        f"4 x 4, stride 2, to {2 * c} channels": lambda: nn.Conv2d(c, 2 * c, 4, 2, 1),
        "3 x 3, then means": lambda: nn.Sequential(nn.Conv2d(c, 2 * c, 3, padding=1), nn.AvgPool2d(2)),
        "GroupNorm(1)": lambda: nn.GroupNorm(1, c),
        "layer_norm, then gain and offset": lambda: Affine(c, lambda x: layer_norm(x, x.shape[1:])),
        "the same from elementary functions": lambda: Affine(c, whiten(1, 2, 3)),
        "BatchNorm2d": lambda: nn.BatchNorm2d(c, track_running_stats=False),
        "BatchNorm2d from elementary functions": lambda: Affine(c, whiten(0, 2, 3)),
        "nearest neighbours, nn.Upsample": lambda: nn.Upsample(scale_factor=RESCALED),
        "the same by expand and reshape": lambda: Call(expand),
        "the same by repeat_interleave": lambda: Call(lambda x: x.repeat_interleave(2, 2).repeat_interleave(2, 3)),
        "means, nn.AvgPool2d": lambda: nn.AvgPool2d(2),
        "the same by four strided slices": lambda: Call(average_slices),
    }


def time_layer(make: Callable[[], nn.Module], channels: int, *, stacked: bool, second: bool) -> float:
    """Return the median milliseconds of a forward and backward pass for all seeds, or of one through a penalty."""
    modules = [make() for _ in range(SEEDS)]
    states = stack_module_state(modules)[0] if list(modules[0].parameters()) else {}
    parameters = {name: each.detach().requires_grad_() for name, each in states.items()}
    inputs = torch.randn(SEEDS, BATCH, channels, SIDE, SIDE).requires_grad_()

    def loss(own: dict[str, Tensor], x: Tensor) -> Tensor:
        def score(at: Tensor) -> Tensor:
            return functional_call(modules[0], own, (at,)).tanh().sum()

        return grad(score)(x).square().mean() if second else score(x)

    def step() -> None:
        if stacked:
            losses = vmap(loss)(parameters, inputs)
        else:
            members = [{name: each[i] for name, each in parameters.items()} for i in range(SEEDS)]
            losses = torch.stack([loss(own, x) for own, x in zip(members, inputs, strict=True)])
        torch.autograd.grad(losses.sum(), [*parameters.values(), inputs], allow_unused=True)

    for _ in range(2):
        step()
    return take_median(step)


def take_median(call: Callable[[], object]) -> float:
    """Return the median milliseconds of a call."""
    times = []
    for _ in range(TURNS):
        began = perf_counter()
        call()
        times.append(1000 * (perf_counter() - began))
    return median(times)


def compare_layers() -> Iterator[str]:
    """Yield the rows of the table of layers."""
    for channels in CHANNELS:
        yield f"| layer, {channels} channels | first | second |"
        yield "| --- | --- | --- |"
        for name, make in list_layers(channels).items():
            cells = [
                " / ".join(f"{time_layer(make, channels, stacked=form, second=second):.0f}" for form in (True, False))
                for second in (False, True)
            ]
            yield f"| {name} | {' | '.join(cells)} |"
        yield ""


def measure_gradients() -> Iterator[str]:
    """Yield the range of |gradient| / |weights| over the layers of random-dcgan of depth 20."""
    plugins = registry.load()
    yield "| initial weights | activation | norms | least | most |"
    yield "| --- | --- | --- | --- | --- |"
    for initialisation, activation, normalised in product(
        ("he", "dcgan"), ("relu", "leaky-relu", "softplus-shifted", "tanh"), (False, True)
    ):
        factors = {"activations": [activation], "depths": [20], "filters": [32], "normalised": [normalised]}
        space = plugins.build("architectures", "random-dcgan", {**factors, "initialisation": initialisation})
        torch.manual_seed(0)
        networks = space.networks(space.sample(Random(0)), Ask(shape=(3, 16, 16)))
        weights = [each for net in (networks.generator, networks.critic) for each in net.parameters() if each.ndim > 1]
        loss = softplus(-networks.critic(networks.generator(torch.randn(64, networks.latent)))).mean()
        slopes = torch.autograd.grad(loss, weights)
        ratios = [(slope.norm() / each.norm()).item() for slope, each in zip(slopes, weights, strict=True)]
        norms = "layer and batch" if normalised else "none"
        yield f"| {initialisation} | {activation} | {norms} | {min(ratios):.0e} | {max(ratios):.0e} |"
    yield ""


def cost_inception() -> Iterator[str]:
    """Yield what an image costs Inception-v3. Its weights do not matter for that: they are random here."""
    with TemporaryDirectory() as folder:
        empty = Path(folder, "empty.pth")
        torch.save({}, empty)
        network = Unfilled("inception-v3-compat", ["2048"], feature_extractor_weights_path=empty)
    image = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    with torch.no_grad():
        with FlopCounterMode(display=False) as counter:
            network(image)
        seconds = take_median(lambda: network(image)) / 1000
    yield f"Inception-v3: {counter.get_total_flops() / 1e9:.1f} GFLOP and {seconds:.2f} s an image"


if __name__ == "__main__":
    torch.set_num_threads(1)
    for report in (compare_layers, measure_gradients, cost_inception):
        for line in report():
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
