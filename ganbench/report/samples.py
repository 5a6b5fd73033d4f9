"""Sample sheets: samples of trained models, a row or a panel for each trial from the best to the worst.

Models are rebuilt from their stored generators and recipes, in the batch in which they trained. The samples are drawn
from the first of the latents that the models were scored on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ganbench.api.metrics import metric_title
from ganbench.api.records import TRAINED
from ganbench.errors import GanbenchError, UnknownOffer, describe
from ganbench.report.figures import Picture
from ganbench.report.output import file_names
from ganbench.report.sample_plots import COLUMNS, Strip, draw_images, draw_points
from ganbench.report.style import render_png
from ganbench.results.frames import Frames
from ganbench.results.store import Store
from ganbench.runner.rebuild import rebuild_batch
from ganbench.runner.used_plugins import naming_plugins
from ganbench.statistics.final_scores import trial_scores
from ganbench.statistics.outcome_table import headline_metrics, stored_suite
from ganbench.table import format_value

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ganbench.registry.registry import Registry

SHEET_TRIALS = 24
"""Trials on one sheet, at most; of more trials, this many are chosen evenly over the ranks."""

POINTS = 500
"""Points of each trial in a scatter plot, and of the data behind them, at most."""

TRIAL_IMAGES = 100
"""Images on the sheet of one trial."""


@dataclass(frozen=True)
class TrialSamples:
    """A model's samples and reference samples of the data, both [n, *shape]; or the reason why there are none."""

    samples: NDArray[np.float32] | None
    reference: NDArray[np.float32] | None
    reason: str = ""


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

    def rebuild(self, key: str) -> dict[str, TrialSamples]:
        """Rebuild the batch in which a trial trained; return the samples of each member that left a generator."""
        with Store(self.folder, readonly=True) as store:
            size = store.detail(key)["batch_size"]
            with naming_plugins(self.folder):
                rebuilt = rebuild_batch(store, key, self.plugins, self.count_scored_samples(key, size))
        training = rebuilt.training
        samples = training.draw_samples(rebuilt.snapshot, rebuilt.batch.measurement.samples).numpy()
        reference = training.source.reference(POINTS).float().cpu().numpy()
        return {
            member: TrialSamples(member_samples, reference)
            for (member, file), member_samples in zip(rebuilt.files.items(), samples, strict=True)
            if file
        }

    def count_scored_samples(self, key: str, default: int) -> int:
        """Return the number of samples a trial was scored on; their latents are one draw, so the first depend on it."""
        scores = self.frames.scores
        counts = scores.loc[scores["key"] == key, "samples"]
        return int(counts.max()) if len(counts) else default


def list_sheets(folder: Path, frames: Frames, plugins: Registry) -> list[Picture]:
    """Return the sheets of a results folder: one for each method on each dataset."""
    source = SampleSource(folder, frames, plugins)
    groups = list(frames.trials.groupby(["dataset", "method"], sort=False))
    names = file_names([f"{dataset} {method} samples" for (dataset, method), _ in groups])
    return [
        (f"{name}.png", partial(method_sheet, source, rank_trials(frames, trials), f"{method} on {dataset}"))
        for name, ((dataset, method), trials) in zip(names, groups, strict=True)
    ]


def trial_sheet(folder: Path, frames: Frames, plugins: Registry, key: str) -> Picture:
    """Return the sheet of one trial, whose key may be shortened; raise GanbenchError if it left no generator."""
    with Store(folder, readonly=True) as store:
        detail = store.detail(key)
        store.generator(detail["key"])  # raises GanbenchError if there is none
    full_key = str(detail["key"])
    title = f"{detail['method']} on {detail['dataset']}, {detail['architecture']}, seed {detail['seed']}"
    source = SampleSource(folder, frames, plugins)
    return f"trial-{full_key[:12]}-samples.png", partial(draw_trial, source, full_key, title)


