"""The loop that a user would write for one seed on a GPU: torch's modules, autograd and Adam, and nothing else."""

from __future__ import annotations

import time

import torch
from ganbench.engine.train import Training
from torch import Tensor, nn


def draw_real(training: Training, rows: int) -> Tensor:
    """Draw real samples by the source itself, or by random indices into its set."""
    stored = training.data.stored_samples
    if stored is None:
        source, generator = training.source, torch.Generator(training.device)
        assert source.draw is not None
        return source.draw(generator, rows)
    return stored[torch.randint(len(stored), (rows,), device=training.device)]


def time_plain_loop(training: Training, method: str, rows: int, seconds: float) -> float:
    """Return the milliseconds of a generator step of one seed, with its critic steps (five for wgan-gp).

    The networks and the data are those of the training, whose batches are drawn before the clock starts.
    """
    ask = training.program.build_ask(training.source, training.critic_norm)
    built = training.space.networks(training.spec, ask)
    networks = built[-1] if isinstance(built, tuple) else built
    assert networks.critic is not None
    generator, critic = networks.generator.to(training.device), networks.critic.to(training.device)
    optimizers = [torch.optim.Adam(net.parameters(), lr=1e-4, betas=(0.0, 0.9)) for net in (critic, generator)]
    penalised, device = method == "wgan-gp", training.device
    batches = [draw_real(training, rows).float() for _ in range(5 if penalised else 1)]
    cross_entropy, ones, zeros = nn.BCEWithLogitsLoss(), *(torch.full((rows,), x, device=device) for x in (1.0, 0.0))

    def noise() -> Tensor:
        return torch.randn(rows, networks.latent, device=device)

    def update(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def step() -> None:
        for real in batches:
            with torch.no_grad():
                fake = generator(noise())
            if penalised:
                mix = torch.rand(rows, *(1 for _ in real.shape[1:]), device=device)
                between = (mix * real + (1 - mix) * fake).requires_grad_()
                (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
                penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
                update(critic(fake).mean() - critic(real).mean() + 10 * penalty, optimizers[0])
            else:
                update(cross_entropy(critic(real), ones) + cross_entropy(critic(fake), zeros), optimizers[0])
        score = critic(generator(noise()))
        update(-score.mean() if penalised else cross_entropy(score, ones), optimizers[1])

    for _ in range(5):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        step()
        count += 1
    if device.type == "cuda":
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - began) / count
