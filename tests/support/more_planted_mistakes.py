"""Planted mistakes in architectures, datasets, metrics, optimizers, dynamics, methods, executors and reports."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import count

import torch
from ganbench import Draw, Dynamics, Method, Metric, Networks, Objective, Offer, Source, Space, Use
from torch import Tensor, nn
from torch.func import grad

from tests.support.conditional_offers import MixedProjection, OneHotProjection, projection
from tests.support.planted_mistakes import Planted
from tests.support.planted_output_mistakes import EXECUTORS, REPORTS, WATCHERS


class Net(nn.Module):
    """A perceptron that may contain a layer with a mistake."""

    def __init__(self, size: int, out: int, layer: nn.Module | None = None, unused: bool = False) -> None:
        super().__init__()
        self.hidden, self.layer, self.out = nn.Linear(size, 6), layer or nn.Identity(), nn.Linear(6, out)
        if unused:
            self.unused = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.layer(self.hidden(x.flatten(1)).tanh()))


def networks(ask, critic=None, generator=None, latent: int = 3, rowwise: bool = True, heads: bool = True) -> Networks:
    """Return correct networks for flat samples, with the arguments' changes."""
    size = ask.shape[0]
    make = Net(latent + ask.latent, size) if generator is None else generator
    score = nn.Sequential(Net(ask.pack * size, 1) if critic is None else critic, nn.Flatten(0))
    if ask.heads and heads:
        score = Heads(ask.pack * size, ask.heads)
    return Networks(generator=make, critic=score, latent=latent, rowwise=rowwise)


class Heads(nn.Module):
    """A critic with the requested heads."""

    def __init__(self, size: int, heads) -> None:
        super().__init__()
        self.score, self.heads = Net(size, 1), nn.ModuleDict({name: Net(size, width) for name, width in heads.items()})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"score": self.score(x).squeeze(1)} | {name: head(x) for name, head in self.heads.items()}


class IgnoringCodes(Net):
    """A generator that receives codes and ignores them."""

    def forward(self, x: Tensor) -> Tensor:
        codes = x.shape[1] - 3
        return super().forward(torch.cat([x[:, :3], torch.zeros_like(x[:, 3:])], 1) if codes else x)


