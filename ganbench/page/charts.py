"""The charts of a page as Vega-Lite specs, made with Altair. Their data are named, and filled in by the page's script.

A spec holds no third party's text except the names of methods, as values of a scale; titles and axes are our own words
and the names of metrics, which Vega draws as text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import altair as alt

if TYPE_CHECKING:
    from ganbench.page.palette import Palette

WIDE = 20.0
"""A positive scale is logarithmic where its ends differ by more than this factor."""

LANE, TALL = 36, 300
"""Pixels of the lane of one method, and of the height of other charts."""

BEYOND = 0.09
"""The share of an axis that is added beyond its worst end, for trials without a score."""

SHARE = alt.Axis(format="%", tickCount=5)
STEPS = alt.Axis(tickCount=8)
"""The axis of thresholds and steps: its labels are about as many as a wide chart reads well with."""

FAINT = "#888888"
"""A grey that is seen on white and on black."""


MOST_BANDS = 8
"""Methods of one chart that have bands, at most: of more, nothing could be told apart."""


def with_band(band: Any, *others: Any, methods: int) -> Any:
    """Return the layers of a chart, the band below all others; without it where there are too many methods."""
    return alt.layer(*([band] if methods <= MOST_BANDS else []), *others)


def finish(chart: Any, height: int = TALL) -> dict[str, Any]:
    """Return the spec of a chart that is as wide as its column, without a place of origin or a look of its own."""
    fitted = chart.properties(
        width="container", height=height, autosize=alt.AutoSizeParams(type="fit-x", contains="padding")
    )
    spec: dict[str, Any] = fitted.to_dict(validate=False)
    for name in ("config", "$schema"):
        spec.pop(name, None)
    return spec


def make_scale(values: Iterable[float]) -> alt.Scale:
    """Return the scale of an axis for these values: logarithmic where they are positive and far apart."""
    finite = [float(value) for value in values if math.isfinite(value)]
    if finite and min(finite) > 0 and max(finite) / min(finite) > WIDE:
        return alt.Scale(type="log", nice=False)
    return alt.Scale(zero=False, nice=False, padding=6)


def find_edge(values: Iterable[float], direction: str) -> float | None:
    """Return the place for trials without a score: a little beyond the worst value; None without any score."""
    finite = [float(value) for value in values if math.isfinite(value)]
    if not finite:
        return None
    low, high = min(finite), max(finite)
    if low > 0 and high / low > WIDE:
        return low * (low / high) ** BEYOND if direction == "higher" else high * (high / low) ** BEYOND
    step = BEYOND * (high - low) or 0.1 * abs(high) or 1.0
    return low - step if direction == "higher" else high + step


IS_CHOSEN = "chosen >= 0 && (datum.t === chosen || datum.u === chosen)"


def chosen_size(small: int = 34, large: int = 190) -> Any:
    """Return the size of a trial's point: larger for the trial that the reader has chosen."""
    return alt.condition(IS_CHOSEN, alt.value(large), alt.value(small))


def chosen_line() -> Any:
    """Return the outline of a trial's point: drawn around the chosen one alone."""
    return alt.condition(IS_CHOSEN, alt.value("#000000"), alt.value("transparent"))


CHOSEN = alt.param(name="chosen", value=-1)
WHO = [alt.Tooltip("method:N"), alt.Tooltip("words:N", title="architecture"), alt.Tooltip("seed:Q"), "outcome:N"]


def vertical(name: str, dash: Sequence[int], field: str, title: str) -> Any:
    """Return vertical lines at the values of a frame."""
    return (
        alt.Chart(alt.NamedData(name))
        .mark_rule(color=FAINT, strokeDash=list(dash), strokeWidth=1.3, opacity=0.7)
        .encode(x="value:Q", tooltip=[alt.Tooltip(f"{field}:N"), alt.Tooltip("value:Q", title=title, format=".4~g")])
    )


