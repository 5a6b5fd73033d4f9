"""The figure of every trial's score."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ganbench.api.metrics import metric_title
from ganbench.evaluation.success import describe_sustained
from ganbench.report.labels import set_scale, shared_count, write_title, write_x_label
from ganbench.report.style import INK, PALE, Look, fit_text, measure_text
from ganbench.statistics.intervals import quantile
from ganbench.suite.success import SuccessRule

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from ganbench.report.colours import LineStyle


def scores_height(scores: pd.DataFrame, look: Look) -> float:
    """Return the height of the figure in inches: a row for each method, as high as its name needs."""
    lines = sum(max(2.6, 1.3 * (name.count("\n") + 1.6)) for name in name_rows(scores, look))
    return 1.3 + lines * look.font / 72 * 1.15


def name_rows(scores: pd.DataFrame, look: Look) -> list[str]:
    """Return the text beside each method's row: its name, and its number of trials where these differ."""
    counts = scores.groupby("method", sort=False).size()
    shared = shared_count(counts)
    names = {str(method): "" if shared else f"\nn = {count}" for method, count in counts.items()}
    return [f"{look.wrap(fit_text(method), 0.36)}{note}" for method, note in names.items()]


def draw_scores(
    rule: SuccessRule, metric: str, scores: pd.DataFrame, styles: Mapping[str, LineStyle], look: Look, figure: Figure
) -> None:
    """Draw the scores of each method: trials as points, with the quartiles and the median of all trials.

    Trials without a score (diverged, failed, timed out or undefined) are counted in a band at the worst end of the
    axis. They count as worst, so a quartile or median may lie in the band too.
    """
    axes = figure.add_subplot()
    direction = str(scores["direction"].iloc[0])
    scored = scores["scored"].to_numpy(bool) & np.isfinite(scores[rule.at].to_numpy(float))
    set_scale(axes, [*scores.loc[scored, rule.at], *rule.thresholds])
    counts = scores.groupby("method", sort=False).size()
    longest = f"{counts.max()} of {counts.max()}"
    share = (measure_text(longest) + 1) * look.small / (0.55 * look.width * 72)
    edge = draw_band(axes, direction, share) if not scored.all() else 0.0
    methods = list(dict.fromkeys(scores["method"]))
    for place, method in enumerate(methods):
        rows, colour = (scores["method"] == method).to_numpy(), styles[method]["color"]
        values, count = scores.loc[rows & scored, rule.at].to_numpy(float), int(rows.sum())
        points: dict[str, Any] = {"color": colour, "markersize": 3, "alpha": 0.55, "markeredgewidth": 0}
        axes.plot(values, place + spread_evenly(len(values)), "o", **points)
        draw_quartiles(axes, scores.loc[rows, rule.at], place, edge, colour)
        if unscored := count - len(values):
            note: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": look.small, "color": INK}
            axes.text(edge, place + 0.32, f"{unscored} of {count}", **note)
    if rule.primary is not None:
        axes.axvline(rule.primary, color=INK, linestyle=(0, (4, 3)), linewidth=1, zorder=1)
    axes.set_yticks(range(len(methods)), name_rows(scores, look))
    axes.set_ylim(len(methods) - 0.5, -0.5)
    better = "" if direction == "neutral" else f" ({direction} is better)"
    held = f", to be met{describe_sustained(rule)}" if rule.sustained > 1 else ""
    primary = "" if rule.primary is None else f"; dashed: primary {rule.primary:g}{held}"
    write_x_label(figure, f"{rule.at} {fit_text(metric_title(metric))}{better}{primary}", look)
    title = f"Scores on {fit_text(rule.dataset)}: every trial, quartiles and median of all"
    title += shared_count(scores.groupby("method", sort=False).size())
    title += "" if scored.all() else "\nin grey, counted: diverged, failed, timed out or undefined"
    write_title(figure, title, look)


def draw_band(axes: Axes, direction: str, share: float) -> float:
    """Shade the band of trials without a score, a share of the axis, beyond its worst end; return the band's middle."""
    best, worst = axes.get_xlim() if direction != "higher" else axes.get_xlim()[::-1]
    scale = axes.xaxis.get_transform()
    first, last = scale.transform([best, worst])
    middle, end = scale.inverted().transform([last + share / 2 * (last - first), last + share * (last - first)])
    axes.set_xticks([tick for tick in axes.get_xticks() if min(best, worst) <= tick <= max(best, worst)])
    axes.minorticks_off()
    axes.axvspan(worst, end, color=PALE, linewidth=0, zorder=0)
    axes.set_xlim(*sorted((best, float(end))))
    return float(middle)


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
