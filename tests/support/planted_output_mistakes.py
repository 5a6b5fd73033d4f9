"""Executors and reports with one mistake each, and a fragment of the message that names it."""

from __future__ import annotations

from ganbench import Offer, Report
from ganbench.api.events import Finished, Started

from tests.support.planted_mistakes import Planted


def run_without_end(work, batches):
    for batch in batches:
        yield Started(batch)
        work(batch, lambda step, steps: None)


def run_without_catching(work, batches):
    for batch in batches:
        yield Started(batch)
        yield Finished(batch, tuple(work(batch, lambda step, steps: None)))


EXECUTORS = (
    Planted("executors", Offer("never ends", lambda: run_without_end, "Runs."), "Started, then Finished"),
    Planted(
        "executors", Offer("lets failures through", lambda: run_without_catching, "Runs."), "yield a Lost event instead"
    ),
)


def report(mistake: str, message: str, render, suffix: str = ".txt") -> Planted:
    """Return a report with a planted mistake."""
    return Planted("reports", Offer(mistake, lambda: Report(suffix=suffix, render=render), "Writes."), message)


def render_lines(table, write=ascii) -> str:
    """Return a table as text, with every part of it; `write` turns one cell into text."""
    head = [[table.title], [table.heading(column) for column in table.columns]]
    return "\n".join(", ".join(map(ascii, row)) for row in [*head, *table.cells(write), table.notes])


def render_and_change_index(table) -> str:
    table.frame.index = table.frame.index + 1
    return render_lines(table)


def render_with_count(table, seen=[]) -> str:  # noqa: B006
    seen.append(table.title)
    return render_lines(table) + str(len(seen))


REPORTS = (
    report("a suffix with a path", "its suffix is '/../x'", render_lines, "/../x"),
    report("returns a list", "`render` returns list", lambda table: [render_lines(table)]),
    report("needs a row", "IndexError", lambda table: render_lines(table) + str(table.frame.iloc[0])),
    report("leaves notes out", "differ in a note", lambda table: render_lines(table).rpartition("\n")[0]),
    report("changes the table", "changes the table's frame", render_and_change_index),
    report("keeps count", "differently the second time", render_with_count),
    report("escapes nothing", "reaches the output", lambda table: render_lines(table) + table.title),
)
