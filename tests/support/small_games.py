"""Small games for the engine's tests, and a plain PyTorch loop to compare with.

The loop uses the engine's random numbers and data, but none of its training code.
"""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any

import torch
from ganbench import Ask, Constraint, Draw, Networks, Objective, Source, Space
from ganbench.api.trials import Budget
from ganbench.engine.program import Link, Program
from ganbench.engine.random_streams import Data, Member
from ganbench.engine.step_inputs import StepInputs
from ganbench.engine.train import Training
from torch import Tensor, nn
from torch.nn.functional import softplus

from tests.support import device as test_device

SHARED_HASH = "world"
"""Stands for the hash of dataset and architecture, on which the random numbers depend."""

ROWS = 16
LATENT = 4


class Spy:
    """What a plugin under test notes in its calls: in a queue, which `engine.plugin_state` cannot look into."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[Any] = SimpleQueue()
        self.note = self.queue.put

    def notes(self) -> list[Any]:
        """Return all notes so far, and forget them."""
        return [self.queue.get() for _ in range(self.queue.qsize())]


def gradient_penalty(play) -> Tensor:
    mix = play.draws["mix"]
    between = mix * play.real + (1 - mix) * play.fake
    slope = torch.func.grad(lambda x: play.critic(x).sum())(between)
    return ((slope.flatten(1).square().sum(1) + 1e-12).sqrt() - 1).square().mean()


GP = Constraint(critic=gradient_penalty, draws={"mix": Draw("uniform", "sample")})
NS = Objective(lambda r, f: softplus(-r).mean() + softplus(f).mean(), lambda r, f: softplus(-f).mean())
W = Objective(lambda r, f: f.mean() - r.mean(), lambda r, f: -f.mean())


def ring() -> Source:
    def draw(generator: torch.Generator, n: int) -> Tensor:
        device = generator.device
        angle = torch.randint(8, (n,), generator=generator, device=device) * torch.pi / 4
        noise = torch.randn(n, 2, generator=generator, device=device)
        return torch.stack([angle.cos(), angle.sin()], 1) + 0.02 * noise

    return Source(shape=(2,), draw=draw, reference=lambda n: draw(torch.Generator().manual_seed(0), n))


def images(side: int = 4) -> Source:
    samples = torch.randn(40, 1, side, side, generator=torch.Generator().manual_seed(3)).tanh()
    return Source(shape=(1, side, side), size=40, take=lambda i: samples[i], reference=lambda n: samples[:n])


CENTRES = torch.tensor([[1.0, 0.0], [-1.0, 1.0], [0.0, -1.0]])
"""The centres of the classes of `labelled`."""


def labelled() -> Source:
    """Return a set of 20 samples of three classes, 12, 6 and 2 of each, around a centre for each class."""
    labels = torch.tensor([0] * 12 + [1] * 6 + [2] * 2)
    noise = 0.1 * torch.randn(20, 2, generator=torch.Generator().manual_seed(4))
    samples = CENTRES[labels] + noise
    return Source(
        shape=(2,),
        size=20,
        take=lambda i: samples[i],
        reference=lambda n: samples[:n],
        classes=3,
        labels=lambda i: labels[i],
    )


class Conditioned(nn.Module):
    """A network that also reads an embedding of each sample's label."""

    def __init__(self, classes: int, net: nn.Module) -> None:
        super().__init__()
        self.embedding, self.net = nn.Embedding(classes, 3), net

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return self.net(torch.cat([x, self.embedding(labels)], 1))


def conditional(rowwise: bool = True) -> Space:
    """Return a space of conditional networks; a critic that is not rowwise has a batch norm."""

    def networks(spec, ask: Ask) -> Networks:
        g = nn.Sequential(nn.Linear(LATENT + 3, 8), nn.Tanh(), nn.Linear(8, ask.shape[0]))
        norm = [] if rowwise else [nn.BatchNorm1d(8, track_running_stats=False)]
        d = nn.Sequential(
            nn.Linear(ask.shape[0] + 3, 8, bias=rowwise), *norm, nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0)
        )
        players = (Conditioned(max(1, ask.classes), net) for net in (g, d))
        return Networks(
            **dict(zip(("generator", "critic"), players, strict=True)), latent=LATENT, conditional=True, rowwise=rowwise
        )

    return Space(sample=lambda rng: {}, networks=networks)


