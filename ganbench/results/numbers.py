"""The numbers of trials in a results database: rows refer to a trial by them, an eighth of the size of a key."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import groupby, islice

from sqlalchemy import Connection, insert, select

from ganbench.api.trials import Trial
from ganbench.results.database import execute
from ganbench.results.rows import iterate_rows
from ganbench.results.schema import SCORES, TRIALS, trial_row

AT_ONCE = 500
"""Keys of one query, fewer than SQLite's least limit on variables (999)."""


def number_trials(connection: Connection, trials: Iterable[Trial]) -> dict[str, int]:
    """Return the number of each trial by its key; those that are new are stored under new ones."""
    by_key = {trial.key: trial for trial in trials}
    numbers = find_numbers(connection, by_key)
    if new := [trial for key, trial in by_key.items() if key not in numbers]:
        execute(connection, insert(TRIALS), [trial_row(trial) for trial in new])
        numbers |= find_numbers(connection, [trial.key for trial in new])
    return numbers


def find_numbers(connection: Connection, keys: Collection[str]) -> dict[str, int]:
    """Return the number of each of these trials by its key, those that have one."""
    numbers: dict[str, int] = {}
    rest = iter(keys)
    while some := list(islice(rest, AT_ONCE)):
        wanted = select(TRIALS.c.key, TRIALS.c.id).where(TRIALS.c.key.in_(some))
        for rows in iterate_rows(connection, wanted):
            numbers.update(rows)
    return numbers


def read_measured(connection: Connection) -> dict[str, frozenset[tuple[str, str]]]:
    """Return the values of every scored trial, by its key, each as (name, measurement); equal ones are one object."""
    wanted = select(SCORES.c.trial, SCORES.c.name, SCORES.c.measurement).order_by(SCORES.c.trial)
    numbered: dict[int, frozenset[tuple[str, str]]] = {}
    known: dict[frozenset[tuple[str, str]], frozenset[tuple[str, str]]] = {}
    rows = (row for rows in iterate_rows(connection, wanted) for row in rows)
    for trial, own in groupby(rows, key=lambda row: row[0]):
        values = frozenset((name, measurement) for _, name, measurement in own)
        numbered[trial] = known.setdefault(values, values)
    keys = iterate_rows(connection, select(TRIALS.c.id, TRIALS.c.key))
    return {key: numbered[trial] for rows in keys for trial, key in rows if trial in numbered}
