"""Figures of tuned methods: the expected best of k configurations, and the scores over the options that were varied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ganbench.api.metrics import metric_title
from ganbench.errors import GanbenchError
from ganbench.report.colours import LineStyle, swept_styles
from ganbench.report.courses import Course, Line, draw_lines
from ganbench.report.labels import legend_columns, legend_height, set_scale, write_title
from ganbench.report.landscape_figure import draw_landscape, landscape_height
from ganbench.report.plots import Plot, split_methods
from ganbench.report.style import Look, fit_text
from ganbench.statistics.best_of import FRESH_SEEDS, LEFT_OUT_SEED, SAME_SEEDS
from ganbench.statistics.configurations import landscape
from ganbench.statistics.tuned_trials import options_of
from ganbench.statistics.tunings import Tuning, read_tunings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ganbench.results.frames import Frames

PANEL = 2.9
"""The height of the panel of the expected best, in inches."""

TOLD = {
    SAME_SEEDS: "on the seeds that picked it: too optimistic",
    LEFT_OUT_SEED: "on a left-out seed",
    FRESH_SEEDS: "on fresh seeds",
}
"""On which seeds the expected best is told, in the words of a title."""


def list_tuning_data(frames: Frames) -> dict[str, pd.DataFrame]:
    """Return the data of each figure by its title: rows of `Tuning.best_of`; and the score of each configuration."""
    data: dict[str, pd.DataFrame] = {}
    for tuning in list_tunings(frames):
        if not find_lack(tuning.best_of):
            data[name_best_of(tuning)] = tuning.best_of
        for method in tuning.methods:
            data[name_landscape(tuning, method)] = landscape_data(tuning, method)
    return data


def list_tunings(frames: Frames) -> Sequence[Tuning]:
    """Return what was tried on each dataset; nothing without a suite of today's form."""
    try:
        return read_tunings(frames)
    except GanbenchError:
        return ()


def name_best_of(tuning: Tuning) -> str:
    """Return the title that names the files of a dataset's expected best."""
    return f"best of {tuning.sweep.dataset}"


def name_landscape(tuning: Tuning, method: str) -> str:
    """Return the title that names the files of a method's landscape."""
    return f"landscape {tuning.sweep.dataset} {method}"


def landscape_data(tuning: Tuning, method: str) -> pd.DataFrame:
    """Return the rows of a method's `landscape`, with the label of each configuration."""
    own = tuning.scores[tuning.scores["swept"] == method]
    rows = landscape(own, options_of(tuning.sweep, method)).rows
    return rows.assign(label=rows["configuration"].map(own.set_index("configuration")["label"]))


def find_lack(table: pd.DataFrame) -> str:
    """Return why an expected best has no figure, "" where it has one."""
    if table.empty:
        return "no configuration was trained on all seeds"
    return "" if np.isfinite(table["expected"].to_numpy(float)).any() else "no number of tries has a finite score"


def plan_tuning_figures(frames: Frames) -> Iterator[Plot]:
    """Yield for each tuned dataset its expected best, and the landscape of each method; for what is not drawn why."""
    styles = swept_styles(frames)
    for tuning in list_tunings(frames):
        yield from plan_best_of(tuning, styles)
        for method in tuning.methods:
            title, own = name_landscape(tuning, method), tuning.scores[tuning.scores["swept"] == method]
            shape = landscape(own, options_of(tuning.sweep, method))
            if not shape.options:
                yield Plot(title=title, absent="it has one configuration")
            elif not np.isfinite(own["finite_score"].to_numpy(float)).any():
                yield Plot(title=title, absent="no trial has a finite score")
            else:
                draw = partial(draw_landscape, tuning, method, shape, styles[method])
                yield Plot(title=title, draw=draw, height=partial(landscape_height, shape))