def alternate_labels(networks: Networks, count: int, device: torch.device) -> tuple[Tensor, ...]:
    """Return the labels 0, 1, 2, 0, ... of `count` samples for conditional networks, otherwise nothing."""
    return (torch.arange(count, device=device) % 3,) if networks.conditional else ()


def mlp(critic_norm: bool = False, generator_norm: bool = False) -> Space:
    def networks(spec, ask: Ask) -> Networks:
        width = 8
        g = [nn.Linear(LATENT + ask.latent, width, bias=not generator_norm)]
        g += [nn.BatchNorm1d(width, track_running_stats=False)] if generator_norm else []
        g += [nn.Tanh(), nn.Linear(width, ask.shape[0])]
        d = [nn.Linear(ask.shape[0] * ask.pack, width, bias=not critic_norm)]
        d += [nn.LayerNorm(width)] if critic_norm else []
        d += [nn.Tanh(), nn.Linear(width, 1), nn.Flatten(0)]
        return Networks(generator=nn.Sequential(*g), critic=nn.Sequential(*d), latent=LATENT, rowwise=True)

    return Space(sample=lambda rng: {}, networks=networks)


def conv() -> Space:
    def networks(spec, ask: Ask) -> Networks:
        g = nn.Sequential(
            nn.Linear(LATENT, 16), nn.Unflatten(1, (4, 2, 2)), nn.ReLU(), nn.ConvTranspose2d(4, 1, 2, 2), nn.Tanh()
        )
        d = nn.Sequential(
            nn.Conv2d(1, 4, 2, 2), nn.Softplus(), nn.Conv2d(4, 4, 2), nn.Tanh(), nn.Flatten(), nn.Linear(4, 1)
        )
        return Networks(generator=g, critic=nn.Sequential(d, nn.Flatten(0)), latent=LATENT, rowwise=True)

    return Space(sample=lambda rng: {}, networks=networks)


def adam(parameters):
    leaves = list(parameters)
    capturable = any(leaf.is_cuda for leaf in leaves)  # a CUDA graph needs it
    return torch.optim.Adam(leaves, lr=2e-3, betas=(0.5, 0.9), fused=True, capturable=capturable)


def make_training(
    program: Program,
    space: Space,
    source: Source,
    seeds=(0, 1, 2),
    mode="stack",
    steps: int = 50,
    dtype=torch.float64,
    optimizer=adam,
    rows: int = ROWS,
) -> Training:
    return Training(
        program=program,
        space=space,
        spec={},
        source=source,
        optimizers={"critic": optimizer, "generator": optimizer},
        members=[Member(SHARED_HASH, seed) for seed in seeds],
        budget=Budget(generator_steps=steps, batch_size=rows, snapshots=(steps,)),
        mode=mode,
        device=torch.device(test_device.DEVICE),
        dtype=dtype,
    )


def train_and_sample(run: Training, count: int = 32) -> tuple[Tensor, Tensor]:
    """Train; return the final samples [S, count, ..], and the critic's scores of real data less their mean [S, 16].

    The samples have the precision of the generator; `Training.draw_samples` would return float32.
    """
    *_, last = run.run()
    x = run.source.reference(16).to(run.device, run.dtype)
    critic = last.ensemble.networks.critic
    scores = [
        torch.func.functional_call(
            critic,
            (
                {n: p[i] for n, p in last.ensemble.detached["critic"].items()},
                {n: b[i] for n, b in last.ensemble.buffers["critic"].items()},
            ),
            (x, *alternate_labels(last.ensemble.networks, 16, run.device)),
        )
        for i in range(len(run.members))
    ]
    stacked_scores = torch.stack(scores)
    z = torch.randn(count, LATENT, generator=torch.Generator().manual_seed(9), dtype=run.dtype).to(run.device)
    samples = [
        torch.func.functional_call(
            last.ensemble.networks.generator,
            (
                {n: p[i] for n, p in last.generators.items()},
                {n: b[i] for n, b in last.ensemble.buffers["generator"].items()},
            ),
            (z, *alternate_labels(last.ensemble.networks, count, run.device)),
        )
        for i in range(len(run.members))
    ]
    return torch.stack(samples).detach(), (stacked_scores - stacked_scores.mean(1, keepdim=True)).detach()


