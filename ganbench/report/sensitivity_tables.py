"""Sensitivity of each conclusion to how the same results are read: one table for each comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from ganbench.api.metrics import metric_title
from ganbench.errors import GanbenchError
from ganbench.report.notes import pair_note, size_note
from ganbench.report.shown import limit_values
from ganbench.statistics.comparisons import compared_pairs
from ganbench.statistics.final_scores import measurements
from ganbench.statistics.sensitivity import DECLARED, name_snapshots, sensitivity_table
from ganbench.suite.success import SuccessRule
from ganbench.table import Table

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

COLUMNS = ["varied", "value", "step_a", "step_b", "n", "rate_a", "rate_b", "difference", "p", "verdict", "holds"]
ENDS = ["step_a_low", "step_a_high", "step_b_low", "step_b_high"]
ONE_BY_ONE = ("budget", "at", "metric", "threshold")
TITLES = {"": "primary", "at": "snapshots"}
SIDES = {"lower": "below", "higher": "above", "neutral": "beyond"}


def make_sensitivity_tables(frames: Frames, rules: Sequence[SuccessRule]) -> list[Table]:
    """Return a table for each comparison; raise GanbenchError if the suite compares no methods."""
    tables = list(rule_sensitivity_tables(limit_values(frames, rules)[0], rules))
    if not tables:
        raise GanbenchError(
            "no success rule compares methods. Add a table [[success]], or a second method, and run the suite."
        )
    return tables


def rule_sensitivity_tables(frames: Frames, rules: Sequence[SuccessRule]) -> Iterator[Table]:
    """Yield a table for each comparison of each rule, with every other reading of the results."""
    for rule in rules:
        for measurement in measurements(frames, rule):
            for pair in compared_pairs(frames, rule):
                readings = sensitivity_table(frames, rule, pair, measurement, rules, cross=True)
                yield comparison_table(frames, rule, pair, readings)


def comparison_table(frames: Frames, rule: SuccessRule, pair: tuple[str, str], readings: pd.DataFrame) -> Table:
    """Return the table of the readings of one comparison that vary one thing, with counts of all readings in a note."""
    shown = readings[readings["varied"].isin(["", *ONE_BY_ONE])].copy()
    cells: dict[str, list[Any]] = {
        "value": [describe_change(row) for row in shown.to_dict("records")],
        "verdict": [describe_verdict(name, pair) for name in shown["verdict"]],
        "holds": [describe_holding(row) for row in shown.to_dict("records")],
        "p": [p if p == p else "undefined" if n else "" for p, n in zip(shown["p"], shown["n"], strict=True)],
        "varied": [TITLES.get(name, name) for name in shown["varied"]],
    }
    a, b = pair
    trials = frames.trials[(frames.trials["dataset"] == rule.dataset) & frames.trials["method"].isin(pair)]
    for side in "ab":  # no range is shown where it is a single step
        low, high = f"step_{side}_low", f"step_{side}_high"
        shown.loc[shown[low] == shown[high], [low, high]] = float("nan")
    return Table(
        title=f"Sensitivity of {a} against {b} on {rule.dataset}",
        frame=shown.assign(**{name: pd.Series(column, shown.index, dtype=object) for name, column in cells.items()})[
            [*COLUMNS, *ENDS]
        ],
        notes=(
            *filter(None, [pair_note(frames.trials, rule.dataset, pair, int(readings["n"].iloc[0]))]),
            summarise_readings(readings, pair),
            *write_notes(readings, rule),
            size_note(trials),
        ),
        headings={
            "step_a": f"step {a}",
            "step_b": f"step {b}",
            "rate_a": f"success {a}",
            "rate_b": f"success {b}",
            "difference": f"{a} minus {b}",
            "holds": "verdict holds",
        },
        intervals={f"step_{side}": (f"step_{side}_low", f"step_{side}_high") for side in "ab"},
    )


def summarise_readings(readings: pd.DataFrame, pair: tuple[str, str]) -> str:
    """Return a note on the number of readings in which the primary verdict holds."""
    primary = readings.iloc[0]
    if primary["verdict"] == "unknown":
        return "There is no verdict yet."
    counted = readings[readings["counted"]]
    single = counted[counted["varied"].isin(ONE_BY_ONE)]
    parts = [f"{TITLES.get(name, name)} {count_holding(single[single['varied'] == name])}" for name in ONE_BY_ONE]
    return (
        f"Primary verdict ({describe_change(primary.to_dict())}): {describe_verdict(primary['verdict'], pair)}. "
        f"It holds in {count_holding(single)} readings that differ from the primary in one thing: {', '.join(parts)}. "
        f"In all combinations of these: {count_holding(counted)}."
    )


def count_holding(readings: pd.DataFrame) -> str:
    """Return in how many of these readings the verdict holds, as in "3 of 5"."""
    return f"{int(readings['holds'].sum())} of {len(readings)}"


def write_notes(readings: pd.DataFrame, rule: SuccessRule) -> Iterator[str]:
    """Yield the notes on what is varied and how, and on what the verdicts do not show."""
    yield (
        "verdict: the exact paired test at 5%, unadjusted, also in the primary reading. Only the primary reading "
        "tests; all others describe the same trials, and nothing is corrected for their number. Holm's p is in the "
        "comparison tables."
    )
    yield (
        "An equal budget reads each trial at its last snapshot within the total that the cheaper method spent on that "
        "architecture; the cost is assumed to be spread evenly over a run. step: the median generator step that is "
        "read, in brackets the smallest and the largest where they differ. Within a smaller budget, the best snapshot "
        "may have no fresh samples; then its score is that of the samples which chose it."
    )
    if (readings["budget"] != DECLARED).any() and ((readings["varied"] == "budget") & ~readings["counted"]).any():
        yield "as declared: both methods had this budget anyway, so nothing is varied and the reading is not counted."
    chosen = readings[
        (readings["budget"] == DECLARED)
        & (readings["at"] == name_snapshots(rule.at, rule.sustained))
        & readings["target_share"].notna()
    ]
    if (chosen["varied"] == "metric").any():
        yield (
            "The threshold of another metric is that of its own success rule; without such a rule it is the value "
            "beyond which as large a share of all trials of both methods lies as succeeds by the primary rule."
        )
    if (chosen["varied"] == "threshold").any():
        yield (
            "The rule has one threshold only; the others are those beyond which a quarter, a half and three quarters "
            "of all trials lie."
        )
    for row in chosen.to_dict("records"):
        if abs(row["share"] - row["target_share"]) > 1e-9:
            share, target = f"{row['share']:.3g}", f"{row['target_share']:.3g}"
            yield f"{describe_change(row)}: because of ties, the share of trials beyond it is {share}, not {target}."


def describe_change(row: dict[Any, Any]) -> str:
    """Return what a reading varies, in words; for the primary reading, its whole criterion and budget."""
    beyond = f"{row['metric']} {SIDES[row['direction']]} {row['threshold']:.4g}" if row["metric"] else ""
    criterion = metric_title(" and ".join(part for part in (beyond, row["condition"]) if part))
    whole = f"{row['at']} {criterion}, budget {row['budget']}"
    return {"budget": row["budget"], "at": row["at"], "metric": criterion, "threshold": criterion}.get(
        row["varied"], whole
    )


def describe_verdict(name: str, pair: tuple[str, str]) -> str:
    """Return a verdict in words, with the names of the methods."""
    words = {"a": f"{pair[0]} better", "b": f"{pair[1]} better", "none": "no difference shown", "unknown": "unknown"}
    return words[name]


def describe_holding(row: dict[Any, Any]) -> str:
    """Return whether the primary verdict holds in a reading, in a word; nothing for the primary itself."""
    if not row["varied"]:
        return ""
    return ("yes" if row["holds"] else "no") if row["counted"] else "as declared" if row["n"] else "unknown"
