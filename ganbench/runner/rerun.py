"""A recorded trial trained once more in its recorded company, and what came of it compared with its record."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ganbench import suite
from ganbench.api.records import Record
from ganbench.api.trials import Batch, Measurement, Trial
from ganbench.errors import GanbenchError
from ganbench.results.store import Store
from ganbench.runner.environment import collect_facts
from ganbench.runner.rebuild import recorded_batch, recorded_device, stored_generator

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry
    from ganbench.results.history import Run
    from ganbench.runner.worker import Report

CLOSE = 1e-6
"""How far apart, relative to the larger of 1 and the value, a rerun may lie and still match."""

Place = tuple[int, str, str, bool]
"""Where a score stands in a record: step, name, measurement, fresh."""


@dataclass(frozen=True, kw_only=True)
class RerunComparison:
    """A record beside a rerun. Differences are |a - b| / max(1, |a|), inf where one is missing or not finite.

    `changed` names what is not as it was then; `compared` scores differ by `scores` at the most, `apart` scores have no
    counterpart, as of a protocol that the run's suite did not ask for.
    """

    label: str
    changed: tuple[str, ...]
    status: tuple[str, str]
    diverged_at: tuple[int, int]
    compared: int
    apart: int
    scores: float
    generator: float

    @property
    def largest(self) -> float:
        """The largest difference."""
        whole = self.status[0] == self.status[1] and self.diverged_at[0] == self.diverged_at[1]
        return max(self.scores, self.generator) if whole else math.inf

    @property
    def verdict(self) -> Literal["equal", "within 1e-6", "different"]:
        """How the two compare as a whole."""
        return "equal" if self.largest == 0 else "within 1e-6" if self.largest <= CLOSE else "different"

    @property
    def lines(self) -> Iterator[str]:
        """Say it all, what is not as it was then first."""
        yield from (f"not as it was then: {change}" for change in self.changed)
        yield self.label
        yield f"status: {self.status[0]} then, {self.status[1]} now"
        yield f"diverged at update: {self.diverged_at[0]} then, {self.diverged_at[1]} now"
        apart = f"; {self.apart} without a counterpart, of another protocol" if self.apart else ""
        yield f"scores: {self.compared} compared, largest difference {self.scores:.3g}{apart}"
        yield f"generator: largest difference {self.generator:.3g}"
        yield f"{self.verdict}, largest difference {self.largest:.3g}"


def rerun_trial(
    folder: Path, key: str, plugins: Registry, report: Report = lambda step, steps: None
) -> RerunComparison:
    """Train the trial with this key (which may be shortened) again in this process; writes nothing.

    Its batch is rebuilt with the members and the mode of its record. Raises GanbenchError where there is no such
    record, or none that came to a training.
    """
    from ganbench.runner.worker import run_batch

    with Store(folder, readonly=True) as store:
        detail = store.detail(key)
        whole, runs, generator = str(detail["key"]), store.history(), stored_generator(store, str(detail["key"]))
        frames = store.frames(everything=True, signals=False)
    members = recorded_batch(detail)
    trial = next(member for member in members if member.key == whole)
    rows = frames.scores[frames.scores["key"] == whole]
    columns = (rows[name].tolist() for name in ("step", "name", "measurement", "fresh", "value"))
    then = {(step, name, way, fresh): value for step, name, way, fresh, value in zip(*columns, strict=True)}
    asked = recorded_suite(detail, runs)
    batch = Batch(
        trials=members,
        mode=detail["composition"]["mode"],
        measurement=resolve_measurement(asked, trial, plugins, int(rows["samples"].max()) if len(rows) else 0),
    )
    made = run_batch(batch, report, device=recorded_device(detail), plugins=plugins)
    record = next(each for each in made if each.trial.key == whole)
    changed = (*describe_changes(detail, record), *describe_code_change(detail, trial, asked, plugins))
    return compare(detail, then, generator, record, batch.label, changed)


def recorded_suite(detail: Mapping[str, Any], runs: Sequence[Run]) -> suite.Suite:
    """Give the suite of the run that made a record, as its facts tell; of the newest run where they do not."""
    number = detail["facts"].get("run")
    run = next((run for run in runs if run.number == number), runs[-1] if runs else None)
    if run is None:
        raise GanbenchError("this folder knows of no run, so nothing says how its trials were judged.")
    return suite.restore(run.suite)


def resolve_measurement(asked: suite.Suite, trial: Trial, plugins: Registry, samples: int) -> Measurement:
    """Give how a suite judges a trial's dataset; nothing but its generator is judged where it has it no more."""
    from ganbench.plan.planner import Planner

    label = trial.labels["dataset"]
    table = next((table for table in asked.dataset if table.title == label), None)
    return (
        Planner(asked, plugins).resolve_measurement(table)
        if table is not None
        else Measurement(metrics=(), samples=samples)
    )