def plain_loop(space: Space, source: Source, seed: int, *, gp: float | None, critic_steps: int, steps: int = 50):
    """Train one seed as a user would by hand, with modules, torch.optim and autograd.grad with create_graph.

    Return the same two tensors as `train_and_sample`, for one member.
    """
    member = Member(SHARED_HASH, seed)
    program = Program(objective=NS, constraints=(Link("gp", 1.0, GP),) if gp is not None else ())
    torch.manual_seed(member.stream_seed("initialisation"))
    nets = space.networks({}, Ask(shape=source.shape, classes=source.classes))
    device = torch.device(test_device.DEVICE)
    g, d = nets.generator.double().to(device), nets.critic.double().to(device)
    optimizers = {
        "g": torch.optim.Adam(g.parameters(), lr=2e-3, betas=(0.5, 0.9)),
        "d": torch.optim.Adam(d.parameters(), lr=2e-3, betas=(0.5, 0.9)),
    }
    data = Data(source, [member], ROWS, device, torch.float64)
    inputs = {p: StepInputs(program, nets, data, [member], p, source.shape) for p in ("critic", "generator")}
    for _ in range(steps):
        for _ in range(critic_steps):
            step = inputs["critic"].next()
            labels = (step["labels"][0],) if nets.conditional else ()
            real, fake = step["real"][0], g(step["latent"]["noise"][0], *labels).detach()
            if gp is None:
                loss = nn.functional.binary_cross_entropy_with_logits(
                    d(real, *labels), torch.ones(ROWS, device=device).double()
                )
                loss = loss + nn.functional.binary_cross_entropy_with_logits(
                    d(fake, *labels), torch.zeros(ROWS, device=device).double()
                )
            else:
                mix = step["draws"]["gp"]["mix"][0]
                between = (mix * real + (1 - mix) * fake).requires_grad_()
                (slope,) = torch.autograd.grad(d(between, *labels).sum(), between, create_graph=True)
                loss = d(fake, *labels).mean() - d(real, *labels).mean()
                loss = loss + gp * (slope.reshape(ROWS, -1).norm(dim=1) - 1).pow(2).mean()
            optimizers["d"].zero_grad()
            loss.backward()
            optimizers["d"].step()
        step = inputs["generator"].next()
        labels = (step["labels"][0],) if nets.conditional else ()
        score = d(g(step["latent"]["noise"][0], *labels), *labels)
        loss = -score.mean() if gp is not None else -torch.log(torch.sigmoid(score)).mean()
        optimizers["g"].zero_grad()
        loss.backward()
        optimizers["g"].step()
    z = torch.randn(32, LATENT, generator=torch.Generator().manual_seed(9), dtype=torch.float64).to(device)
    scores = d(source.reference(16).double().to(device), *alternate_labels(nets, 16, device))
    return g(z, *alternate_labels(nets, 32, device)).detach(), (scores - scores.mean()).detach()


def wgan_gp(weight: float = 10.0) -> Program:
    return Program(objective=W, constraints=(Link("gp", weight, GP),), critic_steps=lambda t: 3)


def ns_gan() -> Program:
    return Program(objective=NS)


def require_equal_trainings(stacked, looped, alone, plain) -> None:
    """Assert that a stack, a loop, seed 1 alone and a plain loop of each seed end alike, to 1e-9 in float64.

    Each is what `train_and_sample` returns; `plain` has one for each seed.
    """
    for k in (0, 1):
        expected = torch.stack([pair[k] for pair in plain])
        torch.testing.assert_close(stacked[k], looped[k], rtol=0, atol=1e-9)
        torch.testing.assert_close(stacked[k], expected, rtol=0, atol=1e-9)
        torch.testing.assert_close(alone[k][0], expected[1], rtol=0, atol=1e-9)
    assert (stacked[0][0] - stacked[0][1]).abs().max() > 1e-2, "two seeds must give different samples"
