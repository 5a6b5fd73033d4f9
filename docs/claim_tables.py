"""The tables of docs/background/literature.md: the claims of a suite, and the verdicts of all suites."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ganbench.suite.loading import load
from markdown_tables import cell, table

ROOT = Path(__file__).parents[1]
VERDICTS = ("reproduced", "contradicted", "undecided")


def claim_table(suite: str) -> str:
    """Return the claims of a suite with their verdicts."""
    return table(("claim", "source", "verdict", "holds", "measured"), [claim_cells(row) for row in read_claims(suite)])


def read_claims(suite: str) -> list[dict[str, str]]:
    """Return the claims of a suite as its committed results have them."""
    return list(csv.DictReader((ROOT / f"results/{suite}/claims.csv").read_text("utf-8").splitlines()))


def claim_cells(row: Mapping[str, str]) -> tuple[str, ...]:
    """Return the cells of one claim: a contradiction stands out."""
    verdict = "**contradicted**" if row["verdict"] == "contradicted" else row["verdict"]
    ends = f" [{float(row['median_low']):.3g}, {float(row['median_high']):.3g}]" if row["median_low"] else ""
    measured = f"{float(row['median']):.3g}{ends}" if row["median"] else ""
    holds = f"{row['holds']} of {row['units']}" + (f", p = {float(row['p_holm']):.2g}" if row["p_holm"] else "")
    return cell(row["claim"]), cell(row["source"]), verdict, holds, cell(measured)


def verdict_table() -> str:
    """Return a row for each section of literature.md: its suite, its question, and a count of verdicts."""
    rows = []
    for name in re.findall(r"<!-- generated: claims-(\w+) -->", (ROOT / "docs/background/literature.md").read_text()):
        counts = Counter(row["verdict"] for row in read_claims(name))
        rows.append(
            (f"[{name}](#{name})", load(ROOT / f"suites/{name}.toml").question, *(str(counts[v]) for v in VERDICTS))
        )
    return table(("suite", "question", *VERDICTS), rows)
