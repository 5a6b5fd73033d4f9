"""The loop a user would write by hand: one trial after another, torch's modules, autograd and Adam, and nothing else.

    python tests/benchmarks/plain_loop.py --methods ns-gan wgan-gp --seeds 0 1 2 --steps 1000

The game is that of `ganbench run` on the ring with `mlp` and the papers' settings. It does not evaluate and keeps
nothing.
"""

from __future__ import annotations

import argparse
import math
from itertools import product

import torch
from torch import Tensor, nn

LATENT = 16


def ring(rows: int) -> Tensor:
    """Draw from eight Gaussians on a circle."""
    angle = torch.randint(8, (rows,)) * (math.pi / 4)
    centres = 2 * torch.stack([angle.cos(), angle.sin()], 1)
    return (centres + 0.02 * torch.randn(rows, 2)) / 1.414


def mlp(inputs: int, outputs: int, width: int) -> nn.Sequential:
    """Make three hidden layers."""
    layers: list[nn.Module] = [nn.Linear(inputs, width), nn.ReLU()]
    for _ in range(2):
        layers += [nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def train(
    method: str, seed: int, steps: int, width: int, rows: int, lr: float | None = None, weight: float = 10.0
) -> nn.Module:
    """Train one trial and give its generator; `lr` is the paper's by default, `weight` that of the penalty."""
    torch.manual_seed(seed)
    generator, critic = mlp(LATENT, 2, width), mlp(2, 1, width)
    penalised = method == "wgan-gp"
    rate, betas = (1e-4, (0.0, 0.9)) if penalised else (2e-4, (0.5, 0.999))
    lr = rate if lr is None else lr
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=lr, betas=betas)
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=lr, betas=betas)
    cross_entropy, ones, zeros = nn.BCEWithLogitsLoss(), torch.ones(rows, 1), torch.zeros(rows, 1)
    for _ in range(steps):
        for _ in range(5 if penalised else 1):
            real = ring(rows)
            with torch.no_grad():
                fake = generator(torch.randn(rows, LATENT))
            if penalised:
                mix = torch.rand(rows, 1)
                between = (mix * real + (1 - mix) * fake).requires_grad_()
                (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
                loss = critic(fake).mean() - critic(real).mean() + weight * (slope.norm(dim=1) - 1).square().mean()
            else:
                loss = cross_entropy(critic(real), ones) + cross_entropy(critic(fake), zeros)
            critic_optimizer.zero_grad()
            loss.backward()
            critic_optimizer.step()
        score = critic(generator(torch.randn(rows, LATENT)))
        loss = -score.mean() if penalised else cross_entropy(score, ones)
        generator_optimizer.zero_grad()
        loss.backward()
        generator_optimizer.step()
    return generator


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["ns-gan", "wgan-gp"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--rates", nargs="+", type=float, default=[None])
    parser.add_argument("--weights", nargs="+", type=float, default=[10.0])
    asked = parser.parse_args()
    for method, lr, weight, seed in product(asked.methods, asked.rates, asked.weights, asked.seeds):
        train(method, seed, asked.steps, asked.width, asked.rows, lr, weight)
