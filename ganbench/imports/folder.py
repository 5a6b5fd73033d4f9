"""Runs that were trained elsewhere, put into a results folder: new ones are added, contradictions refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy.exc import IntegrityError

from ganbench.api.metrics import Direction
from ganbench.api.records import UNTRAINED, Record, Score
from ganbench.api.trials import IMPORTED, Trial, digest, make_imported_trial
from ganbench.errors import GanbenchError, shorten
from ganbench.imports.directions import find_directions
from ganbench.imports.rows import Rows, read_rows
from ganbench.imports.runs import Cell, Run, Runs, collect_runs
from ganbench.imports.stored import Stored, StoredRun, list_conflicts, read_stored, unite
from ganbench.imports.suites import Measured, Reading, make_suite
from ganbench.results.files import database_path
from ganbench.results.history import IMPORT
from ganbench.results.integrity import NOT_OURS
from ganbench.results.store import Store
from ganbench.suite.suite import Suite

MOST_CONFLICTS = 10
"""Contradictions that a message lists, at most."""

AT_ONCE = 1_000
"""Records that are stored in one transaction."""

DEFAULT = Reading()


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import did: how many runs the file has, how many of them are new, and how many got further values.

    `changed` is whether anything was written: runs, values, or how they are read. `cautions` are sentences on what a
    reader of the tables should know.
    """

    out: Path
    file: str
    runs: int
    new: int
    extended: int
    changed: bool
    cautions: tuple[str, ...]

    @property
    def lines(self) -> Iterator[str]:
        """The import as the lines that `ganbench import` prints."""
        more = f", {self.extended} got further values" if self.extended else ""
        known = self.runs - self.new - self.extended
        same = f", {known} were there already" if known else ""
        yield f"{self.out}: {self.runs} runs of {self.file}, trained elsewhere: {self.new} added{more}{same}"
        if self.changed and not (self.new or self.extended):
            yield "no run is new; how they are read has changed"
        yield from (f"caution: {sentence}" for sentence in self.cautions)


@dataclass(frozen=True, kw_only=True)
class Change:
    """What an import will write: trials of new runs, further values by key, and the suite with all trials in order."""

    suite: Suite
    plan: Sequence[Trial]
    new: Mapping[Cell, Trial] = field(default_factory=dict)
    further: Mapping[str, Sequence[Score]] = field(default_factory=dict)
    directions: Mapping[str, Direction] = field(default_factory=dict)


def import_runs(file: str | Path, out: str | Path | None = None, reading: Reading = DEFAULT) -> Imported:
    """Import the runs of a CSV or Parquet file into a results folder (default: results/NAME, named as the file).

    Runs that the folder has already stay as they are; importing the same file twice adds nothing. Raise GanbenchError,
    with the lines, for a table that is wrong and for runs that contradict the folder's; then nothing is written.
    """
    path = Path(file)
    rows = read_rows(path)
    runs = collect_runs(rows)
    folder = Path(out) if out is not None else Path("results") / path.stem
    first = None
    if not database_path(folder).exists():
        first = prepare(rows, runs, Stored(), reading, folder)  # a mistake makes no folder
    with Store(folder) as store:
        stored = read_stored(store)
        change = first if first and stored.suite is None else prepare(rows, runs, stored, reading, folder)
        changed = bool(change.new or change.further) or change.suite != stored.suite
        if changed:
            write(store, rows, runs, change)
    return Imported(
        out=folder,
        file=rows.file,
        runs=len(runs.runs),
        new=len(change.new),
        extended=len(change.further),
        changed=changed,
        cautions=tuple(list_cautions(rows, runs)),
    )


def prepare(rows: Rows, runs: Runs, stored: Stored, reading: Reading, folder: Path) -> Change:
    """Return what the runs of a file change in a folder; raise GanbenchError for contradictions and wrong rules."""
    refuse_conflicts(rows, runs, stored, folder)
    directions = find_directions(runs.metrics, reading.directions, stored.directions, rows.file)
    factors = {**runs.factors, **stored.factors}
    new = {
        cell: make_trial(run, factors.get(cell.architecture, {}))
        for cell, run in runs.runs.items()
        if cell not in stored.runs
    }
    further = {
        known.trial.key: scores
        for cell, known in stored.runs.items()
        if cell in runs.runs and (scores := make_scores(runs.runs[cell], directions, known))
    }
    plan = [*(run.trial for run in stored.runs.values()), *new.values()]
    measured = measure(runs, stored, {**stored.directions, **directions})
    suite = make_suite(plan, measured, reading, list_files(rows, stored, adds=bool(new or further)), stored.tables)
    return Change(suite=suite, plan=plan, new=new, further=further, directions=directions)


def refuse_conflicts(rows: Rows, runs: Runs, stored: Stored, folder: Path) -> None:
    """Raise GanbenchError if runs of a file, or their architectures, contradict those of the folder."""
    conflicts = [
        text
        for cell, run in runs.runs.items()
        if cell in stored.runs
        for text in list_conflicts(run, stored.runs[cell], rows.file, folder)
    ]
    for name, factors in runs.factors.items():
        if name in stored.factors and (known := dict(stored.factors[name])) != factors:
            conflicts.append(
                f"{rows.file}: architecture {name!r} has the factors {shorten(dict(factors))} here, and "
                f"{shorten(known)} in {folder}."
            )
    if conflicts:
        more = [f"and {len(conflicts) - MOST_CONFLICTS} more"] if len(conflicts) > MOST_CONFLICTS else []
        way_out = "A run has one result. Mend the file, or import it into another folder by --out."
        raise GanbenchError("\n".join([*conflicts[:MOST_CONFLICTS], *more, way_out]))


