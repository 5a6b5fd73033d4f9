"""Sample sheets: a method's trials from the best to the worst, or all methods beside the real data.

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
from ganbench.errors import GanbenchError
from ganbench.escaping import escape_unprintable
from ganbench.report.figures import Picture
from ganbench.report.output import file_names
from ganbench.report.sample_plots import COLUMNS, Strip, draw_grids, draw_images, draw_points
from ganbench.report.sample_source import POINTS, SampleSource, TrialSamples, refuse_kept_none
from ganbench.report.style import COLOURS, INK, render_png
from ganbench.results.frames import Frames
from ganbench.results.store import Store
from ganbench.statistics.final_scores import trial_scores
from ganbench.statistics.outcome_table import headline_metric, stored_suite
from ganbench.table import format_value

if TYPE_CHECKING:
    import pandas as pd

    from ganbench.registry.registry import Registry

SHEET_TRIALS = 24
"""Trials on one sheet, at most; of more trials, this many are chosen evenly over the ranks."""

TRIAL_IMAGES = 100
"""Images on the sheet of one trial."""

PAIRED_QUANTILES = (0.0, 0.5, 1.0)
"""The quantiles of the paired difference at which architectures are shown with the methods side by side."""

PAIRED_SIDES = (6, 5, 4, 3, 2)
"""Images on each side of a method's square: the first that fits in PAIRED_BYTES. Of points, POINTS / 36 for each."""

PAIRED_BYTES = 60_000
"""Bytes of a sheet with the methods side by side, so that a page can hold many; with the fewest samples maybe more."""

PAIRED_METHODS = 11
"""Methods side by side, at most: with the real data two rows of six panels."""


@dataclass(frozen=True)
class Cell:
    """One architecture and seed on a dataset; `trials` has each method's key, colour and name with its final score."""

    title: str
    trials: tuple[tuple[str, str, str], ...]


def list_sheets(folder: Path, frames: Frames, plugins: Registry, real: bool = False) -> list[Picture]:
    """Return the sheets of a results folder: one for each method on each dataset; with `real`, beside real data."""
    refuse_kept_none(folder, frames)
    source = SampleSource(folder, frames, plugins)
    groups = list(frames.trials.groupby(["dataset", "method"], sort=False))
    names = file_names([f"{dataset} {method} samples" for (dataset, method), _ in groups])
    return [
        (f"{name}.png", partial(method_sheet, source, rank_trials(frames, trials), f"{method} on {dataset}", real))
        for name, ((dataset, method), trials) in zip(names, groups, strict=True)
    ]


def trial_sheet(folder: Path, frames: Frames, plugins: Registry, key: str, real: bool = False) -> Picture:
    """Return the sheet of one trial, whose key may be shortened; raise GanbenchError if it left no generator.

    With `real`, real data are beside its samples.
    """
    with Store(folder, readonly=True) as store:
        detail = store.detail(key)
        store.generator(detail["key"])  # raises GanbenchError if there is none
    full_key = str(detail["key"])
    title = f"{detail['method']} on {detail['dataset']}, {detail['architecture']}, seed {detail['seed']}"
    source = SampleSource(folder, frames, plugins)
    return f"trial-{full_key[:12]}-samples.png", partial(draw_trial, source, full_key, title, real)


def paired_sheets(folder: Path, frames: Frames, plugins: Registry) -> list[tuple[str, str, bytes]]:
    """Return sheets with the methods side by side: each its title, a text that says what it shows, and its PNG.

    A sheet shows one architecture: the real data, then each method's model, all with the same seed. So their initial
    weights and latents are the same where their sizes are. Each dataset has three sheets at most, at PAIRED_QUANTILES
    of the paired difference of the headline metric between the first two methods that a success rule compares, or
    between the first two of the suite: the best for one, the median, and the best for the other. Where the suite has
    one architecture, they differ in the seed. A trial without samples shows its reason.
    """
    return draw_cells(SampleSource(folder, frames, plugins), list_cells(frames))


def draw_cells(source: SampleSource, cells: Sequence[Cell]) -> list[tuple[str, str, bytes]]:
    """Return the sheets of some cells, each as `paired_sheets` returns it: the title is not in the picture."""
    return [(cell.title, describe_cell(source, cell), draw_cell(source, cell, titled=False)) for cell in cells]


