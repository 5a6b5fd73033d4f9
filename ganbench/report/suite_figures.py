"""The figures that a suite declares: its data first, then the drawing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ganbench.api.metrics import metric_title
from ganbench.errors import GanbenchError
from ganbench.report.colours import LineStyle, method_styles
from ganbench.report.labels import legend_columns, legend_height, set_scale, write_title
from ganbench.report.plots import Plot
from ganbench.report.style import COLOURS, DASHES, INK, Look, fit_text
from ganbench.statistics.figure_data import figure_data
from ganbench.statistics.outcome_table import stored_suite
from ganbench.suite.figures import FigureTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ganbench.results.frames import Frames

PANEL = 2.1
"""The height of a panel in inches."""

LEVELS = 12
"""Level sets of a surface."""

FLAT = 1e-6
"""A surface whose relief is below this share of its largest value has no level sets: float32 has no more digits."""

DIMENSIONS = ("value", "dataset", "method")
LABELS = {"step": "generator step", "position": "position", "datasets": "dataset", "methods": "method"}


def list_figures(frames: Frames) -> list[tuple[FigureTable, pd.DataFrame]]:
    """Return the figures that the results' suite declares, each with its data; none without a suite of today's form."""
    try:
        suite = stored_suite(frames)
    except GanbenchError:
        return []
    return [(figure, figure_data(frames, figure)) for figure in (suite.figure if suite is not None else ())]


def plan_suite_figures(frames: Frames) -> Iterator[Plot]:
    """Yield what draws each figure of the suite; for one without data the reason."""
    styles = method_styles(frames)
    for figure, data in list_figures(frames):
        known = data[np.isfinite(data["median"].astype("float64"))]
        if known.empty:
            yield Plot(title=figure.name, absent="none of its values is stored")
            continue
        lines = name_lines(figure, data)
        height = partial(find_height, figure, data, lines)
        draw = partial(draw_figure, figure, data, lines, style_lines(figure, lines, styles))
        yield Plot(title=figure.name, draw=draw, height=height)


def list_panels(figure: FigureTable, data: pd.DataFrame) -> list[str]:
    """Return the names of the panels in order; a surface has one for each dataset and method."""
    if figure.kind == "surface":
        return list(dict.fromkeys(data["dataset"] + ", " + data["method"]))
    return [str(name) for name in dict.fromkeys(data[figure.panel])]


def name_lines(figure: FigureTable, data: pd.DataFrame) -> pd.Series[str]:
    """Return the name of each row's line: what differs within the panels, in words."""
    consumed = {"datasets": "dataset", "methods": "method"}.get(figure.x)
    rest = [name for name in DIMENSIONS if name not in (figure.panel, consumed) and data[name].nunique() > 1]
    if not rest:
        return pd.Series("", index=data.index)
    shown = [data[name].map(metric_title) if name == "value" else data[name] for name in rest]
    return pd.Series([", ".join(cells) for cells in zip(*shown, strict=True)], index=data.index)


def style_lines(figure: FigureTable, lines: pd.Series[str], styles: dict[str, LineStyle]) -> dict[str, LineStyle]:
    """Return the style of each line: the method's own, where lines are methods; else colours in order."""
    names = list(dict.fromkeys(lines))
    if all(name in styles for name in names):
        return {name: styles[name] for name in names}
    free = cycle((colour, dash) for dash in DASHES for colour in COLOURS)
    return {name: {"color": colour, "linestyle": dash} for name, (colour, dash) in zip(names, free, strict=False)}


def find_height(figure: FigureTable, data: pd.DataFrame, lines: pd.Series[str], look: Look) -> float:
    """Return the height of a figure in inches."""
    rows = math.ceil(len(list_panels(figure, data)) / count_columns(figure, data, look))
    names = [fit_text(name) for name in dict.fromkeys(lines) if name]
    legend = legend_height(names, look) + 0.25 if len(names) > 1 and figure.kind != "surface" else 0.0
    return 0.9 + rows * (PANEL + 0.35) + legend


def count_columns(figure: FigureTable, data: pd.DataFrame, look: Look) -> int:
    """Return how many panels stand beside each other."""
    most = 3 if figure.kind == "surface" and look.width > 5 else 2 if look.width > 5 else 1
    return min(most, len(list_panels(figure, data)))


