"""The sections of rates at the primary threshold: sustained success, and success by factors of the architecture."""

from __future__ import annotations

import pandas as pd

from ganbench.page import charts
from ganbench.page.blocks import Block, Chart, Section, fold_table
from ganbench.page.packing import show_text
from ganbench.page.palette import Palette
from ganbench.page.readings import Reading, list_readings, place_methods
from ganbench.page.source import Source
from ganbench.report.words import show_percent
from ganbench.statistics.factors import factor_odds, factor_rates
from ganbench.statistics.intervals import Interval
from ganbench.statistics.success_rates import sustained_rates
from ganbench.table import Table

MOST_FACTORS = 12
"""Charts of factors of one success rule, at most."""

ODDS_NOTE = (
    "Odds ratios of success against the first level of each factor, by a logistic model of each method with Firth's "
    "penalised likelihood, which stays finite where a level always or never succeeds; in brackets, 95% intervals of "
    "the profile likelihood. p: that the ratio is 1, not adjusted for the number of rows."
)


def sustained_section(source: Source, palette: Palette) -> Section:
    """Return the section of success that was reached, that is there at the end, and that was held."""
    blocks: list[Block] = []
    for reading in list_readings(source):
        table = sustained_rates(source.shown, reading.rule, reading.measurement)
        if table["sustained"].nunique() > 1:
            table = table.assign(when=table["sustained"].map(name_sustained))
            title = f"{reading.title}: reached, final, held"
            order = list(dict.fromkeys(table["when"]))
            blocks.append(rates_chart(source, palette, title, "when", order, table))
    return Section(
        name="sustained",
        title="Reached, and held?",
        how="A method that often reaches success but holds it less often trains unstably; all rates are at the primary "
        "threshold, with 95% intervals.",
        blocks=blocks,
    )


def name_sustained(count: int) -> str:
    """Return when a success is asked for, in words: 0 for the best snapshot, 1 for the final one, else the last m."""
    return {0: "reached (best)", 1: "final"}.get(count, f"held, last {count}")


def factors_section(source: Source, palette: Palette) -> Section:
    """Return the section of success by the levels of each factor of the architecture."""
    blocks: list[Block] = []
    for reading in list_readings(source):
        rates = factor_rates(source.shown, reading.rule, reading.measurement)
        if rates.empty:
            continue
        factors = rates["factor"].drop_duplicates().tolist()[:MOST_FACTORS]
        for factor in factors:
            rows = rates[rates["factor"] == factor].assign(level=lambda rows: rows["level"].map(show_text))
            title = f"{show_text(reading.rule.dataset)}: success by {show_text(factor)}"
            blocks.append(rates_chart(source, palette, title, "level", list(dict.fromkeys(rows["level"])), rows))
        blocks.append(fold_table(odds_table(source, reading)))
    return Section(
        name="factors",
        title="Which architectures succeed?",
        how="Each point is the success rate of the architectures with this level of a factor, with its 95% interval; a "
        "factor matters where the points of one colour differ by more than their intervals.",
        blocks=blocks,
    )


def rates_chart(source: Source, palette: Palette, title: str, row: str, order: list[str], table: pd.DataFrame) -> Chart:
    """Return the chart of success rates with intervals: a lane for each value of the column `row`."""
    shown = [
        f"{show_text(each['method'])} {each[row]} {each['successes']} of {each['n']} "
        f"{show_percent(Interval(each['rate_low'], each['rate_high']))}"
        for each in table.head(12).to_dict("records")
    ]
    rows = table.rename(columns={"rate": "value", "rate_low": "low", "rate_high": "high"})
    return Chart(
        title=title,
        alt=f"Success rates with 95% intervals: {'; '.join(shown)}.",
        spec=charts.interval_spec(palette, row, order, table["method"].nunique()),
        frames={"rows": rows[["method", row, "value", "low", "high", "successes", "n"]]},
        methods=place_methods(source, table["method"]),
    )


def odds_table(source: Source, reading: Reading) -> Table:
    """Return the table of odds ratios of every level of every factor."""
    frame = factor_odds(source.shown, reading.rule, reading.measurement)
    return Table(
        title=f"Odds ratios on {reading.title}",
        frame=frame,
        notes=(ODDS_NOTE,),
        intervals={"odds_ratio": ("low", "high")},
    )
