"""What tuning chose, in the few words of a verdict and of a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ganbench.report.tuning_tables import describe_settings, list_seeds, name_score
from ganbench.report.words import MOST_NAMED, join_words, shorten_list, show_ends, show_number
from ganbench.statistics.intervals import Interval
from ganbench.statistics.tunings import Tuning, read_tunings

if TYPE_CHECKING:
    from ganbench.results.frames import Frames


def describe_tuning(frames: Frames, dataset: str) -> Iterator[str]:
    """Yield the sentence of a verdict on how the methods of a dataset were chosen; nothing where none was."""
    for tuning in read_tunings(frames) if frames.choices else ():
        here = [table for table in tuning.suite.dataset if table.title == dataset]
        if any(tuning.sweep.dataset in (table.title, table.tuned_on) for table in here):
            where = "other seeds" if dataset == tuning.sweep.dataset else tuning.sweep.dataset
            how = f"chosen by {name_score(tuning)} on {where}"
            counts = {name: len(tuning.suite.configurations_of(name)) or 1 for name in tuning.suite.declared_methods}
            if len(set(counts.values())) == 1:
                yield f"Each method is the best of {counts.popitem()[1]} configurations, {how}."
            else:
                listed = join_words(shorten_list([f"{name} {count}" for name, count in counts.items()]))
                yield f"Methods had unequal numbers of configurations to choose from ({listed}), {how}."


def summarize_tuning(frames: Frames) -> Iterator[tuple[str, list[str]]]:
    """Yield for each tuned dataset a heading, and a line for each method: its best configuration, and its scores."""
    for tuning in read_tunings(frames):
        rows = tuning.chosen.to_dict("records")
        reports = tuning.reports[tuning.reports["dataset"] == tuning.sweep.dataset].to_dict("records")
        reported = {row["swept"]: row for row in reports}
        lines = [describe_choice(tuning, row, reported.get(row["swept"])) for row in rows[:MOST_NAMED]]
        more = [f"{len(rows) - MOST_NAMED} more"] * (len(rows) > MOST_NAMED)
        edges = [f"{row['swept']}: {row['note']}" for row in tuning.edges.to_dict("records") if row["edge"]]
        seeds = list_seeds(tuning.sweep.trials["seed"])
        heading = f"Tuning on {tuning.sweep.dataset}, by {name_score(tuning)} on {seeds}"
        yield heading, [*lines, *more, *shorten_list(edges)]


def describe_choice(tuning: Tuning, best: Mapping[Any, Any], report: Mapping[Any, Any] | None) -> str:
    """Return what was chosen of a method, how good it was there, and how good it is on its report."""
    settings = describe_settings(tuning, best["label"])
    there = f"{best['swept']}: best of {best['configurations']} with {settings}; {show_number(best['score'])} there"
    if report is None:
        return f"{there}, which is too optimistic" if not tuning.suite.tunes else f"{there}, not reported yet"
    return f"{there}, {show_number(report['score'])}{show_ends(Interval(report['low'], report['high']))} on fresh seeds"
