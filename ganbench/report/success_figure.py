"""The figure of success rates over all thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ganbench.api.metrics import metric_title
from ganbench.evaluation.success import describe_sustained
from ganbench.report.labels import (
    NO_BREAK,
    legend_height,
    set_scale,
    shared_count,
    write_flags,
    write_legend,
    write_title,
    write_x_label,
)
from ganbench.report.plots import split_methods
from ganbench.report.style import FAINT, INK, Look, fit_text
from ganbench.suite.success import SuccessRule
from ganbench.table import format_value

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ganbench.report.colours import LineStyle

FEW = 3
"""Methods whose bands are filled so that one still sees each; of more methods, bands are mainly their edges."""

WIDEST = 0.95
"""The height of a band that is not drawn, because it leaves nearly every rate open."""


def curve_height(curve: pd.DataFrame, baselines: int, look: Look) -> float:
    """Return the height of the figure in inches: its panels, a legend below each, and names of baselines above."""
    panels = split_methods(list(dict.fromkeys(curve["method"])))
    legends = sum(legend_height(name_methods(curve, methods, look), look) for methods in panels)
    names = 0.5 * baselines * 1.3 * look.small / 72  # some stand beside each other, or beyond the axis
    return 1.2 + names + legends + len(panels) * (2.3 if len(panels) == 1 else 1.8) * (look.width / 6.4) ** 0.4


def name_methods(curve: pd.DataFrame, methods: Sequence[str], look: Look) -> list[str]:
    """Return the text of each method in the legend: its name, and its number of trials where these differ."""
    counts = curve.groupby("method", sort=False)["n"].first()
    notes = {method: "" if shared_count(counts) else f", n{NO_BREAK}={NO_BREAK}{counts[method]}" for method in methods}
    names = [look.wrap(fit_text(method) + note, 0.65) for method, note in notes.items()]
    return [f" {name}" if name.startswith("_") else name for name in names]  # a legend would leave it out


def draw_curve(
    rule: SuccessRule,
    curve: pd.DataFrame,
    baselines: pd.DataFrame,
    styles: Mapping[str, LineStyle],
    look: Look,
    figure: Figure,
) -> None:
    """Draw every method's success rate over all thresholds with its band, and lines at the scores of baselines.

    Of more methods than one panel may have, each panel has some, all with the same axes.
    """
    direction = str(curve.attrs["direction"])
    panels = split_methods(list(dict.fromkeys(curve["method"])))
    rows = figure.subplots(len(panels), 1, sharey=True, squeeze=False)[:, 0]
    beyond: list[str] = []
    for axes, methods in zip(rows, panels, strict=True):
        set_scale(axes, [*curve["threshold"], *rule.thresholds])
        draw_panel(axes, curve, methods, styles, look)
        axes.set_ylim(0, 1)
        if rule.primary is not None:
            axes.axvline(rule.primary, color=INK, linestyle=(0, (4, 3)), linewidth=1, zorder=2)
        beyond = draw_baselines(axes, baselines)
    figure.supylabel("share of trials that succeed", fontsize=look.font)
    at = "" if rule.sustained > 1 else f"{rule.at} "
    label = f"threshold of {at}{fit_text(metric_title(str(rule.metric)))} ({direction} is better)"
    label += describe_sustained(rule)
    outside = f"\ndata and baselines beyond the axis: {', '.join(beyond)}" if beyond else ""
    write_x_label(figure, label + outside, look)
    condition = f", where {fit_text(metric_title(rule.condition))}" if rule.condition else ""
    bands = "with 95% bands over all thresholds" if has_bands(curve) else "too few units for a band"
    count = shared_count(curve.groupby("method", sort=False)["n"].first())
    write_title(figure, f"Success rates on {fit_text(rule.dataset)}{condition}, {bands}{count}", look)
    write_flags(rows[0], flag_marks(rows[0], rule, baselines), look)


def has_bands(curve: pd.DataFrame) -> bool:
    """Return whether a band says anything: with one unit it has nearly the height of the plot."""
    return bool((curve["high"] - curve["low"] < WIDEST).any())


def draw_panel(
    axes: Axes, curve: pd.DataFrame, methods: Sequence[str], styles: Mapping[str, LineStyle], look: Look
) -> None:
    """Draw the rates of these methods with their bands, and their legend below."""
    handles = []
    ends = axes.get_xlim() if curve.attrs["direction"] == "higher" else axes.get_xlim()[::-1]  # the easier end first
    edge, alpha = (0.0, 0.13) if len(methods) <= FEW else (0.6, 0.03)
    for method in methods:
        found, style = curve[curve["method"] == method], styles[method]
        rows = found.iloc[[0, *range(len(found)), -1]]  # beyond all scores, rates stay
        x = np.array([ends[0], *found["threshold"], ends[1]])
        (line,) = axes.plot(x, rows["rate"], drawstyle="steps-post", linewidth=1.6, zorder=3, **style)
        if has_bands(rows):
            axes.fill_between(x, rows["low"], rows["high"], step="post", color=style["color"], alpha=alpha, linewidth=0)
            for end in ("low", "high") if edge else ():
                axes.step(x, rows[end], where="post", linewidth=edge, alpha=0.5, **style)
        handles.append(line)
    write_legend(axes, handles, name_methods(curve, methods, look), look)


def draw_baselines(axes: Axes, baselines: pd.DataFrame) -> list[str]:
    """Mark the scores of baselines and of the data by thin lines; return names and scores of those beyond the axis."""
    low, high = sorted(axes.get_xlim())
    beyond = []
    ordered = baselines.sort_values("value", kind="stable")
    for sampler, value in zip(ordered["sampler"], ordered["value"], strict=True):
        if low <= value <= high:
            axes.axvline(value, color=FAINT, linewidth=0.7, zorder=1)
        else:
            beyond.append(f"{fit_text(sampler)} {format_value(value)}")
    return beyond


def flag_marks(axes: Axes, rule: SuccessRule, baselines: pd.DataFrame) -> list[tuple[float, str, str]]:
    """Return value, name and ink of the lines within the axis: the primary threshold, the data, the baselines."""
    low, high = sorted(axes.get_xlim())
    named = zip(baselines["value"].astype("float64"), baselines["sampler"], strict=True)
    marks = [(value, fit_text(sampler, 24), INK) for value, sampler in named if low <= value <= high]
    return marks if rule.primary is None else [*marks, (rule.primary, f"primary {format_value(rule.primary)}", "black")]
