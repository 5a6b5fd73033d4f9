"""The section of tuned methods: what was chosen, what the number of tries bought, and the landscapes of options."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ganbench.page import charts, tuning_charts
from ganbench.page.blocks import Block, Chart, Section, Words, fold_table
from ganbench.page.packing import show_text
from ganbench.page.palette import Palette
from ganbench.page.readings import place_methods
from ganbench.page.source import Source
from ganbench.report.landscape_figure import is_logarithmic, place_numbers, place_values, scale_colours, show_value
from ganbench.report.tuning_figures import find_lack, list_tunings
from ganbench.report.tuning_tables import CHOICE, describe_tuning_trials, name_score, tuning_tables
from ganbench.statistics.configurations import Landscape, are_numbers, find_values, landscape
from ganbench.statistics.tuned_trials import options_of
from ganbench.statistics.tunings import Tuning
from ganbench.suite.configurations import shorten_options

MOST_LANDSCAPES = 12
"""Charts of landscapes on the page, at most."""


def tuning_section(source: Source, palette: Palette) -> Section:
    """Return the section of tuned methods; without blocks where nothing was varied, or in a comparison."""
    tunings = list_tunings(source.frames) if source.comparison is None else ()
    blocks: list[Block] = []
    if tunings:
        tables = list(tuning_tables(source.frames))
        blocks += [fold_table(table, folded=False) for table in tables if table.title.startswith(CHOICE)]
        blocks += [expected_chart(source, palette, each) for each in tunings if not find_lack(each.best_of)]
        shapes = [(each, method) for each in tunings for method in each.methods]
        drawn = [landscape_chart(*each) for each in shapes[:MOST_LANDSCAPES]]
        blocks += [chart for chart in drawn if chart is not None]
        if len(shapes) > MOST_LANDSCAPES:
            left_out = f"{len(shapes) - MOST_LANDSCAPES} more landscapes are left out here; `ganbench figures` has all."
            blocks.append(Words(paragraphs=[left_out]))
        blocks += [fold_table(table) for table in tables if not table.title.startswith(CHOICE)]
    return Section(
        name="tuning",
        title="What did tuning buy?",
        how="A method is as good as its settings: compare methods after the same number of tries, and believe the "
        "score on seeds that chose nothing.",
        blocks=blocks,
    )


def tuning_words(source: Source) -> list[Block]:
    """Return how many trials were tuned on and lost, which the tables of the report do not count."""
    tunings = list_tunings(source.frames) if source.frames.tuning is not None else ()
    lines = [show_text(f"{each.sweep.dataset}, {describe_tuning_trials(each)}") for each in tunings]
    return [Words(paragraphs=lines)] if lines else []


def name_axis(tuning: Tuning) -> str:
    """Return the title of an axis of scores."""
    return show_text(f"{name_score(tuning)} ({tuning.sweep.direction} is better)")


def expected_chart(source: Source, palette: Palette, tuning: Tuning) -> Chart:
    """Return the chart of the expected best of k configurations."""
    table = tuning.best_of.replace([np.inf, -np.inf], np.nan)
    known = set(table["method"]) <= set(source.methods)
    field = "method" if known else "swept"
    looks = palette if known else Palette({name: place for place, name in enumerate(tuning.suite.declared_methods)})
    table = table.assign(**{field: table["method"].map(show_text)})
    columns = [field, "k", "expected", "low", "high"]
    last = ~table["beyond_half"] & table.groupby("method")["beyond_half"].shift(-1).eq(True)
    values = table[["expected", "low", "high"]].to_numpy(float).ravel()
    shown = [
        f"{show_text(method)} {own['expected'].iloc[0]:.4g} at k = 1, {own['expected'].iloc[-1]:.4g} at k = {len(own)}"
        for method, own in tuning.best_of.groupby("method", sort=False)
    ]
    infinite = ["Where so many are dead that the best may be dead, it is infinite and not drawn."]
    return Chart(
        title=f"{show_text(tuning.sweep.dataset)}: expected best of k configurations",
        alt=f"The expected best {name_axis(tuning)} over the number of configurations. {'; '.join(shown)}.",
        spec=tuning_charts.expected_spec(looks, table["k"], values, name_axis(tuning), field),
        frames={
            "band": table[columns].dropna(),
            "within": table.loc[~table["beyond_half"], columns].dropna(subset="expected"),
            "beyond": table.loc[table["beyond_half"] | last, columns].dropna(subset="expected"),
        },
        notes=[
            "Dashed: beyond half of the configurations, where it hangs on the few best ones.",
            *(infinite if np.isinf(tuning.best_of["expected"].to_numpy(float)).any() else []),
        ],
        methods=place_methods(source, tuning.best_of["method"]) if known else (),
    )


def landscape_chart(tuning: Tuning, method: str) -> Chart | None:
    """Return the chart of a method's scores over the options that it varies; None without two values or a score."""
    own = tuning.scores[tuning.scores["swept"] == method].sort_values("configuration", kind="stable")
    shape = landscape(own, options_of(tuning.sweep, method))
    finite = own["finite_score"].where(own["dead"] == 0).to_numpy(float)
    chosen = tuning.chosen.loc[tuning.chosen["swept"] == method, "configuration"]
    rows = shape.rows.assign(
        score=finite, mean=own["finite_score"].to_numpy(float), label=own["label"].map(show_text).to_numpy()
    )
    rows = rows.assign(chosen=rows["configuration"].isin(chosen))
    if not shape.options or not np.isfinite(rows["mean"]).any():
        return None
    if shape.grid is not None:
        spec, frames = make_grid(tuning, shape, rows)
        how = "Brighter is better."
    elif len(shape.options) == 1:
        spec, frames = make_points(tuning, method, shape.options[0], rows)
        how = "Every trial, and the means of the finite scores."
    else:
        spec, frames = make_parallel(tuning, shape, rows)
        how = "A line is a configuration; the bluer, the better."
    word = "chosen" if tuning.held_out else "best"
    best = "; ".join(rows.loc[rows["chosen"], "label"])
    dead = (
        [f"Dead: {int((rows['dead'] > 0).sum())} of {len(rows)} configurations, with crosses or as dashed lines."]
        if rows["dead"].any()
        else []
    )
    return Chart(
        title=f"{show_text(tuning.sweep.dataset)}: landscape of {show_text(method)}",
        alt=f"The {name_axis(tuning)} of {len(rows)} configurations over {', '.join(map(show_text, shape.options))}; "
        f"{word}: {best or 'none'}.",
        spec=spec,
        frames=frames,
        notes=[f"{how} Marked: the {word} one, {best or 'none'}.", *dead],
    )


