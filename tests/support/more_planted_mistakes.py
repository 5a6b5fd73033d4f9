"""Mistakes planted in architectures, datasets, metrics, optimizers, dynamics, methods, executors and in any offer."""

from __future__ import annotations

import random
from dataclasses import replace

import torch
from ganbench import Dynamics, Method, Metric, Networks, Objective, Offer, Report, Source, Space, Use
from ganbench.api.events import Finished, Started
from torch import Tensor, nn
from torch.func import grad

from tests.support.planted_mistakes import Planted


class Net(nn.Module):
    """A perceptron that can be given a bad habit."""

    def __init__(self, size: int, out: int, habit: nn.Module | None = None, unused: bool = False) -> None:
        super().__init__()
        self.hidden, self.habit, self.out = nn.Linear(size, 6), habit or nn.Identity(), nn.Linear(6, out)
        if unused:
            self.unused = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.habit(self.hidden(x.flatten(1)).tanh()))


def networks(ask, critic=None, generator=None, latent: int = 3, rowwise: bool = True, heads: bool = True) -> Networks:
    """Make flat networks, right but for what is given."""
    size = ask.shape[0]
    make = Net(latent + ask.latent, size) if generator is None else generator
    score = nn.Sequential(Net(ask.pack * size, 1) if critic is None else critic, nn.Flatten(0))
    if ask.heads and heads:
        score = Heads(ask.pack * size, ask.heads)
    return Networks(generator=make, critic=score, latent=latent, rowwise=rowwise)


class Heads(nn.Module):
    """A critic with the heads it was asked for."""

    def __init__(self, size: int, heads) -> None:
        super().__init__()
        self.score, self.heads = Net(size, 1), nn.ModuleDict({name: Net(size, width) for name, width in heads.items()})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"score": self.score(x).squeeze(1)} | {name: head(x) for name, head in self.heads.items()}


class Deaf(Net):
    """A generator that takes codes and does not listen to them."""

    def forward(self, x: Tensor) -> Tensor:
        codes = x.shape[1] - 3
        return super().forward(torch.cat([x[:, :3], torch.zeros_like(x[:, 3:])], 1) if codes else x)


