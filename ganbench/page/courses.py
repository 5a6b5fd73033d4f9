"""The courses of scores and signals over a training: quartiles of each method, and single trials on demand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np
import pandas as pd

from ganbench.api.metrics import metric_title
from ganbench.page import charts
from ganbench.page.blocks import Block, Chart, Section
from ganbench.page.figure_section import draw_plot
from ganbench.page.packing import choose_evenly, round_number, show_text
from ganbench.page.palette import Palette
from ganbench.page.source import Source
from ganbench.page.trials import list_trials, sampling_note
from ganbench.report.time_figures import plan_time_figures
from ganbench.statistics.final_scores import select_measurement, split_by_measurement
from ganbench.statistics.outcome_table import headline_metrics, split_series
from ganbench.statistics.trajectories import trajectory_quartiles

MOST_SERIES, FEWEST_SERIES = 60, 4
"""Scores and signals with a course on the page, at most; single trials have at least so many of each dataset."""

MOST_VALUES, MOST_QUARTILES = 40_000, 8_000
"""Values of all courses of single trials, and steps of all quartiles, at most; each course is thinned evenly to fit."""

MOST_POINTS, FEWEST_POINTS, DIGITS = 100, 12, 4
"""Points of one course, at most and at least, and significant digits of its values."""

MOST_FIGURES = 8
"""Figures of scores over time on the page, at most: one for each dataset."""

FIRST_SIGNALS = ("loss.generator", "loss.critic", "gradient.generator", "weights.generator", "weights.critic")


@dataclass(frozen=True)
class Series:
    """A score or a signal that has a course on one dataset; `measurement` is that of a score."""

    dataset: str
    name: str
    kind: Literal["scores", "signals"]
    measurement: str | None = None

    @property
    def title(self) -> str:
        """The name that readers see."""
        return show_text(metric_title(self.name)) if self.kind == "scores" else show_text(self.name)


def courses_section(source: Source, palette: Palette) -> Section:
    """Return the section of courses: one chart, whose series, axis and trials the reader chooses."""
    series = list(list_series(source))
    lines = sum(
        source.shown.trials.loc[source.shown.trials["dataset"] == each.dataset, "method"].nunique() for each in series
    )
    points = int(np.clip(MOST_QUARTILES // max(1, lines), FEWEST_POINTS, MOST_POINTS))
    tables = [(each, quartiles_of(source, each, points)) for each in series]
    tables = [(each, table) for each, table in tables if len(table)]
    blocks: list[Block] = [courses_chart(source, palette, tables)] if tables else []
    if source.comparison is None:
        plots = islice(plan_time_figures(source.shown), MOST_FIGURES)
        blocks += [draw_plot(plot, show_text(plot.title)) for plot in plots]
    return Section(
        name="courses",
        title="Courses of the training",
        how="The line is the median over a method's trials and the band spans their quartiles; choose a trial above, "
        "or its point in any chart, to see its own course.",
        blocks=blocks,
    )


def list_series(source: Source) -> Iterator[Series]:
    """Yield the scores that were measured more than once, the headline first, and the signals of each dataset."""
    headlines = headline_metrics(source.suite)
    share = max(FEWEST_SERIES, MOST_SERIES // max(1, len(source.datasets)))
    signals = source.shown.signals["name"].drop_duplicates().tolist()
    signals.sort(key=lambda name: (FIRST_SIGNALS.index(name) if name in FIRST_SIGNALS else len(FIRST_SIGNALS), name))
    for dataset in source.datasets[: MOST_SERIES // FEWEST_SERIES]:
        keys = source.shown.trials.loc[source.shown.trials["dataset"] == dataset, "key"]
        names = sorted(
            {name for name, _ in source.shown.measured}, key=lambda name: (name != headlines.get(dataset), name)
        )
        found = [
            Series(dataset, name, "scores", measurement)
            for name in names
            for measurement, rows in list(split_by_measurement(source.shown, name, keys).items())[:1]
            if rows.loc[~rows["fresh"], "step"].nunique() > 1
        ]
        found[1:1] = [Series(dataset, name, "signals") for name in signals[:2]]
        found += [Series(dataset, name, "signals") for name in signals[2:]]
        yield from found[:share]


def quartiles_of(source: Source, series: Series, points: int) -> pd.DataFrame:
    """Return the quartiles of a series, thinned to so many steps of each method."""
    table = trajectory_quartiles(source.shown, series.dataset, series.name, series.kind, series.measurement)
    parts = [rows.iloc[choose_evenly(len(rows), points)] for _, rows in table.groupby("method", sort=False)]
    return pd.concat(parts, ignore_index=True) if parts else table


def courses_chart(source: Source, palette: Palette, tables: list[tuple[Series, pd.DataFrame]]) -> Chart:
    """Return the chart of courses, with everything that a reader may choose in it."""
    quartiles = pd.concat([table.assign(s=place) for place, (_, table) in enumerate(tables)], ignore_index=True)
    several = len(source.datasets) > 1
    named = [
        {
            "title": f"{show_text(series.dataset)}: {series.title}" if several else series.title,
            "log": is_wide(table),
            "pace": pace_methods(table),
        }
        for series, table in tables
    ]
    grids, curves, whole = single_courses(source, [series for series, _ in tables])
    notes = ["Trials that died count as worst in the quartiles of scores; those of losses and norms are of the living."]
    if not whole:
        notes.append("To keep the page small, single trials have courses of the first series alone, thinned evenly.")
    return Chart(
        title="Scores, losses and norms over the training",
        alt="The median and the quartiles of a score or a loss over the training, a line with a band for each method; "
        "single trials on demand.",
        spec=charts.courses_spec(palette),
        frames={"quartiles": quartiles[["s", "method", "step", "low", "median", "high", "n"]]},
        notes=[*notes, *sampling_note(source)],
        methods=sorted({source.methods[name] for name in quartiles["method"].unique()}),
        courses={"series": named, "grids": grids, "curves": curves, "pace": paces(source)},
    )


def is_wide(table: pd.DataFrame) -> bool:
    """Return whether a logarithmic scale shows this course best: all is positive, and the ends are far apart."""
    values = table[["low", "median", "high"]].to_numpy(float)
    values = values[np.isfinite(values)]
    return bool(len(values) and values.min() > 0 and values.max() / values.min() > charts.WIDE)


def pace_methods(table: pd.DataFrame) -> dict[str, float | int | None]:
    """Return the seconds of one generator step of each method, None where they are not known."""
    last = table.groupby("method", sort=False).tail(1)
    seconds = last["seconds"] / last["step"]
    return {show_text(name): round_number(value) for name, value in zip(last["method"], seconds, strict=True)}


def paces(source: Source) -> list[float | int | None]:
    """Return the seconds of one generator step of each trial on the page, None where they are not known."""
    trials = source.frames.trials.drop_duplicates("key").set_index("key").loc[list_trials(source)["key"]]
    return [round_number(value) for value in trials["seconds_train"] / trials["generator_steps"]]


def single_courses(source: Source, series: list[Series]) -> tuple[list[list[int]], list[list[Any]], bool]:
    """Return the courses of single trials, and whether each series has them: (grids, curves, whole).

    A grid is a list of generator steps; a curve is [trial, series, grid, values].
    """
    trials = list_trials(source)
    per_dataset: dict[str, list[tuple[int, Series]]] = {}
    for place, each in enumerate(series):
        per_dataset.setdefault(each.dataset, []).append((place, each))
    affordable = max(FEWEST_SERIES, MOST_VALUES // (FEWEST_POINTS * max(1, len(trials))))
    kept = [pair for pairs in per_dataset.values() for pair in pairs[:affordable]]
    counts = trials["dataset"].map({name: len(pairs[:affordable]) for name, pairs in per_dataset.items()}).sum()
    points = int(np.clip(MOST_VALUES // max(1, int(counts)), FEWEST_POINTS, MOST_POINTS))
    grids: dict[bytes, int] = {}
    steps_of: list[list[int]] = []
    curves: list[list[Any]] = []
    for place, each in kept:
        for number, steps, values in trial_series(source, each):
            at = choose_evenly(len(steps), points)
            grid = np.asarray(steps[at], dtype=np.int64)
            if grid.tobytes() not in grids:
                grids[grid.tobytes()] = len(steps_of)
                steps_of.append(grid.tolist())
            curves.append([number, place, grids[grid.tobytes()], [round_number(value, DIGITS) for value in values[at]]])
    return steps_of, curves, len(kept) == len(series)


def trial_series(source: Source, series: Series) -> Iterator[tuple[int, Any, Any]]:
    """Yield the number, the steps and the values of every trial on the page that has this series."""
    trials = list_trials(source)
    of_dataset = (trials["dataset"] == series.dataset).to_numpy()
    numbers = dict(zip(trials["key"][of_dataset], np.flatnonzero(of_dataset).tolist(), strict=True))
    keys = pd.Series(list(numbers), dtype="str")
    if series.kind == "scores":
        rows = select_measurement(source.shown, keys, series.dataset, series.name, series.measurement)
        rows = rows[~rows["fresh"] & (rows["number"] >= 0)]
        rows = rows.assign(key=source.shown.keys.to_numpy()[rows["number"]])
        rows = rows[rows["key"].isin(keys)]
    else:
        rows = source.shown.signals
        rows = rows[(rows["name"] == series.name) & rows["key"].isin(keys)]
    for (key,), (steps, values) in split_series(rows, ["key"]):
        yield numbers[key], steps, values
