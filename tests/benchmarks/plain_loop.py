"""The loop a user would write by hand: one trial after another, torch's modules, autograd and Adam, and nothing else.

    python tests/benchmarks/plain_loop.py --methods ns-gan wgan-gp --seeds 0 1 2 --updates 6000

The game is that of `ganbench run` with the papers' settings: on the ring with `mlp`, or on digits with `mlp`,
`random-mlp` or `dcgan`. It does not evaluate and keeps nothing. It ends with a line of JSON: what each trial took.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from itertools import pairwise, product
from typing import Any

import torch
from torch import Tensor, nn

CRITIC_STEPS = {"ns-gan": 1, "wgan-gp": 5}
NORMS = {"ns-gan": (nn.BatchNorm1d, nn.BatchNorm2d), "wgan-gp": (nn.LayerNorm, lambda maps: nn.GroupNorm(1, maps))}
"""The norm of a normalised critic; a normalised generator has batch norm."""


class ShiftedSoftplus(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.softplus(2 * x + 2) / 2 - 1


ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky-relu": lambda: nn.LeakyReLU(0.2),
    "softplus-shifted": ShiftedSoftplus,
    "tanh": nn.Tanh,
}


def ring(rows: int) -> Tensor:
    """Draw from eight Gaussians on a circle."""
    angle = torch.randint(8, (rows,)) * (math.pi / 4)
    centres = 2 * torch.stack([angle.cos(), angle.sin()], 1)
    return (centres + 0.02 * torch.randn(rows, 2)) / 1.414


def open_digits(pixels: int) -> Callable[[int], Tensor]:
    """Return what draws images [rows, 1, pixels, pixels] in [-1, 1] from two thirds of scikit-learn's digits."""
    from sklearn.datasets import load_digits

    images = torch.from_numpy(load_digits().images[:1201]).float().div(8).sub(1).unsqueeze(1)
    images = images.repeat_interleave(pixels // 8, 2).repeat_interleave(pixels // 8, 3)
    return lambda rows: images[torch.randint(len(images), (rows,))]


def mlp(widths: list[int], outputs: int, activation: str, norms: list[Any]) -> list[nn.Module]:
    """Make hidden layers from each width to the next, with these norms (None for no norm), and a linear layer."""
    layers: list[nn.Module] = []
    for (inputs, width), norm in zip(pairwise(widths), norms, strict=True):
        layers.append(nn.Linear(inputs, width, bias=norm is None))
        layers += [norm(width)] if norm else []
        layers.append(ACTIVATIONS[activation]())
    return [*layers, nn.Linear(widths[-1], outputs)]


def make_mlps(spec: Mapping[str, Any], method: str, shape: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
    """Make the generator and the critic of a spec of `mlp` or `random-mlp`."""
    size, latent = math.prod(shape), spec["latent"]
    depth, wide = spec["generator_depth"], spec["generator_width"]
    norms = depth * [nn.BatchNorm1d if spec["generator_normalised"] else None]
    generator = mlp([latent] + depth * [wide], size, spec["generator_activation"], norms)
    if spec["output"] == "tanh":
        generator.append(nn.Tanh())
    depth, wide = spec["critic_depth"], spec["critic_width"]
    norms = [None] + (depth - 1) * [NORMS[method][0] if spec["critic_normalised"] else None]
    critic = mlp([size] + depth * [wide], 1, spec["critic_activation"], norms)
    return nn.Sequential(*generator, nn.Unflatten(1, shape)), nn.Sequential(nn.Flatten(), *critic)


def make_dcgan(filters: int, method: str, shape: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
    """Make DCGAN for images of 16 x 16 pixels: `filters` maps of 8 x 8 pixels, twice as many of 4 x 4."""
    up, down = nn.ConvTranspose2d, nn.Conv2d
    generator = nn.Sequential(
        nn.Linear(100, 32 * filters, bias=False),
        *(nn.Unflatten(1, (2 * filters, 4, 4)), nn.BatchNorm2d(2 * filters), nn.ReLU()),
        *(up(2 * filters, filters, 4, 2, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()),
        *(up(filters, shape[0], 4, 2, 1), nn.Tanh()),
    )
    critic = nn.Sequential(
        *(down(shape[0], filters, 4, 2, 1), nn.LeakyReLU(0.2)),
        *(down(filters, 2 * filters, 4, 2, 1, bias=False), NORMS[method][1](2 * filters), nn.LeakyReLU(0.2)),
        *(nn.Flatten(), nn.Linear(32 * filters, 1)),
    )
    return generator, critic


def make_networks(spec: Mapping[str, Any], method: str, shape: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
    """Make a generator and a critic: a DCGAN of a spec with `filters`, else perceptrons."""
    return make_dcgan(spec["filters"], method, shape) if "filters" in spec else make_mlps(spec, method, shape)


def train(
    method: str,
    networks: tuple[nn.Module, nn.Module],
    draw: Callable[[int], Tensor],
    steps: int,
    rows: int,
    lr: float | None = None,
    weight: float = 10.0,
) -> None:
    """Train one trial; `lr` is the paper's by default, `weight` that of the penalty."""
    generator, critic = networks
    latent = next(generator.parameters()).shape[1]
    penalised = method == "wgan-gp"
    rate, betas = (1e-4, (0.0, 0.9)) if penalised else (2e-4, (0.5, 0.999))
    lr = rate if lr is None else lr
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=lr, betas=betas)
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=lr, betas=betas)
    cross_entropy, ones, zeros = nn.BCEWithLogitsLoss(), torch.ones(rows, 1), torch.zeros(rows, 1)
    for _ in range(steps):
        for _ in range(CRITIC_STEPS[method]):
            real = draw(rows)
            with torch.no_grad():
                fake = generator(torch.randn(rows, latent))
            if penalised:
                mix = torch.rand(rows, *[1] * (real.dim() - 1))
                between = (mix * real + (1 - mix) * fake).requires_grad_()
                (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
                penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
                loss = critic(fake).mean() - critic(real).mean() + weight * penalty
            else:
                loss = cross_entropy(critic(real), ones) + cross_entropy(critic(fake), zeros)
            critic_optimizer.zero_grad()
            loss.backward()
            critic_optimizer.step()
        score = critic(generator(torch.randn(rows, latent)))
        loss = -score.mean() if penalised else cross_entropy(score, ones)
        generator_optimizer.zero_grad()
        loss.backward()
        generator_optimizer.step()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["ns-gan", "wgan-gp"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--steps", type=int, default=1000, help="generator steps")
    parser.add_argument("--updates", type=int, help="updates of both players together, in place of --steps")
    parser.add_argument("--width", type=int, default=64, help="of three hidden layers in each network")
    parser.add_argument("--specs", type=json.loads, help="a list of specs in place of --width, as JSON")
    parser.add_argument("--pixels", type=int, default=0, help="digits of 8 or 16 pixels; 0: the ring")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--rates", nargs="+", type=float, default=[None])
    parser.add_argument("--weights", nargs="+", type=float, default=[10.0])
    return parser.parse_args()


def main() -> None:
    asked, trials = parse(), []
    half = {"depth": 3, "width": asked.width, "activation": "relu", "normalised": False}
    plain = {f"{player}_{name}": value for player in ("generator", "critic") for name, value in half.items()}
    specs = asked.specs or [plain | {"latent": 16, "output": "linear"}]
    draw, shape = (open_digits(asked.pixels), (1, asked.pixels, asked.pixels)) if asked.pixels else (ring, (2,))
    # the first step of a process imports much of torch: that is no part of a trial, however many there are
    train(asked.methods[0], make_networks(specs[0], asked.methods[0], shape), draw, 1, asked.rows)
    for spec, method, lr, weight, seed in product(specs, asked.methods, asked.rates, asked.weights, asked.seeds):
        wall, processor = time.perf_counter(), time.process_time()
        torch.manual_seed(seed)
        steps = asked.steps if asked.updates is None else asked.updates // (1 + CRITIC_STEPS[method])
        train(method, make_networks(spec, method, shape), draw, steps, asked.rows, lr, weight)
        took = {"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}
        trials.append({"method": method, "network": spec.get("number", 0)} | took)
    sys.stdout.write(json.dumps(trials) + "\n")


if __name__ == "__main__":
    main()
