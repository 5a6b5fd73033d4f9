"""The results on a terminal: the verdict in words, then the few tables that one reads, fitted to its width.

All text from results is shown as `rich.text.Text`, which knows no markup, with unprintable characters as codes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ganbench.escaping import escape_unprintable
from ganbench.report.claim_tables import count_verdicts, describe_claim, read_claims, show_verdict
from ganbench.report.notes import import_notes, shard_note
from ganbench.report.summary_tables import Column, Summary, make_summaries
from ganbench.report.tuning_words import summarize_tuning
from ganbench.report.verdict import Verdict, make_verdicts
from ganbench.results.history import describe_extensions
from ganbench.suite.success import SuccessRule
from ganbench.table import Table as ReaderTable
from ganbench.table import format_value

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ganbench.results.frames import Frames

MOST_PAIRS, MOST_VERDICTS = 4, 12
"""Of a rule with more comparisons, and of all rules where there are more verdicts, only that on the whole is shown."""

NARROWEST = 12
"""Characters of a method's name that have room in every table; longer names go on in the next line."""

STYLES = {"reproduced": "green", "contradicted": "bold white on red", "undecided": "yellow"}
"""The style of each verdict on a claim."""

UNBOUNDED = 10_000
"""A width that no table needs."""


def print_verdicts(
    console: Console, frames: Frames, rules: Sequence[SuccessRule], question: str, *, full: bool = False
) -> None:
    """Print the question and the verdicts; with `full`, on every comparison of a rule with many of them.

    Before results of a shard stands that they are not those of the suite; before imported ones, where they come from.
    """
    for note in (*filter(None, [shard_note(frames)]), *import_notes(frames)):
        console.print(write_text(note, "yellow"), "", sep="\n")
    show_verdicts(console, make_verdicts(frames, rules), question, full=full)
    for note in describe_extensions(frames.runs):
        console.print(write_text(note), "", sep="\n")


def show_verdicts(console: Console, verdicts: Sequence[Verdict], question: str, *, full: bool = False) -> None:
    """Print a question and these verdicts on it; with `full`, on every comparison of a rule with many of them."""
    console.print(write_text(question, "bold"), "", sep="\n")
    for verdict in verdicts if full else shorten_verdicts(verdicts):
        answer, *evidence = verdict.sentences
        console.print(write_text(verdict.title, "cyan"))
        console.print(indent(write_text(answer, "bold")), *map(indent, map(write_text, evidence)), "", sep="\n")


def shorten_verdicts(verdicts: Sequence[Verdict]) -> Iterator[Verdict]:
    """Yield the verdicts without those on the comparisons of rules that have many; such a rule says so."""
    hidden: list[Verdict] = []
    for whole in verdicts:
        pairs = [each for each in verdicts if each.pair and each.title.endswith(f" on {whole.title}")]
        if whole.pair is None and (len(pairs) > MOST_PAIRS or len(verdicts) > MOST_VERDICTS):
            hidden += pairs
    for each in verdicts:
        if each not in hidden:
            crowded = any(other.title.endswith(f" on {each.title}") for other in hidden)
            more = ("Each comparison in words: --full.",) if each.pair is None and crowded else ()
            yield replace(each, sentences=(*each.sentences, *more))


def print_tuning(console: Console, frames: Frames) -> None:
    """Print what was chosen of each method that varies options, if any does: its settings, and its scores."""
    for heading, lines in summarize_tuning(frames):
        console.print(write_text(heading, "cyan"), *(indent(write_text(line)) for line in lines), "", sep="\n")


def print_claims(console: Console, frames: Frames) -> None:
    """Print the claims of a suite with their verdicts, if it has any; a contradiction stands out."""
    results = read_claims(frames)
    if not results:
        return
    console.print(write_text("Claims", "cyan"))
    for each in results:
        line = Text.assemble((f"{show_verdict(each)}  ", STYLES[each.verdict]), write_text(each.claim.text, "bold"))
        console.print(indent(line), indent(indent(write_text(describe_claim(each), "dim"))), sep="\n")
    console.print(indent(write_text(count_verdicts(results))), "", sep="\n")


def print_summaries(console: Console, frames: Frames, rules: Sequence[SuccessRule]) -> None:
    """Print the summary tables, each with as many of its optional columns as the width has room for."""
    for summary in make_summaries(frames, rules):
        console.print(write_text(summary.title, "cyan"))
        columns = fit_columns(console, summary)
        excess = measure_table(console, draw_table(summary, columns)) - console.width
        names = max(cell_len(escape_unprintable(row)) for row in summary.rows)
        console.print(draw_table(summary, columns, max(NARROWEST, names - excess) if excess > 0 else None))
        if hidden := [column.heading for column in summary.columns if column not in columns]:
            console.print(indent(write_text(f"no room here: {', '.join(hidden)}", "dim")))
        console.print()


def fit_columns(console: Console, summary: Summary) -> list[Column]:
    """Return the columns that a summary has room for: those that are not optional, then others from the left."""
    kept = [column for column in summary.columns if not column.optional]
    for column in (column for column in summary.columns if column.optional):
        wider = [each for each in summary.columns if each in kept or each is column]
        if measure_table(console, draw_table(summary, wider)) <= console.width:
            kept = wider
    return kept


def measure_table(console: Console, table: Table) -> int:
    """Return the width that a table needs, in columns of the terminal, however wide that is."""
    return Measurement.get(console, console.options.update(width=UNBOUNDED), table).maximum


def draw_table(summary: Summary, columns: Sequence[Column], width: int | None = None) -> Table:
    """Return a summary as a table of rich with these columns; the names of rows take at most `width` in each line."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", overflow="fold", max_width=width)
    for column in columns:
        table.add_column(write_text(column.heading), no_wrap=True)
    for place, row in enumerate(summary.rows):
        cells = (write_text(column.cells.get(row, "")) for column in columns)
        table.add_row(write_text(row), *cells, style="dim" if place < summary.references else "")
    return table


def print_table(shown: ReaderTable) -> None:
    """Print a table fitted to the terminal's width: the first column whole, longer texts in several lines."""
    console = Console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    rows = shown.cells(format_value)
    used = [place for place, _ in enumerate(shown.columns) if any(row[place] for row in rows)]
    for place in used:
        table.add_column(write_text(shown.heading(shown.columns[place])), no_wrap=not place, overflow="fold")
    for row in rows:
        table.add_row(*(write_text(row[place]) for place in used))
    console.print(write_text(shown.title, "cyan"), table, sep="\n")
    for note in shown.notes:
        console.print(write_text(note, "dim"), soft_wrap=True)


def write_text(text: str, style: str = "") -> Text:
    """Return a third party's text as rich shows it: no markup, no control character."""
    return Text(escape_unprintable(text), style=style)


def indent(content: RenderableType) -> Padding:
    """Return content two columns to the right."""
    return Padding(content, (0, 0, 0, 2), expand=False)


def show_differences(console: Console, differences: ReaderTable) -> None:
    """Print what differs between the sides of a comparison: a row for each difference, a column for each side."""
    console.print(write_text(differences.title, "cyan"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in differences.columns:
        table.add_column(write_text(differences.heading(column)), overflow="fold")
    for row in differences.cells(format_value):
        table.add_row(*map(write_text, row))
    console.print(table if len(differences.frame) else indent(write_text("nothing")))
    console.print()
