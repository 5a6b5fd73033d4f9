"""The section of paired scatters: two methods on equal architectures and seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ganbench.page import charts
from ganbench.page.blocks import Block, Chart, Section
from ganbench.page.packing import show_text
from ganbench.page.palette import Palette
from ganbench.page.readings import Reading, list_readings
from ganbench.page.source import Source
from ganbench.page.trials import number_trials
from ganbench.statistics.comparisons import compared_pairs
from ganbench.statistics.success_rates import pair_trials

MOST_PAIRS, FEWEST_POINTS = 6, 2
"""Scatters of one success rule, at most, and points of a scatter that is worth a chart, at least."""


def pairs_section(source: Source, palette: Palette) -> Section:
    """Return the section of paired scatters, one for each pair of methods that the suite compares."""
    blocks: list[Block] = []
    for reading in list_readings(source):
        if reading.direction != "neutral":
            for pair in compared_pairs(source.shown, reading.rule)[:MOST_PAIRS]:
                if chart := pair_chart(source, palette, reading, pair):
                    blocks.append(chart)
    return Section(
        name="pairs",
        title="Pair by pair",
        how="Each point is one architecture and seed trained by both methods; on the dashed line both score the same, "
        "and the colour is that of the better one.",
        blocks=blocks,
    )


def pair_chart(source: Source, palette: Palette, reading: Reading, pair: tuple[str, str]) -> Chart | None:
    """Return the scatter of A's scores against B's; None without a pair that has a score."""
    at, (name_a, name_b) = reading.rule.at, (show_text(name) for name in pair)
    a, b = pair_trials(reading.scores, source.shown, pair)
    values = {side: rows[at].to_numpy(float) for side, rows in (("a", a), ("b", b))}
    edge = charts.find_edge([*values["a"], *values["b"]], reading.direction)
    if edge is None or len(a) < FEWEST_POINTS:
        return None
    finite = {side: np.isfinite(column) for side, column in values.items()}
    with np.errstate(invalid="ignore"):
        gap = np.where(values["a"] == values["b"], 0.0, values["a"] - values["b"])
    gap = gap if reading.direction == "higher" else -gap
    rows = pd.DataFrame(
        {
            "t": number_trials(source, a["key"]).to_numpy(),
            "u": number_trials(source, b["key"]).to_numpy(),
            **{side: np.where(finite[side], values[side], edge) for side in "ab"},
            **{f"score_{side}": values[side] for side in "ab"},
            "better": np.select([gap > 0, gap < 0], ["a", "b"], "equal"),
            "none": ~(finite["a"] & finite["b"]),
        }
    )
    wins = {name: int((rows["better"] == side).sum()) for side, name in (("a", name_a), ("b", name_b))}
    known = np.concatenate([values["a"][finite["a"]], values["b"][finite["b"]], [edge]])
    ends = [known.min(), known.max()]
    counted = ", ".join(f"{name} better in {count}" for name, count in wins.items())
    colours = tuple(palette.colours[source.methods[name]] for name in pair)
    crosses = int(rows["none"].sum())
    notes = [f"{counted} of {len(rows)} pairs."]
    notes += [f"Crosses: {crosses} pairs in which a trial has no score, drawn at the worst end."] if crosses else []
    return Chart(
        title=f"{show_text(reading.rule.dataset)}: {name_a} against {name_b}, {reading.axis}",
        alt=f"A scatter of {len(rows)} pairs, {name_a} against {name_b}: {counted}.",
        spec=charts.pairs_spec(known, f"{name_a} (A)", f"{name_b} (B)", (colours[0], colours[1])),
        frames={"rows": rows[rows["t"] >= 0], "diagonal": pd.DataFrame({"a": ends, "b": ends})},
        notes=notes,
        methods=sorted(source.methods[name] for name in pair),
    )