def describe_changes(detail: Mapping[str, Any], record: Record) -> Iterator[str]:
    """Name what of machine and versions is not as the record has it."""
    then = {**detail["facts"], **detail["facts"].get("versions", {}), **detail["composition"]}
    here = collect_facts()
    now = {**here, **here["versions"], **record.composition}
    for name in ("python", "system", *here["versions"], "device", "device_name", "threads", "members", "mode"):
        if name in then and then[name] != now.get(name):
            yield f"{name.replace('_', ' ')} {then[name]}, {now.get(name)} now"


def describe_code_change(
    detail: Mapping[str, Any], trial: Trial, asked: suite.Suite, plugins: Registry
) -> Iterator[str]:
    """Say whether other code answers the trial today."""
    from ganbench.plan.planner import Planner

    if Planner(asked, plugins).hash_code(trial.recipe, trial.architecture, trial.dataset) != detail["code"]:
        yield "the code of a plugin that it uses, or of the engine's numerics"


def compare(
    detail: Mapping[str, Any],
    then: Mapping[Place, float],
    generator: bytes,
    record: Record,
    label: str,
    changed: tuple[str, ...],
) -> RerunComparison:
    """Compare a record with a rerun; scores of one protocol must all have a counterpart."""
    now: dict[Place, float] = {(s.step, s.name, s.measurement, s.fresh): s.value for s in record.scores}
    known = {place[1:3] for place in now} & {place[1:3] for place in then}
    shared = [place for place in {**then, **now} if place[1:3] in known]
    apart = [difference(then[at], now[at]) if at in then and at in now else math.inf for at in shared]
    return RerunComparison(
        label=label,
        changed=changed,
        status=(detail["status"], record.status),
        diverged_at=(detail["diverged_at"], record.diverged_at),
        compared=len(shared),
        apart=len({**then, **now}) - len(shared),
        scores=max(apart, default=0.0),
        generator=generator_difference(generator, record.generator),
    )


def difference(a: float, b: float) -> float:
    """Give |a - b| / max(1, |a|): 0 for two NaNs and for equal infinities, inf for one of them alone."""
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    found = abs(a - b) / max(1.0, abs(a))
    return found if math.isfinite(found) else math.inf


def generator_difference(a: bytes, b: bytes) -> float:
    """Give the largest difference of two generators' weights, inf where they have different ones."""
    import numpy as np
    from safetensors.numpy import load

    if a == b:
        return 0.0
    one, other = (load(file) if file else {} for file in (a, b))
    if {n: t.shape for n, t in one.items()} != {n: t.shape for n, t in other.items()}:
        return math.inf
    largest = 0.0
    for name, values in one.items():
        x, y = values.astype("float64"), other[name].astype("float64")
        with np.errstate(invalid="ignore"):
            apart = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, abs(x - y) / np.maximum(1.0, abs(x)))
        found = float(apart.max(initial=0.0))
        largest = max(largest, found if math.isfinite(found) else math.inf)
    return largest
