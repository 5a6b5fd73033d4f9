"""The claims of a suite with their verdicts: as a table, and as lines that one reads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from ganbench.errors import GanbenchError
from ganbench.report.words import plural, show_ends, show_number, show_p, show_percent
from ganbench.statistics.claims import ClaimResult, judge_claims
from ganbench.statistics.outcome_table import stored_suite
from ganbench.table import Table

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

MEANINGS = (
    "holds: the units (architectures, or seeds of the only one) for which the claim holds; where a value is not known, "
    "the unit counts against both verdicts. share: the exact 95% interval of the share for which it would hold. "
    "measured: the median over units, with its exact 95% interval, of the value, of its difference from the other one "
    "(with a factor the decades between them), or of the rank correlation. reproduced, contradicted: the share is "
    "above, or below, the claim's rate, by two exact binomial tests, at 5% for all claims together by Holm's method "
    "(docs/reference/claims.md).",
)
ALONE = "Claims without a p-value speak of these trials alone: reproduced if they hold for every one of them."


def read_claims(frames: Frames) -> list[ClaimResult]:
    """Return the verdicts on the claims of the results' suite; none where its text is not a suite of today's form."""
    try:
        suite = stored_suite(frames)
    except GanbenchError:
        return []
    return judge_claims(frames, suite.claim) if suite is not None and suite.claim else []


def claim_tables(frames: Frames) -> Iterator[Table]:
    """Yield the table of a suite's claims, if it has any: verdict, how often each holds, and what was measured."""
    results = read_claims(frames)
    if not results:
        return
    rows = [
        {
            "claim": each.claim.text,
            "source": each.claim.source,
            "verdict": show_verdict(each),
            "holds": f"{each.holds} of {each.units}" + f", {each.unknown} unknown" * bool(each.unknown),
            "share": show_percent(each.share) if each.claim.inference else "",
            "measured": show_measured(each),
            "p": show_p(each.p_holm) if not math.isnan(each.p_holm) else "",
        }
        for each in results
    ]
    alone = any(not each.claim.inference for each in results)
    yield Table(
        title="Claims",
        frame=pd.DataFrame(rows, dtype=object),
        notes=(count_verdicts(results), *MEANINGS, *[ALONE] * alone),
        wraps={"claim": 40, "source": 24},
    )


def show_verdict(result: ClaimResult) -> str:
    """Return a verdict as tables write it: a contradiction in capitals, with the reason where it is undecided."""
    if result.verdict == "contradicted":
        return "CONTRADICTED"
    return result.verdict + f" ({result.reason})" * bool(result.reason)


def show_measured(result: ClaimResult) -> str:
    """Return the median of what was measured, with its interval where there is one."""
    if math.isnan(result.median):
        return ""
    return show_number(result.median) + show_ends(result.median_interval)


def count_verdicts(results: Sequence[ClaimResult]) -> str:
    """Return how many claims have each verdict, in words."""
    counts = {name: sum(each.verdict == name for each in results) for name in ("reproduced", "contradicted")}
    undecided = len(results) - sum(counts.values())
    words = ", ".join(f"{count} {name}" for name, count in {**counts, "undecided": undecided}.items())
    return f"Of {plural(len(results), 'claim')}: {words}."


def describe_claim(result: ClaimResult) -> str:
    """Return the evidence on a claim in one line: how often it holds, what was measured, and the source."""
    parts = [f"holds for {result.holds} of {plural(result.units, 'unit')}"]
    if result.claim.inference:
        parts.append(f"share {show_percent(result.share)}" if result.units else "")
        parts.append(show_p(result.p_holm) if not math.isnan(result.p_holm) else "")
    parts += [f"measured {show_measured(result)}" if show_measured(result) else "", result.claim.source]
    return "; ".join(filter(None, parts))
