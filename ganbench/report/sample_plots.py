"""Drawing of sample sheets: images as strips, points over the data, an empty frame where there are no samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from ganbench.report.style import COLOURS, FAINT, INK, fit_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

COLUMNS = 12
"""Samples of each trial on a sheet of images."""

NAME, REASON, LINE = 34, 90, 26
"""Characters shown of a line of a name, of the reason for an empty frame, and of a line of it in a panel, at most."""


@dataclass(frozen=True)
class Strip:
    """One trial: its name of one or two lines, samples and reference [n, *shape], or the reason why it has none.

    `colour` is that of its points. `texts` are its samples as text, which are shown in place of points.
    """

    name: str
    samples: Array | None
    reference: Array | None
    reason: str = ""
    colour: str = COLOURS[0]
    texts: Sequence[str] = ()


def draw_images(strips: Sequence[Strip], title: str, columns: int, figure: Figure) -> None:
    """Draw the first samples of each trial in a row, one row for each trial, all on the scale of the data's values."""
    axes = figure.add_subplot()
    shape = next(strip.samples.shape[1:] for strip in strips if strip.samples is not None)
    rows = [tile_images(strip, columns, shape) for strip in strips]
    axes.imshow(np.concatenate(rows), cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="equal")
    height = len(rows[0])
    middles = [place * height + (height - 1) / 2 for place in range(len(rows))]
    for middle, strip in zip(middles, strips, strict=True):
        if strip.samples is None:
            axes.text(0, middle, fit_text(strip.reason, REASON), fontsize=6, color=INK, va="center")
    axes.set_yticks(middles, [split_name(strip.name) for strip in strips], fontsize=6)
    strip_axis(axes, title)


def tile_images(strip: Strip, columns: int, shape: tuple[int, ...]) -> Array:
    """Return a trial's first samples as one image [h + 1, columns * (w + 1), 3] in [0, 1], white where it has none."""
    channels, height, width = shape
    canvas = np.ones((height + 1, columns * (width + 1), 3), np.float32)
    if strip.samples is None or strip.reference is None:
        return canvas
    low, high = float(strip.reference.min()), float(strip.reference.max())
    shades = np.clip((strip.samples[:columns] - low) / ((high - low) or 1.0), 0, 1)
    for place, image in enumerate(np.nan_to_num(shades, nan=0.5)):
        coloured = image if channels == 3 else image[:1].repeat(3, 0)
        left = place * (width + 1)
        canvas[:height, left : left + width] = coloured.transpose(1, 2, 0)
    return canvas


def draw_points(strips: Sequence[Strip], title: str, columns: int, count: int, figure: Figure) -> None:
    """Draw the first `count` points of each trial over the data's, one panel for each, all on the scale of the data.

    A panel of samples that are text shows the first of them as lines.
    """
    for axes, strip in iterate_panels(strips, title, columns, figure):
        if strip.texts:
            draw_lines(axes, strip.texts, 72 * figure.get_figwidth() / columns)
        elif strip.samples is not None and strip.reference is not None:
            data, samples = project_points(strip.reference[:count]), project_points(strip.samples[:count])
            dots: dict[str, Any] = {"linestyle": "", "marker": ".", "markersize": 3, "markeredgewidth": 0}
            axes.plot(*data.T, color=FAINT, **dots)
            axes.plot(*samples.T, color=strip.colour, alpha=0.6, **dots)
            middle, radius = (data.max(0) + data.min(0)) / 2, 0.65 * max(float(np.ptp(data, 0).max()), 1e-6)
            axes.set_xlim(middle[0] - radius, middle[0] + radius)
            axes.set_ylim(middle[1] - radius, middle[1] + radius)
            if not (np.abs(samples - middle) <= radius).all(1).any():
                axes.text(
                    0.5, 0.5, "no sample is in this frame", fontsize=6, color=INK, ha="center", transform=axes.transAxes
                )


def draw_lines(axes: Axes, texts: Sequence[str], width: float) -> None:
    """Draw as many lines of text as fit into a square panel `width` points wide, one below the other."""
    longest = max(map(len, texts))
    size = min(8.0, 0.85 * width / (0.6 * max(longest, 1)))  # a letter is 0.6 times as wide as its font is high
    lines = [
        fit_text(text.replace("\n", " "), max(longest, 2)) for text in texts[: max(1, int(0.8 * width / (1.2 * size)))]
    ]
    axes.text(
        0.03, 0.97, "\n".join(lines), fontsize=size, family="monospace", color=INK, va="top", transform=axes.transAxes
    )
    axes.set_xticks([])


def draw_grids(strips: Sequence[Strip], title: str, columns: int, side: int, figure: Figure) -> None:
    """Draw the first `side` x `side` images of each trial, one panel for each, all on the scale of the data."""
    shape = next(strip.samples.shape[1:] for strip in strips if strip.samples is not None)
    for axes, strip in iterate_panels(strips, title, columns, figure):
        if strip.samples is not None:
            starts = range(0, side * side, side)
            rows = [tile_images(replace(strip, samples=strip.samples[i:][:side]), side, shape) for i in starts]
            image = np.concatenate(rows)[:-1, :-1]  # without the line behind the last row and column
            axes.imshow(image, vmin=0, vmax=1, interpolation="nearest", aspect="auto")
            axes.set_box_aspect(image.shape[0] / image.shape[1])


def iterate_panels(strips: Sequence[Strip], title: str, columns: int, figure: Figure) -> Iterator[tuple[Axes, Strip]]:
    """Yield a square panel for each trial, under its name; that of a trial without samples shows the reason."""
    panels = figure.subplots(-(-len(strips) // columns), columns, squeeze=False).flat
    if title:
        figure.suptitle(fit_text(title, REASON), x=0.02, ha="left", fontsize=10)
    for axes in panels[len(strips) :]:
        axes.set_axis_off()
    for axes, strip in zip(panels, strips, strict=False):
        if strip.samples is None or strip.reference is None:
            text = "\n".join(wrap(fit_text(strip.reason, REASON), LINE))
            axes.text(0.5, 0.5, text, fontsize=6, color=INK, ha="center", va="center")
        axes.set_box_aspect(1)
        yield axes, strip
        strip_axis(axes, "")
        axes.set_title(split_name(strip.name), fontsize=6, loc="center")
        axes.set_yticks([])


def project_points(points: Array) -> Array:
    """Return points [n, 2]: the first two coordinates; for scalars, each number with its share of the ranks."""
    flat = points.reshape(len(points), -1)
    if flat.shape[1] > 1:
        return flat[:, :2]
    return np.stack([np.sort(flat[:, 0]), np.linspace(0, 1, len(flat), dtype=np.float32)], 1)


def split_name(name: str) -> str:
    """Return a name with each of its lines shortened as it is shown."""
    return "\n".join(fit_text(line, NAME) for line in name.split("\n"))


def strip_axis(axes: Axes, title: str) -> None:
    """Remove the ticks of an axis and set its title."""
    axes.set_xticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color("0.85")
    if title:
        axes.set_title("\n".join(fit_text(line, REASON) for line in title.split("\n")))
