"""What may change while a model trains: a scalar over the run's progress, and the critic's steps over generator steps.

Schedules are plain data, written alike in suites and in trials, so they are hashed, stored and sent as they stand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from ganbench.errors import GanbenchError, shorten

Shape = Literal["linear", "cosine"]

SCALAR_FORMS = "a number, or a schedule such as {linear = [0.1, 0.0], over = 0.5} or {cosine = [0.1, 0.0]}"
MOST_STEPS = 10**9
STEPS_FORMS = "an integer >= 0, or {steps = [[25, 100], [inf, 5]], every = [500, 100]}"


class ScheduleError(GanbenchError, ValueError):
    """A value that is no schedule; also a ValueError, so that pydantic tells where it stands."""


@dataclass(frozen=True)
class Ramp:
    """A scalar that goes from `start` to `end` over the first `over` share of the run, and stays there."""

    start: float
    end: float
    over: float = 1.0
    shape: Shape = "linear"

    def __call__(self, progress: float) -> float:
        """Give the value at `progress` in [0, 1]; both ends are exact."""
        share = min(max(progress / self.over, 0.0), 1.0)
        if self.shape == "cosine":
            share = (1.0 - math.cos(math.pi * share)) / 2.0
        return (1.0 - share) * self.start + share * self.end


@dataclass(frozen=True)
class CriticSteps:
    """Critic steps per generator step: of the `phases` (until, steps) the first with t < until holds.

    At every `period`-th generator step, the first included, `periodic` steps are taken instead (period 0: never), as
    in the WGAN authors' code: 100 in the first 25 generator steps and at every 500th, 5 otherwise.
    """

    phases: tuple[tuple[float, int], ...]
    period: int = 0
    periodic: int = 0

    def __call__(self, step: int) -> int:
        """Give the number of critic steps before generator step `step`, counted from 0."""
        if self.period and step % self.period == 0:
            return self.periodic
        return next(steps for until, steps in self.phases if step < until)

    @property
    def idle(self) -> float:
        """The first generator step before which the critic takes none; infinity if there is none."""
        if self.period and not self.periodic:
            return 0
        start: float = 0
        for until, steps in self.phases:
            first = start + bool(self.period and start % self.period == 0)
            if steps == 0 and first < until and self.period != 1:
                return first
            start = until
        return math.inf

    def total(self, steps: int) -> int:
        """Give the critic's steps before the first `steps` generator steps, all together."""
        start, found = 0, 0
        for until, each in self.phases:
            end = min(steps, until)
            if end > start:
                special = (
                    len(range(-(-start // self.period) * self.period, int(end), self.period)) if self.period else 0
                )
                found += (int(end) - start - special) * each + special * self.periodic
                start = int(end)
        return found


def to_number(value: Any) -> float:
    """Give a value as the float it stands for: an int, a float, or "inf" and "-inf" as strict JSON must write them."""
    if value in ("inf", "-inf"):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScheduleError(f"{shorten(value)} is no number")
    try:
        found = float(value)
    except OverflowError:
        raise ScheduleError(f"{shorten(value)} is beyond every float; write inf if you mean it") from None
    if math.isnan(found):
        raise ScheduleError("NaN is no number to train with")
    return found


def to_plain(value: Any) -> Any:
    """Give a value as strict JSON writes it: tuples as lists, the infinities as "inf" and "-inf"."""
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value


def parse_scalar(value: Any) -> Callable[[float], float]:
    """Give a scalar as a function of the run's progress in [0, 1]; a number is constant.

    Raises ScheduleError, with the value and the forms that are right.
    """
    if not isinstance(value, Mapping):
        constant = _constant(value)
        return lambda progress: constant
    shapes: list[Shape] = [shape for shape in ("linear", "cosine") if shape in value]
    strange = sorted(set(map(str, value)) - {"linear", "cosine", "over"})
    if len(shapes) != 1 or strange:
        raise ScheduleError(f"{shorten(dict(value))} is no schedule; a scalar is {SCALAR_FORMS}")
    start, end = _pair(value[shapes[0]], value)
    over = to_number(value.get("over", 1.0))
    if not (math.isfinite(start) and math.isfinite(end)):
        raise ScheduleError(f"{shorten(dict(value))}: a schedule needs finite ends; a scalar is {SCALAR_FORMS}")
    if not 0.0 < over <= 1.0:
        raise ScheduleError(
            f"{shorten(dict(value))}: over = {over} would end before it starts or after the run; 0 < over <= 1"
        )
    return Ramp(start, end, over, shapes[0])


def normalise_scalar(value: Any) -> Any:
    """Give a scalar's canonical plain form: a float, "inf" or "-inf", or a table with `over` written out."""
    if not isinstance(value, Mapping):
        return to_plain(_constant(value))
    ramp = parse_scalar(value)
    assert isinstance(ramp, Ramp)
    return {ramp.shape: [ramp.start, ramp.end], "over": ramp.over}


def parse_critic_steps(value: Any) -> CriticSteps:
    """Give the critic's steps as a function of the generator step, counted from 0.

    Raises ScheduleError, with the value and the forms that are right.
    """
    if not isinstance(value, Mapping):
        return CriticSteps(((math.inf, _count(value, 0, value)),))
    strange = set(map(str, value)) - {"steps", "every"}
    if strange or not isinstance(value.get("steps"), list | tuple) or not value["steps"]:
        raise ScheduleError(f"{shorten(value)} is no schedule; critic_steps is {STEPS_FORMS}")
    phases: list[tuple[float, int]] = []
    for phase in value["steps"]:
        until, _ = _pair(phase, value)
        phases.append((until if until == math.inf else _count(phase[0], 1, value), _count(phase[1], 0, value)))
    ends = [until for until, _ in phases]
    if any(later <= earlier for earlier, later in pairwise(ends)):
        raise ScheduleError(f"{shorten(value)}: a phase ends before it starts; the first numbers of `steps` must rise")
    if ends[-1] != math.inf:
        raise ScheduleError(f"{shorten(value)} says nothing from step {ends[-1]} on; end `steps` with [inf, n]")
    if "every" not in value:
        return CriticSteps(tuple(phases))
    _pair(value["every"], value)
    period, periodic = value["every"]
    return CriticSteps(tuple(phases), _count(period, 1, value), _count(periodic, 0, value))


def normalise_critic_steps(value: Any) -> Any:
    """Give the canonical plain form of the critic's steps: an int where it is constant, else a table."""
    schedule = parse_critic_steps(value)
    if len(schedule.phases) == 1 and not schedule.period:
        return schedule.phases[0][1]
    table: dict[str, Any] = {"steps": to_plain(schedule.phases)}
    return table | ({"every": [schedule.period, schedule.periodic]} if schedule.period else {})


def _constant(value: Any) -> float:
    """Give a scalar that is no schedule as a float."""
    try:
        return to_number(value)
    except ScheduleError as error:
        raise ScheduleError(f"{error}; a scalar is {SCALAR_FORMS}") from None


def _pair(value: Any, whole: Any) -> tuple[float, float]:
    """Give both numbers of a pair; `whole` is the schedule that a complaint shows."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ScheduleError(f"{shorten(whole)}: {shorten(value)} is no pair of numbers")
    try:
        return to_number(value[0]), to_number(value[1])
    except ScheduleError as error:
        raise ScheduleError(f"{shorten(whole)}: {error}") from None


def _count(value: Any, least: int, whole: Any) -> int:
    """Give an integer of at least `least`; `whole` is the schedule that a complaint shows."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ScheduleError(f"{shorten(value)} is no integer >= {least}; critic_steps is {STEPS_FORMS}")
    if value > MOST_STEPS:
        raise ScheduleError(f"{shorten(value)} is over {MOST_STEPS}; critic_steps is {STEPS_FORMS}")
    return value
