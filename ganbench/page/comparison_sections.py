"""The sections that only a comparison has: what differs between its sides, and all its numbers."""

from __future__ import annotations

from ganbench.page.blocks import Block, Section, Words, fold_table
from ganbench.report.comparison import Comparison

DIFFERENCES, _, CELLS = range(3)
"""The places of the first tables of a comparison."""


def differences_section(comparison: Comparison) -> Section:
    """Return the section of what differs between the sides, and of the cells that all of them have."""
    tables = comparison.tables
    found: Block = fold_table(tables[DIFFERENCES], folded=False)
    if not comparison.differences:
        found = Words(paragraphs=["Nothing that was recorded of the trials in matched cells differs."])
    return Section(
        name="differences",
        title="What differs between the sides",
        how="Whatever the verdict finds may come from each of these differences, or from all of them together.",
        blocks=[found, fold_table(tables[CELLS])],
    )


def numbers_section(comparison: Comparison) -> Section:
    """Return the section of the numbers that only a comparison has, with its others."""
    return Section(
        name="numbers",
        title="Side against side, in numbers",
        how="How often one side is better, by how much, and what it costs; defined in docs/how_to/compare.md.",
        blocks=[fold_table(table) for table in comparison.tables[CELLS + 1 :]],
    )
