"""Keeping a batch to itself: what its plugins change for every method of the process is undone, and fails the batch."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import _lru_cache_wrapper
from typing import TYPE_CHECKING

from ganbench.api.trials import Batch, Measurement, Part, list_offers
from ganbench.errors import GanbenchError

if TYPE_CHECKING:
    from ganbench.engine.shared_state import Change, SharedState
    from ganbench.registry.registry import Offered, Registry

ADVICE = (
    "Use a subclass, a function of your own, or a context manager that ends before your plugin returns, and change "
    "nothing that others use."
)
LISTED = 5
"""The largest number of changes that a message lists."""

_lasting: list[Change] = []
"""What was changed in this process and could not be undone."""


class ProcessChanged(GanbenchError):
    """Scores are not to be trusted: a plugin changed what all methods of its process share.

    `changes` says what was changed, each as a sentence.
    """

    def __init__(self, changes: Sequence[Change], consequence: str) -> None:
        self.changes = [change.text for change in changes]
        more = [f"and {len(changes) - LISTED} more"] if len(changes) > LISTED else []
        told = "; ".join([*self.changes[:LISTED], *more])
        super().__init__(f"A plugin changed what all methods of its process share: {told}. {consequence}")


@contextmanager
def isolated(state: SharedState, offers: Sequence[Offered]) -> Iterator[None]:
    """Train or score with these offers in this context; at its end all that differs from `state` is restored.

    Raise ProcessChanged, which names the changes and the offers, in place of what was raised; Ctrl-C stays. Raise it at
    the start if an earlier change could not be undone.
    """
    if _lasting:
        raise ProcessChanged(_lasting, "It happened earlier, and nothing can undo it. Start ganbench again without it.")
    error: BaseException | None = None
    try:
        yield
    except BaseException as raised:
        error = raised
    changes = undo(state, offers)
    if changes and (error is None or isinstance(error, (Exception, SystemExit))):
        raise ProcessChanged(changes, explain(changes, offers, error)) from error
    if error is not None:
        raise error


@contextmanager
def restored(plugins: Registry) -> Iterator[None]:
    """Restore, without a word, what is changed in this context: the batches of the same plugin will fail by name."""
    state = load_shared_state()
    try:
        yield
    finally:
        undo(state, [offered for kind in plugins.kinds for offered in plugins.offers(kind)])


@contextmanager
def importing(files: Sequence[str]) -> Iterator[None]:
    """Import these plugin files, and installed plugins, in this context; raise ProcessChanged if one changes things."""
    state = load_shared_state()
    try:
        yield
    finally:
        changes = undo(state)
    if changes:
        plugins = " or ".join([*map(str, files), "an installed plugin"])
        raise ProcessChanged(changes, f"It was {plugins}, when it was imported. {ADVICE}")


def load_shared_state() -> SharedState:
    """Return the state of this process; what training and scoring use is imported first, so that it is unchanged."""
    from ganbench.engine.shared_state import SharedState
    from ganbench.evaluation import best_snapshot  # noqa: F401

    return SharedState()


def undo(state: SharedState, offers: Sequence[Offered] = ()) -> list[Change]:
    """Restore a state and return what was changed; remember what could not be undone, and empty the offers' caches."""
    changes, lasting = state.undo()
    _lasting.extend(lasting)
    if changes:
        forget_cached(offers)
    return changes


def list_batch_offers(batch: Batch, plugins: Registry) -> list[Offered]:
    """Return the offers that a batch uses, each once."""
    trial = batch.trials[0]
    names = dict.fromkeys(list_offers(trial.recipe, trial.architecture))
    return [plugins.get(*name) for name in names] + list_scoring_offers(trial.dataset, batch.measurement, plugins)


def list_scoring_offers(dataset: Part, measurement: Measurement, plugins: Registry) -> list[Offered]:
    """Return the offers that scoring uses: the dataset, the metrics, and an extractor that is not the dataset's own."""
    metrics = [plugins.get("metrics", part.name) for part in measurement.metrics]
    extractors = [plugins.get("extractors", part.name) for part in [measurement.extractor] if part is not None]
    return [plugins.get("datasets", dataset.name), *metrics, *extractors]


def explain(changes: Sequence[Change], offers: Sequence[Offered], error: BaseException | None) -> str:
    """Return which offers made the changes, what follows, and what to do instead.

    Code that replaced a function names its offers by its file; otherwise any of the offers may have done it.
    """
    files = {change.file for change in changes if change.file}
    culprits = [offered for offered in offers if offered.origin in files]
    by_provider: dict[str, list[str]] = {}
    for offered in culprits or offers:
        by_provider.setdefault(offered.provider, []).append(str(offered))
    names = "; ".join(f"{', '.join(names)} of {provider}" for provider, names in by_provider.items())
    ended = f" (they ended with {type(error).__name__})" if error else ""
    return (
        f"It was {'' if culprits else 'one of: '}{names}. So its trials have no scores{ended}; the change is undone, "
        f"and other methods train without it. {ADVICE}"
    )


def forget_cached(offers: Sequence[Offered]) -> None:
    """Empty the caches of the functions of these offers' packages, since they may have been filled after the change."""
    packages = {offered.hook.__module__.partition(".")[0] for offered in offers}
    for value in gc.get_objects():
        if type(value) is _lru_cache_wrapper and str(value.__module__).partition(".")[0] in packages:
            value.cache_clear()
