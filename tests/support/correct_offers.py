"""Correct offers of demanding methods from papers: the contract tests must raise no false alarm on any of them."""

from __future__ import annotations

import math

import torch
from ganbench import Constraint, Draw, GanbenchError, Input, Networks, Objective, Offer, Space, hookimpl
from torch import Tensor, nn
from torch.func import grad, vjp
from torch.nn.functional import cross_entropy, relu, softplus

from tests.support.conditional_offers import conditional, projection


def rpgan() -> Objective:
    return Objective(lambda r, f: softplus(f - r).mean(), lambda r, f: softplus(r - f).mean(), paired=True)


def ragan() -> Objective:
    def critic(r, f):
        return (softplus(f.mean() - r).mean() + softplus(f - r.mean()).mean()) / 2

    def generator(r, f):
        return (softplus(r - f.mean()).mean() + softplus(r.mean() - f).mean()) / 2

    return Objective(critic, generator, paired=True)


def reconstruction_error(answer: Tensor, x: Tensor) -> Tensor:
    return (answer - x).flatten(1).abs().mean(1)


def began(gamma: float = 0.5, rate: float = 1e-3) -> Objective:
    def critic(r, f, state):
        balance = (gamma * r.mean() - f.mean()).detach()
        k = (state["k"] + rate * balance).clamp(0, 1)
        return r.mean() - state["k"] * f.mean(), {"k": k, "measure": r.mean().detach() + balance.abs()}

    def generator(r, f, state):
        return f.mean(), state

    def init():
        return {"k": torch.zeros(()), "measure": torch.zeros(())}

    return Objective(critic, generator, init=init, head="reconstruction", read=reconstruction_error)


def ebgan(margin: float = 1.0) -> Objective:
    return Objective(
        lambda r, f: r.mean() + relu(margin - f).mean(),
        lambda r, f: f.mean(),
        head="reconstruction",
        read=reconstruction_error,
    )


def mmd2(a: Tensor, b: Tensor) -> Tensor:
    def kernel(x, y):
        return (-(x.unsqueeze(1) - y.unsqueeze(0)).square().sum(2) / 2).exp()

    def within(x):
        n = x.shape[0]
        return (kernel(x, x).sum() - n) / (n * (n - 1))

    return within(a) + within(b) - 2 * kernel(a, b).mean()


def mmd() -> Objective:
    def witness(seen, real, fake):
        return seen.sum(1)

    critic = lambda r, f: -mmd2(r, f)  # noqa: E731
    return Objective(critic, mmd2, head="features", witness=witness, paired=True)


def moments() -> Objective:
    """Return a loss that matches means without a critic, as Sinkhorn and GMMN losses do."""
    return Objective(
        lambda r, f: 0 * f.mean(),
        lambda r, f: (r.mean(0) - f.mean(0)).square().sum(),
        head=None,
        read=lambda answer, x: x.flatten(1),
        paired=True,
    )


def norms(play, x: Tensor) -> Tensor:
    return (grad(lambda at: play.critic(at).sum())(x).flatten(1).square().sum(1) + 1e-12).sqrt()


def dragan() -> Constraint:
    def penalty(play):
        away = 0.5 * play.real.std(correction=0) * play.draws["noise"]
        return (norms(play, play.real + play.draws["share"] * away) - 1).square().mean()

    return Constraint(critic=penalty, draws={"noise": Draw("uniform", "data"), "share": Draw("uniform")})


def lecam(decay: float = 0.9) -> Constraint:
    def term(play, state):
        value = (play.scores_real - state["fake"]).square().mean() + (play.scores_fake - state["real"]).square().mean()
        means = {"real": play.scores_real.mean(), "fake": play.scores_fake.mean()}
        return value, {side: decay * state[side] + (1 - decay) * means[side].detach() for side in means}

    def init(critic, rng):
        return {"real": torch.zeros(()), "fake": torch.zeros(())}

    return Constraint(critic=term, init=init)


def path_length() -> Constraint:
    def term(play, state):
        images, back = vjp(play.generator, play.latent)
        lengths = (back(play.draws["image"].expand_as(images))[0].square().mean(1) + 1e-12).sqrt()
        mean = 0.99 * state["mean"] + 0.01 * lengths.mean().detach()
        return (lengths - mean).square().mean(), {"mean": mean}

    def init(critic, rng):
        return {"mean": torch.zeros(())}

    return Constraint(generator=term, init=init, every=4, draws={"image": Draw("normal", "data")})


def gradient_normalisation() -> Constraint:
    def wrap(critic):
        def normalised(x):
            scores, back = vjp(critic, x)
            slope = (back(torch.ones_like(scores))[0].flatten(1).square().sum(1) + 1e-12).sqrt()
            return scores / (slope + scores.abs() + 1e-12)

        return normalised

    return Constraint(wrap=wrap)