def list_paired(folder: Path, frames: Frames, plugins: Registry) -> list[Picture]:
    """Return the sheets of `paired_sheets` as files."""
    refuse_kept_none(folder, frames)
    source, cells = SampleSource(folder, frames, plugins), list_cells(frames)
    names = file_names([f"{cell.title.partition(':')[0].replace(',', '')} side by side" for cell in cells])
    return [(f"{name}.png", partial(draw_cell, source, cell)) for name, cell in zip(names, cells, strict=True)]


def list_cells(frames: Frames) -> list[Cell]:
    """Return the cells (dataset, architecture, seed) that are shown with the methods side by side."""
    suite, cells = stored_suite(frames), list[Cell]()
    for name, trials in frames.trials.groupby("dataset", sort=False):
        dataset, methods = str(name), list(trials["method"].unique())
        compared = [
            pair for rule in (suite.success if suite else ()) if rule.dataset == dataset for pair in rule.compare
        ]
        one, *others = compared[0] if compared else methods[:2]
        ranks = rank_scores(frames, dataset, headline_metric(frames, dataset), set(trials["key"]))
        table = trials.assign(rank=trials["key"].map({key: rank for key, (rank, _) in ranks.items()}))
        shown = list(dict.fromkeys([one, *others, *methods]))[:PAIRED_METHODS]
        more = f" ({len(shown)} of {len(methods)} methods)" if len(shown) < len(methods) else ""
        for label, (architecture, seed) in choose_cells(table, one, *others):
            rows = trials[(trials["architecture"] == architecture) & (trials["seed"] == seed)]
            rows = rows[rows["method"].isin(shown)]
            named = []
            for key, method, status in zip(rows["key"], rows["method"], rows["status"], strict=True):
                note = ranks.get(key, (0.0, ""))[1] or status.replace("-", " ")
                named.append((str(key), COLOURS[methods.index(method) % len(COLOURS)], f"{method}\n{note}"))
            cells.append(Cell(f"{dataset}, {label}: {architecture}, seed {seed}{more}", tuple(named)))
    return cells