class Restless(nn.Module):
    """A layer that counts its calls in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x


def architecture(wrong: str, says: str, make, sample=lambda rng: {}, size: int = 1) -> Planted:
    """Plant an architecture."""
    build = lambda: Space(sample=sample, networks=lambda spec, ask: make(ask), size=size)  # noqa: E731
    return Planted("architectures", Offer(wrong, build, "An architecture."), says)


def growing(ask) -> tuple[Networks, ...]:
    return networks(ask), networks(ask, critic=nn.Sequential(Net(ask.shape[0], 1)))


def with_habit(habit, **more):
    return lambda ask: networks(ask, critic=Net(ask.pack * ask.shape[0], 1, habit()), **more)


ARCHITECTURES = (
    architecture(
        "running statistics", "track_running_stats=False", with_habit(lambda: nn.BatchNorm1d(6), rowwise=False)
    ),
    architecture("dropout", "no dropout", with_habit(lambda: nn.Dropout(0.5))),
    architecture("a counting layer", "buffers ['0.habit.calls'] change", with_habit(Restless)),
    architecture(
        "rowwise with batch norm", "Say rowwise=False", with_habit(lambda: nn.BatchNorm1d(6, track_running_stats=False))
    ),
    architecture(
        "deaf to codes",
        "ignores the last three",
        lambda ask: networks(ask, generator=Deaf(3 + ask.latent, ask.shape[0])),
    ),
    architecture("no room for codes", "latent + ask.latent", lambda ask: networks(ask, generator=Net(3, ask.shape[0]))),
    architecture("no heads", "asked for a head 'code'", lambda ask: networks(ask, heads=False)),
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
        "specs of global dice", "draw specs from the `rng`", networks, sample=lambda rng: {"width": random.random()}
    ),
    architecture("more specs than its size", "different specs", networks, sample=lambda rng: {"w": rng.randint(1, 9)}),
    architecture("stages that forget", "missing, or others, in the next", growing),
)


def dataset(wrong: str, says: str, metrics: tuple[str, ...] = (), **fields) -> Planted:
    """Plant a dataset: a normal law but for what is given."""

    def draw(generator: torch.Generator, n: int) -> Tensor:
        return torch.randn(n, 2, generator=generator)

    right = {"shape": (2,), "draw": draw, "reference": lambda n: draw(torch.Generator().manual_seed(0), n)}
    return Planted("datasets", Offer(wrong, lambda: Source(**{**right, **fields}), "Data.", metrics=metrics), says)


ROWS = torch.randn(20, 2, generator=torch.Generator().manual_seed(4))

DATASETS = (
    dataset("global dice", "from torch's global generator", draw=lambda generator, n: torch.randn(n, 2)),
    dataset("a generator ignored", "does not use its generator", draw=lambda generator, n: ROWS[:n]),
    dataset("doubles", "samples are float32", draw=lambda g, n: torch.randn(n, 2, generator=g, dtype=torch.float64)),
    dataset("another shape", "`shape` is (3,)", shape=(3,)),
    dataset("a moving reference", "global generator", reference=lambda n: torch.randn(n, 2)),
    dataset("a reference too long", "asked for 16 reference samples", reference=lambda n: ROWS),
    dataset("an unknown metric", "Did you mean 'sliced-w1'", metrics=("slice-w1",)),
    dataset("law and set", "either `draw`", take=lambda indices: ROWS[indices], size=20),
    dataset(
        "labels out of range", "of 2 classes", draw=None, take=lambda i: ROWS[i], size=20, classes=2, labels=lambda i: i
    ),
    dataset("rows out of order", "in another order", draw=None, take=lambda i: ROWS[i.sort().values], size=20),
)


def metric(wrong: str, says: str, measure, values=None) -> Planted:
    """Plant a metric."""
    build = lambda: Metric(measure=measure, values=values or {"spread": "neutral"})  # noqa: E731
    return Planted("metrics", Offer(wrong, build, "A metric."), says)


def first_half(evidence) -> dict[str, float]:
    return {"spread": float(evidence.samples[:10].std())}


def whitened(evidence) -> dict[str, float]:
    rows = evidence.samples.flatten(1)
    return {"spread": float(torch.linalg.cholesky(rows.T.cov()).trace())}


METRICS = (
    metric("undeclared values", "measures ['mean', 'spread']", lambda e: {"spread": 1.0, "mean": 0.0}),
    metric("a tensor", "floats, please", lambda e: {"spread": e.samples.std()}),
    metric("an unknown direction", "is 'up'", lambda e: {"spread": 1.0}, {"spread": "up"}),
    metric("an order seen", "the same samples in another order", first_half),
    metric("dice", "global generator", lambda e: {"spread": float(e.samples.std() + torch.rand(()))}),
    metric("samples changed", "in place", lambda e: {"spread": float(e.samples.mul_(2).std())}),
    metric("dead generators raise", "cholesky", whitened),
)


class Clipping(torch.optim.SGD):
    """Gradient descent that first scales the gradients of everything to a norm of 1."""

    def step(self, closure=None):
        torch.nn.utils.clip_grad_norm_(self.param_groups[0]["params"], 1.0)
        return super().step(closure)


def plain_sgd(lr: float = 0.1):
    return lambda parameters: Clipping(list(parameters), lr=lr)


OPTIMIZERS = (
    Planted("optimizers", Offer("global clipping", plain_sgd, "Descent."), "it is not elementwise"),
    Planted("optimizers", Offer("no optimizer", lambda: list, "Nothing."), "no torch Optimizer"),
)


def forgetful(losses, g, d):
    return grad(lambda g: losses.generator(g, d)[0])(g), {}


def wrong_player(losses, g, d):
    return grad(losses.generator, argnums=1, has_aux=True)(g, d)


DYNAMICS = (
    Planted("dynamics", Offer("forgetful", lambda: Dynamics(generator=forgetful), "Moves."), "loses the memory"),
    Planted(
        "dynamics", Offer("wrong player", lambda: Dynamics(generator=wrong_player), "Moves."), "its own parameters"
    ),
)


def method(wrong: str, says: str, **fields) -> Planted:
    """Plant a recipe."""
    return Planted("methods", Offer(wrong, lambda: Method(**{"loss": Use("hinge"), **fields}), "A recipe."), says)


METHODS = (
    method("an unknown constraint", "Did you mean 'gradient-penalty'", constraints=(Use("gradient-penality"),)),
    method("an unknown option", "no option 'gamma'", constraints=(Use("r1", gamma=10.0),)),
    method("half a critic step", "critic_steps", critic_steps=0.5),
    method("an average of everything", "decay of averaged weights", ema=1.0),
)


def never_ends(work, batches):
    for batch in batches:
        yield Started(batch)
        work(batch, lambda step, steps: None)


def raises(work, batches):
    for batch in batches:
        yield Started(batch)
        yield Finished(batch, tuple(work(batch, lambda step, steps: None)))


EXECUTORS = (
    Planted("executors", Offer("never ends", lambda: never_ends, "Runs."), "Started, then Finished"),
    Planted("executors", Offer("lets failures through", lambda: raises, "Runs."), "give a Lost event instead"),
)


def report(wrong: str, says: str, render, suffix: str = ".txt") -> Planted:
    """Plant a report."""
    return Planted("reports", Offer(wrong, lambda: Report(suffix=suffix, render=render), "Writes."), says)


def lines(table, write=ascii) -> str:
    """Write a table, rightly but for what is planted."""
    head = [[table.title], [table.heading(column) for column in table.columns]]
    return "\n".join(", ".join(map(ascii, row)) for row in [*head, *table.cells(write), table.notes])


def spoils(table) -> str:
    table.frame.index = table.frame.index + 1
    return lines(table)


def counts(table, seen=[]) -> str:  # noqa: B006
    seen.append(table.title)
    return lines(table) + str(len(seen))


REPORTS = (
    report("a suffix with a path", "its suffix is '/../x'", lines, "/../x"),
    report("gives a list", "`render` gives list", lambda table: [lines(table)]),
    report("needs a row", "IndexError", lambda table: lines(table) + str(table.frame.iloc[0])),
    report("leaves notes out", "differ in a note", lambda table: lines(table).rpartition("\n")[0]),
    report("changes the table", "changes the table's frame", spoils),
    report("keeps count", "differently the second time", counts),
    report("escapes nothing", "reaches the output", lambda table: lines(table) + table.title),
)

ANYTHING = (
    Planted("losses", Offer("a bare option", lambda margin: Objective(None, None), "A loss."), "have no default"),
    Planted("losses", Offer("no summary", lambda: Objective(None, None), " "), "has no summary"),
    Planted("losses", Offer("no build", lambda: 1 / 0, "A loss."), "ZeroDivisionError"),
    Planted("losses", Offer("no objective", lambda: (1, 2), "A loss."), "It must give an Objective"),
)

ELSEWHERE = (*ARCHITECTURES, *DATASETS, *METRICS, *OPTIMIZERS, *DYNAMICS, *METHODS, *EXECUTORS, *REPORTS, *ANYTHING)
