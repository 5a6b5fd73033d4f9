"""The newest plan of a results folder: its suite, and its trials as they were planned."""

from __future__ import annotations

import json

from sqlalchemy import Connection, func, select

from ganbench.api.trials import Trial, restore_trial
from ganbench.results.frames import LABELS
from ganbench.results.schema import PLAN, RUNS, TRIALS


def read_suite(connection: Connection) -> str:
    """Return the text of the newest run's suite, "" where there is no run."""
    return str(connection.scalar(select(RUNS.c.suite).order_by(RUNS.c.id.desc()).limit(1)) or "")


def read_trials(connection: Connection) -> list[Trial]:
    """Return the trials of the newest plan in its order, with their labels; the code of each is left out.

    Raise ValueError, TypeError or KeyError for what ganbench never writes.
    """
    newest = select(func.max(RUNS.c.id)).scalar_subquery()
    wanted = select(TRIALS.c.content, *PLAN.c[LABELS]).join(PLAN, PLAN.c.trial == TRIALS.c.id)
    rows = connection.execute(wanted.where(PLAN.c.run == newest).order_by(PLAN.c.position))
    return [restore_trial(json.loads(content), dict(zip(LABELS, labels, strict=True))) for content, *labels in rows]
