"""The charts of tuned methods as Vega-Lite specs: the expected best of k configurations, and landscapes.

As in `ganbench.page.charts`, data are named, and titles are names of options and metrics, which Vega draws as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import altair as alt

from ganbench.page.charts import FAINT, finish, make_scale

if TYPE_CHECKING:
    from ganbench.page.palette import Palette

FRAME = "#d55e00"
"""The colour around the chosen configuration."""

RAMP = ("#0072b2", "#7f8fa0", "#e69f00")
"""The colours of lines from the best score to the worst; each can be seen on white and on black."""

INK = "#000000"
"""Black, which the page replaces by the colour of its text."""

SCORES = alt.Legend(orient="bottom", titleLimit=300, titleColor=INK, labelColor=INK)
"""The legend of colours that are scores."""

ROW = 44
"""Pixels of a row of a heat map."""

WHO = [alt.Tooltip("label:N", title="configuration")]
SCORE = alt.Tooltip("score:Q", format=".4~g")


def expected_spec(
    palette: Palette, k: Iterable[float], values: Iterable[float], axis: str, field: str
) -> dict[str, Any]:
    """Return the spec of the expected best over k. Frames: band, within and beyond (half of the configurations).

    `field` is the column of the methods: "method", which follows the choice of a reader and has the page's own legend,
    or any other, with a legend of its own.
    """
    legend = None if field == "method" else alt.Legend(title=None, orient="bottom", symbolOpacity=1, labelColor=INK)
    colour = alt.Color(f"{field}:N", legend=legend, scale=alt.Scale(domain=palette.names, range=palette.colours))
    whole = alt.Axis(tickMinStep=1, format="d")
    x = alt.X("k:Q", title="k, the number of configurations that are tried", scale=make_scale(k), axis=whole)
    y = alt.Y("expected:Q", title=axis, scale=make_scale(values))
    shown = [alt.Tooltip(f"{field}:N", title="method"), "k:Q"]
    shown += [alt.Tooltip(f"{name}:Q", format=".4~g") for name in ("expected", "low", "high")]
    band = alt.Chart(alt.NamedData("band")).mark_area(opacity=0.14)
    lines = [
        alt.Chart(alt.NamedData(name))
        .mark_line(strokeWidth=2, strokeDash=dash, point=alt.OverlayMarkDef(size=26))
        .encode(x=x, y=y, color=colour, tooltip=shown)
        for name, dash in (("within", [1, 0]), ("beyond", [6, 4]))
    ]
    return finish(alt.layer(band.encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=colour), *lines), 280)


def grid_spec(
    down: Sequence[str], across: Sequence[str], titles: tuple[str, str], axis: str, higher: bool
) -> dict[str, Any]:
    """Return the spec of a heat map over two options. Frames: cells, dead, chosen; `titles` are of down and across.

    `higher`: higher scores are better, and brighter.
    """
    x = alt.X("across:N", title=titles[1], sort=list(across), axis=alt.Axis(labelAngle=0))
    y = alt.Y("down:N", title=titles[0], sort=list(down))
    scale = alt.Scale(scheme="cividis", reverse=not higher)
    colour = alt.Color("score:Q", title=axis, scale=scale, legend=SCORES)
    cells = alt.Chart(alt.NamedData("cells"))
    rects = cells.mark_rect().encode(x=x, y=y, color=colour, tooltip=[*WHO, SCORE])
    ink = alt.condition("datum.dark", alt.value("#ffffff"), alt.value("#111111"))
    texts = cells.mark_text(fontSize=12).encode(x=x, y=y, text=alt.Text("score:Q", format=".3~g"), color=ink)
    dead = alt.Chart(alt.NamedData("dead")).mark_text(text="\N{MULTIPLICATION SIGN}", fontSize=20, color=FAINT)
    frame = alt.Chart(alt.NamedData("chosen")).mark_rect(filled=False, stroke=FRAME, strokeWidth=3)
    layers = [rects, texts, dead.encode(x=x, y=y, tooltip=WHO), frame.encode(x=x, y=y)]
    return finish(alt.layer(*layers), ROW * len(down) + 20)


def points_spec(
    values: Sequence[Any], scores: Iterable[float], title: str, axis: str, logarithmic: bool | None
) -> dict[str, Any]:
    """Return the spec of scores over one option. Frames: rows (trials), dead, means, chosen.

    `logarithmic` is None for an option whose values are no numbers.
    """
    if logarithmic is None:
        x: Any = alt.X("x:N", title=title, sort=list(values), axis=alt.Axis(labelAngle=0))
    else:
        scale = alt.Scale(type="log", nice=False, padding=12) if logarithmic else alt.Scale(zero=False, padding=12)
        x = alt.X("x:Q", title=title, scale=scale, axis=alt.Axis(format="~g", tickCount=6))
    y = alt.Y("y:Q", title=axis, scale=make_scale(scores))
    colour = RAMP[0]
    shown = [*WHO, "seed:Q", SCORE]
    rows = alt.Chart(alt.NamedData("rows")).mark_point(filled=True, opacity=0.6, size=34, color=colour)
    dead = alt.Chart(alt.NamedData("dead")).mark_point(shape="cross", angle=45, filled=True, size=70, color=FRAME)
    means = alt.Chart(alt.NamedData("means"))
    mean = means.mark_tick(thickness=3, size=22, color=colour) if logarithmic is None else means.mark_line(color=colour)
    chosen = alt.Chart(alt.NamedData("chosen")).mark_point(size=260, strokeWidth=2.5, color=FRAME)
    layers = [mean.encode(x=x, y=y), *(each.encode(x=x, y=y, tooltip=shown) for each in (rows, dead))]
    return finish(alt.layer(*layers, chosen.encode(x=x, y=y)), 280)


def parallel_spec(axes: Sequence[str], axis: str, higher: bool) -> dict[str, Any]:
    """Return the spec of parallel axes, one for each of `axes`, a line per configuration. Frames: lines, dead, chosen,
    ends (the values at the ends of each axis).
    """
    x = alt.X("axis:N", title=None, sort=list(axes), axis=alt.Axis(labelAngle=0, labelLimit=150, grid=True))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[-0.06, 1.06]))
    scale = alt.Scale(range=list(RAMP), reverse=higher, interpolate="rgb")
    colour = alt.Color("score:Q", title=axis, scale=scale, legend=SCORES)
    shown = [*WHO, SCORE]
    line = alt.Chart(alt.NamedData("lines")).mark_line(strokeWidth=1.6, opacity=0.85)
    bold = alt.Chart(alt.NamedData("chosen")).mark_line(strokeWidth=4.5)
    dead = alt.Chart(alt.NamedData("dead")).mark_line(strokeWidth=1.4, strokeDash=[3, 3], color=FAINT)
    ends = alt.Chart(alt.NamedData("ends")).mark_text(align="left", dx=5, dy=-8, fontSize=11, color=INK)
    layers = [
        dead.encode(x=x, y=y, detail="configuration:N", tooltip=WHO),
        *(each.encode(x=x, y=y, detail="configuration:N", color=colour, tooltip=shown) for each in (line, bold)),
        ends.encode(x=x, y=y, text="text:N"),
    ]
    return finish(alt.layer(*layers), 300)
