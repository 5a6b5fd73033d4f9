"""The samples of stored models: each model is rebuilt from its generator, in the batch in which it trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.api.data import Source
from ganbench.engine.pixels import scale_bytes
from ganbench.errors import GanbenchError, UnknownOffer, describe
from ganbench.results.details import KEPT_NONE
from ganbench.results.files import list_networks
from ganbench.results.frames import Frames
from ganbench.results.store import Store
from ganbench.runner.rebuild import RebuiltBatch, rebuild_batch
from ganbench.runner.used_plugins import naming_plugins
from ganbench.statistics.outcome_table import stored_suite
from ganbench.suite.loading import explain_import

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from ganbench.registry.registry import Registry

POINTS = 500
"""Points of each trial in a scatter plot, and of the data behind them, at most."""

LINES = 36
"""Samples of each trial and of the data that are read as text, at most."""

NO_NUMBERS = "diverged: none of its samples is a finite number"


@dataclass(frozen=True)
class TrialSamples:
    """A model's samples and reference samples of the data, both [n, *shape]; or the reason why there are none.

    `texts` and `reference_texts` are the first LINES of both as text, if the dataset reads its samples as text.
    """

    samples: NDArray[np.float32] | None
    reference: NDArray[np.float32] | None
    reason: str = ""
    texts: tuple[str, ...] = ()
    reference_texts: tuple[str, ...] = ()


def refuse_kept_none(folder: Path, frames: Frames) -> None:
    """Raise GanbenchError where the folder has no generators because its suite keeps none, or its trials are imported.

    No sheet would show any.
    """
    suite = stored_suite(frames)
    if suite is not None and suite.imported and not list_networks(folder):
        raise GanbenchError(f"{folder}: {explain_import(suite)}, so there are no models that could draw samples.")
    if suite is not None and suite.keep.generators == "none" and not list_networks(folder):
        raise GanbenchError(f"{folder}: {KEPT_NONE}.")


def read_texts(source: Source, x: Tensor) -> tuple[str, ...]:
    """Return the first samples as text; () if the dataset does not read its samples as text."""
    return () if source.text is None else tuple(source.text(x[:LINES]))


class SampleSource:
    """The samples of the models in a results folder; each model is rebuilt when its samples are first needed."""

    def __init__(self, folder: Path, frames: Frames, plugins: Registry) -> None:
        self.folder, self.frames, self.plugins = folder, frames, plugins
        self.cache: dict[str, TrialSamples] = {}
        self.missing = set(frames.trials.loc[frames.trials["status"] == "missing", "key"])

    def load(self, key: str) -> TrialSamples:
        """Return the samples of the trial with this full key; an error while rebuilding it becomes the reason."""
        if key not in self.cache:
            if key in self.missing:
                return TrialSamples(None, None, "not trained yet")
            try:
                self.cache |= self.rebuild(key)
            except UnknownOffer:  # no sheet would show anything: the command ends, and names the plugin
                raise
            except Exception as error:  # a third-party network may raise any error
                reason = str(error) if isinstance(error, GanbenchError) else describe(error)
                self.cache[key] = TrialSamples(None, None, reason)
        return self.cache[key]

    def open(self, key: str, step: int | None = None) -> RebuiltBatch:
        """Return the batch in which a trial trained, to draw as many samples as the trial was scored on."""
        with Store(self.folder, readonly=True) as store:
            size = store.detail(key)["batch_size"]
            with naming_plugins(self.folder):
                return rebuild_batch(store, key, self.plugins, self.count_scored_samples(key, size), step)

    def rebuild(self, key: str, step: int | None = None) -> dict[str, TrialSamples]:
        """Rebuild the batch in which a trial trained; return the samples of each member that left a generator.

        They are the final ones, or those of an earlier snapshot.
        """
        rebuilt = self.open(key, step)
        training = rebuilt.training
        samples = training.draw_samples(rebuilt.snapshot, rebuilt.batch.measurement.samples)
        reference = scale_bytes(training.source.reference(POINTS), training.source).cpu()

        def show(drawn: Tensor) -> TrialSamples:
            if not drawn.isfinite().any():
                return TrialSamples(None, None, NO_NUMBERS)
            texts = (read_texts(training.source, x) for x in (drawn, reference))
            return TrialSamples(drawn.numpy(), reference.numpy(), "", *texts)

        return {
            member: show(drawn) for (member, file), drawn in zip(rebuilt.files.items(), samples, strict=True) if file
        }

    def count_scored_samples(self, key: str, default: int) -> int:
        """Return the number of samples a trial was scored on; their latents are one draw, so the first depend on it."""
        scores = self.frames.scores
        counts = scores.loc[scores["key"] == key, "samples"]
        return int(counts.max()) if len(counts) else default
