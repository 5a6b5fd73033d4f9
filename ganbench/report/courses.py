"""Courses of scores and signals over a training: which there are, and one panel of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ganbench.api.metrics import metric_title
from ganbench.report.labels import set_scale
from ganbench.report.style import Look, fit_text
from ganbench.statistics.final_scores import split_by_measurement

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from ganbench.report.colours import LineStyle
    from ganbench.results.frames import Frames

SIGNALS = ("loss.", "gradient.", "weights.")
"""How the names of the signals begin that are always drawn, in this order."""

MOST_PANELS = 24
"""Panels of one figure, at most."""

MOST_DOTS = 30
"""Points of a line, at most, that are marked each by a dot."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """One value over the steps of a training: a score by one measurement, or a signal (then without either)."""

    name: str
    kind: Literal["scores", "signals"]
    measurement: str | None = None
    direction: str = "neutral"

    @property
    def title(self) -> str:
        """The text above its panel."""
        name = fit_text(metric_title(self.name) if self.kind == "scores" else self.name)
        return name if self.direction == "neutral" else f"{name} ({self.direction} is better)"


def list_courses(frames: Frames, keys: pd.Series[str], headline: str, states: bool = False) -> list[Course]:
    """Return the courses of these trials: the headline metric, the other scores, then losses, gradients and weights.

    A score that was measured once has no course, nor has a value that was never finite. With `states`, all other
    signals follow: terms of the losses, outputs of the critic, and scalars in the state of plugins.
    """
    names = list(dict.fromkeys(name for name, _ in frames.measured))
    scores: list[Course] = []
    for name in sorted(names, key=lambda name: name != headline):
        for measurement, rows in split_by_measurement(frames, name, keys).items():
            series = rows[~rows["fresh"]]
            known = np.isfinite(series["value"].to_numpy(float)).any()
            if known and series.groupby("number")["step"].nunique().max() > 1:
                direction = str(series["direction"].iloc[0])
                scores.append(Course(name=name, kind="scores", measurement=measurement, direction=direction))
    signals = frames.signals[frames.signals["key"].isin(set(keys))]
    found = signals.loc[np.isfinite(signals["value"]), "name"].unique()
    known = [name for begin in SIGNALS for name in sorted(found) if name.startswith(begin)]
    others = [name for name in sorted(found) if name not in known] if states else []
    return [*scores, *(Course(name=name, kind="signals") for name in (*known, *others))][:MOST_PANELS]


@dataclass(frozen=True, kw_only=True)
class Line:
    """The course of one method, or of one trial: values [n] at steps [n], and the quartiles around them if any."""

    steps: NDArray[np.float64]
    values: NDArray[np.float64]
    style: LineStyle
    band: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None


def draw_lines(axes: Axes, course: Course, lines: Sequence[Line], look: Look, values: Sequence[float] = ()) -> None:
    """Draw lines with their bands on a scale for them (and for `values`); where one is not finite it has a gap.

    A gap begins with a cross at the end of the axis: the worse end of a score, else the upper one.
    """
    parts = [part for line in lines for part in (line.values, *(line.band or ()))]
    set_scale(axes, [*np.concatenate([*parts, []]), *values], "y")
    ends = axes.get_ylim()
    worst = ends[0] if course.direction == "higher" else ends[1]
    for line in lines:
        known = np.where(np.isfinite(line.values), line.values, np.nan)
        dots: dict[str, Any] = {"marker": "o", "markersize": 2.5} if len(known) < MOST_DOTS else {}
        axes.plot(line.steps, known, linewidth=1.3, **dots, **line.style)
        if line.band is not None:
            low, high = (np.clip(np.nan_to_num(end, nan=worst), *ends) for end in line.band)
            axes.fill_between(line.steps, low, high, color=line.style["color"], alpha=0.1, linewidth=0)
        if gaps := list(find_gaps(line.values)):
            cross: dict[str, Any] = {"linestyle": "", "marker": "x", "markersize": 6, "clip_on": False, "zorder": 5}
            axes.plot(line.steps[gaps], [worst] * len(gaps), color=line.style["color"], **cross)
    axes.set_title(course.title, fontsize=look.font)
    axes.tick_params(labelsize=look.small)


def find_gaps(values: NDArray[np.float64]) -> Iterator[int]:
    """Yield the place at which each part that is not finite begins."""
    finite = np.isfinite(values)
    yield from np.flatnonzero(~finite & np.concatenate([[True], finite[:-1]])).tolist()


def draw_steps(axes: Axes, marks: Mapping[str, tuple[float, LineStyle]]) -> None:
    """Draw a vertical line at the step of each mark."""
    for step, style in marks.values():
        axes.axvline(step, linewidth=1.1, zorder=1, **style)
