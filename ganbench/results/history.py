"""The runs of a results folder: when each was started, what it planned, and how the newest plan grew."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import compress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select, update

from ganbench.api.trials import canonical_json
from ganbench.errors import GanbenchError
from ganbench.results.choices import read_fact
from ganbench.results.rows import iterate_rows
from ganbench.results.schema import BATCHES, PLAN, RECORDS, RUNS, TRIALS

TRAITS = ("dataset", "architecture", "method", "seed")

SHOWN = 6
"""At most so many values of one trait are listed."""

EXECUTOR = "executor"
"""The fact of a run that names what ran its batches."""

SHARD = "shard"
"""The fact of a run that trained a shard of the plan only: which one, as in "3/10"."""

IMPORT = "imported"
"""The fact of a run that imported runs trained elsewhere: the file, its SHA-256, how many rows, and the version."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a suite.

    `started` is a time in UTC (ISO 8601); `facts` describe the machine and the versions. Of its `planned` trials,
    `stored` had a record when it began (None: older versions did not keep this), and `new` had never been planned
    before. `trained` counts its records that no later run has replaced. `first` counts the trials of the newest plan
    that this run was the first to plan; `what` says how they differ from the earlier ones.
    """

    number: int
    started: str
    suite: str
    facts: Mapping[str, Any]
    planned: int
    stored: int | None
    new: int
    trained: int
    first: int = 0
    what: str = ""


def refuse_unplanned(runs: Sequence[Run], results: Path) -> Sequence[Run]:
    """Return the runs; raise GanbenchError if there is none, as after a run that was killed before it trained."""
    if not runs:
        raise GanbenchError(f"{results}: nothing is planned here yet. `ganbench run SUITE` plans, then trains.")
    return runs


def read_runs(connection: Connection) -> tuple[Run, ...]:
    """Return the runs of a results folder, the oldest first."""
    beginnings = select(PLAN.c.trial, func.min(PLAN.c.run).label("run")).group_by(PLAN.c.trial).subquery()
    new = count_by_run(connection, select(beginnings.c.run, func.count()).group_by(beginnings.c.run))
    planned = count_by_run(connection, select(PLAN.c.run, func.count()).group_by(PLAN.c.run))
    named = PLAN.join(TRIALS, TRIALS.c.id == PLAN.c.trial)
    labels = (PLAN.c.dataset, PLAN.c.architecture, PLAN.c.method, TRIALS.c.seed)
    newest = select(beginnings.c.run, *labels).select_from(named.join(beginnings, beginnings.c.trial == PLAN.c.trial))
    newest = newest.where(PLAN.c.run == select(func.max(RUNS.c.id)).scalar_subquery()).order_by(PLAN.c.position)
    groups = group_by_run(connection, newest)
    every = (
        group_by_run(connection, select(PLAN.c.run, *labels).select_from(named).distinct()) if len(groups) > 1 else {}
    )
    novelties = describe_novelties(groups, every)
    trained = count_trained(connection)
    runs = []
    stored_runs = select(RUNS.c.id, RUNS.c.started, RUNS.c.suite, RUNS.c.facts).order_by(RUNS.c.id)
    for number, started, suite, text in connection.execute(stored_runs):
        if not isinstance(suite, str):
            raise ValueError("the stored suite is not a text")
        facts = json.loads(text)
        if not isinstance(facts, dict):
            raise ValueError(f"the facts of run {number} are not a mapping")
        stored = facts.pop("stored", None)
        datetime.fromisoformat(started)  # a ValueError or a TypeError for what is no time
        runs.append(
            Run(
                number=number,
                started=started,
                suite=suite,
                facts=facts,
                planned=planned.get(number, 0),
                stored=stored if isinstance(stored, int) else None,
                new=new.get(number, 0),
                trained=trained[number],
                first=groups[number].count if number in groups else 0,
                what=novelties.get(number, ""),
            )
        )
    return tuple(runs)


def add_rescored(connection: Connection, extractors: Sequence[Mapping[str, Any]]) -> None:
    """Add facts of extractors to those that the newest run knows to have rescored its trials (`rescored_by`)."""
    newest = connection.execute(select(RUNS.c.id, RUNS.c.facts).order_by(RUNS.c.id.desc()).limit(1)).first()
    if newest is None or not extractors:
        return
    known = json.loads(newest.facts).get("rescored_by", [])
    add_fact(connection, "rescored_by", [*known, *(dict(fact) for fact in extractors if fact not in known)])


def add_fact(connection: Connection, name: str, value: Any) -> None:
    """Set one fact of the newest run."""
    number, text = connection.execute(select(RUNS.c.id, RUNS.c.facts).order_by(RUNS.c.id.desc()).limit(1)).one()
    facts = canonical_json({**json.loads(text), name: value})
    connection.execute(update(RUNS).where(RUNS.c.id == number).values(facts=facts))


@dataclass(frozen=True)
class UsedPlugin:
    """A plugin of a third party that a run used; `offers` are those in use, as "losses/mine".

    `sha256` is that of a plugin file's text, `version` that of a distribution. A Python object has neither.
    """

    name: str
    sha256: str
    version: str
    offers: tuple[str, ...]

    @property
    def title(self) -> str:
        """The name, with the start of the hash or the version."""
        return self.name + (f" (sha256 {self.sha256[:12]}...)" if self.sha256 else f" {self.version}".rstrip())


def list_plugins(facts: Mapping[str, Any]) -> Iterator[UsedPlugin]:
    """Yield the plugins of third parties in a run's facts; what is not known is ""."""
    listed = facts.get("plugins")
    for plugin in listed if isinstance(listed, list) else ():
        if isinstance(plugin, Mapping):
            offers = plugin.get("offers")
            name, digest, version = (str(plugin.get(key, "")) for key in ("name", "sha256", "version"))
            yield UsedPlugin(name, digest, version, tuple(map(str, offers)) if isinstance(offers, list) else ())


