"""What runs, writes and follows: an executor, a report and a watcher. This module declares no API number."""

from ganbench import Finished, Lost, Offer, Report, Started, Watcher, hookimpl


def one_by_one():
    """Return an executor that trains one batch after another in this process."""

    def run(work, batches):
        for batch in batches:
            yield Started(batch)
            try:
                end = Finished(batch, tuple(work(batch, lambda step, steps: None)))
            except Exception as error:
                end = Lost(batch, "failed", str(error))
            yield end

    return run


def lines():
    """Return a format of tables: a line for each row."""

    def render(table):
        rows = [[table.heading(column) for column in table.columns], *table.cells(str)]
        text = [ascii(table.title), *("; ".join(map(ascii, row)) for row in rows), *map(ascii, table.notes)]
        return "\n".join(text) + "\n"

    return Report(suffix=".txt", render=render)


def diary():
    """Return a watcher that writes a line for each trial into the results folder."""

    def start(run):
        return (run.folder / "diary.txt").open("a", encoding="utf-8")

    def write(file, event):
        if isinstance(event, Finished):
            file.writelines(f"{record.trial.key} {record.status}\n" for record in event.records)
            file.flush()

    return Watcher(open=start, on_event=write, close=lambda file: file.close())


@hookimpl
def ganbench_executors():
    """Offer an executor."""
    yield Offer("outsider-one-by-one", one_by_one, "One batch after another, in this process.")


@hookimpl
def ganbench_reports():
    """Offer a format of tables."""
    yield Offer("outsider-lines", lines, "A line for each row.")


@hookimpl
def ganbench_watch():
    """Offer a watcher."""
    yield Offer("outsider-diary", diary, "A line for each trial.")