def draw_figure(
    figure: FigureTable,
    data: pd.DataFrame,
    lines: pd.Series[str],
    styles: dict[str, LineStyle],
    look: Look,
    canvas: Figure,
) -> None:
    """Draw a figure: its panels, one legend below all of them, its title, and what the axes are."""
    panels, columns = list_panels(figure, data), count_columns(figure, data, look)
    grid: Any = canvas.subplots(math.ceil(len(panels) / columns), columns, squeeze=False).ravel()
    for axes in grid[len(panels) :]:
        axes.remove()
    for axes, panel in zip(grid, panels, strict=False):
        if figure.kind == "surface":
            rows = data[(data["dataset"] + ", " + data["method"]) == panel]
            draw_surface(axes, rows)
        else:
            here = data[figure.panel].astype("str") == panel
            draw_panel(axes, figure, data[here], lines[here], styles)
        title = metric_title(panel) if figure.panel == "value" and figure.kind != "surface" else panel
        axes.set_title(look.wrap(fit_text(title), 0.9 / columns), fontsize=look.font)
    names = [name for name in styles if name]
    if len(names) > 1 and figure.kind != "surface":
        write_legend(canvas, names, styles, look)
    band = "median and quartiles" if data["n"].max() > 1 and figure.kind == "lines" else ""
    count = f"n = {int(data['n'].max())}" if band else ""
    heading = fit_text(figure.title or figure.name, 200)
    write_title(canvas, heading + (f": {band}, {count}" if band else ""), look)
    for axes in grid[max(0, len(panels) - columns) : len(panels)]:
        axes.set_xlabel(fit_text(figure.x_label or LABELS[figure.x]))


def draw_panel(
    axes: Axes, figure: FigureTable, data: pd.DataFrame, lines: pd.Series[str], styles: dict[str, LineStyle]
) -> None:
    """Draw the lines of one panel, each with its band of quartiles, or as the steps of a histogram."""
    for name, rows in data.groupby(lines, sort=False):
        style, x = styles[str(name)], rows["x"].to_numpy(float)
        low, middle, high = (rows[column].to_numpy(float) for column in ("low", "median", "high"))
        if figure.kind == "histogram":
            axes.step(x, middle, where="mid", linewidth=1.1, **style)
            continue
        if figure.named:  # no line between names: there is nothing between them
            bars = np.where(np.isfinite([low, high]), [middle - low, high - middle], np.nan)
            axes.errorbar(x, middle, bars, fmt="o", markersize=4, color=style["color"])
            continue
        dots: dict[str, Any] = {"marker": "o", "markersize": 2.5} if len(x) < 30 else {}
        axes.plot(x, np.where(np.isfinite(middle), middle, np.nan), linewidth=1.3, **dots, **style)
        known = np.isfinite(low) & np.isfinite(high)
        axes.fill_between(x[known], low[known], high[known], color=style["color"], alpha=0.12, linewidth=0)
    for mark in figure.marks:
        axes.axhline(mark, color=INK, linestyle=(0, (4, 3)), linewidth=0.8, zorder=1)
    drawn = data[["low", "median", "high"] if figure.named else ["median"]].to_numpy(float)
    set_scale_unless_flat(axes, drawn[np.isfinite(drawn)].tolist())
    if figure.named:
        column = figure.x.removesuffix("s")
        ticks = data.drop_duplicates("x").sort_values("x")
        axes.set_xticks(ticks["x"].tolist(), [fit_text(name, 16) for name in ticks[column]], rotation=30, ha="right")


def set_scale_unless_flat(axes: Axes, values: Sequence[float]) -> None:
    """Set the vertical scale for these values, where they differ at all."""
    if values and max(values) > min(values):
        set_scale(axes, values, "y")


def draw_surface(axes: Axes, data: pd.DataFrame) -> None:
    """Draw the level sets of one surface, the median over trials at each point; a flat one has none."""
    table = data.pivot_table(index="y", columns="x", values="median")
    heights = table.to_numpy(float)
    x, y = table.columns.to_numpy(float), table.index.to_numpy(float)
    if np.isfinite(heights).all() and np.ptp(heights) > FLAT * np.abs(heights).max():
        axes.contourf(x, y, heights, levels=LEVELS, cmap="cividis")
        axes.contour(x, y, heights, levels=LEVELS, colors="white", linewidths=0.4, linestyles="solid")
    else:
        axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
        words = "flat" if np.isfinite(heights).all() else "not finite"
        axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=INK)
    axes.tick_params(labelsize=7)


def write_legend(canvas: Figure, names: Sequence[str], styles: dict[str, LineStyle], look: Look) -> None:
    """Write one legend below all panels."""
    from matplotlib.lines import Line2D

    labels = [fit_text(name) for name in names]
    handles = [Line2D([], [], linewidth=1.5, **dict[str, Any](styles[name])) for name in names]
    canvas.legend(handles, labels, loc="outside lower left", ncols=legend_columns(labels, look), handlelength=1.5)
