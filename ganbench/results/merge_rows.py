"""The rows of a merged database: those of its sources under new numbers, and the run that says what was merged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Table, func, insert, literal, select

from ganbench.api.trials import canonical_json, digest
from ganbench.results.database import execute
from ganbench.results.frames import LABELS
from ganbench.results.history import EXECUTOR, IMPORT, SHARD
from ganbench.results.merge_sources import Source
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
)

Numbers = Mapping[int, int]
"""The numbers that rows of a source have in the merged database."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which source each trial's record is taken from, by key.

    `chosen` is its place among the sources; `equal` are the places of other sources with an equal record, whose further
    scores are added. `order` are all places, those of preferred sources first.
    """

    order: Sequence[int]
    chosen: Mapping[str, int] = field(default_factory=dict)
    equal: Mapping[str, Sequence[int]] = field(default_factory=dict)


def write_rows(target: Connection, sources: Sequence[Source], choice: Choice, preferred: int) -> tuple[str, int] | None:
    """Write the rows of all sources into an empty database.

    Return the suite of the newest run, and how many trials of its plan have a record; None where there is no run.
    """
    known: dict[str, int] = {}
    trials = [copy_trials(target, source, known) for source in sources]
    runs = copy_runs(target, sources, trials)
    for place, (source, numbers) in enumerate(zip(sources, trials, strict=True)):
        own = {source.records[key].trial for key, chosen in choice.chosen.items() if chosen == place}
        own_numbers = {old: new for old, new in numbers.items() if old in own}
        batches = copy_batches(target, source, {old: new for (at, old), new in runs.items() if at == place})
        copy_rows(target, source, RECORDS, own_numbers, batches)
        copy_rows(target, source, SCORES, own_numbers)
        copy_rows(target, source, SIGNALS, own_numbers)
        copy_rows(target, source, PROFILES, own_numbers)
    for place, source in enumerate(sources):
        further = {source.records[key].trial for key, places in choice.equal.items() if place in places}
        copy_rows(target, source, SCORES, {old: new for old, new in trials[place].items() if old in further})
    for place in choice.order:
        copy_calibrations(target, sources[place])
    return write_run(target, sources, choice, preferred)


def insert_rows(target: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write rows as sqlite3 has them, all columns in the table's order; one that is there already stays."""
    if rows:
        statement = insert(table).prefix_with("OR IGNORE").compile(dialect=target.dialect)
        target.exec_driver_sql(str(statement), list(rows))


def copy_trials(target: Connection, source: Source, known: dict[str, int]) -> dict[int, int]:
    """Add the trials that are not `known` yet, and to these their numbers, by key.

    Return the number of each of the source's trials, by its number there.
    """
    pairs = [pair for rows in iterate_rows(source.connection, select(TRIALS.c.key, TRIALS.c.id)) for pair in rows]
    if any(key not in known for key, _ in pairs):
        for rows in iterate_rows(source.connection, select(TRIALS.c.key, TRIALS).order_by(TRIALS.c.id)):
            new = [row for row in rows if row[0] not in known]
            known |= {row[0]: number for number, row in enumerate(new, start=len(known) + 1)}
            insert_rows(target, TRIALS, [(known[key], *row) for key, _, *row in new])
    return {old: known[key] for key, old in pairs}


def copy_runs(target: Connection, sources: Sequence[Source], trials: Sequence[Numbers]) -> dict[tuple[int, int], int]:
    """Write the runs of all sources with their plans, the oldest first, one that several sources have once.

    Return their numbers by (place of the source, number there). How many trials had a record when a run began is
    forgotten where it plans trials beyond those of an earlier run of another folder: nobody knows who had seen what.
    """
    listed = [
        (started, place, number, suite, facts)
        for place, source in enumerate(sources)
        for number, started, suite, facts in source.connection.execute(select(RUNS).order_by(RUNS.c.id))
    ]
    known: dict[str, int] = {}
    numbers: dict[tuple[int, int], int] = {}
    planned: set[int] = set()
    owners: dict[int, set[int]] = {}
    for started, place, old, suite, text in sorted(listed):
        rows = read_plan(sources[place], old, trials[place])
        if (identity := sha256(repr((started, suite, text, rows)).encode()).hexdigest()) not in known:
            facts = json.loads(text)
            new = {trial for _, trial, *_ in rows} - planned
            if new and any(place not in places for places in owners.values()):
                facts.pop("stored", None)
            values = {"started": started, "suite": suite, "facts": canonical_json(facts)}
            number = target.execute(insert(RUNS).values(values).returning(RUNS.c.id)).scalar_one()
            insert_rows(target, PLAN, [(number, *row) for row in rows])
            protocols = sources[place].connection.execute(select(PROTOCOLS).where(PROTOCOLS.c.run == old)).mappings()
            execute(target, insert(PROTOCOLS), [{**row, "run": number} for row in protocols])
            known[identity] = number
            planned |= new
        numbers[place, old] = known[identity]
        owners.setdefault(known[identity], set()).add(place)
    return numbers


