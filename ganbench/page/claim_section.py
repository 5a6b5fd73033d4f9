"""The section of the claims of a suite: each with its verdict and the evidence."""

from __future__ import annotations

from ganbench.page.blocks import Block, Section, Words, fold_table
from ganbench.page.packing import show_text
from ganbench.page.source import Source
from ganbench.report.claim_tables import claim_tables, count_verdicts, read_claims, show_verdict


def claims_section(source: Source) -> Section:
    """Return the section of a suite's claims; without blocks where it has none, or in a comparison."""
    results = read_claims(source.frames) if source.comparison is None else []
    blocks: list[Block] = []
    if results:
        lines = [f"{show_verdict(each)}: {each.claim.text}" for each in results]
        blocks.append(Words(paragraphs=[count_verdicts(results), *map(show_text, lines)], strong=True))
        blocks += [fold_table(table, folded=False) for table in claim_tables(source.frames)]
    return Section(
        name="claims",
        title="What becomes of the claims?",
        how="Each claim of the literature was tested on these trials; a claim that they contradict is a finding.",
        blocks=blocks,
    )
