"""Figures of a suite's success rules: success rates over all thresholds, and the scores of each method."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganbench.api.metrics import metric_title
from ganbench.evaluation.success import describe_sustained
from ganbench.report.output import file_names, make_folder
from ganbench.report.shown import limit_values
from ganbench.report.style import FAINT, INK, PALE, fit_text, line_style, render_png
from ganbench.results.files import write_file
from ganbench.statistics.final_scores import headline, measurements, rule_scores
from ganbench.statistics.intervals import quantile
from ganbench.statistics.success_rates import success_curve
from ganbench.suite.success import SuccessRule
from ganbench.table import format_value

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from ganbench.results.frames import Frames

Picture = tuple[str, Callable[[], bytes]]
"""The name of a file and the function that draws its content."""

WIDE = 20.0
"""A positive scale is logarithmic where its ends differ by more than this factor."""

HIGH, LOW, CLOSE = 0.98, 0.55, 0.04
"""Shares of an axis: the height of a label, that of a label close to its neighbour, and the distance that is close."""

BAND = 0.1
"""The share of an axis taken by the band of trials without a score, at its worst end."""


def list_figures(frames: Frames, rules: Sequence[SuccessRule]) -> list[Picture]:
    """Return the figures of these rules, two for each rule that has scores: success rates, and scores."""
    frames, _ = limit_values(frames, rules)
    titled: list[tuple[str, Callable[[], bytes]]] = []
    for rule in rules:
        for measurement in measurements(frames, rule):
            scores = rule_scores(frames, rule, measurement)
            if scores.empty:
                continue
            name = f"{rule.dataset} {headline(frames, rule)}"
            if rule.metric is not None and (scores["direction"] != "neutral").all():
                curve = success_curve(frames, rule, measurement)
                baselines = baseline_scores(frames, rule, measurement)
                titled.append((f"{name} success", partial(render_png, partial(draw_curve, rule, curve, baselines))))
            methods = scores["method"].nunique()
            draw = partial(draw_scores, rule, headline(frames, rule), scores)
            titled.append((f"{name} scores", partial(render_png, draw, height=1.3 + 0.42 * methods)))
    names = file_names([title for title, _ in titled])
    return [(f"{name}.png", draw) for name, (_, draw) in zip(names, titled, strict=True)]


def write_pictures(pictures: Sequence[Picture], folder: Path) -> Iterator[Path]:
    """Draw pictures into a folder and yield each file once it is written; raise GanbenchError if the folder fails."""
    make_folder(folder)
    for name, draw in pictures:
        write_file(folder / name, draw())
        yield folder / name


def baseline_scores(frames: Frames, rule: SuccessRule, measurement: str | None) -> pd.DataFrame:
    """Return the finite scores of baselines and of the data itself by a rule's metric: sampler, trivial, value."""
    rows = frames.calibration
    rows = rows[(rows["dataset"] == rule.dataset) & (rows["name"] == rule.metric)]
    rows = rows[(rows["measurement"] == measurement) & np.isfinite(rows["value"].astype("float64"))]
    return rows[["sampler", "trivial", "value"]]


def draw_curve(rule: SuccessRule, curve: pd.DataFrame, baselines: pd.DataFrame, figure: Figure) -> None:
    """Draw every method's success rate over all thresholds with its band, and lines at the scores of baselines."""
    axes = figure.add_subplot()
    direction = str(curve.attrs["direction"])
    handles, labels = [], []
    for place, (method, rows) in enumerate(curve.groupby("method", sort=False)):
        x, style = rows["threshold"].to_numpy(float), line_style(place)
        (line,) = axes.plot(x, rows["rate"], drawstyle="steps-post", linewidth=1.6, zorder=3, **style)
        axes.fill_between(x, rows["low"], rows["high"], step="post", color=style["color"], alpha=0.13, linewidth=0)
        handles.append(line)
        labels.append(f" {fit_text(str(method))}, n = {rows['n'].iloc[0]}")
    set_scale(axes, [*curve["threshold"], *rule.thresholds], direction)
    if rule.primary is not None:
        axes.axvline(rule.primary, color=INK, linestyle=(0, (4, 3)), linewidth=1, zorder=2)
        draw_label(axes, rule.primary, f"primary {format_value(rule.primary)}", INK, 0.02, "bottom")
    beyond = draw_baselines(axes, baselines)
    axes.set_ylim(0, 1)
    axes.set_ylabel("share of trials that succeed")
    axes.set_xlabel(
        f"threshold of {rule.at} {fit_text(metric_title(str(rule.metric)))} ({direction} is better)"
        f"{describe_sustained(rule)}{beyond}"
    )
    condition = f", where {fit_text(metric_title(rule.condition))}" if rule.condition else ""
    axes.set_title(f"Success rates on {fit_text(rule.dataset)}{condition}, with 95% bands over all thresholds")
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(handles), 4))


def draw_baselines(axes: Axes, baselines: pd.DataFrame) -> str:
    """Mark the scores of baselines and of the data by thin lines; return a line of text on those beyond the axis."""
    low, high = sorted(axes.get_xlim())
    beyond, height, previous = [], HIGH, -math.inf
    ordered = baselines.sort_values("value", kind="stable")
    for sampler, value in zip(ordered["sampler"], ordered["value"], strict=True):
        if low <= value <= high:
            axes.axvline(value, color=FAINT, linewidth=0.7, zorder=1)
            position = axes.transAxes.inverted().transform(axes.transData.transform((value, 0)))[0]
            height = HIGH if position - previous > CLOSE or height == LOW else LOW
            previous = position
            draw_label(axes, value, fit_text(sampler), INK, height, "top")
        else:
            beyond.append(f"{fit_text(sampler)} {format_value(value)}")
    return f"\ndata and baselines beyond the axis: {', '.join(beyond)}" if beyond else ""


