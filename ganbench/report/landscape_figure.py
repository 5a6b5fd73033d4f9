"""The landscape of one method: its scores over the options that it varies, as points, a heat map or parallel axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ganbench.api.metrics import Direction, metric_title
from ganbench.report.colours import LineStyle
from ganbench.report.labels import WIDE, set_scale, short_number, write_title
from ganbench.report.style import FAINT, INK, PALE, Look, fit_text
from ganbench.statistics.configurations import Landscape, are_numbers, find_values
from ganbench.statistics.tunings import Tuning
from ganbench.suite.configurations import shorten_options, write_plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

SPREAD = 5.0
"""An option whose positive values differ by more than this factor may have a logarithmic axis."""

LONGEST_VALUE, LONGEST_OPTION = 14, 48
"""Characters of the value and of the name of an option that an axis shows, at most."""

MOST_WRITTEN = 64
"""Cells of a heat map, at most, that have their score written in them."""

CROSS: dict[str, Any] = {"linestyle": "", "marker": "x", "clip_on": False, "zorder": 6}
DEAD = "x: a trial is dead"


def landscape_height(shape: Landscape, look: Look) -> float:
    """Return the height of a landscape in inches."""
    return 1.2 + max(2.0, 0.3 * len(shape.grid)) if shape.grid is not None else 3.4 if look.width > 5 else 3.0


def draw_landscape(tuning: Tuning, method: str, shape: Landscape, style: LineStyle, look: Look, figure: Figure) -> None:
    """Draw the landscape of a method: points over one option, a heat map of a grid, else parallel axes."""
    axes = figure.add_subplot()
    own = tuning.scores[tuning.scores["swept"] == method].sort_values("configuration", kind="stable")
    chosen = tuning.chosen.loc[tuning.chosen["swept"] == method, "configuration"].tolist()
    rows = shape.rows.assign(
        finite=own["finite_score"].to_numpy(float), chosen=shape.rows["configuration"].isin(chosen)
    )
    score = f"{tuning.sweep.rule.at} {fit_text(metric_title(str(tuning.sweep.rule.metric)))}"
    better = f"{score} ({tuning.sweep.direction} is better)"
    which = "chosen" if tuning.held_out else "best"
    if shape.grid is not None:
        how = f"brighter is better; framed: the {which} one"
        draw_grid(axes, shape.grid, rows, tuning.sweep.direction, better)
    elif len(shape.options) == 1:
        how = f"every trial, and the means; ringed: the {which} one"
        trials = tuning.sweep.trials[tuning.sweep.trials["swept"] == method]
        draw_points(axes, shape.options[0], trials, rows, tuning.sweep.direction, style, look)
        axes.set_ylabel(better, fontsize=look.font)
    else:
        how = f"a line is a configuration, darker is better; bold: the {which} one"
        draw_parallel(axes, shape.options, rows, tuning.sweep.direction, better, look)
    dead = f"; {DEAD}" if rows["dead"].any() else ""
    where = f"{fit_text(method)} on {fit_text(tuning.sweep.dataset)}, {len(rows)} configurations"
    write_title(figure, f"{where}: {how}{dead}", look)


# one option


def draw_points(
    axes: Axes,
    option: str,
    trials: pd.DataFrame,
    rows: pd.DataFrame,
    direction: Direction,
    style: LineStyle,
    look: Look,
) -> None:
    """Draw the score of every trial over one option, and the mean of finite scores; the dead at the worse end."""
    values = find_values(rows[option])
    numeric = are_numbers(values)
    places = {value: float(value) if numeric else float(place) for place, value in enumerate(values)}
    x = np.array([places[value] for value in trials[option]])
    y = trials["score"].to_numpy(float)
    alive = np.isfinite(y)
    set_scale(axes, y.tolist(), "y")
    if numeric:
        set_scale(axes, values, wide=SPREAD if is_logarithmic(values) else math.inf)
    else:
        axes.set_xlim(-0.5, len(values) - 0.5)
    if not numeric or len(values) <= 6:
        axes.set_xticks(list(places.values()), [show_value(value) for value in values])
        axes.minorticks_off()
    colour = style["color"]
    axes.plot(x[alive], y[alive], "o", color=colour, markersize=3.5, alpha=0.55, markeredgewidth=0)
    low, high = axes.get_ylim()
    worst = low if direction == "higher" else high
    axes.plot(x[~alive], np.full((~alive).sum(), worst), color=colour, markersize=6, **CROSS)
    means = rows.assign(x=[places[value] for value in rows[option]]).sort_values("x")
    axes.plot(means["x"], means["finite"], color=colour, linewidth=1.3 if numeric else 0, marker="_", markersize=9)
    best = means[means["chosen"]]
    axes.plot(best["x"], best["finite"], "o", color=INK, fillstyle="none", markersize=10)
    axes.set_xlabel(fit_text(option, LONGEST_OPTION), fontsize=look.font)


# two options, all pairs


def draw_grid(axes: Axes, grid: pd.DataFrame, rows: pd.DataFrame, direction: Direction, better: str) -> None:
    """Draw a heat map of scores, the first option from above and the second from left to right; the dead are grey."""
    from matplotlib.patches import Rectangle

    scores = grid.to_numpy(float)
    colours = scale_colours(scores, brighter=direction == "higher")
    axes.set_facecolor(PALE)
    shown = np.ma.masked_invalid(scores)
    image = axes.imshow(shown, aspect="auto", cmap=colours.cmap, norm=colours.norm)
    down, across = list(grid.index), list(grid.columns)
    for (i, j), score in np.ndenumerate(scores):
        if not np.isfinite(score):
            axes.plot(j, i, color=INK, markersize=7, **CROSS)
        elif scores.size <= MOST_WRITTEN:
            ink = "white" if sum(colours.to_rgba(score)[:3]) < 1.5 else "black"
            axes.text(j, i, short_number(float(f"{score:.3g}")), ha="center", va="center", color=ink, fontsize=8)
    for row in rows[rows["chosen"]].to_dict("records"):
        i, j = down.index(row[grid.index.name]), across.index(row[grid.columns.name])
        axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, edgecolor="#d55e00", linewidth=2.2, zorder=5))
    axes.set_xticks(range(len(across)), [show_value(value) for value in across])
    axes.set_yticks(range(len(down)), [show_value(value) for value in down])
    axes.set_xlabel(fit_text(str(grid.columns.name), LONGEST_OPTION))
    axes.set_ylabel(fit_text(str(grid.index.name), LONGEST_OPTION))
    axes.spines[:].set_visible(False)
    if np.isfinite(scores).any():
        axes.figure.colorbar(image, ax=axes, label=better, pad=0.02)


def scale_colours(scores: NDArray[np.float64], brighter: bool) -> Any:
    """Return the colours of scores, the `brighter` the higher, or else the lower; logarithmic if they are far apart."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm, Normalize

    finite = scores[np.isfinite(scores)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    norm = LogNorm(low, high) if low > 0 and high / low > WIDE else Normalize(low, high if high > low else low + 1)
    return ScalarMappable(norm, "cividis" if brighter else "cividis_r")


# other options


def draw_parallel(
    axes: Axes, options: Sequence[str], rows: pd.DataFrame, direction: Direction, better: str, look: Look
) -> None:
    """Draw each configuration as a line across an axis for each option, and one for the score; the dead dashed."""
    columns = [place_values(rows[option]) for option in options]
    finite = rows["finite"].where(rows["dead"] == 0).to_numpy(float)
    last = place_numbers(finite)
    worst = 0.0 if direction == "higher" else 1.0
    table = np.column_stack([*columns, np.where(np.isfinite(finite), last, worst)])
    colours = scale_colours(finite, brighter=direction != "higher")  # on white, the best stand out if dark
    order = np.argsort(finite * (1 if direction == "higher" else -1), kind="stable")  # the best are drawn last
    x = range(len(options) + 1)
    alive = order[np.isfinite(finite[order])]
    for rank, i in enumerate([*order[~np.isfinite(finite[order])], *alive]):
        is_alive, is_chosen = bool(np.isfinite(finite[i])), bool(rows["chosen"].iloc[i])
        style: dict[str, Any] = {"linestyle": "-" if is_alive else ":", "linewidth": 3.0 if is_chosen else 1.2}
        style["color"] = colours.to_rgba(finite[i]) if is_alive else FAINT
        axes.plot(x, table[i], zorder=2 + rank / len(rows) + is_chosen, **style)
        if not is_alive:
            axes.plot([len(options)], [worst], color=INK, markersize=6, **CROSS)
    for place, option in enumerate(options):
        write_axis(axes, place, find_values(rows[option]), look)
    write_axis(axes, len(options), [float(value) for value in np.unique(finite[np.isfinite(finite)])], look)
    names = [fit_text(name, LONGEST_OPTION) for name in shorten_options(options).values()]
    axes.set_xticks(list(x), [look.wrap(name, 0.8 / len(x)) for name in (*names, better)])
    axes.tick_params(axis="x", length=0)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set(xlim=(-0.3, len(options) + 0.3), ylim=(-0.05, 1.05))


def place_values(column: pd.Series[Any]) -> NDArray[np.float64]:
    """Return where each value of an option stands on its axis, from 0 to 1; those that are no numbers evenly."""
    values = find_values(column)
    if are_numbers(values):
        return place_numbers(column.to_numpy(float))
    return np.array([values.index(value) / max(1, len(values) - 1) for value in column])


def place_numbers(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where numbers stand on an axis from the smallest, 0, to the largest, 1; NaN where one is not finite."""
    finite = numbers[np.isfinite(numbers)]
    scaled = np.log(numbers) if len(finite) and is_logarithmic(finite.tolist()) else numbers
    low, high = (np.nanmin(scaled), np.nanmax(scaled)) if len(finite) else (0.0, 1.0)
    return (scaled - low) / (high - low) if high > low else scaled - low + 0.5


def write_axis(axes: Axes, place: int, values: Sequence[Any], look: Look) -> None:
    """Draw a vertical axis with the smallest, the middle and the largest of its values, or all where they are few."""
    axes.axvline(place, ymin=0.045, ymax=0.955, color=INK, linewidth=0.8, zorder=4)
    if not values:
        return
    column = pd.Series(list(values), dtype=object)
    at = place_values(column)
    shown = range(len(values)) if len(values) <= 5 and not are_numbers(values) else [int(at.argmin()), int(at.argmax())]
    for each in dict.fromkeys(shown):
        text = show_value(values[each])
        box = {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.6}
        axes.text(place + 0.03, at[each], text, fontsize=look.small, va="center", zorder=7, bbox=box)


# values


def is_logarithmic(values: Sequence[float]) -> bool:
    """Return whether an axis of these values is logarithmic: positive, far apart, and more even in their logarithms."""
    numbers = np.asarray(values, float)
    if numbers.min() <= 0 or numbers.max() / numbers.min() <= SPREAD:
        return False
    off = [abs(np.mean((scale - scale.min()) / np.ptp(scale)) - 0.5) for scale in (np.log(numbers), numbers)]
    return bool(off[0] <= off[1])


def show_value(value: Any) -> str:
    """Return the value of an option at an axis."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return short_number(float(f"{value:.3g}")) if number else fit_text(write_plain(value), LONGEST_VALUE)
