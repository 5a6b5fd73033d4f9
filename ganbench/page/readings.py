"""The success rules of a suite, each with every trial's score by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from ganbench.api.metrics import metric_title
from ganbench.page.packing import show_text
from ganbench.page.source import Source
from ganbench.report.success_tables import describe_criterion
from ganbench.statistics.final_scores import headline, measurements, rule_scores
from ganbench.suite.success import SuccessRule


@dataclass(frozen=True, eq=False)
class Reading:
    """A success rule with one way of measuring, and every trial's score by it."""

    rule: SuccessRule
    measurement: str | None
    scores: pd.DataFrame
    metric: str

    @property
    def direction(self) -> str:
        """Whether "lower" or "higher" scores are better, or "neutral"."""
        return str(self.scores["direction"].iloc[0])

    @property
    def axis(self) -> str:
        """The title of an axis of these scores."""
        better = "" if self.direction == "neutral" else f" ({self.direction} is better)"
        return f"{self.rule.at} {self.metric}{better}"

    @property
    def title(self) -> str:
        """The dataset and the criterion in words."""
        return show_text(f"{self.rule.dataset}: {describe_criterion(self.rule, self.scores)}")


def list_readings(source: Source) -> Iterator[Reading]:
    """Yield each success rule with each measurement of its metric that has scores."""
    for rule in source.rules:
        for measurement in measurements(source.shown, rule):
            scores = rule_scores(source.shown, rule, measurement)
            if len(scores):
                yield Reading(rule, measurement, scores, show_text(metric_title(headline(source.shown, rule))))


def place_methods(source: Source, names: pd.Series[str]) -> list[int]:
    """Return the places of the methods in a column, each once, in the order of the suite."""
    return sorted({source.methods[name] for name in names.unique()})
