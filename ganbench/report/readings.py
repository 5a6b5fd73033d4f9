"""What is read of results: the success rules, or each value of a metric where there are none; and that in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganbench.api.metrics import metric_title
from ganbench.evaluation.success import describe_sustained
from ganbench.statistics.comparisons import ScoreRule, list_score_rules
from ganbench.statistics.final_scores import measurements, rule_scores
from ganbench.suite.success import SuccessRule

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

Reading = tuple[SuccessRule, str | None]
"""A rule with one measurement of its metric; None where nothing was measured."""


def list_readings(frames: Frames, rules: Sequence[SuccessRule]) -> list[Reading]:
    """Return the rules with each of their measurements; without rules, each value that has a better direction."""
    if rules:
        return [(rule, measurement) for rule in rules for measurement in measurements(frames, rule)]
    return [(rule, measurement) for rule, measurement in list_score_rules(frames)]


def describe_reading(frames: Frames, rule: SuccessRule, measurement: str | None) -> str:
    """Return what is compared in words: "final FID < 30 and recall > 0.5", or "final FID" without a success rule."""
    if isinstance(rule, ScoreRule):
        return f"{rule.at} {metric_title(rule.metric)}"
    sign = {"lower": "<", "higher": ">"}.get(find_direction(frames, rule, measurement), "beyond")
    threshold = f"{rule.metric} {sign} {rule.primary:g}" if rule.primary is not None else ""
    criterion = metric_title(" and ".join(part for part in (threshold, rule.condition) if part))
    return f"{criterion}{describe_sustained(rule)}" if rule.sustained > 1 else f"{rule.at} {criterion}"


def find_direction(frames: Frames, rule: SuccessRule, measurement: str | None) -> str:
    """Return the better direction of a rule's metric, "neutral" where nothing was measured."""
    scores = rule_scores(frames, rule, measurement)
    return str(scores["direction"].iloc[0]) if len(scores) else "neutral"


def describe_units(frames: Frames, rule: SuccessRule, methods: Sequence[str]) -> str:
    """Return what is counted: architectures, the seeds of the only one, or trials of several of both."""
    trials = frames.trials[(frames.trials["dataset"] == rule.dataset) & frames.trials["method"].isin(methods)]
    architectures, seeds = trials["architecture"].nunique(), trials["seed"].nunique()
    if architectures == 1:
        return "seeds (of one architecture)"
    return "architectures" if seeds == 1 else f"trials ({architectures} architectures x {seeds} seeds)"
