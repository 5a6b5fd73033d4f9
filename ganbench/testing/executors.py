"""Contract rules for executors, which run batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ganbench.api.events import Event, Finished, Lost, Progress, Started
from ganbench.api.trials import Batch
from ganbench.api.work import Work
from ganbench.testing.executor_work import fail_by_name, make_batch, work
from ganbench.testing.rule import Subject, require, rule


@dataclass(frozen=True)
class ExecutorCase:
    """An executor under test."""

    subject: Subject

    def events(self, work: Callable[..., Any], batches: Iterable[Batch]) -> list[Event]:
        """Run these batches and return the executor's events."""
        return list(self.subject.build()(Work(work), batches))


def cases(subject: Subject) -> list[ExecutorCase]:
    """Return the one case of an executor."""
    return [ExecutorCase(subject)]


@rule()
def does_nothing_for_no_batches(case: ExecutorCase) -> None:
    """Yields no event without a batch."""
    events = case.events(work, [])
    require(not events, f"without a batch it yields {events}: yield nothing.")


@rule()
def reports_a_batch_from_start_to_end(case: ExecutorCase) -> None:
    """Reports that a batch began, then that it ended with its records, once each."""
    batch = make_batch("one")
    events = case.events(work, [batch])
    kinds = [type(event).__name__ for event in events if not isinstance(event, Progress)]
    require(
        kinds == ["Started", "Finished"], f"for one batch it yields {kinds or 'nothing'}: yield Started, then Finished."
    )
    require(isinstance(events[0], Started), "it yields Progress before Started: yield Started first.")
    last = events[-1]
    keys = [record.trial.key for record in last.records] if isinstance(last, Finished) else []
    require(keys == [batch.trials[0].key], "Finished must come last, with the records that the work returned.")


@rule()
def turns_a_failure_into_an_event(case: ExecutorCase) -> None:
    """Reports a batch as Lost, with the reason, if its work raises, and continues with the next batch."""
    try:
        events = case.events(partial(fail_by_name, "bad"), [make_batch("bad"), make_batch("good")])
    except Exception as error:
        require(False, f"work that raises ends the whole run with {type(error).__name__}: yield a Lost event instead.")
    ends = [event for event in events if isinstance(event, Finished | Lost)]
    outcomes = {event.batch.trials[0].labels["method"]: event for event in ends}
    require(
        outcomes.keys() == {"bad", "good"},
        f"of the batches 'bad' and 'good' it reports the end of {sorted(outcomes)}: report each.",
    )
    bad = outcomes["bad"]
    require(
        isinstance(bad, Lost) and bad.status == "failed",
        "a batch whose work raises must be Lost, with status 'failed'.",
    )
    require(
        isinstance(bad, Lost) and "planted failure" in bad.error,
        "a Lost batch must name the reason: put the exception's message into `error`.",
    )
    require(isinstance(outcomes["good"], Finished), "a batch after one that failed must still run.")


RULES = (does_nothing_for_no_batches, reports_a_batch_from_start_to_end, turns_a_failure_into_an_event)
