"""Whether each conclusion holds when the same results are read otherwise: one table for each comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from ganbench.errors import GanbenchError
from ganbench.report.table import Table, size_note
from ganbench.statistics.final_scores import measurements
from ganbench.statistics.sensitivity import DECLARED, sensitivity_table
from ganbench.suite.success import SuccessRule

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

COLUMNS = ["varied", "value", "step_a", "step_b", "n", "rate_a", "rate_b", "difference", "p", "verdict", "holds"]
ENDS = ["step_a_low", "step_a_high", "step_b_low", "step_b_high"]
ONE_BY_ONE = ("budget", "at", "metric", "threshold")
TITLES = {"": "primary", "at": "final or best"}
SIDES = {"lower": "below", "higher": "above", "neutral": "beyond"}


def make_sensitivity_tables(frames: Frames, rules: Sequence[SuccessRule]) -> list[Table]:
    """Make a table for each comparison; GanbenchError where the suite makes none."""
    made = list(rule_sensitivity_tables(frames, rules))
    if not made:
        raise GanbenchError('no success rule compares methods. Add compare = [["A", "B"]] to one and run the suite.')
    return made


def rule_sensitivity_tables(frames: Frames, rules: Sequence[SuccessRule]) -> Iterator[Table]:
    """Each rule's comparisons, read in every other way."""
    for rule in rules:
        present = set(frames.trials.loc[frames.trials["dataset"] == rule.dataset, "method"])
        for measurement in measurements(frames, rule):
            for pair in rule.compare:
                if present.issuperset(pair):
                    found = sensitivity_table(frames, rule, pair, measurement, rules, cross=True)
                    yield comparison_table(frames, rule, pair, found)


def comparison_table(frames: Frames, rule: SuccessRule, pair: tuple[str, str], found: pd.DataFrame) -> Table:
    """One comparison's readings that vary one thing, with the count of them all."""
    shown = found[found["varied"].isin(["", *ONE_BY_ONE])].copy()
    cells: dict[str, list[Any]] = {
        "value": [describe_change(row) for row in shown.to_dict("records")],
        "verdict": [describe_verdict(name, pair) for name in shown["verdict"]],
        "holds": [describe_holding(row) for row in shown.to_dict("records")],
        "p": [p if p == p else "undefined" if n else "" for p, n in zip(shown["p"], shown["n"], strict=True)],
        "varied": [TITLES.get(name, name) for name in shown["varied"]],
    }
    a, b = pair
    trials = frames.trials[(frames.trials["dataset"] == rule.dataset) & frames.trials["method"].isin(pair)]
    for side in "ab":  # a range of one step is none
        low, high = f"step_{side}_low", f"step_{side}_high"
        shown.loc[shown[low] == shown[high], [low, high]] = float("nan")
    return Table(
        title=f"Robustness of {a} against {b} on {rule.dataset}",
        frame=shown.assign(**{name: pd.Series(column, shown.index, dtype=object) for name, column in cells.items()})[
            [*COLUMNS, *ENDS]
        ],
        notes=(summarise_readings(found, pair), *write_notes(found, rule), size_note(trials)),
        headings={
            "step_a": f"step {a}",
            "step_b": f"step {b}",
            "rate_a": f"success {a}",
            "rate_b": f"success {b}",
            "difference": f"{a} less {b}",
            "holds": "verdict holds",
        },
        intervals={f"step_{side}": (f"step_{side}_low", f"step_{side}_high") for side in "ab"},
    )


def summarise_readings(found: pd.DataFrame, pair: tuple[str, str]) -> str:
    """In how many readings the primary verdict holds, one thing varied at a time, and in the full cross."""
    primary = found.iloc[0]
    if primary["verdict"] == "unknown":
        return "The primary reading has no pair of trials, so there is no verdict yet to be robust."
    counted = found[found["counted"]]
    alone = counted[counted["varied"].isin(ONE_BY_ONE)]
    parts = [f"{TITLES.get(name, name)} {count_holding(alone[alone['varied'] == name])}" for name in ONE_BY_ONE]
    return (
        f"Primary verdict ({describe_change(primary.to_dict())}): {describe_verdict(primary['verdict'], pair)}. "
        f"It holds in {count_holding(alone)} readings that differ from the primary in one thing: {', '.join(parts)}. In all combinations of these: "
        f"{count_holding(counted)}."
    )


def count_holding(readings: pd.DataFrame) -> str:
    """In how many of some readings the verdict holds."""
    return f"{int(readings['holds'].sum())} of {len(readings)}"


def write_notes(found: pd.DataFrame, rule: SuccessRule) -> Iterator[str]:
    """What is varied and how, and what these verdicts are not."""
    yield (
        "A verdict: the exact paired test at 5%, unadjusted, the primary's too. The primary one tests; all others "
        "describe, on the same trials, and nothing is corrected for their number. Holm's p is in the comparison tables."
    )
    yield (
        "An equal budget reads each trial at its last snapshot within what the cheaper method spent in all on that "
        "architecture; cost is taken to be even over a run. step: the generator step read, the median, with "
        "the least and the greatest in brackets where they differ. Best within a smaller budget is, where no fresh "
        "samples were drawn there, that of the samples which chose it."
    )
    if (found["budget"] != DECLARED).any() and ((found["varied"] == "budget") & ~found["counted"]).any():
        yield "as declared: the methods had that much in common, so nothing is varied and nothing counted."
    chosen = found[(found["budget"] == DECLARED) & (found["at"] == rule.at) & found["wanted"].notna()]
    if (chosen["varied"] == "metric").any():
        yield (
            "Another metric's threshold is that of its own success rule; without one, the value beyond which as many "
            "of both methods' trials lie together as succeed by the primary rule."
        )
    if (chosen["varied"] == "threshold").any():
        yield "As there is one threshold only, others are taken beyond which a quarter, a half and three quarters lie."
    for row in chosen.to_dict("records"):
        if abs(row["share"] - row["wanted"]) > 1e-9:
            reached, wanted = f"{row['share']:.3g}", f"{row['wanted']:.3g}"
            yield f"{describe_change(row)}: because of ties, {reached} of all trials lie beyond it, not {wanted}."


def describe_change(row: dict[Any, Any]) -> str:
    """What a reading has in place of the primary's; of the primary, all of it."""
    beyond = f"{row['metric']} {SIDES[row['direction']]} {row['threshold']:.4g}" if row["metric"] else ""
    criterion = " and ".join(part for part in (beyond, row["condition"]) if part)
    whole = f"{row['at']} {criterion}, budget {row['budget']}"
    return {"budget": row["budget"], "at": row["at"], "metric": criterion, "threshold": criterion}.get(
        row["varied"], whole
    )


def describe_verdict(name: str, pair: tuple[str, str]) -> str:
    """A verdict in words."""
    words = {"a": f"{pair[0]} better", "b": f"{pair[1]} better", "none": "no difference shown", "unknown": "unknown"}
    return words[name]


def describe_holding(row: dict[Any, Any]) -> str:
    """Whether the verdict holds in a reading, in a word."""
    if not row["varied"]:
        return ""
    return ("yes" if row["holds"] else "no") if row["counted"] else "as declared" if row["n"] else "unknown"