def choose_cells(trials: pd.DataFrame, one: str, other: str = "") -> list[tuple[str, tuple[str, int]]]:
    """Return what is shown of a dataset: a label, and the architecture and seed that it stands for.

    `trials` has the columns architecture, seed, method and `rank`, which is low for a good score, inf for none and NaN
    for a trial that was not scored. Of each architecture, the seed with the median difference is chosen; of a single
    architecture, every seed is a candidate. Where no two trials can be compared, the first trial's cell is returned.
    """
    ranks = trials.pivot_table("rank", ["architecture", "seed"], "method", sort=False, dropna=False, observed=True)
    ranks = ranks.reindex(columns=[one, other] if other else [one])
    differences = (ranks[one] - ranks[other] if other else ranks[one]).dropna().sort_values(kind="stable")
    if differences.empty:
        first = trials.iloc[0]
        return [("not compared", (str(first["architecture"]), int(first["seed"])))]
    if trials["architecture"].nunique() > 1:
        middle = differences.groupby("architecture", sort=False).cumcount(ascending=True)
        sizes = differences.groupby("architecture", sort=False).transform("size")
        differences = differences[middle == (sizes - 1) // 2]
    last = len(differences) - 1
    ends = (f"{one} against {other}", f"{other} against {one}") if other else (one, one)
    names = {0: f"the best for {ends[0]}", last: f"the {'best' if other else 'worst'} for {ends[1]}"}
    places = dict.fromkeys(round(quantile * last) for quantile in PAIRED_QUANTILES)
    cells: list[tuple[str, int]] = list(differences.index)
    return [(names.get(place, "the median") if last else "the only one", cells[place]) for place in places]


def describe_cell(source: SampleSource, cell: Cell) -> str:
    """Return what a sheet of a cell shows, in words, for whoever cannot see it."""
    parts = []
    for key, _, name in cell.trials:
        trial = source.load(key)
        spoken = f"such as {escape_unprintable(trial.texts[0])!r}" if trial.texts else ""
        parts.append(", ".join(part for part in (*name.split("\n"), trial.reason, spoken) if part))
    return f"Samples side by side on {cell.title}. Panels: the real data; {'; '.join(parts)}."


def draw_cell(source: SampleSource, cell: Cell, *, titled: bool = True) -> bytes:
    """Return the sheet of a cell as PNG: a panel of real data, and one for each method."""
    strips = []
    for key, colour, name in cell.trials:
        trial = source.load(key)
        strips.append(Strip(name, trial.samples, trial.reference, trial.reason, colour, trial.texts))
    data = next((strip.reference for strip in strips if strip.reference is not None), None)
    texts = next((source.load(key).reference_texts for key, *_ in cell.trials if source.load(key).texts), ())
    strips.insert(0, Strip("the real data\n", data, data, "unknown: no model could be rebuilt", INK, texts))
    width = -(-len(strips) // -(-len(strips) // 6))
    height = 0.25 * titled + (6.4 / width + 0.25) * -(-len(strips) // width)
    title = cell.title if titled else ""
    for side in PAIRED_SIDES:
        if data is not None and data.ndim == 4:
            draw = partial(draw_grids, strips, title, width, side)
        else:
            draw = partial(draw_points, strips, title, width, POINTS * side**2 // PAIRED_SIDES[0] ** 2)
        content = render_png(draw, height=height)
        if len(content) <= PAIRED_BYTES:
            break
    return content


def rank_trials(frames: Frames, trials: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the keys and names of a method's trials, from best to worst by their dataset's headline metric.

    Trials that have no finite score (diverged, failed, timed out, undefined or not scored) come last, in the plan's
    order. Without a metric that has a better direction, all trials are in the plan's order.
    """
    dataset = str(trials["dataset"].iloc[0])
    ranks = rank_scores(frames, dataset, headline_metric(frames, dataset), set(trials["key"]))
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


def method_sheet(source: SampleSource, trials: Sequence[tuple[str, str]], title: str, real: bool = False) -> bytes:
    """Return the sheet of a method's trials, the best first, as PNG; with `real`, real data come before them."""
    places = np.unique(np.linspace(0, len(trials) - 1, min(SHEET_TRIALS, len(trials))).round().astype(int))
    shown = [trials[place] for place in places]
    count = f"{len(shown)} of {len(trials)} trials" if len(shown) < len(trials) else f"all {len(trials)} trials"
    rows = add_real([(name, source.load(key)) for key, name in shown], real)
    return draw_sheet(rows, f"{title}: {count}, the best first", COLUMNS)


def add_real(rows: Sequence[tuple[str, TrialSamples]], real: bool) -> list[tuple[str, TrialSamples]]:
    """Return the rows of a sheet, with `real` after one of real data."""
    data = next((trial for _, trial in rows if trial.reference is not None), None)
    if not real or data is None:
        return list(rows)
    return [("the real data", TrialSamples(data.reference, data.reference, texts=data.reference_texts)), *rows]


def draw_trial(source: SampleSource, key: str, title: str, real: bool = False) -> bytes:
    """Return the sheet of one trial as PNG, with `real` beside real data; GanbenchError if it cannot be rebuilt."""
    trial = source.load(key)
    if trial.samples is None:
        raise GanbenchError(f"trial {key[:8]}: {trial.reason}")
    if trial.samples.ndim < 4:
        return draw_sheet(add_real([("its samples" if real else "", trial)], real), title, 1)
    side = math.isqrt(TRIAL_IMAGES)
    if real:
        pair = [
            Strip("its samples", trial.samples, trial.reference),
            Strip("the real data", trial.reference, trial.reference),
        ]
        return render_png(partial(draw_grids, pair, title, 2, side), height=3.9)
    rows = [("", replace(trial, samples=trial.samples[i : i + side])) for i in range(0, TRIAL_IMAGES, side)]
    return draw_sheet([row for row in rows if row[1].samples is not None and len(row[1].samples)], title, side)


def draw_sheet(trials: Sequence[tuple[str, TrialSamples]], title: str, columns: int) -> bytes:
    """Return a sheet as PNG: images as strips, one below the other; everything else as points over the data."""
    shapes = [trial.samples.shape[1:] for _, trial in trials if trial.samples is not None]
    strips = [Strip(name, trial.samples, trial.reference, trial.reason, texts=trial.texts) for name, trial in trials]
    if shapes and len(shapes[0]) == 3:
        return render_png(partial(draw_images, strips, title, columns), height=0.45 + 0.42 * len(strips))
    width = min(len(strips), 6)
    height = 0.5 + (6.4 / width if width < 3 else 1.35) * -(-len(strips) // width)
    return render_png(partial(draw_points, strips, title, width, POINTS), height=height)