def pulling_away() -> Constraint:
    def term(play):
        e = play.answers_fake["embedding"].flatten(1)
        unit = e / (e.square().sum(1, keepdim=True) + 1e-12).sqrt()
        n = unit.shape[0]
        return ((unit @ unit.T).square().sum() - n) / (n * (n - 1))

    return Constraint(generator=term)


def consistency() -> Constraint:
    """Return a penalty, for images only, on the change of scores under a mirror."""
    return Constraint(critic=lambda play: (play.scores_real - play.critic(mirror(play.real))).square().mean())


def mirror(x: Tensor) -> Tensor:
    if x.ndim != 4:
        raise GanbenchError("a mirror needs images: use it on such data.")
    return x.flip(3)


def drift() -> Constraint:
    return Constraint(critic=lambda play: play.scores_real.square().mean())


def weight_norm() -> Constraint:
    def reparametrise(parameters):
        return {n: p / (p.square().sum() + 1e-12).sqrt() if p.ndim > 1 else p for n, p in parameters.items()}

    return Constraint(reparametrise=reparametrise)


def annealed_clipping() -> Constraint:
    def project(parameters, progress):
        bound = 0.1 - 0.09 * progress
        return {name: weights.clamp(-bound, bound) for name, weights in parameters.items()}

    return Constraint(project=project)


def infogan() -> Input:
    def bound(play):
        return cross_entropy(play.answers_fake["code"], play.codes["category"])

    return Input(latent={"category": Draw("onehot", (4,))}, heads={"code": 4}, critic=bound, generator=bound)


def packing() -> Input:
    return Input(pack=2)


def flips() -> Input:
    return Input(view=lambda x, draws, progress: x * draws["sign"], draws={"sign": Draw("sign")})


class Growing(nn.Module):
    """One stage of a critic that fades in a layer."""

    def __init__(self, size: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(size, size) for _ in range(layers))
        self.score = nn.Linear(size, 1)
        self.register_buffer("progress", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        for layer in self.layers:
            x = x + self.progress * layer(x).tanh() if layer is self.layers[-1] else x + layer(x).tanh()
        return self.score(x).squeeze(1)


def growing() -> Space:
    def networks(spec, ask):
        if ask.heads or ask.pack > 1:
            raise GanbenchError("it has a score only, of single samples.")
        size = math.prod(ask.shape)
        generators = [nn.Sequential(nn.Linear(3 + ask.latent, size), nn.Unflatten(1, ask.shape)) for _ in range(2)]
        return tuple(
            Networks(generator=generators[k], critic=Growing(size, k + 1), latent=3, rowwise=True, share=0.5)
            for k in range(2)
        )

    return Space(sample=lambda rng: {}, networks=networks, size=1)


def convolutions() -> Space:
    """Return a space with batch norm in the generator and in the critic, for images only."""

    def networks(spec, ask):
        if len(ask.shape) != 3 or ask.heads:
            raise GanbenchError("it is for images, and has a score only.")
        channels, side = ask.shape[0], ask.shape[1] // 4
        norm = lambda n: nn.BatchNorm2d(n, track_running_stats=False)  # noqa: E731
        generator = nn.Sequential(
            nn.Linear(6 + ask.latent, 8 * side * side), nn.Unflatten(1, (8, side, side)),
            nn.ConvTranspose2d(8, 8, 4, 2, 1), norm(8), nn.ReLU(), nn.ConvTranspose2d(8, channels, 4, 2, 1), nn.Tanh(),
        )  # fmt: skip
        critic = nn.Sequential(
            nn.Conv2d(ask.pack * channels, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(8, 8, 4, 2, 1), norm(8),
            nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(8 * side * side, 1), nn.Flatten(0),
        )  # fmt: skip
        return Networks(generator=generator, critic=critic, latent=6)

    return Space(sample=lambda rng: {}, networks=networks, size=1)


class CorrectOffers:
    """A plugin with all of these offers."""

    @hookimpl
    def ganbench_losses(self):
        for build in (rpgan, ragan, mmd, moments):
            yield Offer(f"correct-{build.__name__}", build, "A loss.")
        for build in (began, ebgan):
            yield Offer(f"correct-{build.__name__}", build, "A loss.", high_is_real=False)

    @hookimpl
    def ganbench_constraints(self):
        penalties = (dragan, lecam, path_length, pulling_away, consistency, drift)
        for build in (*penalties, gradient_normalisation, weight_norm, annealed_clipping):
            yield Offer(f"correct-{build.__name__}", build, "A constraint.")

    @hookimpl
    def ganbench_inputs(self):
        for build in (infogan, packing, flips):
            yield Offer(f"correct-{build.__name__}", build, "An input.")

    @hookimpl
    def ganbench_architectures(self):
        for build in (growing, convolutions, conditional, projection):
            yield Offer(f"correct-{build.__name__}", build, "An architecture.")
