"""Training a recorded trial again in its recorded batch composition, and comparing the rerun with the record."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ganbench import suite
from ganbench.api.records import Record
from ganbench.api.trials import Batch, Measurement, Trial, list_offers
from ganbench.errors import GanbenchError
from ganbench.plan.fingerprint import changes_since
from ganbench.results.store import Store
from ganbench.runner.environment import collect_facts
from ganbench.runner.keeping import restore_keep
from ganbench.runner.rebuild import choose_device, read_generator, restore_members
from ganbench.runner.used_plugins import naming_plugins

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry
    from ganbench.results.history import Run
    from ganbench.runner.worker import Report

CLOSE = 1e-6
"""The largest difference, relative to the larger of 1 and the recorded value, with which a rerun still matches."""

ScoreKey = tuple[int, str, str, bool]
"""What identifies a score in a record: step, name, measurement, fresh."""


@dataclass(frozen=True, kw_only=True)
class RerunComparison:
    """The comparison of a record with a rerun.

    Pairs are (record, rerun). Differences are |a - b| / max(1, |a|), inf where one value is missing or not finite.
    `changed` names what differs between the two in machine, versions and code. `compared` is how many scores were
    compared, `scores` their largest difference. `unmatched` scores were not compared: only one of the two has their
    protocol, for example after `ganbench evaluate`. `generator` is the largest difference of the generators' weights.
    """

    label: str
    changed: tuple[str, ...]
    status: tuple[str, str]
    diverged_at: tuple[int, int]
    compared: int
    unmatched: int
    scores: float
    generator: float

    @property
    def largest(self) -> float:
        """The largest difference of scores and weights; inf where the status or the step of divergence differs."""
        same_end = self.status[0] == self.status[1] and self.diverged_at[0] == self.diverged_at[1]
        return max(self.scores, self.generator) if same_end else math.inf

    @property
    def verdict(self) -> Literal["equal", "within 1e-6", "different"]:
        """The overall result of the comparison, from the largest difference."""
        return "equal" if self.largest == 0 else "within 1e-6" if self.largest <= CLOSE else "different"

    @property
    def lines(self) -> Iterator[str]:
        """The comparison as the lines that `ganbench rerun` prints, what has changed first."""
        yield from (f"changed since the record: {change}" for change in self.changed)
        yield self.label
        yield f"status: {self.status[0]} in the record, {self.status[1]} now"
        recorded, rerun = ("never" if step < 0 else step for step in self.diverged_at)
        yield f"diverged at optimizer step: {recorded} in the record, {rerun} now"
        unmatched = f"; {self.unmatched} of another protocol not compared" if self.unmatched else ""
        yield f"scores: {self.compared} compared, largest difference {self.scores:.3g}{unmatched}"
        yield f"generator: largest difference {self.generator:.3g}"
        yield f"{self.verdict}, largest difference {self.largest:.3g}"


def rerun_trial(
    folder: Path, key: str, plugins: Registry, report: Report = lambda step, steps: None
) -> RerunComparison:
    """Train a recorded trial again in this process and compare it with its record; nothing is written.

    `key` may be shortened. The batch is rebuilt with the members and the mode of the record; `report(step, steps)` is
    called while it trains. Raises GanbenchError where there is no such record, or where it did not complete training.
    """
    from ganbench.runner.worker import run_batch

    with Store(folder, readonly=True) as store:
        detail = store.detail(key)
        full_key = str(detail["key"])
        runs, (generator, fault) = store.history(), read_generator(store, full_key)
        frames = store.frames(everything=True, signals=False, apart=False)
    members = restore_members(detail)
    trial = next(member for member in members if member.key == full_key)
    rows = frames.scores[frames.scores["key"] == full_key]
    columns = (rows[name].tolist() for name in ("step", "name", "measurement", "fresh", "value"))
    stored = {(step, name, protocol, fresh): value for step, name, protocol, fresh, value in zip(*columns, strict=True)}
    recorded_suite = restore_suite(detail, runs)
    with naming_plugins(folder):
        for kind, name in [*list_offers(trial.recipe, trial.architecture), ("datasets", trial.dataset.name)]:
            plugins.get(kind, name)
        samples = int(rows["samples"].max()) if len(rows) else 0
        measurement = resolve_measurement(recorded_suite, trial, plugins, samples)
    batch = Batch(
        trials=members,
        mode=detail["composition"]["mode"],
        measurement=measurement,
    )
    keep = restore_keep(detail["facts"])
    records = run_batch(batch, report, device=choose_device(detail), plugins=plugins, keep=keep)
    record = next(record for record in records if record.trial.key == full_key)
    changed = (*describe_changes(detail, record), *changes_since(detail, record.facts.get("sources", {})))
    changed += (fault,) * bool(detail["network"] and fault)
    return compare(detail, stored, generator, record, batch.label, changed)


def restore_suite(detail: Mapping[str, Any], runs: Sequence[Run]) -> suite.Suite:
    """Return the suite of the run that stored a record; of the newest run where the record's facts name none."""
    number = detail["facts"].get("run")
    run = next((run for run in runs if run.number == number), runs[-1] if runs else None)
    if run is None:
        raise GanbenchError(
            "this results folder stores no run, so the suite of its trials is unknown and no trial can be rerun. "
            "Run the suite again."
        )
    return suite.restore(run.suite)


