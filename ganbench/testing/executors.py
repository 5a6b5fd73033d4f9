"""The rules for methods, which are names and numbers, and for executors, which run batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from ganbench.api import schedules
from ganbench.api.training import Method, Use
from ganbench.api.trials import Batch, Event, Finished, Lost, Progress, Started
from ganbench.errors import GanbenchError
from ganbench.testing.executor_work import batch, fail, work
from ganbench.testing.rule import Subject, require, rule


@dataclass(frozen=True)
class MethodCase:
    """A recipe under test."""

    subject: Subject

    @cached_property
    def method(self) -> Method:
        """The recipe."""
        built: Method = self.subject.build()
        return built

    def parts(self) -> Iterator[tuple[str, Use]]:
        """Give everything that it names, with its kind."""
        method = self.method
        yield "losses", method.loss
        yield from (("constraints", use) for use in method.constraints)
        yield from (("inputs", use) for use in method.inputs)
        yield from (("dynamics", use) for use in (method.dynamics,) if use is not None)
        each = (method.optimizer, method.critic_optimizer, method.generator_optimizer)
        yield from (("optimizers", use) for use in each if use is not None)


@dataclass(frozen=True)
class ExecutorCase:
    """An executor under test."""

    subject: Subject

    def events(self, labour: Callable[..., Any], batches: Iterable[Batch]) -> list[Event]:
        """Give what happens to these batches."""
        return list(self.subject.build()(labour, batches))


def method_cases(subject: Subject) -> list[MethodCase]:
    """Give the one case of a method."""
    return [MethodCase(subject)]


def executor_cases(subject: Subject) -> list[ExecutorCase]:
    """Give the one case of an executor."""
    return [ExecutorCase(subject)]


@rule()
def names_what_is_installed(case: MethodCase) -> None:
    """Names only offers that are installed, with options that they have, and builds each."""
    require(isinstance(case.method, Method), f"build gives {case.method!r}. It must give a Method.")
    for kind, use in case.parts():
        require(isinstance(use, Use), f"{use!r} is no Use: write Use({use!r}).")
        case.subject.registry.build(kind, use.name, use.options)


@rule()
def has_sensible_numbers(case: MethodCase) -> None:
    """Has critic steps, weights and an averaging rate that mean something."""
    method = case.method
    steps = schedules.critic_steps(method.critic_steps)
    has_critic = case.subject.registry.build("losses", method.loss.name, method.loss.options).head is not None
    require(has_critic or steps(0) == 0, "its loss has no critic: critic_steps must be 0.")
    require(0.0 <= method.ema < 1.0, f"ema = {method.ema}: the decay of averaged weights is in [0, 1).")
    require(method.order in ("critic-first", "generator-first"), f"order = {method.order!r} is none.")
    for use in (*method.constraints, *method.inputs):
        try:
            schedules.scalar(use.weight)
        except GanbenchError as error:
            require(False, f"the weight of {use.name!r}: {error}")
        require(use.every is None or use.every >= 1, f"every = {use.every} of {use.name!r}: a period is 1 or more.")


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


METHOD_RULES = (names_what_is_installed, has_sensible_numbers)
EXECUTOR_RULES = (does_nothing_for_no_batches, tells_a_batch_from_start_to_end, turns_a_failure_into_an_event)