Drawing = tuple[dict[str, Any], dict[str, pd.DataFrame]]
"""A spec, and its frames."""


def make_grid(tuning: Tuning, shape: Landscape, rows: pd.DataFrame) -> Drawing:
    """Return the heat map of two options."""
    first, second = shape.options
    higher = tuning.sweep.direction == "higher"
    colours = scale_colours(rows["score"].to_numpy(float), brighter=higher)
    cells = pd.DataFrame(
        {
            "down": [show_text(show_value(value)) for value in rows[first]],
            "across": [show_text(show_value(value)) for value in rows[second]],
            "score": rows["score"].to_numpy(float),
            "dark": [bool(sum(colours.to_rgba(value)[:3]) < 1.5) for value in rows["score"]],
            "label": rows["label"].to_numpy(),
        }
    )
    down, across = ([show_text(show_value(value)) for value in find_values(rows[option])] for option in (first, second))
    spec = tuning_charts.grid_spec(down, across, (show_text(first), show_text(second)), name_axis(tuning), higher)
    alive = rows["dead"].to_numpy() == 0
    return spec, {"cells": cells[alive], "dead": cells[~alive], "chosen": cells[rows["chosen"].to_numpy()]}


def make_points(tuning: Tuning, method: str, option: str, rows: pd.DataFrame) -> Drawing:
    """Return the scores of all trials over one option."""
    values = find_values(rows[option])
    numeric = are_numbers(values)
    trials = tuning.sweep.trials[tuning.sweep.trials["swept"] == method]
    scores = trials["score"].to_numpy(float)
    edge = charts.find_edge(scores, tuning.sweep.direction)
    alive = np.isfinite(scores)

    def place(column: pd.Series[Any]) -> list[Any]:
        return [float(value) if numeric else show_text(show_value(value)) for value in column]

    points = pd.DataFrame(
        {
            "x": place(trials[option]),
            "y": np.where(alive, scores, np.nan if edge is None else edge),
            "score": scores,
            "seed": trials["seed"].to_numpy(),
            "label": trials["label"].map(show_text).to_numpy(),
        }
    )
    means = pd.DataFrame({"x": place(rows[option]), "y": rows["mean"].to_numpy(float)})
    spec = tuning_charts.points_spec(
        [] if numeric else [show_text(show_value(value)) for value in values],
        points["y"],
        show_text(option),
        name_axis(tuning),
        is_logarithmic(values) if numeric else None,
    )
    frames = {"rows": points[alive], "dead": points[~alive], "means": means.dropna()}
    return spec, {**frames, "chosen": means[rows["chosen"].to_numpy()].dropna()}


def make_parallel(tuning: Tuning, shape: Landscape, rows: pd.DataFrame) -> Drawing:
    """Return the configurations as lines over parallel axes."""
    higher = tuning.sweep.direction == "higher"
    scores = rows["score"].to_numpy(float)
    worst = 0.0 if higher else 1.0
    names = [show_text(name) for name in shorten_options(shape.options).values()]
    score_name = show_text(name_score(tuning))
    placed = {name: place_values(rows[option]) for name, option in zip(names, shape.options, strict=True)}
    placed[score_name] = np.where(np.isfinite(scores), place_numbers(scores), worst)
    shared = rows[["configuration", "score", "label"]].assign(dead=rows["dead"] > 0, chosen=rows["chosen"])
    lines = pd.concat([shared.assign(axis=name, y=y) for name, y in placed.items()], ignore_index=True)
    ends = [
        {"axis": name, "y": float(y[each]), "text": show_text(show_value(column.iloc[each]))}
        for (name, y), column in zip(placed.items(), [*(rows[o] for o in shape.options), rows["score"]], strict=True)
        for each in dict.fromkeys(find_ends(y, column))
    ]
    columns = ["configuration", "score", "label", "axis", "y"]
    is_dead, is_chosen = lines["dead"], lines["chosen"] & ~lines["dead"]
    frames = {
        "lines": lines.loc[~is_dead & ~is_chosen, columns],
        "chosen": lines.loc[is_chosen, columns],
        "dead": lines.loc[is_dead, ["configuration", "label", "axis", "y"]],
        "ends": pd.DataFrame(ends, columns=["axis", "y", "text"]),
    }
    return tuning_charts.parallel_spec(list(placed), name_axis(tuning), higher), frames


def find_ends(y: np.ndarray[Any, np.dtype[np.float64]], column: pd.Series[Any]) -> list[int]:
    """Return the places of the rows at both ends of an axis, or of all values where they are few and no numbers."""
    values = find_values(column)
    if are_numbers(values):
        known = np.where(column.notna(), y, np.nan)
        return [] if np.isnan(known).all() else [int(np.nanargmin(known)), int(np.nanargmax(known))]
    texts = column.tolist()
    return [texts.index(value) for value in values[:5]]