def rank_trials(frames: Frames, trials: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the keys and names of a method's trials, from best to worst by their dataset's headline metric.

    Trials that have no finite score (diverged, failed, timed out, undefined or not scored) come last, in the plan's
    order. Without a metric that has a better direction, all trials are in the plan's order.
    """
    dataset = str(trials["dataset"].iloc[0])
    metric = headline_metrics(stored_suite(frames)).get(dataset, "")
    ranks = rank_scores(frames, dataset, metric, set(trials["key"]))
    named: list[tuple[float, str, str]] = []
    columns = (trials[name].astype("str") for name in ("key", "architecture", "seed", "status"))
    for key, architecture, seed, status in zip(*columns, strict=True):
        unscored = "not scored" if status == "completed" else status.replace("-", " ")
        rank, note = ranks.get(key, (math.inf, unscored))
        named.append((rank, key, f"{architecture}, seed {seed}\n{note or unscored}"))
    return [(key, name) for _, key, name in sorted(named, key=lambda each: each[0])]


def rank_scores(frames: Frames, dataset: str, metric: str, keys: set[str]) -> dict[str, tuple[float, str]]:
    """Return, by key, the rank of a trial (low is good, inf without a finite score) and a note on its final score.

    The note is empty for a trial that failed or timed out.
    """
    rows = frames.scores[(frames.scores["name"] == metric) & frames.scores["key"].isin(keys)]
    if rows.empty or (rows["direction"] == "neutral").any():
        return {}
    scores = trial_scores(frames, dataset, metric, str(rows["measurement"].iloc[0]))
    sign = 1.0 if (rows["direction"] == "lower").all() else -1.0
    ranks: dict[str, tuple[float, str]] = {}
    for row in scores.to_dict("records"):
        note = "undefined" if row["undefined"] else "diverged" if row["diverged"] and row["status"] in TRAINED else ""
        if row["scored"]:
            note = f"{metric_title(metric)} {format_value(row['final'])}"
        ranks[str(row["key"])] = (sign * row["final"], note)
    return ranks


def method_sheet(source: SampleSource, trials: Sequence[tuple[str, str]], title: str) -> bytes:
    """Return the sheet of a method's trials, the best first, as PNG."""
    places = np.unique(np.linspace(0, len(trials) - 1, min(SHEET_TRIALS, len(trials))).round().astype(int))
    shown = [trials[place] for place in places]
    count = f"{len(shown)} of {len(trials)} trials" if len(shown) < len(trials) else f"all {len(trials)} trials"
    return draw_sheet([(name, source.load(key)) for key, name in shown], f"{title}: {count}, the best first", COLUMNS)


def draw_trial(source: SampleSource, key: str, title: str) -> bytes:
    """Return the sheet of one trial as PNG; raise GanbenchError if its model cannot be rebuilt."""
    trial = source.load(key)
    if trial.samples is None:
        raise GanbenchError(f"trial {key[:8]}: {trial.reason}")
    if trial.samples.ndim < 4:
        return draw_sheet([("", trial)], title, 1)
    side = math.isqrt(TRIAL_IMAGES)
    rows = [("", replace(trial, samples=trial.samples[i : i + side])) for i in range(0, TRIAL_IMAGES, side)]
    return draw_sheet([row for row in rows if row[1].samples is not None and len(row[1].samples)], title, side)


def draw_sheet(trials: Sequence[tuple[str, TrialSamples]], title: str, columns: int) -> bytes:
    """Return a sheet as PNG: images as strips, one below the other; everything else as points over the data."""
    shapes = [trial.samples.shape[1:] for _, trial in trials if trial.samples is not None]
    strips = [Strip(name, trial.samples, trial.reference, trial.reason) for name, trial in trials]
    if shapes and len(shapes[0]) == 3:
        return render_png(partial(draw_images, strips, title, columns), height=0.45 + 0.42 * len(strips))
    width = min(len(strips), 6)
    height = 0.5 + (6.4 / width if width < 3 else 1.35) * -(-len(strips) // width)
    return render_png(partial(draw_points, strips, title, width, POINTS), height=height)