def plan_best_of(tuning: Tuning, styles: Mapping[str, LineStyle]) -> Iterator[Plot]:
    """Yield the figure of the expected best of a dataset; of many methods several, on the same scale."""
    table, title = tuning.best_of, name_best_of(tuning)
    if reason := find_lack(table):
        yield Plot(title=title, absent=reason)
        return
    groups = split_methods([method for method in styles if method in set(table["method"])])
    for number, methods in enumerate(groups, 1):
        part = f" {number}" if len(groups) > 1 else ""
        heading = write_heading(tuning) + (f", part {number} of {len(groups)}" if part else "")
        chosen = {method: styles[method] for method in methods}
        height = partial(find_height, methods, heading)
        yield Plot(title=title + part, draw=partial(draw_best_of, tuning, chosen, heading), height=height)


def write_heading(tuning: Tuning) -> str:
    """Return the title of an expected best: what it is, and on which seeds it is told."""
    told = TOLD[str(tuning.best_of["told"].iloc[0])]
    beyond = "; dashed beyond half of the configurations, where it hangs on the few best"
    beyond += "; x: infinite, too many are dead" * bool(np.isinf(tuning.best_of["expected"].to_numpy(float)).any())
    return f"Expected best of k configurations on {fit_text(tuning.sweep.dataset)}, {told}{beyond}"


def find_height(methods: Sequence[str], heading: str, look: Look) -> float:
    """Return the height of an expected best in inches."""
    lines = look.wrap(heading, size=look.title).count("\n") + 1
    return 0.6 + 0.2 * lines + PANEL + legend_height([fit_text(method) for method in methods], look)


def draw_best_of(tuning: Tuning, styles: Mapping[str, LineStyle], heading: str, look: Look, figure: Figure) -> None:
    """Draw the expected best of k over k: a line with its band for each method, dashed beyond half of its own."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    axes = figure.add_subplot()
    metric, sweep, table = str(tuning.sweep.rule.metric), tuning.sweep, tuning.best_of
    course = Course(name=metric, kind="scores", direction=sweep.direction)
    shown = table[table["method"].isin(list(styles))]
    lines = [
        line for method, rows in shown.groupby("method", sort=False) for line in split_line(rows, styles[str(method)])
    ]
    every = table[["low", "expected", "high"]].to_numpy(float).ravel().tolist()
    draw_lines(axes, course, lines, look, every)
    axes.set_title("")
    set_scale(axes, [1.0, float(table["k"].max())])
    if axes.get_xscale() != "log":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("k, the number of configurations that are tried", fontsize=look.font)
    better = f"{sweep.rule.at} {fit_text(metric_title(metric))} ({sweep.direction} is better)"
    axes.set_ylabel(better, fontsize=look.font)
    write_title(figure, heading, look)
    names = [fit_text(method) for method in styles]
    handles = [Line2D([], [], linewidth=1.6, **dict[str, Any](style)) for style in styles.values()]
    place: dict[str, Any] = {"loc": "outside lower center", "ncols": legend_columns(names, look)}
    figure.legend(handles, names, handlelength=1.5, columnspacing=1.2, **place)


def split_line(rows: pd.DataFrame, style: LineStyle) -> Iterator[Line]:
    """Yield a method's line up to half of its configurations, and the rest, which begins at the last point of it."""
    within = int((~rows["beyond_half"]).sum())
    if within:
        yield make_line(rows.head(within), style)
    if len(rows) > within:
        joint = within and np.isfinite(rows["expected"].iloc[within - 1])
        yield make_line(rows.iloc[within - bool(joint) :], LineStyle(color=style["color"], linestyle="--"))


def make_line(rows: pd.DataFrame, style: LineStyle) -> Line:
    """Return a part of a method's line, with its band where it has one."""
    steps, values, low, high = (rows[name].to_numpy(float) for name in ("k", "expected", "low", "high"))
    band = None if np.isnan([low, high]).any() else (low, high)
    return Line(steps=steps, values=values, style=style, band=band)
