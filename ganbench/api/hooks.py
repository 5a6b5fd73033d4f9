"""The hooks: each yields offers, takes no arguments, and is called in no particular order.

A module (or any object) with functions of these names is a plugin. The example under each hook is complete: saved as
`mine.py`, it runs with `ganbench run suite.toml --plugin mine.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from ganbench.api.offers import Offer

hookspec = pluggy.HookspecMarker("ganbench")
hookimpl = pluggy.HookimplMarker("ganbench")


@hookspec
def ganbench_losses() -> Iterable[Offer]:
    """Yield losses for both players; `build(**options)` gives an `Objective`.

    >>> from ganbench import Objective, Offer, hookimpl
    >>> def critic(real, fake):
    ...     return fake.mean() - real.mean()
    >>> def generator(real, fake):
    ...     return -fake.mean()
    >>> @hookimpl
    ... def ganbench_losses():
    ...     yield Offer("my-loss", lambda: Objective(critic, generator), "The difference of the mean scores.")
    """
    return ()


@hookspec
def ganbench_constraints() -> Iterable[Offer]:
    """Yield what holds the critic back; `build(**options)` gives a `Constraint`.

    >>> from ganbench import Constraint, Offer, hookimpl
    >>> def drift(play):
    ...     return play.scores_real.square().mean()
    >>> @hookimpl
    ... def ganbench_constraints():
    ...     yield Offer("my-drift", lambda: Constraint(critic=drift), "Keeps the scores of real data near zero.")
    """
    return ()


@hookspec
def ganbench_dynamics() -> Iterable[Offer]:
    """Yield ways for the players to move; `build(**options)` gives a `Dynamics`.

    >>> from ganbench import Dynamics, Offer, hookimpl
    >>> @hookimpl
    ... def ganbench_dynamics():
    ...     yield Offer("my-dynamics", lambda: Dynamics(together=True), "Both players step from one point.")
    """
    return ()


@hookspec
def ganbench_inputs() -> Iterable[Offer]:
    """Yield what the critic sees and the generator gets; `build(**options)` gives an `Input`.

    >>> from ganbench import Draw, Input, Offer, hookimpl
    >>> def view(x, draws, progress):
    ...     return x * draws["flip"]
    >>> @hookimpl
    ... def ganbench_inputs():
    ...     build = lambda: Input(view=view, draws={"flip": Draw("sign")})
    ...     yield Offer("my-flip", build, "Shows the critic each sample with a random sign.")
    """
    return ()


@hookspec
def ganbench_architectures() -> Iterable[Offer]:
    """Yield architecture spaces; `build(**options)` gives a `Space`.

    >>> from ganbench import GanbenchError, Networks, Offer, Space, hookimpl
    >>> def networks(spec, ask):
    ...     from torch import nn
    ...     if ask.heads or len(ask.shape) > 1:
    ...         raise GanbenchError("'my-space' is for flat data and has a score alone: use another architecture.")
    ...     generator = nn.Sequential(nn.Linear(4 + ask.latent, 8), nn.ReLU(), nn.Linear(8, ask.shape[0]))
    ...     width, size = spec["width"], ask.pack * ask.shape[0]
    ...     critic = nn.Sequential(nn.Linear(size, width), nn.ReLU(), nn.Linear(width, 1), nn.Flatten(0))
    ...     return Networks(generator=generator, critic=critic, latent=4, rowwise=True)
    >>> def build():
    ...     return Space(sample=lambda rng: {"width": rng.choice([8, 16])}, networks=networks, size=2)
    >>> @hookimpl
    ... def ganbench_architectures():
    ...     yield Offer("my-space", build, "Two widths of a small critic, for flat data.")
    """
    return ()


@hookspec
def ganbench_datasets() -> Iterable[Offer]:
    """Yield datasets; `build(**options)` gives a `Source`.

    >>> from ganbench import Offer, Source, hookimpl
    >>> def build():
    ...     import torch
    ...     def draw(generator, n):
    ...         return torch.randn(n, 2, generator=generator)
    ...     return Source(shape=(2,), draw=draw, reference=lambda n: draw(torch.Generator().manual_seed(0), n))
    >>> @hookimpl
    ... def ganbench_datasets():
    ...     yield Offer("my-gaussian", build, "A standard normal in the plane.", metrics=("sliced-w1",))
    """
    return ()


@hookspec
def ganbench_metrics() -> Iterable[Offer]:
    """Yield judgements of a trained model; `build(**options)` gives a `Metric`.

    >>> from ganbench import Metric, Offer, hookimpl
    >>> def measure(evidence):
    ...     return {"spread": float(evidence.samples.std())}
    >>> @hookimpl
    ... def ganbench_metrics():
    ...     yield Offer("my-spread", lambda: Metric(measure=measure, values={"spread": "neutral"}), "The overall std.")
    """
    return ()


@hookspec
def ganbench_optimizers() -> Iterable[Offer]:
    """Yield optimizers; `build(**options)` gives a function of parameters that makes a `torch.optim.Optimizer`.

    It must be elementwise, so that seeds trained together stay strangers.

    >>> from ganbench import Offer, hookimpl
    >>> def build(lr: float = 1e-3):
    ...     import torch
    ...     return lambda parameters: torch.optim.SGD(parameters, lr=lr)
    >>> @hookimpl
    ... def ganbench_optimizers():
    ...     yield Offer("my-sgd", build, "Plain gradient descent.")
    """
    return ()


@hookspec
def ganbench_methods() -> Iterable[Offer]:
    """Yield named recipes from papers; `build()` gives a `Method`, names and numbers only.

    >>> from ganbench import Method, Offer, Use, hookimpl
    >>> def build():
    ...     penalty = Use("gradient-penalty", weight=1.0)
    ...     return Method(loss=Use("wasserstein"), constraints=(penalty,), critic_steps=2)
    >>> @hookimpl
    ... def ganbench_methods():
    ...     yield Offer("my-wgan", build, "A Wasserstein critic with a light penalty.")
    """
    return ()


@hookspec
def ganbench_executors() -> Iterable[Offer]:
    """Yield ways to run batches; `build(**options)` gives `run(work, batches) -> Iterator[Event]`.

    `work(batch, report)` trains a batch and gives its records; `report(step, steps)` is called on the way. A failure is
    an event, never an exception. `run` may get ready when it is called, but trains nothing before its first event is
    asked for; where what it gives has `close`, that is called when no more will be asked for.

    >>> from ganbench import Offer, hookimpl
    >>> def build():
    ...     from ganbench import Finished, Lost, Started
    ...     def run(work, batches):
    ...         for batch in batches:
    ...             yield Started(batch)
    ...             try:
    ...                 end = Finished(batch, tuple(work(batch, lambda step, steps: None)))
    ...             except Exception as error:
    ...                 end = Lost(batch, "failed", str(error))
    ...             yield end
    ...     return run
    >>> @hookimpl
    ... def ganbench_executors():
    ...     yield Offer("my-executor", build, "One batch after another, in this process.")
    """
    return ()


@hookspec
def ganbench_reports() -> Iterable[Offer]:
    """Yield ways to write tables; `build(**options)` gives a `Report`.

    `ganbench table RESULTS --format NAME` prints what `render(table)` gives of each table, and `--out DIR` writes each
    into a file. Escape every text for your target: names, labels and errors are what strangers wrote.

    >>> from ganbench import Offer, Report, hookimpl
    >>> def render(table):
    ...     rows = [[table.heading(column) for column in table.columns], *table.cells(str)]
    ...     lines = [ascii(table.title), *("; ".join(map(ascii, row)) for row in rows), *map(ascii, table.notes)]
    ...     return "\\n".join(lines) + "\\n"
    >>> @hookimpl
    ... def ganbench_reports():
    ...     yield Offer("my-lines", lambda: Report(suffix=".txt", render=render), "A line for each row.")
    """
    return ()
