"""Sample sheets: what trained models make, a row or a panel for each trial from the best to the worst.

Models are rebuilt from their stored generators and recipes, in the company they were trained in, and shown on the first
of the latents that they were judged on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ganbench.errors import GanbenchError
from ganbench.report.figures import Picture
from ganbench.report.output import file_names
from ganbench.report.sample_plots import COLUMNS, Strip, draw_images, draw_points
from ganbench.report.style import render_png
from ganbench.report.table import format_value
from ganbench.results.frames import Frames
from ganbench.results.store import Store
from ganbench.runner.rebuild import rebuild_batch
from ganbench.statistics.final_scores import final_scores
from ganbench.statistics.outcome_table import headline_metrics
from ganbench.suite.loading import restore

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ganbench.registry.registry import Registry

MOST = 24
"""Trials on one sheet; of more, as many evenly over the ranks."""

POINTS = 500
"""Points of each trial in a scatter plot, and of the data behind them."""

WHOLE = 100
"""Images on the sheet of one trial."""


@dataclass(frozen=True)
class TrialSamples:
    """What a trial's model makes and what it should: samples and reference [n, *shape]; or the reason for nothing."""

    samples: NDArray[np.float32] | None
    reference: NDArray[np.float32] | None
    reason: str = ""


class SampleSource:
    """The models of a results folder, each rebuilt when it is first looked at."""

    def __init__(self, folder: Path, frames: Frames, plugins: Registry) -> None:
        self.folder, self.frames, self.plugins = folder, frames, plugins
        self.made: dict[str, TrialSamples] = {}
        self.missing = set(frames.trials.loc[frames.trials["status"] == "missing", "key"])

    def look(self, key: str) -> TrialSamples:
        """Give what the trial with this full key makes; what goes wrong on the way is the reason for nothing."""
        if key not in self.made:
            if key in self.missing:
                return TrialSamples(None, None, "not trained yet")
            try:
                self.made |= self.rebuilt(key)
            except Exception as error:  # a stranger's network may raise whatever it likes
                said = str(error) if isinstance(error, GanbenchError) else f"{type(error).__name__}: {error}"
                self.made[key] = TrialSamples(None, None, said)
        return self.made[key]

    def rebuilt(self, key: str) -> dict[str, TrialSamples]:
        """Rebuild the batch that a trial was trained in, and give what each of its members makes."""
        with Store(self.folder, readonly=True) as store:
            size = store.detail(key)["asked"]["budget"]["batch_size"]
            kept = rebuild_batch(store, key, self.plugins, self.judged_on(key, size))
        training = kept.training
        samples = training.draw_samples(kept.snapshot, kept.batch.measurement.samples).numpy()
        reference = training.source.reference(POINTS).float().cpu().numpy()
        return {
            name: TrialSamples(own, reference)
            for (name, file), own in zip(kept.files.items(), samples, strict=True)
            if file
        }

    def judged_on(self, key: str, otherwise: int) -> int:
        """Give on how many samples a trial was judged: their noise is drawn at once, so the first hang on them all."""
        scores = self.frames.scores
        counts = scores.loc[scores["key"] == key, "samples"]
        return int(counts.max()) if len(counts) else otherwise


def list_sheets(folder: Path, frames: Frames, plugins: Registry) -> list[Picture]:
    """Name the sheets of a results folder: one for each method on each dataset."""
    gallery = SampleSource(folder, frames, plugins)
    groups = list(frames.trials.groupby(["dataset", "method"], sort=False))
    names = file_names([f"{dataset} {method} samples" for (dataset, method), _ in groups])
    return [
        (f"{name}.png", partial(method_sheet, gallery, rank_trials(frames, trials), f"{method} on {dataset}"))
        for name, ((dataset, method), trials) in zip(names, groups, strict=True)
    ]


