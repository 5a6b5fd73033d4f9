"""The verdicts on a suite's claims: reproduced, contradicted or undecided, by one exact test for all of them.

A claim is true or false of a unit: an architecture, or, on one architecture, a seed. What is tested is the share of
units for which it is true, against the rate that the claim states.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from ganbench.statistics.claim_units import judge_cells
from ganbench.statistics.intervals import NO_INTERVAL, Interval, quantile
from ganbench.statistics.paired_tests import holm
from ganbench.suite.claims import ClaimTable, share_p_values

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

Verdict = Literal["reproduced", "contradicted", "undecided"]

LEVEL = 0.05
"""The error rate of the whole family of claims: of any verdict, for or against, that is wrong by chance."""

COLUMNS = (
    *("claim", "source", "test", "dataset", "method", "verdict", "holds", "units", "rate", "share_low", "share_high"),
    *("median", "median_low", "median_high", "p", "p_holm", "inference", "reason"),
)


@dataclass(frozen=True, kw_only=True)
class ClaimResult:
    """What the results say of a claim.

    `holds` of `units` units it holds for; of `unknown` ones that is not known, and these count against either verdict.
    `share` is the exact 95% interval of the share for which it would hold. `median` is the median over units of what
    was measured (a difference, a ratio's logarithm, a correlation, or the value), `median_interval` its 95% interval.
    `p_for` is the p-value of "no more than the claim's rate", `p_against` that of "no less"; `p` is twice the smaller
    one, and `p_holm` is adjusted for all claims of the suite. `reason` says why a verdict is undecided.
    """

    claim: ClaimTable
    dataset: str
    method: str
    holds: int
    units: int
    unknown: int
    share: Interval
    median: float
    median_interval: Interval
    p_for: float
    p_against: float
    p_holm: float = math.nan
    verdict: Verdict = "undecided"
    reason: str = ""

    @property
    def p(self) -> float:
        """The two-sided p-value, before it is adjusted for the other claims; NaN without inference."""
        return min(1.0, 2 * min(self.p_for, self.p_against))


def judge_claims(frames: Frames, claims: Sequence[ClaimTable]) -> list[ClaimResult]:
    """Return the verdict on every claim. The claims with inference are one family of tests, by Holm's method.

    For the share of units that a claim holds for, both one-sided exact binomial tests are made against its rate (C. J.
    Clopper, E. S. Pearson, Biometrika 26, 1934). The claim is reproduced if the share is larger at the level 5%, twice
    the smaller p-value adjusted for all claims; contradicted if it is smaller. With `absent` larger and smaller are
    exchanged. Without inference it is reproduced if it holds for every unit, else contradicted.
    """
    results = [judge(frames, claim) for claim in claims]
    family = [each for each in results if each.claim.inference]
    adjusted = iter(holm([each.p for each in family]))
    return [decide(replace(each, p_holm=next(adjusted))) if each.claim.inference else decide(each) for each in results]


def judge(frames: Frames, claim: ClaimTable) -> ClaimResult:
    """Return what the results say of one claim, without a verdict."""
    judged = judge_cells(frames, claim)
    units = judged.units
    known = units["holds"].dropna()
    holds, unknown = int(known.sum()), int(units["holds"].isna().sum())
    n = len(units)
    p_for, p_against = judged.p_values or share_p_values(claim, holds, unknown, n)
    values = units["value"].dropna().to_numpy(float)
    return ClaimResult(
        claim=claim,
        dataset=judged.dataset,
        method=judged.method,
        holds=holds,
        units=n,
        unknown=unknown,
        share=exact_share(holds, holds + unknown, n),
        median=judged.estimate if judged.estimate is not None else quantile(values, 0.5) if len(values) else math.nan,
        median_interval=judged.interval or exact_median_interval(values),
        p_for=p_for,
        p_against=p_against,
        reason=judged.reason,
    )


def decide(result: ClaimResult) -> ClaimResult:
    """Return a result with its verdict, and the reason if it is undecided."""
    if result.reason or not result.units:
        return replace(result, verdict="undecided", reason=result.reason or "no trial of it is recorded yet")
    if not result.claim.inference:
        if result.unknown:
            return replace(result, reason=f"the value of {result.unknown} of {result.units} units is unknown")
        expected = 0 if result.claim.test == "absent" else result.units
        return replace(result, verdict="reproduced" if result.holds == expected else "contradicted")
    if result.p_holm <= LEVEL:
        return replace(result, verdict="reproduced" if result.p_for < result.p_against else "contradicted")
    unknown = f"; the value of {result.unknown} of {result.units} units is unknown" * bool(result.unknown)
    return replace(result, reason=f"p = {result.p_holm:.2g} after Holm's correction{unknown}")


def exact_share(low: int, high: int, n: int, level: float = 0.95) -> Interval:
    """Return the exact interval of a share, from `low` to `high` of n units (Clopper, Pearson 1934); NaN for n = 0."""
    from scipy.stats import beta

    if not n:
        return NO_INTERVAL
    tail = (1 - level) / 2
    lower = float(beta.ppf(tail, low, n - low + 1)) if low else 0.0
    upper = float(beta.ppf(1 - tail, high + 1, n - high)) if high < n else 1.0
    return Interval(lower, upper)


def exact_median_interval(values: Sequence[float] | np.ndarray, level: float = 0.95) -> Interval:
    """Return the exact interval of a median: the order statistics of the binomial law at 1/2; NaN for fewer than six.

    H. A. David, H. N. Nagaraja, Order Statistics, 2003, section 7.1. Values may be infinite.
    """
    from scipy.stats import binom

    ordered = np.sort(np.asarray(values, float))
    rank = int(binom.ppf((1 - level) / 2, len(ordered), 0.5)) - 1 if len(ordered) else -1
    while rank + 1 < len(ordered) / 2 and binom.cdf(rank + 1, len(ordered), 0.5) <= (1 - level) / 2:
        rank += 1
    return Interval(float(ordered[rank]), float(ordered[-1 - rank])) if rank >= 0 else NO_INTERVAL


def claims_frame(results: Sequence[ClaimResult]) -> pd.DataFrame:
    """Return the results of claims as a frame with a row for each (`COLUMNS`)."""
    return pd.DataFrame([dict(zip(COLUMNS, list_cells(each), strict=True)) for each in results], columns=[*COLUMNS])


def list_cells(result: ClaimResult) -> Iterator[object]:
    """Yield the cells of a claim's row, in the order of `COLUMNS`."""
    claim = result.claim
    yield from (claim.text, claim.source, claim.test, result.dataset, result.method, result.verdict)
    yield from (result.holds, result.units, claim.rate, *result.share, result.median, *result.median_interval)
    yield from (result.p if claim.inference else math.nan, result.p_holm, claim.inference, result.reason)
