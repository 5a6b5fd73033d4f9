"""The runs of a results folder: when, what each planned and found stored, and how the newest plan came about."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from ganbench.results.schema import BATCHES, PLAN, RECORDS, RUNS, TRIALS

TRAITS = ("dataset", "architecture", "method", "seed")

SHOWN = 6
"""Names of one trait that are listed, at most."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run. `started` is UTC in ISO 8601; `facts` are the machine's and the versions'.

    `planned` trials, of which `stored` had a record when it began (None: not kept, by older versions) and `new` had
    never been planned before; `trained` counts its records that still stand. `first` of the newest plan's trials were
    planned here for the first time, told apart from the earlier ones by `what`.
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


def read_runs(connection: Connection) -> tuple[Run, ...]:
    """Give the runs of a results folder, the oldest first."""
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
    told = describe_novelties(groups, every)
    trained = count_trained(connection)
    found = []
    told_of = select(RUNS.c.id, RUNS.c.started, RUNS.c.suite, RUNS.c.facts).order_by(RUNS.c.id)
    for number, started, suite, text in connection.execute(told_of):
        facts = json.loads(text)
        stored = facts.pop("stored", None)
        found.append(
            Run(
                number=number,
                started=started,
                suite=suite,
                facts=facts,
                planned=planned.get(number, 0),
                stored=stored if isinstance(stored, int) else None,
                new=new.get(number, 0),
                trained=trained[number],
                first=len(groups.get(number, ())),
                what=told.get(number, ""),
            )
        )
    return tuple(found)


def count_by_run(connection: Connection, statement: Any) -> dict[int, int]:
    """Give a number for each run."""
    return {row[0]: row[1] for row in connection.execute(statement)}


def count_trained(connection: Connection) -> Counter[int]:
    """Count the records that stand by the run that made them, as their facts tell."""
    found: Counter[int] = Counter()
    held = select(BATCHES.c.facts, func.count()).join(RECORDS, RECORDS.c.batch == BATCHES.c.id).group_by(BATCHES.c.id)
    for text, count in connection.execute(held):
        number = json.loads(text).get("run")
        if isinstance(number, int):
            found[number] += count
    return found


def group_by_run(connection: Connection, statement: Any) -> dict[int, list[tuple[Any, ...]]]:
    """Give the traits of trials by the run that stands first in each row."""
    groups: dict[int, list[tuple[Any, ...]]] = {}
    for number, *traits in connection.execute(statement):
        groups.setdefault(number, []).append(tuple(traits))
    return groups


def describe_novelties(
    groups: Mapping[int, Sequence[tuple[Any, ...]]], every: Mapping[int, Sequence[tuple[Any, ...]]]
) -> dict[int, str]:
    """Say of each run what sets the trials that it planned first apart from all that was planned before it.

    New seeds, methods and so on; a method with none of these is asked for otherwise: with other settings.
    """
    told: dict[int, str] = {}
    for number, trials in groups.items():
        before = [set(values) for values in zip(*(t for n in every if n < number for t in every[n]), strict=True)]
        own = [dict.fromkeys(values) for values in zip(*trials, strict=True)]
        fresh = [
            list_values(trait, [value for value in values if value not in seen])
            for trait, values, seen in zip(TRAITS, own, before or [set[Any]()] * len(TRAITS), strict=True)
        ]
        told[number] = "; ".join(filter(None, fresh)) or f"{list_values('method', own[2])} asked for otherwise"
    return told


def list_values(trait: str, values: Iterable[Any]) -> str:
    """Name some values of a trait, as in "seeds 3, 4"; nothing where there are none."""
    names = [str(value) for value in values]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{trait}{'s' * (len(names) > 1)} {', '.join(names[:SHOWN])}{more}" if names else ""


def describe_extensions(known: Sequence[Run]) -> list[str]:
    """Say how the newest plan grew after results had been there to see: nothing where it was planned at once."""
    parts = [run for run in known if run.first]
    said, before = [], 0
    for run in parts:
        earlier = run.planned - run.new
        if before and run.stored != 0:
            had = (
                f"{run.stored} of {earlier} trials"
                if run.stored is not None
                else "some trials, it is not known how many,"
            )
            said.append(
                f"Extended after {had} had results: first planned on {parts[0].started[:10]}, {run.first} trials "
                f"({run.what}) added on {run.started[:10]}."
            )
        before += run.first
    return [*said, "p-values do not account for looking in between."] if said else []
