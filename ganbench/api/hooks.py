"""The hooks of a plugin. Each hook yields offers, takes no arguments, and may be called in any order.

A module, or any object, with functions of these names is a plugin. The example of each hook is complete: save it as
`mine.py` and run it with `ganbench run suite.toml --plugin mine.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from ganbench.api.offers import Offer

hookspec = pluggy.HookspecMarker("ganbench")
hookimpl = pluggy.HookimplMarker("ganbench")


@hookspec
def ganbench_losses() -> Iterable[Offer]:
    """Yield losses for both players; `build(**options)` returns an `Objective`.

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
    """Yield constraints on the critic, such as penalties; `build(**options)` returns a `Constraint`.

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
    """Yield rules by which the players update; `build(**options)` returns a `Dynamics`.

    >>> from ganbench import Dynamics, Offer, hookimpl
    >>> @hookimpl
    ... def ganbench_dynamics():
    ...     yield Offer("my-dynamics", lambda: Dynamics(together=True), "Both players step from the same point.")
    """
    return ()


@hookspec
def ganbench_inputs() -> Iterable[Offer]:
    """Yield changes to what the critic or the generator receives; `build(**options)` returns an `Input`.

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
    """Yield spaces of architectures; `build(**options)` returns a `Space`.

    >>> from ganbench import GanbenchError, Networks, Offer, Space, hookimpl
    >>> def networks(spec, ask):
    ...     from torch import nn
    ...     if ask.heads or len(ask.shape) > 1:
    ...         raise GanbenchError("'my-space' needs flat data, and its critic has no other heads. Use 'mlp'.")
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
    """Yield datasets; `build(**options)` returns a `Source`.

    Never download in `build`. If a file is missing, raise `NotInstalled`, and say what to fetch, where to put it, and
    its hash. Its `shape` and `classes`, where they are known, let `ganbench plan --estimate` count what a suite costs
    before anything is fetched.

    >>> from ganbench import Offer, Source, hookimpl
    >>> def build():
    ...     import torch
    ...     def draw(generator, n):
    ...         return torch.randn(n, 2, generator=generator, device=generator.device)
    ...     return Source(shape=(2,), draw=draw, reference=lambda n: draw(torch.Generator().manual_seed(0), n))
    >>> @hookimpl
    ... def ganbench_datasets():
    ...     yield Offer("my-gaussian", build, "A standard normal in the plane.", metrics=("sliced-w1",))
    """
    return ()


@hookspec
def ganbench_metrics() -> Iterable[Offer]:
    """Yield metrics that score a trained model; `build(**options)` returns a `Metric`.

    The range of an option stands in its annotation. A suite with a value outside is refused when it is planned.

    >>> from typing import Annotated
    >>> from annotated_types import Gt
    >>> from ganbench import Metric, Offer, hookimpl
    >>> def build(power: Annotated[float, Gt(0)] = 1.0):
    ...     def measure(evidence):
    ...         return {"spread": float(evidence.samples.std()) ** power}
    ...     return Metric(measure=measure, values={"spread": "neutral"})
    >>> @hookimpl
    ... def ganbench_metrics():
    ...     yield Offer("my-spread", build, "A power of the overall std.")
    """
    return ()


@hookspec
def ganbench_extractors() -> Iterable[Offer]:
    """Yield extractors, whose features metrics compare on any dataset; `build(**options)` returns an `Extractor`.

    Never download in `build`. If a file is missing, raise `NotInstalled`, and say what to fetch, where to put it, and
    its hash. Check the hash before you load a file that may hold code, such as a pickle.

    >>> from ganbench import Extractor, Offer, hookimpl
    >>> def build(size: int = 4):
    ...     import torch
    ...     def extract(x):
    ...         return {"features": torch.nn.functional.adaptive_avg_pool2d(x.float(), size).flatten(1)}
    ...     return Extractor(name="my-pixels", digest=f"mean pixels {size}", extract=extract, sees="bytes", channels=3)
    >>> @hookimpl
    ... def ganbench_extractors():
    ...     yield Offer("my-pixels", build, "The mean colours of a picture's tiles.")
    """
    return ()


@hookspec
def ganbench_optimizers() -> Iterable[Offer]:
    """Yield optimizers; `build(**options)` returns a function from parameters to a `torch.optim.Optimizer`.

    The optimizer must be elementwise, so that seeds that train together do not influence each other.

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
    """Yield named recipes from papers; `build()` returns a `Method`, which has only names and numbers.

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
    """Yield ways to run batches; `build(**options)` returns a function `run(work, batches) -> Iterator[Event]`.

    `work` is a `Work`: `work(batch, report)` trains a batch and returns its records. It calls `report(step, steps)`
    during the training. `ganbench run SUITE --executor NAME --executor-option KEY=VALUE` uses the executor.
    Report a batch's failure as an event, never as an exception; raise `RunFailed` only where no batch can be run.
    `run` may prepare workers when it is called, but must not train before its first event is requested.
    If a record's `facts` have `process_changes`, the batch changed what all methods of its process share. `work` has
    undone it, but caches may remain: give the next batch to a new process, if you can.
    If the iterator has a method `close`, it is called when no more events will be requested.

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
    """Yield formats for tables; `build(**options)` returns a `Report`.

    `ganbench table RESULTS --format NAME` prints what `render(table)` returns for each table. With `--out DIR` it
    writes each table to a file.
    Escape every text for the target format: names, labels and errors come from third parties.

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


@hookspec
def ganbench_watch() -> Iterable[Offer]:
    """Yield watchers, which follow a run and write to a tracker; `build(**options)` returns a `Watcher`.

    `ganbench run SUITE --watch NAME` calls them. They can neither slow the training nor fail a trial: see `Watcher`.
    If a library is missing, raise `NotInstalled` in `build`, and say how to install it. Nothing is trained then.

    >>> from ganbench import Finished, Offer, Watcher, hookimpl
    >>> def start(run):
    ...     return (run.folder / "lines.txt").open("a", encoding="utf-8")
    >>> def write(file, event):
    ...     if isinstance(event, Finished):
    ...         file.writelines(f"{record.trial.key} {record.status}\\n" for record in event.records)
    ...         file.flush()
    >>> def build():
    ...     return Watcher(open=start, on_event=write, close=lambda file: file.close())
    >>> @hookimpl
    ... def ganbench_watch():
    ...     yield Offer("my-lines", build, "A line for each trial.")
    """
    return ()
