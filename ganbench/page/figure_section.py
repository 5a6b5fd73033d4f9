"""The section of the figures that a suite declares: pictures, each with its data in words."""

from __future__ import annotations

from functools import partial

from ganbench.page.blocks import Block, Picture, Section
from ganbench.page.packing import show_text
from ganbench.page.source import Source
from ganbench.report.plots import Plot
from ganbench.report.style import SCREEN, render
from ganbench.report.suite_figures import list_figures, plan_suite_figures


def figures_section(source: Source) -> Section:
    """Return the section of a suite's own figures; without blocks where it has none, or in a comparison."""
    blocks: list[Block] = []
    if source.comparison is None:
        titles = {figure.name: figure.title or figure.name for figure, _ in list_figures(source.frames)}
        for plot in plan_suite_figures(source.frames):
            if not plot.absent:
                blocks.append(draw_plot(plot, show_text(titles[plot.title])))
    return Section(
        name="figures",
        title="The figures of the suite",
        how="Lines are medians over the trials, bands their quartiles; `ganbench figures` writes the data of each.",
        blocks=blocks,
    )


def draw_plot(plot: Plot, title: str) -> Picture:
    """Return the picture of a figure."""
    content = render(partial(plot.draw, SCREEN), "png", SCREEN, plot.height(SCREEN))
    alt = f"{title}: drawn from the values that ganbench figures writes as CSV"
    return Picture(title=title, alt=alt, content=content)
