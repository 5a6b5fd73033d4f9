"""Sheets of one trial's samples over time: a row or a panel for each snapshot, all from the same latents."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ganbench.api.metrics import metric_title
from ganbench.errors import GanbenchError
from ganbench.report.figures import Picture
from ganbench.report.output import file_names
from ganbench.report.sample_plots import COLUMNS
from ganbench.report.sample_source import SampleSource, refuse_kept_none
from ganbench.report.samples import SHEET_TRIALS, draw_sheet, rank_trials
from ganbench.results.files import list_snapshots
from ganbench.results.frames import Frames
from ganbench.results.store import Store
from ganbench.statistics.outcome_table import headline_metrics, stored_suite
from ganbench.table import format_value

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry


def list_over_time(folder: Path, frames: Frames, plugins: Registry, key: str = "") -> list[Picture]:
    """Return the sheet of one trial over time, whose key may be shortened; without a key, one sheet for each method.

    The trial of a method is the median one, by its final headline score, of those whose snapshots are kept. Raise
    GanbenchError where no snapshots are kept.
    """
    refuse_kept_none(folder, frames)
    source = SampleSource(folder, frames, plugins)
    if key:
        with Store(folder, readonly=True) as store:
            chosen = [str(store.detail(key)["key"])]
    else:
        groups = [rank_trials(frames, trials) for _, trials in frames.trials.groupby(["dataset", "method"], sort=False)]
        kept = [[key for key, _ in ranked if list_snapshots(folder, key)] for ranked in groups]
        chosen = [keys[(len(keys) - 1) // 2] for keys in kept if keys]
    if not any(list_snapshots(folder, each) for each in chosen):
        what = f"trial {key}" if key else "no trial here"
        raise GanbenchError(
            f"{folder}: {what} has kept {'no snapshots' if key else 'its snapshots'}, only the final generators. "
            'Add `[keep]` with `generators = "snapshots"` to the suite, and train into another folder, or with --fresh.'
        )
    rows = frames.trials.drop_duplicates("key").set_index("key")
    titles = [f"{rows['method'].get(each, '')} on {rows['dataset'].get(each, '')}" for each in chosen]
    names = [f"trial-{chosen[0][:12]}-over-time"] if key else list(file_names([f"{t} over time" for t in titles]))
    return [
        (f"{name}.png", partial(draw_over_time, source, each, f"{title}: trial {each[:8]} over time"))
        for name, each, title in zip(names, chosen, titles, strict=True)
    ]


def draw_over_time(source: SampleSource, key: str, title: str) -> bytes:
    """Return the sheet of a trial over time as PNG; at most SHEET_TRIALS snapshots, the first and the last included."""
    frames, kept = source.frames, list(list_snapshots(source.folder, key))
    trial = frames.trials[frames.trials["key"] == key].iloc[0]
    metric = headline_metrics(stored_suite(frames)).get(str(trial["dataset"]), "")
    series = frames.series[(frames.series["key"] == key) & (frames.series["name"] == metric)]
    scores = dict(zip(series["step"].tolist(), series["value"].tolist(), strict=True))
    final = int(trial["generator_steps"])
    steps = [*kept, final]
    places = np.unique(np.linspace(0, len(kept), min(SHEET_TRIALS, len(steps))).round().astype(int))
    rows = []
    for step in (steps[place] for place in places):
        samples = source.load(key) if step == final else source.rebuild(key, step)[key]
        note = f"\n{metric_title(metric)} {format_value(scores[step])}" if step in scores else ""
        rows.append((f"step {step}{note}", samples))
    return draw_sheet(rows, title, COLUMNS)
