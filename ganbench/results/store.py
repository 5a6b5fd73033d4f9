"""The results folder of a suite: what was planned, what was recorded, and every final generator.

    results.sqlite    runs, plans, records, scores, signals (one transaction per batch)
    suite.toml        the suite as it was last run
    networks/         final generators, named by the trial's key; in snapshots/<key>/ earlier ones, if they are kept;
                      in incoming/ those of batches that are not stored yet (ganbench.results.incoming)
    checkpoints/      unfinished long batches, at some generator step (ganbench.runner.checkpoints)
    plugins/          the text of the plugin files that runs used, for people; it is never loaded from here
    log/              what the workers wrote to stderr

Nothing here is unpickled, and only a checked hexadecimal key becomes a file name.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, bindparam, delete, insert, select

from ganbench.api.records import Calibration, Record, Score
from ganbench.api.trials import Trial, canonical_json
from ganbench.errors import GanbenchError
from ganbench.results import incoming, integrity, recovery
from ganbench.results.contents import Contents, read_contents
from ganbench.results.database import connect, create_tables, execute, gc_paused, transaction
from ganbench.results.details import explain_absence, read_detail
from ganbench.results.files import (
    DATABASE,
    LARGEST_NETWORK,
    database_path,
    find_database,
    hold_lock,
    list_snapshots,
    make_folders,
    network_path,
    read_regular,
    suite_path,
    write_file,
)
from ganbench.results.frames import Frames
from ganbench.results.history import SHOWN, Run, add_fact, add_rescored, read_runs
from ganbench.results.numbers import find_numbers, number_trials, read_measured
from ganbench.results.origins import Origin, read_origins
from ganbench.results.planned import read_suite, read_trials
from ganbench.results.reading import build_frames, open_folder, read_calibration, split_tuning
from ganbench.results.rows import iterate_rows
from ganbench.results.schema import (
    BATCHES,
    CALIBRATIONS,
    PLAN,
    PROFILES,
    PROTOCOLS,
    RECORDS,
    RUNS,
    SCORES,
    SIGNALS,
    TRIALS,
    composition_row,
    label_values,
    profile_rows,
    record_row,
    score_rows,
    signal_rows,
)


class Store:
    """The results in `folder`: one writer at a time, any number of readers.

    A context manager. With `readonly=True` SQLite itself refuses to write; results of an earlier version are read
    from a private copy in today's schema. Every fault of a file raises `GanbenchError` that names it. `fresh=True`
    renames a database that cannot be used and starts another; with `sound=True` also one that can be used. `aside` is
    then its new path.
    """

    def __init__(self, folder: str | Path, *, readonly: bool = False, fresh: bool = False, sound: bool = False) -> None:
        self.folder = Path(folder)
        self.file = database_path(self.folder)
        self.readonly = readonly
        self.fresh, self.sound = fresh, sound
        self.aside: Path | None = None
        self._engine: Engine
        self._undo = ExitStack()

    def __enter__(self) -> Store:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> Store:
        """Take the lock (for writing), connect, and check that the schema is ours."""
        with ExitStack() as undo:
            if self.readonly:
                find_database(self.folder)
            else:
                make_folders(self.folder)
                undo.enter_context(hold_lock(self.folder))
                self.aside = recovery.set_aside(self.file, self.sound) if self.fresh else None
                make_folders(self.folder)  # generators may have been put aside too
            self._engine = connect(self.file, self.readonly)
            undo.callback(self._engine.dispose)
            with transaction(self._engine, self.file) as connection:
                if not self.readonly:
                    create_tables(connection)
            self._undo = undo.pop_all()
        return self

    def close(self) -> None:
        """Close the database and release the lock; closing twice does nothing."""
        self._undo.close()

    def begin_run(
        self,
        suite_text: str,
        plan: Sequence[Trial],
        facts: Mapping[str, Any],
        protocols: Mapping[str, str] | None = None,
    ) -> int:
        """Store a run's suite, its plan in order, its facts, and each dataset's protocol; return the run's number.

        The facts also get "stored": how many of the plan's trials have a record already.
        """
        write_file(suite_path(self.folder), suite_text.encode())
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with transaction(self._engine, self.file) as connection:
            numbers = number_trials(connection, plan)
            recorded = {number for rows in iterate_rows(connection, select(RECORDS.c.trial)) for (number,) in rows}
            all_facts = {**facts, "stored": sum(numbers[trial.key] in recorded for trial in plan)}
            new_run = insert(RUNS).values(started=now, suite=suite_text, facts=canonical_json(all_facts))
            run: int = connection.execute(new_run.returning(RUNS.c.id)).scalar_one()
            rows = [
                {"run": run, "position": position, "trial": numbers[trial.key], "code": trial.code}
                | label_values(trial)
                for position, trial in enumerate(plan)
            ]
            execute(connection, insert(PLAN), rows)
            protocol_rows = [{"run": run, "dataset": name, "protocol": key} for name, key in (protocols or {}).items()]
            execute(connection, insert(PROTOCOLS), protocol_rows)
        return run

    def append(self, records: Iterable[Record]) -> None:
        """Store all of the records or none; a record replaces an older one with the same key."""
        newest = {record.trial.key: incoming.refuse_absent_files(self.folder, record) for record in records}
        networks = incoming.store_networks(self.folder, newest.values())
        with transaction(self._engine, self.file) as connection:
            numbers = number_trials(connection, [record.trial for record in newest.values()])
            numbered = {numbers[key]: record for key, record in newest.items()}
            gone = delete(RECORDS).where(RECORDS.c.trial == bindparam("number"))
            execute(connection, gone, [{"number": number} for number in numbered])
            batches = [composition_row(record) for record in newest.values()]
            execute(connection, insert(BATCHES).prefix_with("OR IGNORE"), batches)
            rows = [
                {"trial": numbers[key], "batch": batch["id"], "network": networks.get(key, "")} | record_row(record)
                for (key, record), batch in zip(newest.items(), batches, strict=True)
            ]
            execute(connection, insert(RECORDS), rows)
            execute(connection, insert(SCORES), list(score_rows(numbered)))
            execute(connection, insert(SIGNALS), list(signal_rows(numbered)))
            execute(connection, insert(PROFILES), list(profile_rows(numbered)))
        for key in newest.keys() - networks.keys():
            network_path(self.folder, key).unlink(missing_ok=True)
        for record in newest.values():
            incoming.store_snapshots(self.folder, record)

    def add_scores(self, scores: Mapping[str, Sequence[Score]], extractors: Sequence[Mapping[str, Any]] = ()) -> None:
        """Store more scores of recorded trials, by key: all or none; each replaces one measured in the same way.

        `extractors` are those that they come from, as facts that are added to the newest run's `rescored_by`.
        """
        recorded = self.known()
        if unknown := [key for key in scores if key not in recorded]:
            raise GanbenchError(f"{self.folder}: no record with key {unknown[0]}. Scores belong to a record.")
        with transaction(self._engine, self.file) as connection:
            numbers = find_numbers(connection, scores)
            rows = [{"trial": numbers[key], **vars(score)} for key, several in scores.items() for score in several]
            execute(connection, insert(SCORES).prefix_with("OR REPLACE"), rows)
            add_rescored(connection, extractors)

    def add_fact(self, name: str, value: Any) -> None:
        """Store one more fact of the newest run."""
        with transaction(self._engine, self.file) as connection:
            add_fact(connection, name, value)

    def seconds_spent(self) -> float:
        """Return the seconds that all recorded trials took together, of one process each."""
        with transaction(self._engine, self.file) as connection:
            return sum(sum(json.loads(text).values()) for text in connection.scalars(select(RECORDS.c.seconds)))

    def calibrate(self, protocol: str, rows: Iterable[Calibration]) -> None:
        """Store the scores of the untrained baselines under a protocol: all or none, in place of older ones."""
        numbered = [{"protocol": protocol, "position": i, **vars(row)} for i, row in enumerate(rows)]
        with transaction(self._engine, self.file) as connection:
            connection.execute(delete(CALIBRATIONS).where(CALIBRATIONS.c.protocol == protocol))
            execute(connection, insert(CALIBRATIONS), numbered)

    def calibrations(self, protocol: str) -> list[Calibration]:
        """Return the scores of the untrained baselines under a protocol; empty if there are none yet."""
        with transaction(self._engine, self.file) as connection:
            return read_calibration(connection, protocol)

    def known(self) -> dict[str, tuple[str, str]]:
        """Return (code, status) of every recorded trial by key, for the planner."""
        wanted = select(TRIALS.c.key, RECORDS.c.code, RECORDS.c.status).join(RECORDS, RECORDS.c.trial == TRIALS.c.id)
        with transaction(self._engine, self.file) as connection:
            return {key: (code, status) for key, code, status in connection.execute(wanted)}

    def measured(self) -> dict[str, frozenset[tuple[str, str]]]:
        """Return the values of every scored trial, by its key, each as (name, measurement)."""
        with transaction(self._engine, self.file) as connection:
            return read_measured(connection)

    def detail(self, key: str) -> dict[str, Any]:
        """Return all that is stored of one recorded trial, with its content and its batch's composition, each checked.

        `key` may be shortened as long as only one recorded trial starts with it.
        """
        if not re.fullmatch("[0-9a-f]{4,64}", key):
            raise GanbenchError(f"{self.folder}: {key!r} is not a key: give 4 to 64 hexadecimal digits.")
        joined = TRIALS.join(RECORDS, RECORDS.c.trial == TRIALS.c.id).join(BATCHES, BATCHES.c.id == RECORDS.c.batch)
        wanted = select(TRIALS, RECORDS, BATCHES.c.composition, BATCHES.c.facts).select_from(joined)
        with transaction(self._engine, self.file) as connection:
            rows = connection.execute(wanted.where(TRIALS.c.key.startswith(key)).limit(SHOWN + 1)).mappings().all()
        if not rows:
            raise GanbenchError(f"{self.folder}: no record with key {key}... `ganbench trials RESULTS` lists the keys.")
        if len(rows) > 1:
            listed = [f"{row['key'][:16]} ({row['method']}, {row['architecture']}, seed {row['seed']})" for row in rows]
            more = " and others" if len(rows) > SHOWN else ""
            raise GanbenchError(
                f"{self.folder}: more than one record with key {key}...: {', '.join(listed[:SHOWN])}{more}. Give more "
                "digits."
            )
        with integrity.explaining_bad_cells(self.file):
            return read_detail({name: cell for name, cell in rows[0].items() if name not in ("id", "trial", "batch")})

    def history(self) -> tuple[Run, ...]:
        """Return the runs of this folder, the oldest first."""
        with transaction(self._engine, self.file) as connection, integrity.explaining_bad_cells(self.file):
            return read_runs(connection)

    def suite(self) -> str:
        """Return the text of the newest run's suite, "" where there is no run."""
        with transaction(self._engine, self.file) as connection:
            return read_suite(connection)

    def planned(self) -> list[Trial]:
        """Return the trials of the newest plan, in its order."""
        with transaction(self._engine, self.file) as connection, integrity.explaining_bad_cells(self.file):
            return read_trials(connection)

    def origins(self) -> tuple[Origin, ...]:
        """Return how every recorded trial of the newest plan was made."""
        with transaction(self._engine, self.file) as connection, integrity.explaining_bad_cells(self.file):
            return read_origins(connection)

    def generator(self, key: str) -> bytes:
        """Return the final generator of a recorded trial as safetensors bytes, checked against its record."""
        detail = self.detail(key)
        path = network_path(self.folder, detail["key"])
        if not detail["network"]:
            raise GanbenchError(f"{path}: {explain_absence(detail)}.")
        try:
            content = read_regular(path, self.folder, LARGEST_NETWORK)
        except FileNotFoundError:
            content = b""
        if hashlib.sha256(content).hexdigest() != detail["network"]:
            raise GanbenchError(f"{path}: missing or not the file that was stored. Train the trial again.")
        return content

    def contents(self, *, everything: bool = False) -> Contents:
        """Return what the newest plan's trials consist of; with `everything`, all recorded trials too."""
        with transaction(self._engine, self.file) as connection, integrity.explaining_bad_cells(self.file), gc_paused():
            return read_contents(connection, everything=everything)

    def snapshot(self, key: str, step: int) -> bytes:
        """Return the generator of a trial's earlier snapshot as safetensors bytes, checked by the hash in its name."""
        path = list_snapshots(self.folder, key).get(step)
        content = read_regular(path, self.folder, LARGEST_NETWORK) if path else b""
        if path is None or hashlib.sha256(content).hexdigest() != path.stem.rpartition("-")[2]:
            raise GanbenchError(f"{self.folder}: no generator of trial {key[:12]} at step {step}, as it was stored.")
        return content

    def frames(self, *, everything: bool = False, signals: bool = True, apart: bool = True) -> Frames:
        """Return the results as pandas frames: the newest plan's trials; with `everything`, all recorded trials too.

        The trials of configurations are `apart` from those that report the chosen ones (`Frames.tuning`).
        """
        with transaction(self._engine, self.file) as connection, integrity.explaining_bad_cells(self.file), gc_paused():
            frames = build_frames(connection, self.file, everything=everything, signals=signals)
        frames = frames.change(read_contents=partial(read_trial_contents, self.folder, everything))
        integrity.refuse_odd_cells(frames, self.file)
        with integrity.explaining_bad_cells(self.file):
            return split_tuning(frames) if apart else frames


def read(path: str | Path, *, everything: bool = False, signals: bool = True) -> Frames:
    """Return the results of a folder (or of the database in it) as frames, without writing a byte.

    In a notebook the frames show how many trials of each method completed, diverged, failed or are missing.
    """
    folder = Path(path)
    if folder.is_file() and folder.name != DATABASE:
        raise GanbenchError(f"{folder}: a file, not a results folder. Name the folder, or the {DATABASE} in it.")
    with Store(folder.parent if folder.is_file() else folder, readonly=True) as store:
        return store.frames(everything=everything, signals=signals)


def read_trial_contents(folder: Path, everything: bool) -> Contents:
    """Return what the trials of a results folder consist of, without writing a byte."""
    with open_folder(folder) as connection:
        return read_contents(connection, everything=everything)
