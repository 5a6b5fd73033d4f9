"""Figures of courses: quartiles of every method on a dataset, or everything of one trial."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from ganbench.errors import GanbenchError
from ganbench.evaluation.outcomes import OUTCOMES
from ganbench.report.colours import LineStyle, method_styles
from ganbench.report.courses import Course, Line, draw_lines, draw_steps, list_courses
from ganbench.report.labels import legend_columns, legend_height, write_title
from ganbench.report.plots import Plot, split_methods
from ganbench.report.shown import limit_values
from ganbench.report.style import COLOURS, DASHES, INK, Look, fit_text
from ganbench.statistics.final_scores import NEVER, select_measurement, trial_scores
from ganbench.statistics.outcome_table import headline_metrics, stored_suite, trial_outcomes
from ganbench.statistics.trajectories import trajectory_quartiles

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ganbench.results.frames import Frames

Fill = Callable[[Look, Sequence["Axes"]], None]
"""What draws into the panels of a figure."""

PANEL = 1.55
"""The height of a panel in inches."""

GAP = "no finite value from here on"
"""What a cross at the end of an axis means."""


def plan_courses(frames: Frames, states: bool = False) -> Iterator[Plot]:
    """Yield a figure for each dataset: median and quartiles of every method; of many methods, several figures.

    Figures of one dataset share their axes.
    """
    frames, _ = limit_values(frames, ())
    styles, headlines = method_styles(frames), headline_metrics(stored_suite(frames))
    for dataset, trials in frames.trials.groupby("dataset", sort=False):
        courses = list_courses(frames, trials["key"], headlines.get(str(dataset), ""), states)
        counts = trials[trials["status"] != "missing"].groupby("method", sort=False).size()
        if not courses:
            reason = "no trial has been recorded yet" if counts.empty else "no score or signal is stored at two steps"
            yield Plot(title=f"{dataset} courses", absent=reason)
            continue
        tables = [trajectory_quartiles(frames, str(dataset), c.name, c.kind, c.measurement) for c in courses]
        groups = split_methods([method for method in styles if method in counts.index])
        for number, methods in enumerate(groups, 1):
            part = f", part {number} of {len(groups)}" if len(groups) > 1 else ""
            shown = counts[methods]
            count = f"n = {shown.iloc[0]} each" if shown.nunique() == 1 else f"n = {shown.min()} to {shown.max()}"
            title = f"Courses on {fit_text(str(dataset))}: median and quartiles, {count}{part}"
            panels = partial(draw_quartiles, courses, tables, {method: styles[method] for method in methods})
            legend = {fit_text(method): styles[method] for method in methods}
            title_of_file = f"{dataset} courses{f' {number}' if part else ''}"
            yield make_plot(title_of_file, title, len(courses), panels, legend)


def draw_quartiles(
    courses: Sequence[Course],
    tables: Sequence[pd.DataFrame],
    styles: Mapping[str, LineStyle],
    look: Look,
    panels: Sequence[Axes],
) -> None:
    """Draw median and quartiles of these methods, a panel for each course, on the scale of all methods."""
    for axes, course, table in zip(panels, courses, tables, strict=True):
        lines = [
            Line(
                steps=rows["step"].to_numpy(float),
                values=rows["median"].to_numpy(float),
                style=styles[str(method)],
                band=(rows["low"].to_numpy(float), rows["high"].to_numpy(float)),
            )
            for method, rows in table.groupby("method", sort=False)
            if method in styles
        ]
        draw_lines(axes, course, lines, look, table[["low", "median", "high"]].to_numpy(float).ravel().tolist())


def plan_trial(frames: Frames, key: str, states: bool = False) -> Plot:
    """Return the figure of one trial by its full key: all its courses, where outcomes began, and the best snapshot."""
    found = frames.trials[(frames.trials["key"] == key) & (frames.trials["status"] != "missing")]
    if found.empty:
        raise GanbenchError(f"trial {key[:8]}: nothing is recorded of it.")
    trial = found.iloc[0]
    frames, _ = limit_values(frames, ())
    headline = headline_metrics(stored_suite(frames)).get(trial["dataset"], "")
    courses = list_courses(frames, found["key"], headline, states)
    title = f"trial {key[:8]} courses"
    if not courses:
        error = f": {trial['error'].splitlines()[-1]}" if trial["error"] else ""
        return Plot(
            title=title, absent=f"no score or signal of it is stored at two steps (it {trial['status']}{error})"
        )
    style = method_styles(frames)[trial["method"]]
    named = f"{fit_text(trial['method'])} on {fit_text(trial['dataset'])}, {fit_text(trial['architecture'])}, seed"
    heading = f"{named} {trial['seed']}: {trial['status']} (trial {key[:8]})"
    marks = find_marks(frames, key, style, next((c for c in courses if c.name == headline), courses[0]), trial)
    lines = [read_course(frames, found["key"], course, style) for course in courses]
    legend = {f"{name}: step {step:g}": line for name, (step, line) in marks.items()}
    return make_plot(title, heading, len(courses), partial(draw_trial, courses, lines, marks), legend)


def read_course(frames: Frames, keys: pd.Series[str], course: Course, style: LineStyle) -> Line:
    """Return one course of one trial."""
    if course.kind == "scores":
        rows = select_measurement(frames, keys, "", course.name, course.measurement)
        rows = rows[~rows["fresh"]]
    else:
        rows = frames.signals[(frames.signals["key"] == keys.iloc[0]) & (frames.signals["name"] == course.name)]
    rows = rows.sort_values("step", kind="stable")
    return Line(steps=rows["step"].to_numpy(float), values=rows["value"].to_numpy(float), style=style)


def find_marks(
    frames: Frames, key: str, style: LineStyle, headline: Course, trial: pd.Series[Any]
) -> dict[str, tuple[float, LineStyle]]:
    """Return the step and the line of each outcome that a trial had, and of its best snapshot by the headline score."""
    free = cycle((colour, dash) for dash in DASHES[1:] for colour in COLOURS if colour != style["color"])
    outcomes: dict[Any, float] = trial_outcomes(frames).loc[key].to_dict()
    marks: dict[str, tuple[float, LineStyle]] = {}
    for name in OUTCOMES:
        colour, dash = next(free)
        if np.isfinite(outcomes[name]):
            marks[name] = (outcomes[name], {"color": colour, "linestyle": dash})
    if headline.kind == "scores" and headline.direction != "neutral":
        scores = trial_scores(frames, trial["dataset"], headline.name, headline.measurement).set_index("key")
        best = int(scores["best_step"].get(key, NEVER))
        if best != NEVER:
            marks["best snapshot"] = (best, {"color": "#000000", "linestyle": ":"})
    return marks


def draw_trial(
    courses: Sequence[Course],
    lines: Sequence[Line],
    marks: Mapping[str, tuple[float, LineStyle]],
    look: Look,
    panels: Sequence[Axes],
) -> None:
    """Draw one trial, a panel for each course, with a vertical line at each mark."""
    for axes, course, line in zip(panels, courses, lines, strict=True):
        draw_lines(axes, course, [line], look)
        draw_steps(axes, marks)


def make_plot(title: str, heading: str, count: int, draw: Fill, legend: Mapping[str, LineStyle]) -> Plot:
    """Return the figure of `count` panels, two beside each other where there is room; `draw` fills them."""

    def height(look: Look) -> float:
        lines = look.wrap(heading, size=look.title).count("\n") + 1
        return 0.7 + 0.2 * lines + PANEL * -(-count // count_columns(look)) + legend_height(list(legend), look)

    return Plot(title=title, draw=partial(fill_panels, heading, count, draw, legend), height=height)


def count_columns(look: Look) -> int:
    """Return how many panels stand beside each other."""
    return 2 if look.width > 5 else 1


def fill_panels(
    heading: str, count: int, draw: Fill, legend: Mapping[str, LineStyle], look: Look, figure: Figure
) -> None:
    """Draw the panels of a figure over one axis of steps, its title above and its legend below."""
    from matplotlib.lines import Line2D

    columns = min(count, count_columns(look))
    panels = list(figure.subplots(-(-count // columns), columns, sharex=True, squeeze=False).flat)
    for axes in panels[count:]:
        axes.set_axis_off()
    draw(look, panels[:count])
    for axes in panels[max(0, count - columns) : count]:
        axes.set_xlabel("generator step")
        axes.xaxis.set_tick_params(labelbottom=True)
    write_title(figure, heading, look)
    crosses = [line for axes in panels for line in axes.lines if line.get_marker() == "x"]
    if legend or crosses:
        styles: list[dict[str, Any]] = [dict(style) for style in legend.values()]
        handles = [Line2D([], [], linewidth=1.6, **style) for style in styles]
        if crosses:
            handles.append(Line2D([], [], linestyle="", marker="x", color=INK))
        names = [f" {name}" if name.startswith("_") else name for name in legend] + [GAP] * bool(crosses)
        place: dict[str, Any] = {"loc": "outside lower center", "ncols": legend_columns(names, look)}
        figure.legend(handles, names, handlelength=1.5, columnspacing=1.2, **place)
