"""Methods that ganbench does not ship, each written for a small model, to test that the plugin API can express them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from ganbench import Ask, Constraint, Draw, Input, Networks, Objective, Space, State
from torch import Tensor, nn
from torch.func import grad
from torch.nn.functional import avg_pool2d, interpolate, log_softmax, normalize, relu

LATENT = 4


class MultiAnswerCritic(nn.Module):
    """A critic of one hidden layer that returns every answer that a loss may read."""

    def __init__(self, ask: Ask, width: int = 8) -> None:
        super().__init__()
        self.hidden = nn.Linear(ask.pack * ask.shape[0], width)
        self.score, self.decoder = nn.Linear(width, 1), nn.Linear(width, ask.pack * ask.shape[0])
        self.heads = nn.ModuleDict({name: nn.Linear(width, size) for name, size in ask.heads.items()})

    def forward(self, x: Tensor) -> Mapping[str, Tensor]:
        code = self.hidden(x).tanh()
        answers = {"score": self.score(code).squeeze(1), "features": code, "embedding": code}
        answers["reconstruction"] = self.decoder(code)
        return answers | {name: head(code) for name, head in self.heads.items()}


def make_space() -> Space:
    def networks(spec: Any, ask: Ask) -> Networks:
        inputs = LATENT + ask.latent
        generator = nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, ask.shape[0]))
        return Networks(generator=generator, critic=MultiAnswerCritic(ask), latent=LATENT)

    return Space(sample=lambda rng: {}, networks=networks)


def make_critic_free_space() -> Space:
    def networks(spec: Any, ask: Ask) -> Networks:
        return Networks(generator=nn.Linear(LATENT, ask.shape[0]), critic=None, latent=LATENT)

    return Space(sample=lambda rng: {}, networks=networks)


# Losses


def began(gamma: float = 0.5, rate: float = 0.5) -> Objective:
    """Berthelot et al. 2017, arXiv:1703.10717, section 3.3; the state also has both energies, for checks by hand."""

    def critic(real: Tensor, fake: Tensor, state: State) -> tuple[Tensor, State]:
        real_energy, fake_energy = real.mean(), fake.mean()
        balance = gamma * real_energy - fake_energy
        k = (state["k"] + rate * balance).clamp(0, 1)
        value = real_energy - state["k"] * fake_energy
        return value, {"k": k, "measure": real_energy + balance.abs(), "real": real_energy, "fake": fake_energy}

    def generator(real: Tensor | None, fake: Tensor, state: State) -> tuple[Tensor, State]:
        return fake.mean(), state

    def energy(answer: Tensor, x: Tensor) -> Tensor:
        return (answer - x).abs().flatten(1).mean(1)

    def init() -> State:
        return {name: torch.zeros(()) for name in ("k", "measure", "real", "fake")}

    return Objective(critic, generator, init=init, head="reconstruction", read=energy)


def ebgan(margin: float = 1.0) -> Objective:
    """Zhao et al. 2016, arXiv:1609.03126, equations 1 and 2."""
    return Objective(
        lambda real, fake: real.mean() + relu(margin - fake).mean(),
        lambda real, fake: fake.mean(),
        head="reconstruction",
        read=lambda answer, x: (answer - x).square().flatten(1).mean(1),
    )


def kernel(x: Tensor, y: Tensor) -> Tensor:
    return (-(x.unsqueeze(1) - y.unsqueeze(0)).square().sum(2) / 2).exp()


def mmd(x: Tensor, y: Tensor) -> Tensor:
    """Return the unbiased estimate of the squared MMD (Gretton et al. 2012, equation 3)."""

    def within(z: Tensor) -> Tensor:
        n = len(z)
        return (kernel(z, z).sum() - n) / (n * (n - 1))

    return within(x) + within(y) - 2 * kernel(x, y).mean()


def mmd_gan() -> Objective:
    return Objective(
        lambda real, fake: -mmd(real, fake),
        mmd,
        head="features",
        witness=lambda features, real, fake: kernel(features, real).mean(1) - kernel(features, fake).mean(1),
        paired=True,
    )


def transport_cost(x: Tensor, y: Tensor, eps: float = 0.5, iterations: int = 20) -> Tensor:
    """Return the entropic transport cost from x to y: the dual value after log-domain Sinkhorn iterations."""
    cost = (x.unsqueeze(1) - y.unsqueeze(0)).square().sum(2)
    f, g, log_n = cost.new_zeros(len(x)), cost.new_zeros(len(y)), math.log(len(x))
    for _ in range(iterations):
        f = -eps * ((g - cost) / eps - log_n).logsumexp(1)
        g = -eps * ((f.unsqueeze(1) - cost) / eps - log_n).logsumexp(0)
    return f.mean() + g.mean()


def sinkhorn_divergence(x: Tensor, y: Tensor) -> Tensor:
    return 2 * transport_cost(x, y) - transport_cost(x, x) - transport_cost(y, y)


def sinkhorn() -> Objective:
    """Genevay et al. 2018, arXiv:1706.00292; it has no critic, so it reads no answer."""
    return Objective(
        lambda real, fake: fake.sum(), sinkhorn_divergence, head=None, read=lambda answer, x: x.flatten(1), paired=True
    )


# Terms


def pulling_away(play: Any) -> Tensor:
    """Return the mean of cos^2 over pairs i != j of embedded generated samples (arXiv:1609.03126, equation 4)."""
    directions = normalize(play.answers_fake["embedding"].flatten(1), dim=1)
    n = len(directions)
    return ((directions @ directions.T).square().sum() - n) / (n * (n - 1))


def infogan(classes: int = 3) -> Input:
    """Chen et al. 2016, arXiv:1606.03657: a category, and a tilt in [0, 1] with a standard deviation fixed at 1."""

    def term(play: Any, state: State) -> tuple[Tensor, State]:
        answer, codes = play.answers_fake["code"], play.codes
        category = (codes["category"] * log_softmax(answer[:, :classes], 1)).sum(1).mean() + math.log(classes)
        tilt = -((answer[:, classes:] - codes["tilt"]).square() / 2).sum(1).mean() - math.log(2 * math.pi) / 2
        return -(category + tilt), {"category": category, "tilt": tilt}

    return Input(
        latent={"category": Draw("onehot", (classes,)), "tilt": Draw("uniform", (1,))},
        heads={"code": classes + 1},
        critic=term,
        generator=term,
        init=lambda parameters, rng: {"category": torch.zeros(()), "tilt": torch.zeros(())},
    )


def path_length(decay: float = 0.25, every: int = 4) -> Constraint:
    """Karras et al. 2019, arXiv:1912.04958, equation 4."""

    def term(play: Any, state: State) -> tuple[Tensor, State]:
        gradient = grad(lambda z: (play.generator(z) * play.draws["y"]).sum())(play.latent)
        lengths = (gradient.square().sum(1) + 1e-12).sqrt()
        mean = state["mean"] + decay * (lengths.mean().detach() - state["mean"])
        return (lengths - mean).square().mean(), {"mean": mean}

    return Constraint(
        generator=term,
        init=lambda parameters, rng: {"mean": torch.zeros(())},
        draws={"y": Draw("normal", "data")},
        every=every,
    )


def gradient_normalisation() -> Constraint:
    """Wu et al. 2021, arXiv:2109.02235, equation 9: f / (|grad f| + |f|)."""

    def wrap(critic: Any) -> Any:
        def normalised(x: Tensor) -> Tensor:
            slope = (grad(lambda point: critic(point).sum())(x).flatten(1).square().sum(1) + 1e-12).sqrt()
            score = critic(x)
            return score / (slope + score.abs())

        return normalised

    return Constraint(wrap=wrap)


# Architectures


class SmallGenerator(nn.Module):
    """The generator of the first stage: 2 x 2 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.to_small = nn.Linear(LATENT, 16), nn.Conv2d(4, 1, 1)

    def hidden(self, z: Tensor) -> Tensor:
        return self.first(z).view(-1, 4, 2, 2).tanh()

    def forward(self, z: Tensor) -> Tensor:
        return self.to_small(self.hidden(z))


