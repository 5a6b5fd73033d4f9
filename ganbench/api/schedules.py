"""Schedules: scalars that change with the progress of a run, and critic steps that change with the generator step.

Schedules are plain data, written in the same way in suites and in trials, so they can be hashed, stored and sent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from ganbench.errors import GanbenchError, shorten

Shape = Literal["linear", "cosine"]
SHAPES: tuple[Shape, ...] = ("linear", "cosine")

SCALAR_FORMS = "a number, or a schedule such as {linear = [0.1, 0.0], over = 0.5} or {cosine = [0.1, 0.0]}"
MAX_STEPS = 10**9
STEPS_FORMS = "an integer >= 0, or {steps = [[25, 100], [inf, 5]], every = [500, 100]}"


class ScheduleError(GanbenchError, ValueError):
    """A value that is not a schedule. It is also a ValueError, so that pydantic reports where the value is."""


@dataclass(frozen=True)
class Ramp:
    """A scalar that goes from `start` to `end` over the first share `over` of the run, and then stays at `end`."""

    start: float
    end: float
    over: float = 1.0
    shape: Shape = "linear"

    def __call__(self, progress: float) -> float:
        """Return the value at `progress` in [0, 1]; both ends are exact."""
        share = min(max(progress / self.over, 0.0), 1.0)
        if self.shape == "cosine":
            share = (1.0 - math.cos(math.pi * share)) / 2.0
        return (1.0 - share) * self.start + share * self.end


@dataclass(frozen=True)
class AverageDecay:
    """The decay of the average of a generator's weights at each generator step: w_avg <- d w_avg + (1 - d) w.

    For the first `start` generator steps the average is the weights themselves (BigGAN's code: `ema_start`). From there
    on d is `decay`. With a `rampup` r above 0 it begins shorter: the half-life of the average is r times the generator
    steps since `start`, until it reaches that of `decay` (StyleGAN2-ADA's code: `ema_rampup`).
    """

    decay: float
    start: int = 0
    rampup: float = 0.0

    def __call__(self, step: int) -> float:
        """Return the decay at generator step `step`, counted from 0; with 0 the average becomes the weights."""
        since = step - self.start
        if since < 0 or not self.decay:
            return 0.0
        if not self.rampup:
            return self.decay
        return min(self.decay, 0.5 ** (1.0 / (since * self.rampup))) if since else 0.0

    def count_averaged(self, steps: int) -> int:
        """Return how many of the first `steps` generator steps are averaged; 0 means that there is no average."""
        return max(0, steps - self.start - (self.rampup > 0))

    def share_of_first(self, steps: int) -> float:
        """Return the share that the first weights have in the average after `steps` generator steps."""
        averaged, lowest = self.count_averaged(steps), -math.log(self.decay) if self.decay else math.inf
        if not averaged or not self.decay:
            return 0.0
        ramped = min(averaged, int(math.log(2) / lowest / self.rampup)) if self.rampup else 0
        exponent = lowest * (averaged - ramped)
        return math.exp(-exponent - (math.log(2) / self.rampup * harmonic_number(ramped) if ramped else 0.0))


def harmonic_number(n: int) -> float:
    """Return 1 + 1/2 + ... + 1/n; beyond a thousand terms by Euler's formula, to twelve digits."""
    if n > 1000:
        return math.log(n) + 0.57721566490153286 + 1 / (2 * n) - 1 / (12 * n * n)
    return sum(1 / k for k in range(1, n + 1))


@dataclass(frozen=True)
class CriticSteps:
    """The number of critic steps per generator step.

    `phases` are pairs (until, steps). At generator step t, the first phase with t < until applies.
    At every `period`-th generator step, the first included, `periodic` steps are taken instead; period 0 means never.
    The code of the WGAN authors has such a schedule: 100 critic steps in the first 25 generator steps and at every
    500th, 5 otherwise.
    """

    phases: tuple[tuple[float, int], ...]
    period: int = 0
    periodic: int = 0

    def __call__(self, step: int) -> int:
        """Return the number of critic steps at generator step `step`, counted from 0."""
        if self.period and step % self.period == 0:
            return self.periodic
        return next(steps for until, steps in self.phases if step < until)

    @property
    def idle(self) -> float:
        """The first generator step at which the critic takes no step; infinity if there is no such step."""
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
        """Return the total number of critic steps in the first `steps` generator steps."""
        start, total = 0, 0
        for until, phase_steps in self.phases:
            end = int(min(steps, until))
            if end > start:
                first_special = -(-start // self.period) * self.period if self.period else 0
                special = len(range(first_special, end, self.period)) if self.period else 0
                total += (end - start - special) * phase_steps + special * self.periodic
                start = end
        return total


def to_number(value: Any) -> float:
    """Return an int, a float, or "inf" or "-inf" (as strict JSON must write them) as a float.

    Raise ScheduleError for any other value, and for NaN.
    """
    if value in ("inf", "-inf"):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScheduleError(f"{shorten(value)} is not a number")
    try:
        number = float(value)
    except OverflowError:
        raise ScheduleError(f"{shorten(value)} is too large for a float; write inf if you mean infinity") from None
    if math.isnan(number):
        raise ScheduleError("NaN is not a number to train with")
    return number


def to_plain(value: Any) -> Any:
    """Return a value as strict JSON can write it: tuples as lists, infinities as "inf" and "-inf"."""
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value


def parse_scalar(value: Any) -> Callable[[float], float]:
    """Return a scalar as a function of the run's progress in [0, 1]; the function of a number is constant.

    Raise ScheduleError, with the value and the allowed forms, if it is neither a number nor a schedule.
    """
    if not isinstance(value, Mapping):
        constant = _parse_constant(value)
        return lambda progress: constant
    shapes = [shape for shape in SHAPES if shape in value]
    unknown = sorted(set(map(str, value)) - {*SHAPES, "over"})
    if len(shapes) != 1 or unknown:
        raise ScheduleError(f"{shorten(dict(value))} is not a schedule; a scalar is {SCALAR_FORMS}")
    start, end = _parse_pair(value[shapes[0]], value)
    over = to_number(value.get("over", 1.0))
    if not (math.isfinite(start) and math.isfinite(end)):
        raise ScheduleError(f"{shorten(dict(value))}: a schedule needs finite ends; a scalar is {SCALAR_FORMS}")
    if not 0.0 < over <= 1.0:
        raise ScheduleError(
            f"{shorten(dict(value))}: with over = {over} it would end before it starts or after the run; "
            "choose 0 < over <= 1"
        )
    return Ramp(start, end, over, shapes[0])


def normalise_scalar(value: Any) -> Any:
    """Return the canonical plain form of a scalar: a float, "inf", "-inf", or a table that includes `over`."""
    if not isinstance(value, Mapping):
        return to_plain(_parse_constant(value))
    ramp = parse_scalar(value)
    assert isinstance(ramp, Ramp)
    return {ramp.shape: [ramp.start, ramp.end], "over": ramp.over}


def parse_critic_steps(value: Any) -> CriticSteps:
    """Return the critic steps as a function of the generator step, counted from 0.

    Raise ScheduleError, with the value and the allowed forms, if it is neither an integer nor a schedule.
    """
    if not isinstance(value, Mapping):
        return CriticSteps(((math.inf, _parse_count(value, 0)),))
    unknown = set(map(str, value)) - {"steps", "every"}
    if unknown or not isinstance(value.get("steps"), list | tuple) or not value["steps"]:
        raise ScheduleError(f"{shorten(value)} is not a schedule; critic_steps is {STEPS_FORMS}")
    phases: list[tuple[float, int]] = []
    for phase in value["steps"]:
        until, _ = _parse_pair(phase, value)
        phases.append((until if until == math.inf else _parse_count(phase[0], 1), _parse_count(phase[1], 0)))
    ends = [until for until, _ in phases]
    if any(later <= earlier for earlier, later in pairwise(ends)):
        raise ScheduleError(f"{shorten(value)}: a phase ends before it starts; the first numbers of `steps` must rise")
    if ends[-1] != math.inf:
        raise ScheduleError(f"{shorten(value)} has no value from step {ends[-1]} on; end `steps` with [inf, n]")
    if "every" not in value:
        return CriticSteps(tuple(phases))
    _parse_pair(value["every"], value)
    period, periodic = value["every"]
    return CriticSteps(tuple(phases), _parse_count(period, 1), _parse_count(periodic, 0))


def normalise_critic_steps(value: Any) -> Any:
    """Return the canonical plain form of critic steps: an int if they are constant, otherwise a table."""
    schedule = parse_critic_steps(value)
    if len(schedule.phases) == 1 and not schedule.period:
        return schedule.phases[0][1]
    table: dict[str, Any] = {"steps": to_plain(schedule.phases)}
    return table | ({"every": [schedule.period, schedule.periodic]} if schedule.period else {})


PLATEAU: Mapping[str, Any] = {
    "signal": "objective.measure",
    "factor": 0.5,
    "patience": 500,
    "least": 0.0,
    "smoothing": 0.0,
}
"""The settings of a plateau, with their defaults.

After `patience` generator steps in which `signal`, a number in the state of a plugin, had no new minimum, the updates
of both players are multiplied by `factor` once more, down to `least`. `smoothing` is the decay of an average of the
signal.
"""


def normalise_plateau(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a plateau with all defaults; raise ScheduleError for an unknown or a wrong one."""
    if unknown := sorted(value.keys() - PLATEAU.keys()):
        raise ScheduleError(f"plateau: unknown {unknown[0]!r}. Its settings are {', '.join(PLATEAU)}.")
    settings = {**PLATEAU, **value}
    if not isinstance(settings["signal"], str) or "." not in settings["signal"]:
        raise ScheduleError(f"plateau: signal = {settings['signal']!r} is not a signal, such as 'objective.measure'.")
    patience = settings["patience"]
    if isinstance(patience, bool) or not isinstance(patience, int) or not 1 <= patience <= MAX_STEPS:
        raise ScheduleError(f"plateau: patience = {shorten(patience)} is not a number of generator steps, 1 or more.")
    for name in ("factor", "least", "smoothing"):
        settings[name] = number = to_number(settings[name])
        if not 0.0 <= number < 1.0 or (name == "factor" and number == 0.0):
            raise ScheduleError(
                f"plateau: {name} = {number:g} must be {'in (0, 1)' if name == 'factor' else 'in [0, 1)'}."
            )
    return settings


def _parse_constant(value: Any) -> float:
    """Return a constant scalar as a float."""
    try:
        return to_number(value)
    except ScheduleError as error:
        raise ScheduleError(f"{error}; a scalar is {SCALAR_FORMS}") from None


def _parse_pair(value: Any, whole: Any) -> tuple[float, float]:
    """Return both numbers of a pair; the error message shows the schedule `whole`."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ScheduleError(f"{shorten(whole)}: {shorten(value)} is not a pair of numbers")
    try:
        return to_number(value[0]), to_number(value[1])
    except ScheduleError as error:
        raise ScheduleError(f"{shorten(whole)}: {error}") from None


def _parse_count(value: Any, least: int) -> int:
    """Return an integer that is at least `least` and at most MAX_STEPS."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ScheduleError(f"{shorten(value)} is not an integer >= {least}; critic_steps is {STEPS_FORMS}")
    if value > MAX_STEPS:
        raise ScheduleError(f"{shorten(value)} is more than {MAX_STEPS}; critic_steps is {STEPS_FORMS}")
    return value
