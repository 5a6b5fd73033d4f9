"""The record of a trial: its scores, signals and costs, and how it ended."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, Literal, get_args

from ganbench.api.metrics import MOST_POINTS, Direction
from ganbench.api.trials import Trial

Status = Literal["completed", "diverged", "failed", "timed-out"]
"""How a trial ended.

`completed`: it was trained to the end of its budget. `diverged`: it was trained to the end of its budget, but a loss or
a weight became non-finite. `failed`: an error ended it. `timed-out`: its batch exceeded the time limit."""

TRAINED = ("completed", "diverged")
"""The statuses of a trial that was trained to the end of its budget."""

SHA256 = re.compile("[0-9a-f]{64}")

UNTRAINED = ("failed", "timed-out")
"""The statuses of a trial that was not trained to the end; `run --retry` trains such trials again."""


@dataclass(frozen=True)
class Score:
    """One value of one metric at one snapshot.

    `step` is the generator step of the snapshot. `name` is the name of the value, as in `Metric.values`.
    `value` is the number itself; NaN if it is undefined. `direction` says what is better, as in `Metric.values`.
    `measurement` is the hash of how it was measured; `samples` is the number of generated samples.
    A score with `fresh=True` was measured after the training, on samples that did not choose the snapshot. The scores
    of the best snapshot are reported from these.
    """

    step: int
    name: str
    value: float
    direction: Direction
    measurement: str
    samples: int
    _: KW_ONLY
    fresh: bool = False


@dataclass(frozen=True, kw_only=True)
class MeasuredProfile:
    """A profile of one model at one snapshot: `values` [n] at the positions `x` [n], and `y` [n] on a surface.

    `step` is the generator step of the snapshot, `name` that of `Metric.profiles`, `measurement` the hash of how it was
    measured. `y` is empty for a profile along one axis.
    """

    step: int
    name: str
    measurement: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Calibration:
    """One value of one metric for one baseline sampler, which no method trained.

    `trivial` is True for an untrained baseline, and False for real data or the perfect sampler.
    """

    sampler: str
    trivial: bool
    name: str
    value: float
    direction: Direction
    measurement: str
    samples: int


@dataclass(frozen=True, kw_only=True)
class Record:
    """The stored result of one trial.

    `trial` is the trial that was trained.
    `status` is how it ended: "completed", "diverged", "failed" or "timed-out".
    `scores` are the values of the metrics at each snapshot.
    `error` is the message of the error that ended the trial, "" if there was none.
    `diverged_at` is the optimizer step, counted over both players, at which a loss or a weight was first
    found non-finite; -1 if never.
    `signals` maps a name to (generator steps, values): losses, mean scores, terms, norms, and the 0-d
    states of plugins (docs/reference/outcomes.md lists them).
    `profiles` are what metrics measured along an axis, or on a surface.
    `seconds` maps a phase to the wall time of the batch in seconds, divided by the number of its members.
    `updates` has the number of updates of each player, and as `flops` the floating-point operations of all of them.
    `composition` describes the batch that the trial was trained in; `facts` describe the run and its machine. Its
    `stopped_at` is the generator step after which nothing was trained because all members of the batch were NaN;
    `not_scored` says, by generator step, for which scores memory ran out: they are NaN, whatever the model is.
    On a GPU `captured` is whether all updates became CUDA graphs, and `not_captured` by player why some did not.
    `generator` is the final generator as safetensors bytes: `generator.*`, `buffer.*`, and `average.*` if the weights
    were averaged. `snapshots` are the generators of earlier evaluation points in the same form, by generator step;
    empty unless the suite keeps them.
    `written` has, by generator step, the SHA-256 of the generators that the worker has written into the results folder
    itself, in place of their bytes; an executor passes it on as it is. The facts say in `keep` what of a suite's table
    [keep] is not the default.
    """

    trial: Trial
    status: Status = "completed"
    error: str = ""
    diverged_at: int = -1
    scores: tuple[Score, ...] = ()
    signals: Mapping[str, tuple[list[int], list[float]]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    updates: Mapping[str, int] = field(default_factory=dict)
    composition: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    generator: bytes = b""
    snapshots: Mapping[int, bytes] = field(default_factory=dict)
    written: Mapping[int, str] = field(default_factory=dict)
    profiles: tuple[MeasuredProfile, ...] = ()


def make_storable(record: Record) -> Record:
    """Return a record as the store can hold it.

    A record with anything that could not be read again becomes a failed one, whose error names what that is. Halves of
    characters (lone surrogates) in its error are written as codes.
    """
    if fault := next(list_faults(record), ""):
        return Record(trial=record.trial, status="failed", error=f"its record cannot be stored: {fault}.")
    return replace(record, error=record.error.encode("utf-8", "backslashreplace").decode())


def list_faults(record: Record) -> Iterator[str]:
    """Yield what of a record cannot be stored, as a sentence without its full stop."""
    texts = {"status": record.status, "error": record.error}
    yield from (f"{name} is {value!r}, not a text" for name, value in texts.items() if not isinstance(value, str))
    if record.status not in get_args(Status):
        yield f"status is {record.status!r}, not one of {', '.join(get_args(Status))}"
    if type(record.diverged_at) is not int:
        yield f"diverged_at is {record.diverged_at!r}, not a whole number"
    if not isinstance(record.generator, bytes):
        yield f"generator is {type(record.generator).__name__}, not bytes"
    if not all(type(step) is int and isinstance(content, bytes) for step, content in record.snapshots.items()):
        yield "snapshots are not bytes by whole numbers"
    if not all(type(step) is int and SHA256.fullmatch(str(digest)) for step, digest in record.written.items()):
        yield "written is not SHA-256 by whole numbers"
    for score in record.scores:
        for name, types in (("value", (float, int)), ("step", int), ("samples", int), ("measurement", str)):
            value = getattr(score, name)
            if not isinstance(value, types) or isinstance(value, bool):
                yield f"{name} of the score {score.name!r} is {value!r}"
        if not isinstance(score.name, str) or not score.name.isprintable():
            yield f"{score.name!r} is not a name of a score"
        if score.direction not in get_args(Direction):
            yield f"the direction of the score {score.name!r} is {score.direction!r}"
    for name, series in record.signals.items():
        try:
            steps, values = array("q", series[0]), array("d", series[1])
        except (TypeError, ValueError, OverflowError, LookupError) as error:
            yield f"the signal {name!r} is not a series of numbers ({error})"
        else:
            if len(steps) != len(values):
                yield f"the signal {name!r} has {len(steps)} steps and {len(values)} values"
    yield from list_profile_faults(record.profiles)
    for name in ("seconds", "updates", "composition", "facts"):
        try:
            json.dumps(dict(getattr(record, name)), allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            yield f"{name} is not plain data ({error})"


def list_profile_faults(profiles: Iterable[MeasuredProfile]) -> Iterator[str]:
    """Yield what of profiles cannot be stored, as a sentence without its full stop."""
    for profile in profiles:
        if type(profile.step) is not int or not isinstance(profile.measurement, str):
            yield f"step or measurement of the profile {profile.name!r} is of the wrong type"
        if not isinstance(profile.name, str) or not profile.name.isprintable():
            yield f"{profile.name!r} is not a name of a profile"
        try:
            x, y, values = (array("d", numbers) for numbers in (profile.x, profile.y, profile.values))
        except (TypeError, ValueError, OverflowError) as error:
            yield f"the profile {profile.name!r} is not made of numbers ({error})"
        else:
            if not len(values) == len(x) == (len(y) or len(x)) <= MOST_POINTS:
                yield f"the profile {profile.name!r} has {len(values)} values at {len(x)} and {len(y)} positions"