def success_spec(
    palette: Palette, thresholds: Iterable[float], direction: str, axis: str, methods: int
) -> dict[str, Any]:
    """Return the spec of success rates over all thresholds. Frames: curve, marks (thresholds), baselines."""
    step: Literal["step-after", "step-before"] = "step-after" if direction == "higher" else "step-before"
    curve = alt.Chart(alt.NamedData("curve")).encode(
        x=alt.X("threshold:Q", title=axis, scale=make_scale(thresholds), axis=STEPS)
    )
    shown = [
        alt.Tooltip("method:N"),
        alt.Tooltip("threshold:Q", format=".4~g"),
        *(alt.Tooltip(f"{name}:Q", format=".0%") for name in ("rate", "low", "high")),
    ]
    band = curve.mark_area(interpolate=step, opacity=0.14).encode(y=alt.Y("low:Q"), y2="high:Q", color=palette.colour())
    line = curve.mark_line(interpolate=step, strokeWidth=2).encode(
        y=alt.Y("rate:Q", title="share of trials that succeed", axis=SHARE, scale=alt.Scale(domain=[0, 1])),
        color=palette.colour(),
        strokeDash=palette.dash(),
        tooltip=shown,
    )
    marks = (vertical("marks", [5, 4], "name", "threshold"), vertical("baselines", [1, 0], "name", axis))
    return finish(with_band(band, *marks, line, methods=methods))


def scores_spec(palette: Palette, values: Iterable[float], axis: str, lanes: int) -> dict[str, Any]:
    """Return the spec of every trial's score in the lane of its method. Frames: rows, summary, marks, baselines.

    Heights are numbers, not steps of a lane: Vega-Lite warns of every step in a chart as wide as its column.
    """
    lane = alt.Y("method:N", title=None, sort=palette.names, axis=alt.Axis(labelLimit=160))
    x = alt.X("value:Q", title=axis, scale=make_scale(values))
    points = (
        alt.Chart(alt.NamedData("rows"))
        .mark_point(filled=True, opacity=0.6)
        .encode(
            x=x,
            y=lane,
            yOffset=alt.YOffset("jitter:Q", scale=alt.Scale(domain=[-1.6, 1.6])),
            color=palette.colour(),
            shape=alt.condition("datum.none", alt.value("cross"), alt.value("circle")),
            size=chosen_size(),
            stroke=chosen_line(),
            tooltip=[*WHO, alt.Tooltip("score:Q", format=".4~g")],
        )
        .add_params(CHOSEN)
    )
    summary = alt.Chart(alt.NamedData("summary")).encode(y=lane, color=palette.colour())
    quartiles = summary.mark_bar(height=9, opacity=0.35).encode(x=alt.X("q25:Q"), x2="q75:Q")
    median = summary.mark_tick(thickness=3, size=26).encode(
        x=alt.X("median:Q"), tooltip=["method:N", *(alt.Tooltip(f"{q}:Q", format=".4~g") for q in QUARTILES)]
    )
    marks = (vertical("marks", [5, 4], "name", "threshold"), vertical("baselines", [1, 0], "name", axis))
    return finish(alt.layer(*marks, quartiles, median, points), LANE * lanes + 10)


QUARTILES = ("q25", "median", "q75")


def final_best_spec(palette: Palette, values: Iterable[float], metric: str) -> dict[str, Any]:
    """Return the spec of final against best scores, with the line where both are equal. Frames: rows, diagonal."""
    scale = make_scale(values)
    points = (
        alt.Chart(alt.NamedData("rows"))
        .mark_point(filled=True, opacity=0.65)
        .encode(
            x=alt.X("best:Q", title=f"best {metric}", scale=scale),
            y=alt.Y("final:Q", title=f"final {metric}", scale=scale),
            color=palette.colour(),
            shape=palette.symbol(),
            size=chosen_size(),
            stroke=chosen_line(),
            tooltip=[*WHO, alt.Tooltip("best:Q", format=".4~g"), alt.Tooltip("final:Q", format=".4~g")],
        )
        .add_params(CHOSEN)
    )
    return finish(alt.layer(diagonal_line("best", "final"), points))


def diagonal_line(x: str, y: str) -> Any:
    """Return the line on which both scores are equal."""
    return (
        alt.Chart(alt.NamedData("diagonal"))
        .mark_line(color=FAINT, strokeDash=[5, 4])
        .encode(x=alt.X(f"{x}:Q"), y=alt.Y(f"{y}:Q"))
    )


def pairs_spec(values: Iterable[float], axis_a: str, axis_b: str, colours: tuple[str, str]) -> dict[str, Any]:
    """Return the spec of a paired scatter, A's score against B's, coloured by the better. Frames: rows, diagonal."""
    scale = make_scale(values)
    better = alt.Color("better:N", legend=None, scale=alt.Scale(domain=["a", "b", "equal"], range=[*colours, FAINT]))
    points = (
        alt.Chart(alt.NamedData("rows"))
        .mark_point(filled=True, opacity=0.75)
        .encode(
            x=alt.X("a:Q", title=axis_a, scale=scale),
            y=alt.Y("b:Q", title=axis_b, scale=scale),
            color=better,
            shape=alt.condition("datum.none", alt.value("cross"), alt.value("circle")),
            size=chosen_size(44),
            stroke=chosen_line(),
            tooltip=[
                alt.Tooltip("words:N", title="architecture"),
                alt.Tooltip("seed:Q"),
                alt.Tooltip("score_a:Q", title="A", format=".4~g"),
                alt.Tooltip("score_b:Q", title="B", format=".4~g"),
            ],
        )
        .add_params(CHOSEN)
    )
    return finish(alt.layer(diagonal_line("a", "b"), points), 340)


