"""What stands around a plot and must never be cut or overlap: its title, its legend, names of lines, and its scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from ganbench.report.style import FAINT, Look, measure_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

WIDE = 20.0
"""A positive scale is logarithmic where its ends differ by more than this factor."""

HUGE = 1e3
"""A scale with zero or negative values is logarithmic on both sides beyond 1 where a value is larger than this."""

NO_BREAK = "\N{NO-BREAK SPACE}"

HANDLE, MARGIN = 3.9, 5.5
"""Widths, in units of the font's size: a legend's sample of a line with the space around it; what is left of a plot."""


def write_title(figure: Figure, text: str, look: Look) -> None:
    """Write the title of a figure at its upper left."""
    figure.suptitle(look.wrap(text, size=look.title), x=0.01, ha="left", fontsize=look.title)


def write_x_label(figure: Figure, text: str, look: Look) -> None:
    """Write what the shared x axis shows below all panels."""
    figure.supxlabel(look.wrap(text), fontsize=look.font)


def shared_count(counts: pd.Series[int]) -> str:
    """Return what a title says of the numbers of trials where all methods have equally many, else nothing."""
    words = ("(n", "=", str(counts.iloc[0]), "each)")
    return f" {NO_BREAK.join(words)}" if counts.nunique() == 1 else ""


def legend_columns(labels: Sequence[str], look: Look) -> int:
    """Return in how many columns, at most four, a legend fits below a panel."""
    width = max((measure_text(line) for label in labels for line in label.split("\n")), default=0.0) + HANDLE
    return max(1, min(len(labels), 4, int((look.width * 72 / look.font - MARGIN) / width)))


def legend_height(labels: Sequence[str], look: Look) -> float:
    """Return the height, in inches, of a legend of these labels."""
    lines = max((label.count("\n") + 1 for label in labels), default=0)
    return 1.4 * look.font / 72 * lines * math.ceil(len(labels) / legend_columns(labels, look))


def write_legend(axes: Axes, handles: Sequence[Artist], labels: Sequence[str], look: Look) -> None:
    """Write a legend below a panel, in as many columns as fit."""
    from matplotlib.transforms import ScaledTranslation

    figure: Any = axes.figure
    below = axes.transAxes + ScaledTranslation(0, -1.9 * look.font / 72, figure.dpi_scale_trans)  # the axis' numbers
    place: Any = {"loc": "upper left", "bbox_to_anchor": (0, 0), "bbox_transform": below, "borderaxespad": 0}
    axes.legend(handles, labels, ncols=legend_columns(labels, look), handlelength=1.5, columnspacing=1.2, **place)


def write_flags(axes: Axes, marks: Sequence[tuple[float, str, str]], look: Look) -> None:
    """Write names above vertical lines: value, name, ink of each. Each begins at its line, like a flag at its pole.

    All fly to the side on which they reach less far beyond the plot. Where two would overlap, the one against the wind
    is raised by a line; so no pole crosses a flag.
    """
    width = look.width * 72 - MARGIN * look.font
    places = [axes.transAxes.inverted().transform(axes.transData.transform((value, 0)))[0] for value, *_ in marks]
    lengths = [measure_text(text) * look.small / width for _, text, _ in marks]
    right = max((place + length for place, length in zip(places, lengths, strict=True)), default=0.0) - 1
    left = max((length - place for place, length in zip(places, lengths, strict=True)), default=0.0)
    side = -1 if max(right, 0.0) > max(left, 0.0) else 1
    flags = [raise_flag(axes, *mark, side, look) for mark in sorted(marks, key=lambda mark: -side * mark[0])]
    for _ in range(2):  # names above or beside the plot change its size, and so the distances
        axes.figure.draw_without_rendering()  # type: ignore[union-attr]
        place_flags(flags, side, look)


def raise_flag(axes: Axes, value: float, text: str, ink: str, side: int, look: Look) -> Annotation:
    """Return one name above a vertical line, on its right (side 1) or left (side -1), with its pole."""
    anchor = "left" if side > 0 else "right"
    style: dict[str, Any] = {"fontsize": look.small, "color": ink, "ha": anchor, "va": "bottom"}
    pole = {"arrowstyle": "-", "color": FAINT, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0}
    return axes.annotate(
        f" {text}" if side > 0 else f"{text} ",
        (value, 1),
        xycoords=axes.get_xaxis_transform(),
        xytext=(0, 2),
        textcoords="offset points",
        annotation_clip=False,
        arrowprops={**pole, "relpos": (0.0 if side > 0 else 1.0, 0.0)},
        **style,
    )


def place_flags(flags: Sequence[Annotation], side: int, look: Look) -> None:
    """Raise each flag, the one farthest with the wind first, to the first line that has room for it."""
    begins: list[float] = []  # of each line, how far with the wind its last flag so far begins
    for flag in flags:
        extent = flag.get_window_extent()  # with its pole
        begin, end = sorted((side * extent.x0, side * extent.x1))
        room = (i for i in range(len(begins)) if all(end < other for other in begins[i:]))
        line = next(room, len(begins))
        begins[line : line + 1] = [begin]
        flag.xyann = (0, 2 + 1.3 * look.small * line)


def set_scale(axes: Axes, values: Sequence[float], which: Literal["x", "y"] = "x", wide: float = WIDE) -> None:
    """Set an axis for these values, with plain numbers on it.

    It is logarithmic if they are positive and their ends differ by more than the factor `wide`, and logarithmic on both
    sides of a linear middle if not all are positive and some are huge.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = float(min(finite)), float(max(finite))
    axis = axes.xaxis if which == "x" else axes.yaxis
    if low > 0 and high / low > wide:
        margin = (high / low) ** 0.03
        axes.set(**{f"{which}scale": "log", f"{which}lim": (low / margin, high * margin)})
        room = (0.6 if which == "x" else 0.9) * axis.get_tick_space()  # the layout comes later and leaves less
        decades = math.log10(high / low)
        subs = (1, 2, 5) if 3 * decades <= room else (1, 3) if 2 * decades <= room else (1,)
        axis.set_major_locator(LogLocator(subs=subs))
    elif low <= 0 and max(-low, high) > HUGE:
        axes.set(**{f"{which}scale": "symlog", f"{which}lim": (min(2 * low, -1.0), max(2 * high, 1.0))})
        top = int(math.log10(max(-low, high)))
        step = -(-top // max(1, int(0.2 * axis.get_tick_space())))
        powers = [10.0**power for power in range(step, top + 1, step)]
        shown = [value for value in (*(-power for power in powers), 0.0, *powers) if low <= value <= high]
        axis.set_major_locator(FixedLocator(shown))
    else:
        margin = 0.03 * (high - low) or 0.05 * abs(high) or 1.0
        axes.set(**{f"{which}lim": (low - margin, high + margin)})
        return
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))


def short_number(value: float) -> str:
    """Return a number at an axis: 0.001, 20, 1e-7, 1e12."""
    if value and not 1e-3 <= abs(value) < 1e4:
        digits, _, power = f"{value:.2e}".partition("e")
        return f"{float(digits):g}e{int(power)}"
    return f"{value:g}"