def describe_merge(run: Run) -> str:
    """Return in words what a run merged, "" for a run that was no merge."""
    merged = run.facts.get("merged")
    parts = [
        f"{part.get('records')} records of {part.get('folder')}"
        for part in (merged if isinstance(merged, list) else ())
        if isinstance(part, Mapping)
    ]
    return f"Run {run.number} is a merge: {', '.join(parts)}." if parts else ""


def describe_import(run: Run) -> str:
    """Return in words what a run imported, "" for a run that was no import."""
    imported = run.facts.get(IMPORT)
    if not isinstance(imported, Mapping):
        return ""
    file, digest, rows, version = (imported.get(name) for name in ("file", "sha256", "rows", "version"))
    return (
        f"Run {run.number} trained nothing: it imported {file} (sha256 {str(digest)[:12]}..., {rows} rows) by ganbench "
        f"{version}."
    )


def read_shard(runs: Sequence[Run]) -> str:
    """Return the shard that the newest run trained, as in "3/10"; "" for a run of everything, and without runs."""
    shard = str(runs[-1].facts.get(SHARD, "")) if runs else ""
    return shard if re.fullmatch(r"\d{1,9}/\d{1,9}", shard, re.ASCII) else ""


def count_by_run(connection: Connection, statement: Any) -> dict[int, int]:
    """Return the number that a statement counts for each run."""
    return {row[0]: row[1] for row in connection.execute(statement)}


def count_trained(connection: Connection) -> Counter[int]:
    """Return, by run, how many of the current records it made, according to the facts in them."""
    counts: Counter[int] = Counter()
    records = (
        select(BATCHES.c.facts, func.count()).join(RECORDS, RECORDS.c.batch == BATCHES.c.id).group_by(BATCHES.c.id)
    )
    for text, count in connection.execute(records):
        number = json.loads(text).get("run")
        if isinstance(number, int):
            counts[number] += count
    return counts


@dataclass(frozen=True)
class Traits:
    """The trials of a run: how many, and the distinct values of each of TRAITS, in order."""

    values: tuple[dict[Any, None], ...]
    count: int


def group_by_run(connection: Connection, statement: Any) -> dict[int, Traits]:
    """Return the traits of trials by run; the run stands first in each row."""
    found: dict[int, tuple[dict[Any, None], ...]] = {}
    counts: Counter[int] = Counter()
    for rows in iterate_rows(connection, statement):
        numbers, *columns = zip(*rows, strict=True)
        counts.update(numbers)
        for number in dict.fromkeys(numbers):
            known = found.setdefault(number, tuple({} for _ in TRAITS))
            for values, column in zip(known, columns, strict=True):
                own = column if len(counts) == 1 else compress(column, (each == number for each in numbers))
                values.update(dict.fromkeys(own))
    return {number: Traits(values, counts[number]) for number, values in found.items()}


def describe_novelties(groups: Mapping[int, Traits], every: Mapping[int, Traits]) -> dict[int, str]:
    """Return, for each run, how the trials that it planned first differ from everything planned before it.

    These are new seeds, methods and so on. Without any, the method has other settings.
    """
    novelties: dict[int, str] = {}
    for number, trials in groups.items():
        before = [each.values for run, each in every.items() if run < number]
        seen = [set().union(*columns) for columns in zip(*before, strict=True)] or [set[Any]()] * len(TRAITS)
        fresh = [
            list_values(trait, [value for value in values if value not in known])
            for trait, values, known in zip(TRAITS, trials.values, seen, strict=True)
        ]
        novelties[number] = (
            "; ".join(filter(None, fresh)) or f"{list_values('method', trials.values[2])} with other settings"
        )
    return novelties


def list_values(trait: str, values: Iterable[Any]) -> str:
    """Return some values of a trait in words, as in "seeds 3, 4"; nothing where there are none."""
    names = [str(value) for value in values]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{trait}{'s' * (len(names) > 1)} {', '.join(names[:SHOWN])}{more}" if names else ""


def describe_extensions(runs: Sequence[Run]) -> list[str]:
    """Return how the newest plan grew after results could be seen; nothing where it was planned at once.

    The report of configurations that were chosen is no extension: its size was fixed by the suite before.
    """
    parts = [run for run in runs if run.first]
    sentences, before = [], 0
    for run, last in zip(parts, (None, *parts), strict=False):
        earlier = run.planned - run.new
        is_report = last is not None and last.suite == run.suite and read_fact([run]) and not read_fact([last])
        if before and run.stored != 0 and not is_report:
            results = f"{run.stored} of {earlier} trials" if run.stored is not None else "an unknown number of trials"
            sentences.append(
                f"Extended after {results} had results: first planned on {parts[0].started[:10]}, {run.first} trials "
                f"({run.what}) added on {run.started[:10]}."
            )
        before += run.first
    return [*sentences, "p-values do not account for looking in between."] if sentences else []