def trial_sheet(folder: Path, frames: Frames, plugins: Registry, key: str) -> Picture:
    """Name the sheet of one trial, whose key may be shortened; GanbenchError if it left no generator."""
    with Store(folder, readonly=True) as store:
        detail = store.detail(key)
        store.generator(detail["key"])  # says so where there is none
    whole = str(detail["key"])
    title = f"{detail['method']} on {detail['dataset']}, {detail['architecture']}, seed {detail['asked']['seed']}"
    return f"trial-{whole[:12]}-samples.png", partial(draw_trial, SampleSource(folder, frames, plugins), whole, title)


def rank_trials(frames: Frames, trials: pd.DataFrame) -> list[tuple[str, str]]:
    """Give the keys and names of a method's trials from best to worst by their dataset's headline metric.

    Trials that did not live come last, in the plan's order, as do those without a score. Without a metric that has a
    better direction the order is the plan's.
    """
    dataset = str(trials["dataset"].iloc[0])
    metric = headline_metrics(restore(frames.suite) if frames.suite else None).get(dataset, "")
    values = ranking_values(frames, dataset, metric, set(trials["key"]))
    named: list[tuple[float, str, str]] = []
    columns = (trials[name].astype("str") for name in ("key", "architecture", "seed", "status"))
    for key, architecture, seed, status in zip(*columns, strict=True):
        rank, value = values.get(key, (math.inf, math.inf))
        ended = "not scored" if status == "completed" and key not in values else status
        note = f"{metric} {format_value(value)}" if math.isfinite(rank) else ended
        named.append((rank, key, f"{architecture}, seed {seed}\n{note}"))
    return [(key, name) for _, key, name in sorted(named, key=lambda each: each[0])]


def ranking_values(frames: Frames, dataset: str, metric: str, keys: set[str]) -> dict[str, tuple[float, float]]:
    """Give, by key, what trials are ranked by (low is good, inf for the dead) and their final value."""
    rows = frames.scores[(frames.scores["name"] == metric) & frames.scores["key"].isin(keys)]
    if rows.empty or (rows["direction"] == "neutral").any():
        return {}
    standing = final_scores(frames, dataset, metric, str(rows["measurement"].iloc[0]))
    sign = 1.0 if (rows["direction"] == "lower").all() else -1.0
    final = standing["final"].to_numpy(float)
    return dict(zip(standing["key"].astype("str"), zip(sign * final, final, strict=True), strict=True))


def method_sheet(gallery: SampleSource, trials: Sequence[tuple[str, str]], title: str) -> bytes:
    """Draw a method's trials, the best first."""
    places = np.unique(np.linspace(0, len(trials) - 1, min(MOST, len(trials))).round().astype(int))
    chosen = [trials[place] for place in places]
    count = f"{len(chosen)} of {len(trials)} trials" if len(chosen) < len(trials) else f"all {len(trials)} trials"
    return draw([(name, gallery.look(key)) for key, name in chosen], f"{title}: {count}, the best first", COLUMNS)


def draw_trial(gallery: SampleSource, key: str, title: str) -> bytes:
    """Draw one trial's samples; GanbenchError where its model cannot be rebuilt."""
    made = gallery.look(key)
    if made.samples is None:
        raise GanbenchError(f"trial {key[:8]}: {made.reason}")
    if made.samples.ndim < 4:
        return draw([("", made)], title, 1)
    side = math.isqrt(WHOLE)
    rows = [("", replace(made, samples=made.samples[i : i + side])) for i in range(0, WHOLE, side)]
    return draw([row for row in rows if row[1].samples is not None and len(row[1].samples)], title, side)


def draw(trials: Sequence[tuple[str, TrialSamples]], title: str, columns: int) -> bytes:
    """Draw images as strips, one below the other, and whatever else as points over the data."""
    shapes = [made.samples.shape[1:] for _, made in trials if made.samples is not None]
    strips = [Strip(name, made.samples, made.reference, made.reason) for name, made in trials]
    if shapes and len(shapes[0]) == 3:
        return render_png(partial(draw_images, strips, title, columns), height=0.45 + 0.42 * len(strips))
    width = min(len(strips), 6)
    height = 0.5 + (6.4 / width if width < 3 else 1.35) * -(-len(strips) // width)
    return render_png(partial(draw_points, strips, title, width, POINTS), height=height)
