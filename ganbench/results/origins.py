"""How the recorded trials of a plan were made: their data, the code, the versions and the machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from ganbench.api.trials import canonical_json
from ganbench.results.schema import BATCHES, PLAN, RECORDS, RUNS, TRIALS


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a record says of how its trial was made.

    `data` is the dataset with its version and options, as JSON. `sources` maps the name of everything that it was
    trained with ("losses/hinge", "numerics", "data") to a hash; it is empty for a record of an early version, which has
    `code` alone, the hash of all of it. `facts` are those of the batch: versions, machine and composition. `run` is the
    number of the run that made the record, None where it is not known.
    """

    key: str
    data: str
    code: str
    sources: Mapping[str, str]
    facts: Mapping[str, Any]
    run: int | None


def read_origins(connection: Connection) -> tuple[Origin, ...]:
    """Return the origin of every recorded trial of the newest plan, in the plan's order.

    Raise ValueError, TypeError or KeyError for what ganbench never writes.
    """
    batches = {number: read_batch(*texts) for number, *texts in connection.execute(select(BATCHES))}
    wanted = select(TRIALS.c.key, TRIALS.c.content, RECORDS.c.code, RECORDS.c.batch)
    wanted = wanted.select_from(
        PLAN.join(TRIALS, TRIALS.c.id == PLAN.c.trial).join(RECORDS, RECORDS.c.trial == TRIALS.c.id)
    )
    newest = select(func.max(RUNS.c.id)).scalar_subquery()
    data: dict[str, str] = {}
    origins = []
    for key, content, code, batch in connection.execute(wanted.where(PLAN.c.run == newest).order_by(PLAN.c.position)):
        without_seed = content.rpartition('"seed":')[0]
        if without_seed not in data:
            data[without_seed] = canonical_json(json.loads(content)["dataset"])
        sources, facts = batches[batch]
        run = facts.get("run") if isinstance(facts.get("run"), int) else None
        origins.append(Origin(key=key, data=data[without_seed], code=code, sources=sources, facts=facts, run=run))
    return tuple(origins)


def read_batch(composition: str, facts: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the sources of a batch, and all its other facts."""
    found = {**json.loads(facts), **json.loads(composition)}
    sources = found.pop("sources", {})
    return {str(name): str(code) for name, code in sources.items()}, found
