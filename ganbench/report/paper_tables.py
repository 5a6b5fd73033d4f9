"""The few tables that one prints, each within one column of 345 pt: two digits, short headings, one footnote.

Their cells are words already; a report only escapes them. A column that would make a table too wide is left out, the
least important first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from ganbench.api.metrics import metric_title
from ganbench.report.extractors import features_notes
from ganbench.report.notes import pair_note, size_note
from ganbench.report.output import file_names
from ganbench.report.readings import Reading, describe_reading, list_readings
from ganbench.report.shown import limit_values
from ganbench.report.success_tables import describe_criterion, difference_note, interval_note, rule_notes, trivial_notes
from ganbench.report.summary_tables import TRIVIAL, UPPER, Column
from ganbench.report.words import SMALLEST_P, plural, show_ends, show_number, show_percent, show_points
from ganbench.statistics.comparisons import Comparison, ScoreRule, compare_successes
from ganbench.statistics.final_scores import headline, rule_scores
from ganbench.statistics.imported_trials import are_imported, knows_best
from ganbench.statistics.intervals import Interval, median_interval, quantile
from ganbench.statistics.outcome_counts import count_outcomes
from ganbench.statistics.score_bounds import reference_scores
from ganbench.statistics.success_rates import rate_table
from ganbench.table import Table

if TYPE_CHECKING:
    from ganbench.results.frames import Frames
    from ganbench.suite.success import SuccessRule

WIDTH = 345.0
"""The width of a table in points: of the text of LaTeX's class article at 10 pt."""

CHARACTER, GAP = 5.3, 12.0
"""Points of a digit with a little to spare, and of the space around a column."""

NAME, PAIR_NAME = 22, 16
"""Digits that the name of a method is wide, at most, before it is broken into lines; beside the other of a pair."""

DIGITS = 2
"""Significant digits of a score."""

SHOWN = {
    "diverged": "diverged",
    "failed": "failed",
    "timed_out": "timed out",
    "collapsed": "collapsed",
    "degraded": "degraded",
    "critic-dead": "dead critic",
    "oscillating": "oscillating",
    "no-reconstruction": "no reconstruction",
}
"""The outcomes that a paper prints, the most important first, and their headings."""


def make_paper_tables(frames: Frames, rules: Sequence[SuccessRule]) -> list[Table]:
    """Return, for each success rule, rates, differences and scores; then outcomes; each with a label of its own."""
    frames, _ = limit_values(frames, rules)
    comparisons = compare_successes(frames, rules)
    tables: list[Table] = []
    for rule, way in list_readings(frames, rules):
        if not isinstance(rule, ScoreRule):
            tables += rate_tables(frames, rule, way)
            own = [each for each in comparisons if each.rule is rule and each.measurement == way]
            tables += difference_tables(frames, (rule, way), own)
        tables += score_tables(frames, rule, way)
    tables += outcome_tables(frames)
    labels = file_names([table.label for table in tables])
    return [replace(table, label=label) for table, label in zip(tables, labels, strict=True)]


def rate_tables(frames: Frames, rule: SuccessRule, measurement: str | None) -> Iterator[Table]:
    """Yield the success rates of one rule: successes of n with an interval at the primary threshold, else percent."""
    rates = rate_table(frames, rule, measurement)
    if rates.empty:
        return
    scores = rule_scores(frames, rule, measurement)
    sign = {"lower": "<", "higher": ">"}.get(str(scores["direction"].iloc[0]), "")
    columns = []
    for primary in (True, False):
        for threshold, rows in rates[rates["primary"] == primary].groupby("threshold", sort=False, dropna=False):
            cells = {row["method"]: show_rate(row) for row in rows.to_dict("records")}
            columns.append(Column(heading="success" if rule.primary is None else f"{sign} {threshold:g}", cells=cells))
    at = "" if rule.primary is None else f" at the primary threshold, {rule.primary:g}"
    others = "; at others: the rate in percent" * (len(columns) > 1)
    yield compose_table(
        f"Success rates on {rule.dataset}: {describe_criterion(rule, scores)}",
        f"success {rule.dataset} {headline(frames, rule)}",
        list(dict.fromkeys(rates["method"])),
        columns,
        (
            rule_notes(rule, scores, measurement)[0],
            *features_notes(frames, rule.dataset, [measurement]),
            f"Successes of n, and the interval of the rate in percent{at}{others}.",
            interval_note(scores),
            size_note(scores),
            *trivial_notes(frames, rule),
        ),
    )


def show_rate(row: Mapping[Any, Any]) -> str:
    """Return a row of `rate_table` as a cell: "32/48 [53, 78]" at the primary threshold, else the rate in percent."""
    if not row["primary"]:
        return f"{100 * row['rate']:.0f}"
    interval = show_percent(Interval(row["rate_low"], row["rate_high"])).removesuffix(" %")
    return f"{row['successes']}/{row['n']} {interval}".strip()