class GrownGenerator(SmallGenerator):
    """The generator of the second stage: 4 x 4 pixels, with new layers that fade in."""

    def __init__(self) -> None:
        super().__init__()
        self.block, self.to_large = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 1, 1)
        self.register_buffer("progress", torch.zeros(()))

    def forward(self, z: Tensor) -> Tensor:
        hidden = self.hidden(z)
        large = self.to_large(self.block(interpolate(hidden, scale_factor=2)).tanh())
        return torch.lerp(interpolate(self.to_small(hidden), scale_factor=2), large, self.progress)


class SmallCritic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.from_small, self.score = nn.Conv2d(1, 4, 1), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.score_hidden(self.from_small(x))

    def score_hidden(self, hidden: Tensor) -> Tensor:
        return self.score(hidden.tanh().flatten(1)).squeeze(1)


class GrownCritic(SmallCritic):
    def __init__(self) -> None:
        super().__init__()
        self.from_large = nn.Conv2d(1, 4, 3, padding=1)
        self.register_buffer("progress", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        hidden = avg_pool2d(self.from_large(x).tanh(), 2)
        return self.score_hidden(torch.lerp(self.from_small(avg_pool2d(x, 2)), hidden, self.progress))


def crossfade(x: Tensor, progress: Tensor) -> Tensor:
    """Return real images that fade from low to full resolution, as the generator's new layers do."""
    return torch.lerp(interpolate(avg_pool2d(x, 2), scale_factor=2), x, progress)


def make_growing_space() -> Space:
    """Karras et al. 2017, arXiv:1710.10196, section 2: a growing network with two stages."""

    def networks(spec: Any, ask: Ask) -> tuple[Networks, ...]:
        return (
            Networks(
                generator=SmallGenerator(),
                critic=SmallCritic(),
                latent=LATENT,
                prepare=lambda x, progress: avg_pool2d(x, 2),
            ),
            Networks(generator=GrownGenerator(), critic=GrownCritic(), latent=LATENT, prepare=crossfade),
        )

    return Space(sample=lambda rng: {}, networks=networks)
