"""The check of the shipped records: only those that today's code would make may be compared with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.errors import GanbenchError
from ganbench.results.files import database_path
from ganbench.results.store import Store
from ganbench.runner.isolation import restored
from ganbench.suite.candidates import make_suite, read_method
from ganbench.suite.references import REMAKE, Reference

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry


def refuse_stale_records(reference: Reference, method: str, registry: Registry) -> None:
    """Raise GanbenchError unless every trial of a method in a reference has a record, made by today's code.

    A trial has another key, and so no record, once the suite, a version of a component or a default has changed.
    """
    from ganbench import plan

    where = f"the shipped records of {method} on {reference.name}"
    if not database_path(reference.records).exists():
        raise GanbenchError(f"{where}: not in this installation. {REMAKE}")
    suite = make_suite(reference, read_method(reference, method), where, Path(reference.suite.where))
    with restored(registry):
        planned = plan.make(suite, registry).trials
    with Store(reference.records, readonly=True) as store:
        known = store.known()
    missing = sum(trial.key not in known for trial in planned)
    stale = sum(trial.key in known and known[trial.key][0] != trial.code for trial in planned)
    if missing or stale:
        raise GanbenchError(
            f"{where}: of {len(planned)} trials, {missing} have no record and {stale} have one of other code than "
            f"today's. {REMAKE} Or use --retrain, which trains {method} here."
        )