def difference_tables(frames: Frames, reading: Reading, comparisons: Sequence[Comparison]) -> Iterator[Table]:
    """Yield the differences of success rates of one rule with their adjusted p-values, if it compares methods."""
    if not comparisons:
        return
    rule, measurement = reading
    rows, notes = [], [difference_note("A", "B", is_clustered(comparisons)).replace("difference: ", "Difference: ", 1)]
    for each in comparisons:
        row = each.primary
        ends = [show_points(row[f"difference_{end}"]) for end in ("low", "high")] if row["n"] else []
        difference = f"{show_points(row['difference'])} [{', '.join(ends)}]" if ends else ""
        p = "undefined" if math.isnan(each.p_holm) else f"{show_number(each.p_holm, DIGITS)}"
        p = f"< {SMALLEST_P:.4f}" if each.p_holm < SMALLEST_P else p
        cells = {"A": each.pair[0], "B": each.pair[1], "difference": use_minus(difference), "p": p if row["n"] else ""}
        rows.append(cells)
        if missing := pair_note(frames.trials, rule.dataset, each.pair, int(row["n"])):
            notes.append(f"{each.pair[0]} against {each.pair[1]}: {missing}")
    counts = {int(each.primary["n"]) for each in comparisons}
    pairs = f" of {counts.pop()} pairs each" if len(counts) == 1 else ""
    test = "the exact sign-flip test over architectures" if is_clustered(comparisons) else "McNemar's exact test"
    family = comparisons[0].family
    notes += [f"In percentage points{pairs}. p: {test}, two-sided, adjusted for {plural(family, 'comparison')} (Holm)."]
    notes += ["Trained elsewhere and imported."] * bool(are_imported(frames.trials).any())
    yield Table(
        title=f"Differences of success rates on {rule.dataset}: {describe_reading(frames, rule, measurement)}",
        frame=pd.DataFrame(rows),
        notes=(" ".join(notes),),
        label=f"differences {rule.dataset} {headline(frames, rule)}",
        wraps={"A": PAIR_NAME, "B": PAIR_NAME},
    )


def is_clustered(comparisons: Sequence[Comparison]) -> bool:
    """Return whether several pairs of a comparison share an architecture."""
    return any((each.table["n"] != each.table["units"]).any() for each in comparisons)


def score_tables(frames: Frames, rule: SuccessRule, measurement: str | None) -> Iterator[Table]:
    """Yield the medians of a rule's metric at its snapshot and at the other, beside the two reference scores."""
    scores, name = rule_scores(frames, rule, measurement), headline(frames, rule)
    if scores.empty or str(scores["direction"].iloc[0]) == "neutral":
        return
    references = reference_scores(frames, rule.dataset, name, measurement)
    columns = []
    others = ["final"] if rule.at == "best" else ["best"] * knows_best(frames)
    for at in (rule.at, *others):
        cells = {
            str(method): use_minus(
                show_number(quantile(group[at], 0.5), DIGITS)
                + show_ends(median_interval(group[at], group["unit"]), DIGITS)
            )
            for method, group in scores.groupby("method", sort=False)
        }
        known = {
            row: use_minus(show_number(reference.value, DIGITS))
            for row, reference in zip((UPPER, TRIVIAL), references, strict=True)
            if reference is not None and at == rule.at
        }
        columns.append(Column(heading=f"{at} score", cells=known | cells))
    rows = [row for row in (UPPER, TRIVIAL) if row in columns[0].cells]
    explained = {
        UPPER: f"{UPPER}: the data itself.",
        TRIVIAL: f"{TRIVIAL}: the best of the untrained baselines.",
    }
    yield compose_table(
        f"{metric_title(name)} on {rule.dataset} ({scores['direction'].iloc[0]} is better)",
        f"scores {rule.dataset} {name}",
        [*rows, *dict.fromkeys(scores["method"])],
        columns,
        (
            "Medians over all trials, in brackets the 95% interval (Woodruff); trials that diverged, failed, timed out "
            "or have no finite score count as worst."
            + " best: chosen on one set of samples and scored on a fresh one."
            * (len(columns) > 1),
            *(explained[row] for row in rows),
            *features_notes(frames, rule.dataset, [measurement]),
            size_note(scores),
        ),
    )


def outcome_tables(frames: Frames) -> Iterator[Table]:
    """Yield, for each dataset, how many trials of each method diverged, failed, collapsed and so on."""
    counts = count_outcomes(frames)
    for dataset, rows in counts.groupby("dataset", sort=False):
        columns = []
        for name, heading in SHOWN.items():
            total = f"{name}_of" if f"{name}_of" in rows else "planned"
            if name == "diverged" or rows[name].fillna(0).any():
                cells = {
                    row["method"]: "" if pd.isna(row[name]) else f"{row[name]:.0f}/{row[total]:.0f}"
                    for row in rows.to_dict("records")
                }
                columns.append(Column(heading=heading, cells=cells))
        yield compose_table(
            f"Outcomes on {dataset}",
            f"outcomes {dataset}",
            list(rows["method"]),
            columns,
            (
                "Trials with each outcome, of those for which it is known. diverged: non-finite or exploded. "
                "An outcome that no trial had has no column.",
                size_note(frames.trials[frames.trials["dataset"] == dataset]),
            ),
        )


def compose_table(
    title: str, label: str, rows: Sequence[str], columns: Sequence[Column], notes: Sequence[str]
) -> Table:
    """Return a table with a row for each method and as many of the columns as fit, the first always; one note."""
    room = WIDTH - GAP - CHARACTER * NAME
    cells: dict[str, list[str]] = {"method": list(rows)}
    for column in columns:
        texts = [column.cells.get(row, "") for row in rows]
        room -= GAP + CHARACTER * max(map(len, (column.heading, *texts)))
        if len(cells) > 1 and room < 0:
            break
        cells[column.heading] = texts
    frame = pd.DataFrame(cells, dtype=object)
    headings = {name: name for name in cells}
    note = " ".join(notes)
    return Table(title=title, frame=frame, notes=(note,), headings=headings, label=label, wraps={"method": NAME})


def use_minus(text: str) -> str:
    """Return numbers with the sign of a minus, where a report would print a hyphen."""
    return text.replace("-", "\N{MINUS SIGN}")
