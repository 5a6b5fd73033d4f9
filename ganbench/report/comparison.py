"""Results side by side: two days, two machines, two versions of a plugin, or two methods of one folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ganbench.errors import GanbenchError
from ganbench.report.comparison_tables import (
    equivalence_tables,
    interquartile_tables,
    outperformance_tables,
    profile_tables,
    rank_tables,
)
from ganbench.report.paired_tables import paired_score_tables, tested_score_tables
from ganbench.report.readings import list_readings
from ganbench.report.shown import limit_values
from ganbench.report.side_differences import Difference, list_differences, name_rule, refuse_unlike
from ganbench.report.sides import Matched, Side, list_import_notes, match_cells, open_sides
from ganbench.report.success_tables import success_tables
from ganbench.report.tables import costs_table, failure_tables, outcome_counts_table
from ganbench.report.verdict import Verdict, make_verdicts
from ganbench.report.words import plural
from ganbench.results.history import describe_extensions
from ganbench.statistics.comparisons import Pairs, compare_successes
from ganbench.statistics.imported_trials import are_imported
from ganbench.suite.success import SuccessTable
from ganbench.table import Table

if TYPE_CHECKING:
    from ganbench.results.frames import Frames


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """A comparison of several sides on the cells that all of them have.

    `sides` are their names, `matched` is the number of matched cells. `differences` are what differs between the sides,
    their code first. `verdicts` are the answers in words. `tables` are the differences, the verdicts, the matched
    cells, then all numbers. `rules` are the success rules of all sides. `frames` are the matched trials of all sides as
    one (`Frames`), in which "A: wgan-gp" is the method `wgan-gp` of side A; so every function of `ganbench.statistics`
    takes them. `opened` are the sides as they were read: folder, all trials, suite.
    """

    sides: tuple[str, ...]
    matched: int
    differences: tuple[Difference, ...]
    verdicts: tuple[Verdict, ...]
    tables: tuple[Table, ...]
    rules: tuple[SuccessTable, ...]
    frames: Frames
    opened: tuple[Side, ...] = ()

    def _repr_html_(self) -> str:
        """Return the differences, the verdicts and the matched cells as plain HTML, for a notebook."""
        return "".join(table._repr_html_() for table in self.tables[:3])


def compare(*results: str | Path, methods: Sequence[str] | None = None) -> Comparison:
    """Compare results folders cell by cell, or the `methods` of one folder; the first side with every other.

    A cell is a dataset, an architecture, a seed and, where folders are compared, a method. With as many `methods` as
    folders, each stands for one folder. Code, options, versions, machines and, if neither code nor options differ,
    budgets may differ: they are the question. Raise GanbenchError if there is nothing to compare, and with the list of
    differences if the sides were measured by unlike protocols (docs/how_to/compare.md).
    """
    return compare_sides(open_sides(results, methods))


def compare_sides(sides: Sequence[Side]) -> Comparison:
    """Return the comparison of sides that are open already; raise GanbenchError as `compare`."""
    matched = match_cells(sides)
    rules = shared_rules(matched)
    differences = list_differences(matched, rules)
    refuse_unlike(matched, differences)
    frames, pairs = matched.frames, {dataset: matched.pairs(dataset) for dataset in matched.datasets}
    verdicts = make_verdicts(frames, rules, pairs)
    return Comparison(
        sides=tuple(side.name for side in matched.sides),
        matched=len(matched.cells),
        differences=tuple(differences),
        verdicts=tuple(verdicts),
        tables=(
            differences_table(matched.sides, differences),
            verdicts_table(verdicts),
            cells_table(matched),
            *make_tables(matched, rules, pairs),
        ),
        rules=tuple(rules),
        frames=frames,
        opened=matched.sides,
    )


def shared_rules(matched: Matched) -> list[SuccessTable]:
    """Return the success rules that all sides have on the matched datasets, comparing the first side with the others.

    Two rules are the same if they decide the same (`name_rule`). The thresholds are those that all sides have, and the
    smallest effect is that of the first side. An empty list means that no side has any. Raise GanbenchError if sides
    have rules, but none in common.
    """
    declared = [{name_rule(rule): rule for rule in side.suite.success} for side in matched.sides]
    rules = []
    for name, rule in declared[0].items():
        if rule.dataset in matched.datasets and all(name in each for each in declared):
            shared = [t for t in rule.thresholds if all(t in each[name].thresholds for each in declared)]
            changes = {"thresholds": tuple(shared), "compare": matched.pairs(rule.dataset)}
            rules.append(rule.model_copy(update=changes))
    if any(declared) and not rules:
        listed = [
            f"  {side.name}: {'; '.join(own) or 'none'}" for side, own in zip(matched.sides, declared, strict=True)
        ]
        datasets = ", ".join(matched.datasets)
        raise GanbenchError(
            "\n".join(
                [
                    f"no success rule in common on {datasets}, so nothing says what a success is:",
                    *listed,
                    "Write the same [[success]] table (dataset, metric, at, primary threshold, condition) into both "
                    "suites and run them again: nothing is trained, because all trials are stored.",
                ]
            )
        )
    return rules


def differences_table(sides: Sequence[Side], differences: Sequence[Difference]) -> Table:
    """Return what differs between the sides, a row for each difference and a column for each side."""
    names = [f"side_{number}" for number in range(1, len(sides) + 1)]
    rows = [
        {"kind": each.kind, "what": each.what, **dict(zip(names, each.values, strict=True))} for each in differences
    ]
    notes = ["Of the trials in matched cells. What the sides share is not listed."]
    kinds = {each.kind for each in differences}
    if "code" in kinds:
        notes.append("code: the start of the hash of an offer's code; after it the plugin of a third party, if any.")
    if "options" in kinds:
        notes.append("not given: the option has the default of its offer, or the method has no such part.")
    if "reading" in kinds:
        notes.append(f"reading: the same scores are read as {sides[0].name} reads them, on all sides.")
    if not kinds & {"code", "options", "budget"}:
        notes.append(
            "Trained elsewhere: code and options are not known, so nobody can tell whether they differ."
            if any(are_imported(side.frames.trials).any() for side in sides)
            else "Neither code, options nor budget differ: the same trainings, repeated."
        )
    return Table(
        title="What differs between the sides",
        frame=pd.DataFrame(rows, columns=["kind", "what", *names], dtype=object),
        notes=tuple(notes),
        headings=dict(zip(names, (side.name for side in sides), strict=True)),
    )


def verdicts_table(verdicts: Sequence[Verdict]) -> Table:
    """Return the answers in words, a row for each comparison."""
    rows = [(verdict.title, " ".join(verdict.sentences)) for verdict in verdicts]
    return Table(title="Verdict", frame=pd.DataFrame(rows, columns=["comparison", "verdict"], dtype=object))


def cells_table(matched: Matched) -> Table:
    """Return how many cells match, and how many of each side were left out, and why."""
    cell = "dataset, architecture and seed" if matched.sides[0].method else "dataset, architecture, seed and method"
    every = "both sides" if len(matched.sides) == 2 else f"all {len(matched.sides)} sides"
    return Table(
        title="Matched cells",
        frame=matched.count_cells(),
        notes=(
            f"{plural(len(matched.cells), 'matched cell')}: {every} have a record of the same {cell}. No other counts.",
            *matched.list_left_out(),
            "no record: planned, but not trained yet. not planned, no record elsewhere: another side lacks the cell.",
            *describe_identical(matched),
            *list_import_notes(matched.sides),
            *(f"{side.name}: {note}" for side in matched.sides for note in describe_extensions(side.frames.runs)),
        ),
    )


def describe_identical(matched: Matched) -> Iterator[str]:
    """Yield on how many matched cells all sides have exactly the same scores, if on any."""
    frames, count = matched.frames, len(matched.cells)
    if frames.scores.empty:
        return
    cells = frames.numbers(frames.scores["key"]) % count  # the trials of each side are in the order of the cells
    groups = frames.scores.groupby([cells, "name", "measurement", "step", "fresh"])["value"]
    values = groups.agg(["size", "count", "min", "max"])
    equal = (values["min"] == values["max"]) | (values["count"] == 0)  # or NaN on all sides
    whole = (values["size"] == len(matched.sides)) & values["count"].isin([0, len(matched.sides)])
    if same := int((equal & whole).groupby(level=0).all().sum()):
        yield f"On {same} of the {count} cells all sides have exactly the same scores."


def make_tables(matched: Matched, rules: Sequence[SuccessTable], pairs: Pairs) -> Iterator[Table]:
    """Yield the numbers: outcomes, successes, paired scores, and what only a comparison has."""
    frames, hidden = limit_values(matched.frames, rules)
    readings = list_readings(frames, rules, pairs)
    yield outcome_counts_table(frames, hidden)
    yield from success_tables(frames, rules)
    yield from paired_score_tables(frames, rules) if rules else tested_score_tables(frames, pairs)
    yield from outperformance_tables(frames, readings)
    yield from interquartile_tables(frames, readings)
    if rules:
        yield from rank_tables(frames, readings)
        yield from profile_tables(frames, readings, matched.sides[0].suite.budget.unit)
        yield from equivalence_tables(compare_successes(frames, rules))
    yield costs_table(frames)
    yield from failure_tables(frames)