class CountingLayer(nn.Module):
    """A layer that counts its calls in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x


def architecture(mistake: str, message: str, make, sample=lambda rng: {}, size: int = 1) -> Planted:
    """Return an architecture with a planted mistake."""
    build = lambda: Space(sample=sample, networks=lambda spec, ask: make(ask), size=size)  # noqa: E731
    return Planted("architectures", Offer(mistake, build, "An architecture."), message)


def make_unrelated_stages(ask) -> tuple[Networks, ...]:
    return networks(ask), networks(ask, critic=nn.Sequential(Net(ask.shape[0], 1)))


def make_with_layer(layer, **more):
    return lambda ask: networks(ask, critic=Net(ask.pack * ask.shape[0], 1, layer()), **more)


ARCHITECTURES = (
    architecture(
        "running statistics", "track_running_stats=False", make_with_layer(lambda: nn.BatchNorm1d(6), rowwise=False)
    ),
    architecture("dropout", "no dropout", make_with_layer(lambda: nn.Dropout(0.5))),
    architecture("a counting layer", "buffers ['0.layer.calls'] change", make_with_layer(CountingLayer)),
    architecture(
        "rowwise with batch norm",
        "Declare rowwise=False",
        make_with_layer(lambda: nn.BatchNorm1d(6, track_running_stats=False)),
    ),
    architecture(
        "codes ignored",
        "ignores the last three",
        lambda ask: networks(ask, generator=IgnoringCodes(3 + ask.latent, ask.shape[0])),
    ),
    architecture("no room for codes", "latent + ask.latent", lambda ask: networks(ask, generator=Net(3, ask.shape[0]))),
    architecture("no heads", "a request for a head 'code'", lambda ask: networks(ask, heads=False)),
    architecture("no packing", "pack = 2", lambda ask: networks(ask, critic=Net(ask.shape[0], 1))),
    architecture(
        "an unused layer",
        "used by no answer",
        lambda ask: networks(ask, generator=Net(3 + ask.latent, ask.shape[0], unused=True)),
    ),
    architecture(
        "scores [n, 1]", "it must be [4]", lambda ask: replace(networks(ask), critic=Net(ask.pack * ask.shape[0], 1))
    ),
    architecture("a spec of modules", "does not survive JSON", networks, sample=lambda rng: {"layer": nn.ReLU}),
    architecture(
        "globally drawn specs",
        "draw specs from the argument `rng`",
        networks,
        sample=lambda rng: {"w": random.random()},
    ),
    architecture("more specs than its size", "different specs", networks, sample=lambda rng: {"w": rng.randint(1, 9)}),
    Planted(
        "architectures",
        Offer("labels of other samples", lambda: projection(MixedProjection), "An architecture."),
        "for 3 classes: rowwise=True, but the critic's score",
    ),
    Planted(
        "architectures",
        Offer("labels made one-hot by torch", lambda: projection(OneHotProjection), "An architecture."),
        "it takes a number out of a tensor",
    ),
    architecture(
        "labels without classes",
        "conditional=True for data without labels",
        lambda ask: replace(networks(replace(ask, classes=0)), conditional=ask.classes == 0),
    ),
    architecture("unrelated stages", "missing or have another shape in the next stage", make_unrelated_stages),
)


def dataset(mistake: str, message: str, metrics: tuple[str, ...] = (), **fields) -> Planted:
    """Return a normal distribution with a planted mistake in one of its fields."""

    def draw(generator: torch.Generator, n: int) -> Tensor:
        return torch.randn(n, 2, generator=generator)

    correct = {"shape": (2,), "draw": draw, "reference": lambda n: draw(torch.Generator().manual_seed(0), n)}
    return Planted(
        "datasets", Offer(mistake, lambda: Source(**{**correct, **fields}), "Data.", metrics=metrics), message
    )


ROWS = torch.randn(20, 2, generator=torch.Generator().manual_seed(4))
STREAMED = {"draw": None, "take": lambda i: ROWS[i], "size": 20, "stream": True}


def augmented(mistake: str, message: str, augment, **draws) -> Planted:
    """Return a normal distribution with a mistake in its augmentation, which has the draw `flip`."""
    return dataset(mistake, message, augment=augment, draws=draws or {"flip": Draw("sign")})


AUGMENTED = (
    augmented("an augmentation of another shape", "keep shape and dtype", lambda x, draws: x[:, :1]),
    augmented("an augmentation in double", "keep shape and dtype", lambda x, draws: x.double()),
    augmented("an augmentation in place", "the samples or the draws in place", lambda x, draws: x.mul_(draws["flip"])),
    augmented("an undeclared draw", "reads the draw 'turn', and `draws` declares 'flip'", lambda x, d: x * d["turn"]),
    augmented("an augmentation by global numbers", "from torch's global", lambda x, d: x + torch.randn_like(x)),
    augmented("an augmentation of the batch", "by the other samples of its batch", lambda x, draws: x - x.mean(0)),
    augmented("an augmentation to infinity", "into non-finite ones", lambda x, draws: x / 0),
    augmented("draws without an augmentation", "`draws` without `augment`", None),
    dataset(
        "an augmentation out of range",
        "out of the range -1 to 1: clamp them",
        shape=(1, 2, 2),
        draw=lambda generator, n: torch.rand(n, 1, 2, 2, generator=generator),
        reference=lambda n: torch.zeros(n, 1, 2, 2),
        augment=lambda x, draws: x * 3,
    ),
)

DATASETS = (
    *AUGMENTED,
    dataset("integers", "x.to(torch.uint8)", **{**STREAMED, "take": lambda i: i.view(-1, 1).repeat(1, 2)}, digest="d"),
    dataset("bytes drawn", "x.float() / 127.5 - 1", draw=lambda g, n: torch.zeros(n, 2, dtype=torch.uint8)),
    dataset(
        "a reference of another type",
        "return the same type in both",
        **{**STREAMED, "take": lambda i: ROWS[i].byte()},
        digest="d",
    ),
    dataset("a streamed set without digest", "stream=True and no `digest`", **STREAMED),
    dataset("a streamed distribution", "stream=True without `take`", stream=True, digest="d"),
    dataset("a range upside down", "low < high", range=(1.0, -1.0)),
    dataset("global random numbers", "from torch's global generator", draw=lambda generator, n: torch.randn(n, 2)),
    dataset("a generator ignored", "does not use its generator", draw=lambda generator, n: ROWS[:n]),
    dataset("doubles", "samples must be float32", draw=lambda g, n: torch.randn(n, 2, generator=g).double()),
    dataset("another shape", "`shape` is (3,)", shape=(3,)),
    dataset("a moving reference", "global generator", reference=lambda n: torch.randn(n, 2)),
    dataset("a reference too long", "returns 20 samples for n = 16", reference=lambda n: ROWS),
    dataset("an unknown metric", "Did you mean 'sliced-w1'", metrics=("slice-w1",)),
    dataset("a distribution and a set", "either `draw`", take=lambda indices: ROWS[indices], size=20),
    dataset(
        "labels out of range", "of 2 classes", draw=None, take=lambda i: ROWS[i], size=20, classes=2, labels=lambda i: i
    ),
    dataset("samples out of order", "in another order", draw=None, take=lambda i: ROWS[i.sort().values], size=20),
)


def metric(mistake: str, message: str, measure, values=None, **fields) -> Planted:
    """Return a metric with a planted mistake."""
    build = lambda: Metric(measure=measure, values=values or {"spread": "neutral"}, **fields)  # noqa: E731
    return Planted("metrics", Offer(mistake, build, "A metric."), message)


def measure_first_samples(evidence) -> dict[str, float]:
    return {"spread": float(evidence.samples[:10].std())}


def measure_by_cholesky(evidence) -> dict[str, float]:
    rows = evidence.samples.flatten(1)
    return {"spread": float(torch.linalg.cholesky(rows.T.cov()).trace())}


def measure_one(evidence) -> dict[str, float]:
    return {"spread": 1.0}


def prepare(number) -> dict[str, torch.Tensor]:
    return {"x": torch.full((2,), float(number))}


CALLS = count()

METRICS = (
    metric("undeclared values", "measures ['mean', 'spread']", lambda e: {"spread": 1.0, "mean": 0.0}),
    metric("a tensor", "return floats", lambda e: {"spread": e.samples.std()}),
    metric("an unknown direction", "is 'up'", lambda e: {"spread": 1.0}, {"spread": "up"}),
    metric("a value that depends on the order", "the same samples in another order", measure_first_samples),
    metric("random numbers", "global generator", lambda e: {"spread": float(e.samples.std() + torch.rand(()))}),
    metric("samples changed", "in place", lambda e: {"spread": float(e.samples.mul_(2).std())}),
    metric("samples changed through NumPy", "in place", lambda e: {"spread": float(e.samples.numpy().sort(0) or 1)}),
    metric("a count of its calls", "the second time", lambda e: {"spread": float(next(CALLS))}),
    metric("an exception for equal samples", "cholesky", measure_by_cholesky),
    metric("a count in prepare", "another 'x' the second time", measure_one, prepare=lambda e: prepare(next(CALLS))),
    metric("random numbers in prepare", "`prepare` draws", measure_one, prepare=lambda e: prepare(torch.rand(()) * 0)),
)


class Clipping(torch.optim.SGD):
    """Gradient descent that first scales all gradients together to a norm of 1."""

    def step(self, closure=None):
        torch.nn.utils.clip_grad_norm_(self.param_groups[0]["params"], 1.0)
        return super().step(closure)


def build_globally_clipped_sgd(lr: float = 0.1):
    return lambda parameters: Clipping(list(parameters), lr=lr)


OPTIMIZERS = (
    Planted("optimizers", Offer("global clipping", build_globally_clipped_sgd, "Descent."), "it is not elementwise"),
    Planted("optimizers", Offer("no optimizer", lambda: list, "Nothing."), "It must make a torch.optim.Optimizer"),
)


def drop_state(losses, g, d):
    return grad(lambda g: losses.generator(g, d)[0])(g), {}


def differentiate_the_wrong_player(losses, g, d):
    return grad(losses.generator, argnums=1, has_aux=True)(g, d)


def build_counted_dynamics():
    calls = []

    def move(losses, g, d):
        calls.append(1)
        return grad(losses.generator, has_aux=True)(g, d)

    return Dynamics(generator=move)


DYNAMICS = (
    Planted("dynamics", Offer("state dropped", lambda: Dynamics(generator=drop_state), "Moves."), "drops the states"),
    Planted(
        "dynamics",
        Offer("wrong player", lambda: Dynamics(generator=differentiate_the_wrong_player), "Moves."),
        "its own parameters",
    ),
    Planted("dynamics", Offer("counts its moves", build_counted_dynamics, "Moves."), "`len(generator.calls)` changes"),
)


def method(mistake: str, message: str, **fields) -> Planted:
    """Return a method with a planted mistake."""
    return Planted("methods", Offer(mistake, lambda: Method(**{"loss": Use("hinge"), **fields}), "A recipe."), message)


METHODS = (
    method("an unknown constraint", "Did you mean 'gradient-penalty'", constraints=(Use("gradient-penality"),)),
    method("an unknown option", "no option 'gamma'", constraints=(Use("r1", gamma=10.0),)),
    method("half a critic step", "critic_steps", critic_steps=0.5),
    method("an average of everything", "decay of averaged weights", ema=1.0),
)


ANYTHING = (
    Planted("losses", Offer("bare options", lambda *margins: Objective(None, None), "A loss."), "build takes *margins"),
    Planted("losses", Offer("no summary", lambda: Objective(None, None), " "), "has no summary"),
    Planted("losses", Offer("no build", lambda: 1 / 0, "A loss."), "ZeroDivisionError"),
    Planted("losses", Offer("no objective", lambda: (1, 2), "A loss."), "It must return an Objective"),
)

OTHER_MISTAKES = (
    *ARCHITECTURES,
    *DATASETS,
    *METRICS,
    *OPTIMIZERS,
    *DYNAMICS,
    *METHODS,
    *EXECUTORS,
    *REPORTS,
    *WATCHERS,
    *ANYTHING,
)