def draw_label(axes: Axes, value: float, text: str, ink: str, height: float, side: str) -> None:
    """Write a label along the vertical line at `value`, at this share of the axis' height."""
    from matplotlib.patheffects import withStroke

    transform = axes.get_xaxis_transform()
    style: dict[str, Any] = {"rotation": 90, "ha": "right", "va": side, "fontsize": 7, "color": ink}
    halo = [withStroke(linewidth=2, foreground="white")]
    axes.text(value, height, text + " ", transform=transform, path_effects=halo, zorder=4, **style)


def draw_scores(rule: SuccessRule, metric: str, scores: pd.DataFrame, figure: Figure) -> None:
    """Draw the scores of each method: trials as points, with the quartiles and the median of all trials.

    Trials without a score (diverged, failed, timed out or undefined) are counted in a band at the worst end of the
    axis. They count as worst, so a quartile or median may lie in the band too.
    """
    axes = figure.add_subplot()
    direction = str(scores["direction"].iloc[0])
    scored = scores["scored"].to_numpy(bool) & np.isfinite(scores[rule.at].to_numpy(float))
    set_scale(axes, [*scores.loc[scored, rule.at], *rule.thresholds], direction)
    edge = draw_band(axes, direction) if not scored.all() else 0.0
    methods = list(dict.fromkeys(scores["method"]))
    for place, method in enumerate(methods):
        rows, colour = (scores["method"] == method).to_numpy(), line_style(place)["color"]
        values, count = scores.loc[rows & scored, rule.at].to_numpy(float), int(rows.sum())
        points: dict[str, Any] = {"color": colour, "markersize": 3, "alpha": 0.55, "markeredgewidth": 0}
        axes.plot(values, place + spread_evenly(len(values)), "o", **points)
        draw_quartiles(axes, scores.loc[rows, rule.at], place, edge, colour)
        if unscored := count - len(values):
            axes.text(edge, place + 0.32, f"{unscored} of {count}", ha="center", va="center", fontsize=7, color=INK)
    if rule.primary is not None:
        axes.axvline(rule.primary, color=INK, linestyle=(0, (4, 3)), linewidth=1, zorder=1)
    counts = scores.groupby("method", sort=False).size()
    axes.set_yticks(range(len(methods)), [f" {fit_text(str(m))}\nn = {counts[m]}" for m in methods])
    axes.set_ylim(len(methods) - 0.5, -0.5)
    better = "" if direction == "neutral" else f" ({direction} is better)"
    axes.set_xlabel(f"{rule.at} {fit_text(metric_title(metric))}{better}")
    title = f"Scores on {fit_text(rule.dataset)}: every trial, quartiles and median of all"
    axes.set_title(title + ("" if scored.all() else "\nin grey, counted: diverged, failed, timed out or undefined"))


def draw_band(axes: Axes, direction: str) -> float:
    """Shade the band of trials without a score beyond the worst end of the axis; return the band's middle."""
    best, worst = axes.get_xlim() if direction != "higher" else axes.get_xlim()[::-1]
    log = axes.get_xscale() == "log"
    scale, unscale = (math.log, math.exp) if log else (float, float)
    axes.set_xticks([tick for tick in axes.get_xticks() if min(best, worst) <= tick <= max(best, worst)])
    axes.minorticks_off()
    end = scale(worst) + BAND * (scale(worst) - scale(best))
    axes.axvspan(worst, unscale(end), color=PALE, linewidth=0, zorder=0)
    axes.set_xlim(*sorted((best, unscale(end))))
    return unscale((scale(worst) + end) / 2)


def draw_quartiles(axes: Axes, scores: pd.Series[float], place: int, edge: float, ink: str) -> None:
    """Draw the quartiles of all trials as a bar and their median as a stroke; an infinite one is drawn at the edge."""
    quartiles = [quantile(scores, share) for share in (0.25, 0.5, 0.75)]
    if any(math.isnan(value) for value in quartiles):
        return
    low, middle, high = (value if math.isfinite(value) else edge for value in quartiles)
    axes.plot([low, high], [place, place], "-", color=ink, linewidth=5, alpha=0.35, solid_capstyle="butt")
    axes.plot([middle, middle], [place - 0.2, place + 0.2], "-", color=ink, linewidth=2.2)


def spread_evenly(count: int) -> NDArray[np.float64]:
    """Return `count` offsets in [-0.3, 0.3], spread evenly by the golden ratio: a figure has no random numbers."""
    return np.array([(i * 0.6180339887498949 % 1.0 - 0.5) * 0.6 for i in range(count)])


def set_scale(axes: Axes, values: Sequence[float], direction: str) -> None:
    """Set the x axis for these values: logarithmic if they are positive and far apart, with plain numbers on it."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = float(min(finite)), float(max(finite))
    if low > 0 and high / low > WIDE:
        axes.set_xscale("log")
        axes.set_xlim(low / (high / low) ** 0.03, high * (high / low) ** 0.03)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        return
    margin = 0.03 * (high - low) or 0.05 * abs(high) or 1.0
    axes.set_xlim(low - margin, high + margin)