def read_plan(source: Source, run: int, numbers: Numbers) -> list[tuple[Any, ...]]:
    """Return the rows of a run's plan without the run, the trials under their new numbers."""
    wanted = select(*PLAN.c["position", "trial", "code", *LABELS]).where(PLAN.c.run == run).order_by(PLAN.c.position)
    return [
        (position, numbers[trial], *rest)
        for rows in iterate_rows(source.connection, wanted)
        for position, trial, *rest in rows
    ]


def copy_batches(target: Connection, source: Source, runs: Numbers) -> dict[str, str]:
    """Write the batches of a source, their run under its new number; return their new ids by the old ones."""
    ids: dict[str, str] = {}
    for old, composition, text in source.connection.execute(select(BATCHES)).all():
        facts = json.loads(text)
        if isinstance(facts.get("run"), int):
            facts["run"] = runs.get(facts["run"])
        shared = {"composition": composition, "facts": canonical_json(facts)}
        ids[old] = digest(shared)
        execute(target, insert(BATCHES).prefix_with("OR IGNORE"), [{"id": ids[old], **shared}])
    return ids


def copy_rows(
    target: Connection, source: Source, table: Table, numbers: Numbers, batches: Mapping[str, str] | None = None
) -> None:
    """Write the rows of these trials under their new numbers, and those of `batches` under their new ids.

    The trial is the first column of the table, and the batch the second. A row that is there already stays.
    """
    if not numbers:
        return
    for portion in iterate_rows(source.connection, select(table)):
        own = [row for row in portion if row[0] in numbers]
        if batches is not None:
            rows = [(numbers[trial], batches[batch], *rest) for trial, batch, *rest in own]
        else:
            rows = [(numbers[trial], *rest) for trial, *rest in own]
        insert_rows(target, table, rows)


def copy_calibrations(target: Connection, source: Source) -> None:
    """Write the scores of the untrained baselines under the protocols that are not there yet."""
    there = set(target.scalars(select(CALIBRATIONS.c.protocol).distinct()))
    rows = [dict(row) for row in source.connection.execute(select(CALIBRATIONS)).mappings()]
    execute(target, insert(CALIBRATIONS), [row for row in rows if row["protocol"] not in there])


def write_run(target: Connection, sources: Sequence[Source], choice: Choice, preferred: int) -> tuple[str, int] | None:
    """Write the run that a merge is, with the plan of the newest run and what was merged.

    Return its suite, and how many trials of the plan have a record; None where there is no run.
    """
    newest = target.scalar(select(func.max(RUNS.c.id)))
    if newest is None:
        return None
    suite, text = target.execute(select(RUNS.c.suite, RUNS.c.facts).where(RUNS.c.id == newest)).one()
    recorded = select(func.count()).select_from(PLAN.join(RECORDS, RECORDS.c.trial == PLAN.c.trial))
    stored = target.scalar(recorded.where(PLAN.c.run == newest)) or 0
    taken = [sum(chosen == place for chosen in choice.chosen.values()) for place in range(len(sources))]
    facts = {
        **{name: fact for name, fact in json.loads(text).items() if name not in (EXECUTOR, SHARD, IMPORT)},
        "stored": stored,
        "merged": [
            {"folder": source.folder.resolve().name, "records": records}
            for source, records in zip(sources, taken, strict=True)
        ],
        "preferred": preferred,
    }
    now = datetime.now(UTC).isoformat(timespec="seconds")
    values = {"started": now, "suite": suite, "facts": canonical_json(facts)}
    number = target.execute(insert(RUNS).values(values).returning(RUNS.c.id)).scalar_one()
    for table in (PLAN, PROTOCOLS):
        rest = [column for column in table.c if column.name != "run"]
        wanted = select(literal(number), *rest).where(table.c.run == newest)
        target.execute(insert(table).from_select(["run", *(column.name for column in rest)], wanted))
    return str(suite), stored
