"""Executors, reports and watchers with one mistake each, and a fragment of the message that names it."""

from __future__ import annotations

from ganbench import Offer, Report, Watcher
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


def watcher(mistake: str, message: str, on_event=lambda opened, event: None, **functions) -> Planted:
    """Return a watcher with a planted mistake."""
    return Planted("watch", Offer(mistake, lambda: Watcher(on_event=on_event, **functions), "Follows."), message)


def records(event):
    return event.records if isinstance(event, Finished) else ()


def round_scores(opened, event) -> None:
    for record in records(event):
        [round(score.value) for score in record.scores]


def clear_signals(opened, event) -> None:
    for record in records(event):
        record.signals.clear()


def write_under_the_name(folder, event) -> None:
    for record in records(event):
        (folder / record.trial.labels["method"].partition("/")[0] / "x").write_text("x")


def shorten_file(run) -> None:
    path = run.folder / "x"
    path.write_text("" if path.exists() else "first")


WATCHERS = (
    watcher("needs finite scores", "cannot convert float NaN", round_scores),
    watcher("clears signals", "it changes a record", clear_signals),
    watcher("shortens", "a second run shortens or removes", open=shorten_file),
    watcher("a name as a path", "outside of `run.folder`", write_under_the_name, open=lambda run: run.folder),
    watcher("needs a batch", "IndexError", open=lambda run: run.batches[0]),
)
