"""The rows of a merged database: those of its sources under new numbers, and the run that says what was merged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection, Table, func, insert, literal, select

from ganbench.api.trials import canonical_json, digest
from ganbench.results.database import execute
from ganbench.results.history import SHARD
from ganbench.results.merge_sources import Source
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

PORTION = 10_000
"""Rows that are copied at once."""

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


def write_rows(target: Connection, sources: Sequence[Source], choice: Choice, preferred: int) -> str:
    """Write the rows of all sources into an empty database; return the suite of the newest run, "" without runs."""
    trials = [copy_trials(target, source) for source in sources]
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


def copy_trials(target: Connection, source: Source) -> dict[int, int]:
    """Add the trials that are not there yet; return the number of each of the source's trials, by its number there."""
    columns = [column for column in TRIALS.c if column.name != "id"]
    for portion in source.connection.execute(select(*columns).order_by(TRIALS.c.id)).mappings().partitions(PORTION):
        execute(target, insert(TRIALS).prefix_with("OR IGNORE"), [dict(row) for row in portion])
    numbers = {row.key: row.id for row in target.execute(select(TRIALS.c.key, TRIALS.c.id))}
    return {old: numbers[key] for key, old in source.connection.execute(select(TRIALS.c.key, TRIALS.c.id))}


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
        wanted = select(PLAN).where(PLAN.c.run == old).order_by(PLAN.c.position)
        rows = [
            {**row, "trial": trials[place][row["trial"]]}
            for row in sources[place].connection.execute(wanted).mappings()
        ]
        content = [started, suite, text, [[value for name, value in row.items() if name != "run"] for row in rows]]
        if (identity := digest(content)) not in known:
            facts = json.loads(text)
            new = {row["trial"] for row in rows} - planned
            if new and any(place not in places for places in owners.values()):
                facts.pop("stored", None)
            values = {"started": started, "suite": suite, "facts": canonical_json(facts)}
            number = target.execute(insert(RUNS).values(values).returning(RUNS.c.id)).scalar_one()
            execute(target, insert(PLAN), [{**row, "run": number} for row in rows])
            protocols = sources[place].connection.execute(select(PROTOCOLS).where(PROTOCOLS.c.run == old)).mappings()
            execute(target, insert(PROTOCOLS), [{**row, "run": number} for row in protocols])
            known[identity] = number
            planned |= new
        numbers[place, old] = known[identity]
        owners.setdefault(known[identity], set()).add(place)
    return numbers


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

    A row that is there already stays.
    """
    if not numbers:
        return
    for portion in source.connection.execute(select(table)).mappings().partitions(PORTION):
        rows = [{**row, "trial": numbers[row["trial"]]} for row in portion if row["trial"] in numbers]
        if batches is not None:
            rows = [{**row, "batch": batches[row["batch"]]} for row in rows]
        execute(target, insert(table).prefix_with("OR IGNORE"), rows)


def copy_calibrations(target: Connection, source: Source) -> None:
    """Write the scores of the untrained baselines under the protocols that are not there yet."""
    there = set(target.scalars(select(CALIBRATIONS.c.protocol).distinct()))
    rows = [dict(row) for row in source.connection.execute(select(CALIBRATIONS)).mappings()]
    execute(target, insert(CALIBRATIONS), [row for row in rows if row["protocol"] not in there])


def write_run(target: Connection, sources: Sequence[Source], choice: Choice, preferred: int) -> str:
    """Write the run that a merge is, with the plan of the newest run and what was merged; return its suite."""
    newest = target.scalar(select(func.max(RUNS.c.id)))
    if newest is None:
        return ""
    suite, text = target.execute(select(RUNS.c.suite, RUNS.c.facts).where(RUNS.c.id == newest)).one()
    recorded = select(func.count()).select_from(PLAN.join(RECORDS, RECORDS.c.trial == PLAN.c.trial))
    taken = [sum(chosen == place for chosen in choice.chosen.values()) for place in range(len(sources))]
    facts = {
        **{name: fact for name, fact in json.loads(text).items() if name != SHARD},
        "stored": target.scalar(recorded.where(PLAN.c.run == newest)),
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
    return str(suite)
