"""The sections on outcomes: survival curves, and samples side by side."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from ganbench.page import charts
from ganbench.page.blocks import Block, Chart, Picture, Section, Words
from ganbench.page.packing import show_text
from ganbench.page.palette import Palette
from ganbench.page.source import Source
from ganbench.report.thumbnails import CHOICE
from ganbench.statistics.survival import SURVIVED, survival_table

MEANINGS = {
    "diverged": "no loss or weight became non-finite or exploded",
    "collapsed": "the samples had not collapsed",
    "degraded": "the score had not left its best for good",
}


def survival_section(source: Source, palette: Palette) -> Section:
    """Return the section of survival curves: one chart for each outcome that befell any trial of a dataset."""
    table, blocks = survival_table(source.shown), list[Block]()
    for (dataset, outcome), rows in table.groupby(["dataset", "outcome"], sort=False):
        if (rows["share"] == 1).all():
            continue
        last = rows.groupby("method", sort=False)["share"].last()
        ends = ", ".join(f"{show_text(method)} {share:.0%}" for method, share in list(last.items())[:8])
        blocks.append(
            Chart(
                title=f"{show_text(dataset)}: not {outcome}",
                alt=f"The share of trials not yet {outcome}, over generator steps. At the end: {ends}.",
                spec=charts.survival_spec(palette, len(last)),
                frames={"curve": rows[["method", "step", "share", "low", "high", "at_risk", "n"]]},
                notes=[f"The share of trials of which {MEANINGS[str(outcome)]}, with 95% intervals at each step."],
                methods=sorted({source.methods[name] for name in rows["method"].unique()}),
            )
        )
    if sentences := [text for dataset in source.datasets for text in name_absent(source, table, dataset)]:
        blocks.append(Words(paragraphs=sentences))
    return Section(
        name="survival",
        title="Outcomes over time",
        how="Each line falls where trials of a method begin to fail in this way, so a line that stays high is better.",
        blocks=blocks,
    )


def name_absent(source: Source, table: pd.DataFrame, dataset: str) -> Iterator[str]:
    """Yield sentences on the outcomes without a chart: those that began in no trial, and those that are not known.

    `table` is that of `survival_table`. An outcome is known of a trial if what it is read from was stored.
    """
    rows, place = table[table["dataset"] == dataset], show_text(dataset)
    trials = source.shown.trials
    recorded = trials.loc[(trials["dataset"] == dataset) & (trials["status"] != "missing"), "key"].nunique()
    known = {
        str(outcome): int(group.drop_duplicates("method")["n"].sum()) for outcome, group in rows.groupby("outcome")
    }
    spared = [each for each in known if (rows.loc[rows["outcome"] == each, "share"] == 1).all()]
    for count in sorted({known[each] for each in spared}, reverse=True):
        names = [each for each in SURVIVED if each in spared and known[each] == count]
        of = "" if count == recorded else f", of the {count} of {recorded} for which it is known"
        yield f"No trial {' or '.join(names)} on {place}{of}."
    if unknown := [each for each in SURVIVED if recorded and each not in known]:
        yield f"Whether a trial {' or '.join(unknown)} on {place} is not known: what shows it was not stored."


def samples_section(source: Source) -> Section:
    """Return the section of samples side by side, or of why there are none."""
    blocks: list[Block] = [Picture(title=show_text(title), alt=alt, content=png) for title, alt, png in source.pictures]
    if source.thumbnails:
        blocks.append(Words(paragraphs=[f"{CHOICE} Choose a trial to see them beside its course."]))
    if source.no_pictures:
        blocks.append(Words(paragraphs=[source.no_pictures]))
    return Section(
        name="samples",
        title="Samples side by side",
        how="Each picture shows one architecture: the real data, then what each method's model draws with "
        "the same seed.",
        blocks=blocks,
    )
