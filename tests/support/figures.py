"""Figures as they are written, and where their text stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ganbench.report.plots import Plot
from ganbench.report.style import Look, render
from matplotlib.figure import Figure
from matplotlib.text import Text


def lay_out(plot: Plot, look: Look) -> Figure:
    """Return a figure as it is written."""
    kept: list[Figure] = []

    def draw(figure: Figure) -> None:
        plot.draw(look, figure)
        kept.append(figure)

    render(draw, "png", look, plot.height(look))
    return kept[0]


def find_texts(figure: Figure) -> Iterator[tuple[Text, Any]]:
    """Yield every text that is shown, and where, without the pole of a flag."""
    hidden = hidden_ticks(figure)
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip() and text not in hidden:
            yield text, Text.get_window_extent(text)


def hidden_ticks(figure: Figure) -> list[Text]:
    """Return the labels of ticks beyond the ends of their axis, which are not drawn."""
    hidden = []
    for axes in figure.axes:
        for axis, (low, high) in ((axes.xaxis, sorted(axes.get_xlim())), (axes.yaxis, sorted(axes.get_ylim()))):
            for tick in axis.get_major_ticks():
                if not low <= tick.get_loc() <= high:
                    hidden += [tick.label1, tick.label2]
    return hidden


def assert_uncut(figure: Figure, look: Look) -> None:
    """Assert that all text lies within the figure, and that every panel has room for a plot."""
    width, height = figure.bbox.width, figure.bbox.height
    for text, extent in find_texts(figure):
        inside = (extent.x0 >= -1, extent.x1 <= width + 1, extent.y0 >= -1, extent.y1 <= height + 1)
        assert all(inside), f"{text.get_text()!r} is cut at {extent.extents} of {width} x {height}"
    for axes in figure.axes:
        if axes.axison and axes.get_label() != "<colorbar>":
            box = axes.get_window_extent()
            assert box.width > 0.3 * width
            assert box.height > 0.7 * look.dpi
