"""The few tables that one reads: for each dataset, rates and medians of every method beside the two reference scores.

Unlike the tables of `make_tables`, their cells are words: two or three significant digits, rates in percent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ganbench.api.metrics import metric_title
from ganbench.report.readings import describe_reading, describe_units, list_readings
from ganbench.report.shown import limit_values
from ganbench.report.words import show_ends, show_number, show_percent
from ganbench.statistics.comparisons import ScoreRule
from ganbench.statistics.final_scores import (
    directed_measurements,
    headline,
    rule_scores,
    split_by_measurement,
    trial_scores,
)
from ganbench.statistics.imported_trials import knows_best
from ganbench.statistics.intervals import Interval, median_interval, quantile
from ganbench.statistics.outcome_counts import count_outcomes
from ganbench.statistics.score_bounds import reference_scores
from ganbench.statistics.success_rates import rate_table
from ganbench.suite.success import SuccessRule

if TYPE_CHECKING:
    import pandas as pd

    from ganbench.results.frames import Frames

UPPER, TRIVIAL = "upper bound", "best untrained"
"""The rows of the data itself, and of the best untrained baseline by each value."""

LOSSES = {"diverged": "diverged", "failed": "failed", "timed_out": "timed out", "missing": "missing"}


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a summary: its heading, and the cell of each row by name; a row without one has an empty cell.

    `optional` columns may be left out where there is no room.
    """

    heading: str
    cells: dict[str, str]
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A table that one reads: the names of its rows, the first `references` of them no methods, and its columns."""

    title: str
    rows: tuple[str, ...]
    references: int
    columns: tuple[Column, ...]


def make_summaries(frames: Frames, rules: Sequence[SuccessRule]) -> Iterator[Summary]:
    """Yield a summary for each success rule and measurement; without rules, one for each dataset.

    Columns: the success rate, the median of the rule's metric, then what was lost. After these come the same metric at
    the other snapshot (final or best) and the dataset's other values with a better direction, in its first summary.
    """
    frames, _ = limit_values(frames, rules)
    counts = count_outcomes(frames)
    seen: set[str] = set()
    readings = list_readings(frames, rules)
    if not rules:
        readings = list({rule.dataset: (rule, way) for rule, way in reversed(readings)}.values())[::-1]
    for rule, way in readings:
        yield make_summary(frames, rule, way, counts[counts["dataset"] == rule.dataset], rule.dataset not in seen)
        seen.add(rule.dataset)


def make_summary(
    frames: Frames, rule: SuccessRule, measurement: str | None, counts: pd.DataFrame, first: bool
) -> Summary:
    """Return the summary of one rule; `counts` are the outcomes on its dataset, `first`: with all other values."""
    scores, name = rule_scores(frames, rule, measurement), headline(frames, rule)
    other = "best" if rule.at == "final" else "final"
    title = metric_title(name)
    columns = [median_column(frames, rule.dataset, (name, measurement), scores, rule.at, title, interval=True)]
    if not isinstance(rule, ScoreRule):
        columns.insert(0, success_column(frames, rule, measurement))
    for outcome, heading in LOSSES.items():
        if counts[outcome].any():
            cells = {row["method"]: str(int(row[outcome])) for row in counts.to_dict("records")}
            columns.append(Column(heading=heading, cells=cells))
    if other == "final" or knows_best(frames):
        heading = f"{other} {title}"
        columns.append(median_column(frames, rule.dataset, (name, measurement), scores, other, heading, optional=True))
    for value, way in other_values(frames, rule.dataset, name) if first else ():
        values = trial_scores(frames, rule.dataset, value, way)
        columns.append(
            median_column(frames, rule.dataset, (value, way), values, rule.at, metric_title(value), optional=True)
        )
    references = [row for row in (UPPER, TRIVIAL) if any(row in column.cells for column in columns)]
    methods = list(counts["method"])
    about = describe_units(frames, rule, methods)
    return Summary(
        title=f"{rule.dataset}: {describe_reading(frames, rule, measurement)}; medians over {about}",
        rows=(*references, *methods),
        references=len(references),
        columns=tuple(columns),
    )


def success_column(frames: Frames, rule: SuccessRule, measurement: str | None) -> Column:
    """Return the success rate of every method at the primary threshold, as in "32/48 [53, 78] %"."""
    rates = rate_table(frames, rule, measurement)
    rows: list[dict[Any, Any]] = rates[rates["primary"]].to_dict("records") if len(rates) else []
    cells = {
        row["method"]: f"{row['successes']}/{row['n']} {show_percent(Interval(row['rate_low'], row['rate_high']))}"
        for row in rows
    }
    return Column(heading="success", cells=cells)


def median_column(
    frames: Frames,
    dataset: str,
    value: tuple[str, str | None],
    scores: pd.DataFrame,
    at: str,
    heading: str,
    *,
    interval: bool = False,
    optional: bool = False,
) -> Column:
    """Return the median of a value of every method, its 95% interval if asked for, and the two reference scores."""
    cells: dict[str, str] = {}
    for row, reference in zip((UPPER, TRIVIAL), reference_scores(frames, dataset, *value), strict=True):
        if reference is not None:
            cells[row] = show_number(reference.value)
    for method, group in scores.groupby("method", sort=False):
        ends = show_ends(median_interval(group[at], group["unit"])) if interval else ""
        cells[str(method)] = show_number(quantile(group[at], 0.5)) + ends
    return Column(heading=heading, cells=cells, optional=optional)


def other_values(frames: Frames, dataset: str, headline_name: str) -> Iterator[tuple[str, str]]:
    """Yield the dataset's other values with a better direction, each by the measurement that most scores have."""
    keys = frames.trials.loc[frames.trials["dataset"] == dataset, "key"]
    for name in dict.fromkeys(name for name, _ in frames.measured):
        if name != headline_name and (ways := directed_measurements(frames, name, keys)):
            groups = split_by_measurement(frames, name, keys)
            yield name, max(ways, key=lambda way: len(groups[way]))