def resolve_measurement(recorded_suite: suite.Suite, trial: Trial, plugins: Registry, samples: int) -> Measurement:
    """Return the measurement of a trial's dataset in a suite.

    Without metrics, on `samples` samples, where the suite does not have the dataset: then only the generators and the
    outcomes are compared.
    """
    from ganbench.plan.planner import Planner

    label = trial.labels["dataset"]
    table = next((table for table in recorded_suite.dataset if table.title == label), None)
    return (
        Planner(recorded_suite, plugins).resolve_measurement(table)
        if table is not None
        else Measurement(metrics=(), samples=samples)
    )


def describe_changes(detail: Mapping[str, Any], record: Record) -> Iterator[str]:
    """Yield what differs between a record and a rerun in the machine, the versions and the batch composition."""
    recorded = {**detail["facts"], **detail["facts"].get("versions", {}), **detail["composition"]}
    facts = collect_facts()
    current = {**facts, **facts["versions"], **record.composition}
    for name in ("python", "system", *facts["versions"], "device", "device_name", "threads", "members", "mode"):
        if name in recorded and recorded[name] != current.get(name):
            yield f"{name.replace('_', ' ')} {recorded[name]}, now {current.get(name)}"


def compare(
    detail: Mapping[str, Any],
    stored: Mapping[ScoreKey, float],
    generator: bytes,
    record: Record,
    label: str,
    changed: tuple[str, ...],
) -> RerunComparison:
    """Compare a record with a rerun.

    Scores are compared where both have their name and measurement; then a score that only one of them has differs by
    inf. `stored` are the scores of the record.
    """
    rerun: dict[ScoreKey, float] = {(s.step, s.name, s.measurement, s.fresh): s.value for s in record.scores}
    protocols = {key[1:3] for key in rerun} & {key[1:3] for key in stored}
    every = {**stored, **rerun}
    shared = [key for key in every if key[1:3] in protocols]
    differences = [
        difference(stored[key], rerun[key]) if key in stored and key in rerun else math.inf for key in shared
    ]
    return RerunComparison(
        label=label,
        changed=changed,
        status=(detail["status"], record.status),
        diverged_at=(detail["diverged_at"], record.diverged_at),
        compared=len(shared),
        unmatched=len(every) - len(shared),
        scores=max(differences, default=0.0),
        generator=generator_difference(generator, record.generator),
    )


def difference(a: float, b: float) -> float:
    """Return |a - b| / max(1, |a|): 0 for two NaNs and for equal infinities, inf where only one is NaN or infinite."""
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    relative = abs(a - b) / max(1.0, abs(a))
    return relative if math.isfinite(relative) else math.inf


def generator_difference(a: bytes, b: bytes) -> float:
    """Return the largest difference of two generators' weights, as `difference` defines it.

    `a` and `b` are safetensors files as bytes, empty for no generator. The result is inf where the names or the shapes
    of the weights are not the same.
    """
    import numpy as np
    import torch
    from safetensors.torch import load

    if a == b:
        return 0.0
    first, second = (load(file) if file else {} for file in (a, b))
    if {name: t.shape for name, t in first.items()} != {name: t.shape for name, t in second.items()}:
        return math.inf
    largest = 0.0
    for name, weights in first.items():
        x, y = (tensor.to(torch.float64).numpy() for tensor in (weights, second[name]))
        with np.errstate(invalid="ignore"):
            relative = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, abs(x - y) / np.maximum(1.0, abs(x)))
        of_tensor = float(relative.max(initial=0.0))
        largest = max(largest, of_tensor if math.isfinite(of_tensor) else math.inf)
    return largest