def survival_spec(palette: Palette, methods: int) -> dict[str, Any]:
    """Return the spec of the share of trials in which an outcome has not begun, over steps. Frame: curve."""
    curve = alt.Chart(alt.NamedData("curve")).encode(
        x=alt.X("step:Q", title="generator step", scale=alt.Scale(nice=False), axis=STEPS)
    )
    band = curve.mark_area(interpolate="step-after", opacity=0.12).encode(
        y=alt.Y("low:Q"), y2="high:Q", color=palette.colour()
    )
    shown = ["method:N", "step:Q", *(alt.Tooltip(f"{name}:Q", format=".0%") for name in ("share", "low", "high"))]
    line = curve.mark_line(interpolate="step-after", strokeWidth=2).encode(
        y=alt.Y("share:Q", title="share of trials without it", axis=SHARE, scale=alt.Scale(domain=[0, 1])),
        color=palette.colour(),
        strokeDash=palette.dash(),
        tooltip=[*shown, "at_risk:Q", "n:Q"],
    )
    return finish(with_band(band, line, methods=methods), 240)


def interval_spec(palette: Palette, row: str, order: Sequence[str], methods: int) -> dict[str, Any]:
    """Return the spec of success rates with intervals, a lane per value of the column `row`. Frame: rows.

    `order` lists the lanes from above, `methods` is the number of methods in one of them.
    """
    base = alt.Chart(alt.NamedData("rows")).encode(
        y=alt.Y(
            f"{row}:N",
            title=None,
            sort=list(order),
            scale=alt.Scale(paddingInner=0.5, paddingOuter=0.25),
            axis=alt.Axis(labelLimit=150),
        ),
        yOffset=alt.YOffset("method:N", sort=palette.names),
        color=palette.colour(),
    )
    shown = [alt.Tooltip("method:N"), alt.Tooltip(f"{row}:N"), "successes:Q", "n:Q"]
    shown += [alt.Tooltip(f"{name}:Q", format=".0%") for name in ("value", "low", "high")]
    x = alt.X("value:Q", title="share of trials that succeed", scale=alt.Scale(domain=[0, 1]), axis=SHARE)
    bars = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q")
    points = base.mark_point(filled=True, size=60, opacity=1).encode(x=x, shape=palette.symbol(), tooltip=shown)
    return finish(alt.layer(bars, points), len(order) * (14 * methods + 14))


def courses_spec(palette: Palette) -> dict[str, Any]:
    """Return the spec of courses: quartiles of each method, and single trials. Frames: quartiles, single."""
    curve = alt.Chart(alt.NamedData("quartiles")).encode(
        x=alt.X("x:Q", title="generator step", scale=alt.Scale(zero=False, nice=False), axis=STEPS)
    )
    band = curve.mark_area(opacity=0.14).encode(y=alt.Y("low:Q"), y2="high:Q", color=palette.colour())
    shown = ["method:N", "x:Q", *(alt.Tooltip(f"{name}:Q", format=".4~g") for name in ("low", "median", "high")), "n:Q"]
    line = curve.mark_line(strokeWidth=2.2).encode(
        y=alt.Y("median:Q", title="value", scale=alt.Scale(zero=False)),
        color=palette.colour(),
        strokeDash=palette.dash(),
        tooltip=shown,
    )
    single = (
        alt.Chart(alt.NamedData("single"))
        .mark_line(point=alt.OverlayMarkDef(size=14))
        .encode(
            x=alt.X("x:Q"),
            y=alt.Y("value:Q"),
            detail="t:N",
            color=palette.colour(),
            strokeWidth=alt.condition("datum.t === chosen", alt.value(3), alt.value(0.8)),
            opacity=alt.condition("datum.t === chosen", alt.value(1), alt.value(0.45)),
            tooltip=[*WHO, alt.Tooltip("x:Q"), alt.Tooltip("value:Q", format=".4~g")],
        )
        .add_params(CHOSEN)
    )
    return finish(with_band(band, line, single, methods=len(palette.names)))