def make_trial(run: Run, factors: Mapping[str, Any]) -> Trial:
    """Return the trial of a run."""
    cell = run.cell
    return make_imported_trial(
        dataset=cell.dataset,
        architecture=cell.architecture,
        method=cell.method,
        seed=cell.seed,
        steps=run.end.last,
        factors=factors,
    )


def make_scores(run: Run, directions: Mapping[str, Direction], known: StoredRun | None = None) -> list[Score]:
    """Return the values of a run as scores, those that the folder does not know yet.

    How they were measured is not known, so those of one name have one measurement, which no native score has.
    """
    return [
        Score(
            point.step,
            point.metric,
            value,
            directions[point.metric],
            name_measurement(point.metric),
            0,
            fresh=point.fresh,
        )
        for point, value in run.values.items()
        if known is None or point not in known.values
    ]


@cache
def name_measurement(metric: str) -> str:
    """Return the hash that stands for the unknown way in which a metric of imported runs was measured."""
    return digest([IMPORTED, metric])


def measure(runs: Runs, stored: Stored, directions: Mapping[str, Direction]) -> Measured:
    """Return what the runs of a file and of the folder were measured by, together."""
    metrics: dict[str, dict[str, None]] = {}
    snapshots, fresh = 1, False
    united = {cell: known.values for cell, known in stored.runs.items()}
    for cell, run in runs.runs.items():
        united[cell] = unite(run, stored.runs[cell]).values if cell in united else run.values
    for cell, values in united.items():
        metrics.setdefault(cell.dataset, {}).update(dict.fromkeys(point.metric for point in values))
        snapshots = max(snapshots, len({point.step for point in values}))
        fresh = fresh or any(point.fresh for point in values)
    return Measured(metrics=metrics, directions=directions, snapshots=snapshots, fresh=fresh)


def list_files(rows: Rows, stored: Stored, *, adds: bool) -> list[dict[str, str]]:
    """Return the tables [[imported]]: the files of earlier imports, and this one if it adds anything."""
    files: list[dict[str, str]] = list(stored.tables.get(IMPORTED, ()))
    if adds and all(table["sha256"] != rows.sha256 for table in files):
        today = datetime.now(UTC).date().isoformat()
        files.append({"file": rows.file, "sha256": rows.sha256, "date": today, "version": version("ganbench")})
    return files


def write(store: Store, rows: Rows, runs: Runs, change: Change) -> None:
    """Write an import into a results folder: its run with the whole plan, the new records, and further values."""
    fact = {"file": rows.file, "sha256": rows.sha256, "rows": len(rows.lines), "version": version("ganbench")}
    facts = {IMPORT: fact, "versions": {"ganbench": version("ganbench")}}
    try:
        number = store.begin_run(change.suite.text, change.plan, facts)
    except IntegrityError:
        raise GanbenchError(f"{store.file}: holds rows that ganbench never writes. {NOT_OURS}") from None
    rest = iter(change.new.items())
    while some := list(islice(rest, AT_ONCE)):
        store.append(make_record(runs.runs[cell], trial, change.directions, rows, number) for cell, trial in some)
    if change.further:
        store.add_scores(change.further)


def make_record(run: Run, trial: Trial, directions: Mapping[str, Direction], rows: Rows, number: int) -> Record:
    """Return the record of a run that was trained elsewhere; `number` is that of the import."""
    status, _, diverged_at = run.end
    source = {"file": rows.file, "sha256": rows.sha256, "declared": bool(run.status)}
    return Record(
        trial=trial,
        status=status,
        error=f"{status}, says {rows.file} in line {run.line}" if status in UNTRAINED else "",
        diverged_at=diverged_at,
        scores=tuple(make_scores(run, directions)),
        composition={"mode": IMPORTED},
        facts={"run": number, IMPORT: source},
    )


def list_cautions(rows: Rows, runs: Runs) -> Iterator[str]:
    """Yield what a reader of the tables should know of a file: columns, ends, cells and values that are not alike."""
    if rows.ignored:
        yield f"columns that are not read: {', '.join(map(shorten, rows.ignored[:20]))}."
    for dataset in dict.fromkeys(cell.dataset for cell in runs.runs):
        own = {cell: run for cell, run in runs.runs.items() if cell.dataset == dataset}
        completed = {cell: run for cell, run in own.items() if run.end.status == "completed"}
        last = max((run.end.last for run in completed.values()), default=0)
        if early := [run for run in completed.values() if run.end.last < last]:
            yield (
                f"{dataset}: {len(early)} of {len(completed)} completed runs end before step {last}, such as that of "
                f"line {early[0].line}. The final score is that of a run's own last step; a run that broke off "
                "needs the status failed."
            )
        traits = [{cell[place] for cell in own} for place in (1, 2, 3)]
        if (cells := len(traits[0]) * len(traits[1]) * len(traits[2])) > len(own):
            yield (
                f"{dataset}: {cells - len(own)} of {cells} cells (architecture, method, seed) have no run; pairs need "
                "both."
            )
        counts = Counter(name for run in completed.values() for name in {point.metric for point in run.values})
        if absent := [f"{name} {len(completed) - count}" for name, count in counts.items() if count < len(completed)]:
            yield f"{dataset}: completed runs without a value, which its tables leave out: {', '.join(absent[:10])}."
