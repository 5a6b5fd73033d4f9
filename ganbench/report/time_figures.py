"""The standard figure of every suite: scores over generator steps, and over the seconds of each method alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ganbench.report.colours import LineStyle, method_styles
from ganbench.report.courses import Course, Line, draw_lines
from ganbench.report.labels import legend_columns, legend_height, write_title
from ganbench.report.plots import Plot, split_methods
from ganbench.report.shown import limit_values
from ganbench.report.style import Look, fit_text
from ganbench.statistics.paces import scores_over_time

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ganbench.results.frames import Frames

PANEL = 2.6
"""The height of a panel in inches."""

STEPS = "generator step"


def name_figure(dataset: str) -> str:
    """Return the title that names the files of a dataset's figure."""
    return f"{dataset} scores over time"


def list_time_data(frames: Frames) -> dict[str, pd.DataFrame]:
    """Return the data of each dataset's figure, by its title: `statistics.paces.scores_over_time`."""
    frames, _ = limit_values(frames, ())
    tables = {name: scores_over_time(frames, name) for name in map(str, frames.trials["dataset"].unique())}
    return {name_figure(name): table for name, table in tables.items() if not find_lack(table)}


def find_lack(table: pd.DataFrame) -> str:
    """Return why these scores have no course over time, "" where they have one."""
    if not len(table) or not np.isfinite(table["median"].to_numpy(float)).any():
        return "no trial has a finite score"
    return "" if table["step"].nunique() > 1 else "its score was measured at one step alone"


def plan_time_figures(frames: Frames) -> Iterator[Plot]:
    """Yield a figure for each dataset: median and quartiles of its headline metric; of many methods, several."""
    styles = method_styles(frames)
    directions = dict(zip(frames.scores["name"], frames.scores["direction"], strict=True))
    for name, table in list_time_data(frames).items():
        groups = split_methods([method for method in styles if method in set(table["method"])])
        for number, methods in enumerate(groups, 1):
            part = f" {number}" if len(groups) > 1 else ""
            shown = table[table["method"].isin(methods)]
            metric = str(table["value"].iloc[0])
            course = Course(name=metric, kind="scores", direction=str(directions[metric]))
            heading = write_heading(shown, f", part {number} of {len(groups)}" if part else "")
            chosen = {method: styles[method] for method in methods}
            yield Plot(
                title=name + part,
                draw=partial(draw_time, course, table, chosen, heading),
                height=partial(find_height, list_axes(table), methods, heading),
            )


def write_heading(table: pd.DataFrame, part: str) -> str:
    """Return the title of a figure: its dataset, what the lines are, and of how many trials."""
    most = table.groupby("method")["n"].max()
    count = f"n = {most.iloc[0]} each" if most.nunique() == 1 else f"n = {most.min()} to {most.max()}"
    return f"Scores over time on {fit_text(str(table['dataset'].iloc[0]))}: median and quartiles, {count}{part}"


def list_axes(table: pd.DataFrame) -> dict[str, str]:
    """Return the panels of a figure: the column that each has as its axis, and what that shows."""
    timed = sorted(set(table["timed"]) - {""})
    if not timed:
        return {"step": STEPS}
    place, _, architecture = timed[0].partition(", ")
    which = f" ({architecture})" if len(timed) == 1 else ""
    return {"step": STEPS, "seconds": fit_text(f"seconds of training {place}, without evaluation{which}", 120)}


def find_height(axes: Mapping[str, str], methods: Sequence[str], heading: str, look: Look) -> float:
    """Return the height of a figure in inches."""
    rows = -(-len(axes) // count_columns(axes, look))
    lines = look.wrap(heading, size=look.title).count("\n") + 1
    return 0.6 + 0.2 * lines + PANEL * rows + legend_height([fit_text(method) for method in methods], look)


def count_columns(axes: Mapping[str, str], look: Look) -> int:
    """Return how many panels stand beside each other."""
    return min(len(axes), 2 if look.width > 5 else 1)


def draw_time(
    course: Course, table: pd.DataFrame, styles: Mapping[str, LineStyle], heading: str, look: Look, figure: Figure
) -> None:
    """Draw a figure: a panel for each axis, on the scale of all methods; its title above, its legend below."""
    from matplotlib.lines import Line2D

    axes, columns = list_axes(table), count_columns(list_axes(table), look)
    panels: Sequence[Axes] = list(figure.subplots(-(-len(axes) // columns), columns, sharey=True, squeeze=False).flat)
    every = table[["low", "median", "high"]].to_numpy(float).ravel().tolist()
    for panel, (column, label) in zip(panels, axes.items(), strict=True):
        known = table[np.isfinite(table[column].astype("float64")) & table["method"].isin(list(styles))]
        lines = [
            Line(
                steps=rows[column].to_numpy(float),
                values=rows["median"].to_numpy(float),
                style=styles[str(method)],
                band=(rows["low"].to_numpy(float), rows["high"].to_numpy(float)),
            )
            for method, rows in known.groupby("method", sort=False)
        ]
        draw_lines(panel, course, lines, look, every)
        panel.set_title("")
        panel.set_xlim(left=0.0)
        panel.set_xlabel(look.wrap(label, 0.9 / columns), fontsize=look.font)
    for panel in panels[::columns]:
        panel.set_ylabel(course.title, fontsize=look.font)
    write_title(figure, heading, look)
    names = [fit_text(method) for method in styles]
    handles = [Line2D([], [], linewidth=1.6, **dict[str, Any](style)) for style in styles.values()]
    place: dict[str, Any] = {"loc": "outside lower center", "ncols": legend_columns(names, look)}
    figure.legend(handles, names, handlelength=1.5, columnspacing=1.2, **place)
