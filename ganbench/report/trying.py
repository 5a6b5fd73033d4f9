"""A new method against the shipped records of a known one, and whether this machine reproduces these records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ganbench.report.comparison import Comparison, compare_sides
from ganbench.report.sides import Side, join_sides, open_side
from ganbench.report.words import join_words, show_number, show_p
from ganbench.results.compact import keep_ends
from ganbench.statistics.reproduction import Reproduction, adjust_checks, check_reproduction
from ganbench.table import Table

CHECKS = 3
"""The place of the checks among the tables of a comparison: after what differs, the verdicts and the cells."""


def compare_tried(
    candidate: str, folders: Sequence[Path], against: str, known: Sequence[Path], checks: Sequence[Reproduction] = ()
) -> Comparison:
    """Return the comparison of a candidate with a known method, each in one results folder for each reference.

    Of all signals the points that shipped records have are read, so that both sides are read alike. `checks` say
    whether this machine reproduces the known method; they become a table.
    """
    sides = [join_sides(open_parts(candidate, folders)), join_sides(open_parts(against, known))]
    comparison = compare_sides(sides)
    if not checks:
        return comparison
    tables = comparison.tables
    return replace(comparison, tables=(*tables[:CHECKS], checks_table(checks, against), *tables[CHECKS:]))


def open_parts(method: str, folders: Sequence[Path]) -> list[Side]:
    """Return a method's side in each of several results folders."""
    opened = [open_side(folder, name=method, method=method) for folder in folders]
    return [replace(side, frames=side.frames.change(signals=keep_ends(side.frames.signals))) for side in opened]


def check_machine(against: str, trained: Sequence[Path], recorded: Sequence[Path]) -> list[Reproduction]:
    """Return whether a method's trials that were trained here reproduce the records, for each reference.

    `trained` and `recorded` are the results folders, in the order of the references.
    """
    found = []
    for here, there in zip(trained, recorded, strict=True):
        records = open_side(there)
        found.append(check_reproduction(open_side(here).frames, records.frames, records.suite.success[0], against))
    return adjust_checks(found)


def checks_table(checks: Sequence[Reproduction], against: str) -> Table:
    """Return whether this machine reproduces the records of a method, a row for each dataset."""
    rows = [
        {
            "dataset": each.dataset,
            "trained here": each.trained,
            "recorded": each.recorded,
            "equal": each.equal,
            "successes here": each.successes[0],
            "successes recorded": each.successes[1],
            "median here": each.medians[0],
            "median recorded": each.medians[1],
            "p": each.p,
            "p_holm": each.p_holm,
        }
        for each in checks
    ]
    return Table(
        title=f"Does this machine reproduce the records of {against}?",
        frame=pd.DataFrame(rows),
        notes=(
            "equal: trials whose score is the recorded one to the last bit. p: of the exact rank-sum test of the "
            "scores; where there are several architectures, of the sign-flip test of ranks on the same cells; 1 where "
            "all are equal. p holm: adjusted for all datasets.",
        ),
        headings={"p_holm": "p holm"},
    )


def describe_checks(checks: Sequence[Reproduction], against: str) -> Iterator[str]:
    """Yield whether this machine reproduces the records of a method, in words, the answer first."""
    failed = [each.dataset for each in checks if not each.holds]
    if failed:
        yield (
            f"This machine does not reproduce the records of {against} on {join_words(failed)}, so what is found there "
            f"may be a difference between machines. --retrain trains {against} here."
        )
    else:
        yield f"This machine reproduces the records of {against}."
    for each in checks:
        yield f"{each.dataset}: {describe_check(each)}"


def describe_check(each: Reproduction) -> str:
    """Return the evidence of one check in words."""
    if each.equal == each.trained:
        return f"all {each.trained} scores are equal to the last bit"
    equal = f", {each.equal} of them equal to the last bit" if each.equal else ""
    medians = " and ".join(map(show_number, each.medians))
    return (
        f"{show_p(each.p_holm)} (adjusted by Holm's method); {each.trained} trials here against "
        f"{each.recorded} records{equal}; successes {each.successes[0]}/{each.trained} and "
        f"{each.successes[1]}/{each.recorded}, medians {medians}"
    )
