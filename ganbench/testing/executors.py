"""The rules for methods, which are names and numbers, and for executors, which run batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ganbench.api.events import Event, Finished, Lost, Progress, Started
from ganbench.api.trials import Batch
from ganbench.testing.executor_work import batch, fail, work
from ganbench.testing.rule import Subject, require, rule


@dataclass(frozen=True)
class ExecutorCase:
    """An executor under test."""

    subject: Subject

    def events(self, labour: Callable[..., Any], batches: Iterable[Batch]) -> list[Event]:
        """Give what happens to these batches."""
        return list(self.subject.build()(labour, batches))


def cases(subject: Subject) -> list[ExecutorCase]:
    """Give the one case of an executor."""
    return [ExecutorCase(subject)]


@rule()
def does_nothing_for_no_batches(case: ExecutorCase) -> None:
    """Gives no event if there is no batch."""
    events = case.events(work, [])
    require(not events, f"without a batch it gives {events}: nothing happened.")


@rule()
def tells_a_batch_from_start_to_end(case: ExecutorCase) -> None:
    """Tells that a batch began, then that it ended with its records, once each."""
    one = batch("one")
    events = case.events(work, [one])
    kinds = [type(event).__name__ for event in events if not isinstance(event, Progress)]
    require(kinds == ["Started", "Finished"], f"of one batch it tells {kinds or 'nothing'}: Started, then Finished.")
    require(isinstance(events[0], Started), "it tells of progress before it tells that the batch began.")
    end = events[-1]
    keys = [record.trial.key for record in end.records] if isinstance(end, Finished) else []
    require(keys == [one.trials[0].key], "Finished must come last, with the records that the work gave.")


@rule()
def turns_a_failure_into_an_event(case: ExecutorCase) -> None:
    """Loses a batch whose work raises, with the reason, and goes on with the next."""
    try:
        events = case.events(partial(fail, "bad"), [batch("bad"), batch("good")])
    except Exception as error:
        require(False, f"work that raises ends the whole run with {type(error).__name__}: give a Lost event instead.")
    ends = [event for event in events if isinstance(event, Finished | Lost)]
    fates = {event.batch.trials[0].labels["method"]: event for event in ends}
    require(fates.keys() == {"bad", "good"}, f"of two batches it tells the end of {sorted(fates)}.")
    bad = fates["bad"]
    require(isinstance(bad, Lost) and bad.status == "failed", "a batch whose work raises must be Lost, status failed.")
    require(
        isinstance(bad, Lost) and "no such luck" in bad.error, "a Lost batch must say why: the exception's message."
    )
    require(isinstance(fates["good"], Finished), "a batch after one that failed must be run all the same.")


RULES = (does_nothing_for_no_batches, tells_a_batch_from_start_to_end, turns_a_failure_into_an_event)
