"""A figure before it is drawn, or the reason why there is none; and its files, one for each format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.report.output import file_names, make_folder
from ganbench.report.style import SCREEN, Look, render
from ganbench.results.files import write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Picture = tuple[str, Callable[[], bytes]]
"""The name of a file and the function that draws its content."""

MOST_METHODS = 8
"""Methods in one panel, at most; of more methods, each panel has this many or fewer."""


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A figure: its title, from which its file is named; what draws it in a look; its height in inches for a look.

    Where there is nothing to draw, `absent` says why.
    """

    title: str
    draw: Callable[[Look, Figure], None] = lambda look, figure: None
    height: Callable[[Look], float] = lambda look: 3.6
    absent: str = ""


def list_pictures(plots: Iterable[Plot], formats: Sequence[str] = ("png",), look: Look = SCREEN) -> list[Picture]:
    """Return the files of those plots that can be drawn, each in every format."""
    drawn = [plot for plot in plots if not plot.absent]
    named = zip(file_names([plot.title for plot in drawn]), drawn, strict=True)
    return [
        (f"{name}.{format}", partial(render, partial(plot.draw, look), format, look, plot.height(look)))
        for name, plot in named
        for format in dict.fromkeys(formats)
    ]


def list_absent(plots: Iterable[Plot]) -> list[str]:
    """Return a line for each plot that is not drawn, with the reason."""
    return [f"{plot.title}: not drawn: {plot.absent}" for plot in plots if plot.absent]


def write_pictures(pictures: Sequence[Picture], folder: Path) -> Iterator[Path]:
    """Draw pictures into a folder and yield each file once it is written; raise GanbenchError if the folder fails."""
    make_folder(folder)
    for name, draw in pictures:
        write_file(folder / name, draw())
        yield folder / name


def split_methods(methods: Sequence[str]) -> list[list[str]]:
    """Return the methods of each panel: as few panels as `MOST_METHODS` allows, as even as possible, in their order."""
    panels = -(-len(methods) // MOST_METHODS) or 1
    size, more = divmod(len(methods), panels)
    bounds = [i * size + min(i, more) for i in range(panels + 1)]
    return [list(methods[bounds[i] : bounds[i + 1]]) for i in range(panels)]
