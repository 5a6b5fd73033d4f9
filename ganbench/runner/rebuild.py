"""Kept models brought back: a stored trial's batch rebuilt from what the store says of it, in its recorded company."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ganbench.api.trials import Batch, Measurement, Trial, restore_trial
from ganbench.errors import GanbenchError
from ganbench.results.store import Store

if TYPE_CHECKING:
    from ganbench.engine.snapshot import Snapshot
    from ganbench.engine.train import Training
    from ganbench.registry.registry import Registry


@dataclass(frozen=True, kw_only=True)
class RebuiltBatch:
    """A batch with its final snapshot; `files` are its members' generators by key, empty where there is none."""

    batch: Batch
    training: Training
    snapshot: Snapshot
    files: Mapping[str, bytes]


def recorded_batch(detail: dict[str, Any]) -> tuple[Trial, ...]:
    """Give the trials of a record's batch, itself among them: they differ in their seeds alone.

    Raises GanbenchError for a record that came to no training, so that it had no company.
    """
    labels = {name: detail[name] for name in ("dataset", "architecture", "method")}
    trial = restore_trial(detail["content"], labels)
    if "members" not in detail["composition"]:
        reason = detail["error"].strip().rpartition("\n")[2]
        raise GanbenchError(f"trial {detail['key'][:12]} never trained to an end ({detail['status']}: {reason}).")
    return tuple(replace(trial, seed=seed) for seed in detail["composition"]["members"])


def recorded_device(detail: dict[str, Any]) -> str:
    """Give where a recorded trial is to be rebuilt: on CUDA if it was there and there is any, else on the CPU."""
    return "auto" if detail["composition"].get("device") == "cuda" else "cpu"


def stored_generator(store: Store, key: str) -> bytes:
    """Give a trial's generator, nothing where there is none."""
    try:
        return store.generator(key)
    except GanbenchError:
        return b""


def rebuild_batch(store: Store, key: str, plugins: Registry, samples: int) -> RebuiltBatch:
    """Rebuild the batch that a trial was trained in, to draw so many samples of each member.

    Raises GanbenchError where the trial left no generator.
    """
    from ganbench.engine import device as devices
    from ganbench.engine.restore import restore_snapshot
    from ganbench.engine.train import prepare

    detail = store.detail(key)
    members = recorded_batch(detail)
    files = {member.key: stored_generator(store, member.key) for member in members}
    if not files.get(key):
        told = detail["error"].strip().rpartition("\n")[2]
        raise GanbenchError(told or "its generator is missing, or is not the file that was stored.")
    measurement = Measurement(metrics=(), samples=samples)
    batch = Batch(trials=members, mode=detail["composition"]["mode"], measurement=measurement)
    training = prepare(batch, plugins, devices.configure(recorded_device(detail)))
    return RebuiltBatch(
        batch=batch, training=training, snapshot=restore_snapshot(training, list(files.values())), files=files
    )
