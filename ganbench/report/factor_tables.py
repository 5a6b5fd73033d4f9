"""Tables of success by the factors of the architecture: rates by level, and odds ratios."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ganbench.errors import GanbenchError
from ganbench.report.notes import size_note
from ganbench.report.shown import limit_values
from ganbench.report.success_tables import describe_criterion, interval_note, rule_notes
from ganbench.statistics.factors import MOST_PROFILED, factor_odds, factor_rates
from ganbench.statistics.final_scores import measurements, rule_scores
from ganbench.suite.success import SuccessRule
from ganbench.table import Table

if TYPE_CHECKING:
    from ganbench.results.frames import Frames


def make_factor_tables(frames: Frames, rules: Sequence[SuccessRule], factor: str) -> list[Table]:
    """Return success by one factor of the architecture: for each rule its rates, then its odds ratios.

    Raise GanbenchError for an unknown factor, for one that does not vary, and without a success rule.
    """
    if not rules:
        raise GanbenchError(
            "--by groups success, and the suite has no success rule. Add [[success]] and run the suite."
        )
    frames, _ = limit_values(frames, rules)
    tables = [
        table
        for rule in rules
        for measurement in measurements(frames, rule)
        for table in factor_tables(frames, rule, measurement, factor)
    ]
    if not tables:
        raise GanbenchError(
            f"--by {factor}: there is nothing to group yet. Either no trial has been scored, or all architectures are "
            "equal in it, or nearly all differ. `ganbench plan SUITE` lists the architectures."
        )
    return tables


def factor_tables(
    frames: Frames, rule: SuccessRule, measurement: str | None, factor: str | None = None
) -> Iterator[Table]:
    """Yield the rates and the odds ratios of one rule by `factor`, or by every factor; nothing if none varies."""
    rates = factor_rates(frames, rule, measurement, factor)
    if rates.empty:
        return
    scores = rule_scores(frames, rule, measurement)
    primary = "" if rule.primary is None else f", at {rule.primary:g}"
    criterion = f"on {rule.dataset} by {factor or 'factor'}: {describe_criterion(rule, scores)}{primary}"
    single = ["factor"] if factor is not None else []
    yield Table(
        title=f"Success {criterion}",
        frame=rates.drop(columns=single),
        notes=(
            *rule_notes(rule, scores, measurement),
            "units: architectures with this level. Levels describe and test nothing. " + size_note(scores),
            interval_note(scores),
        ),
        headings={"rate": "success rate", "level": factor or "level"},
        intervals={"rate": ("rate_low", "rate_high")},
    )
    yield Table(
        title=f"Odds of success {criterion}",
        frame=factor_odds(frames, rule, measurement, factor).drop(columns=single),
        notes=(
            "odds ratio: the odds of success at this level over those at the reference level, in a logistic model of "
            "each method's trials (Firth's penalised likelihood), with the 95% interval of the profile likelihood "
            f"(Wald's for more than {MOST_PROFILED} kinds of architectures).",
            "p: of an odds ratio of 1, two-sided, not adjusted for the number of rows: it shows where to look next.",
        ),
        headings={"level": factor or "level"},
        intervals={"odds_ratio": ("low", "high")},
    )
