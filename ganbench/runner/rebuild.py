"""Rebuilding stored models: a trial's batch, restored from its record in its recorded composition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ganbench.api.shared_program import restore_company
from ganbench.api.trials import Batch, ImportedTrial, Measurement, Trial, restore_trial
from ganbench.errors import GanbenchError, find_reason, shorten
from ganbench.plan.fingerprint import DATA, NUMERICS, changes_since, list_sources
from ganbench.results.details import explain_absence
from ganbench.results.store import Store

if TYPE_CHECKING:
    from ganbench.engine.snapshot import Snapshot
    from ganbench.engine.train import Training
    from ganbench.registry.registry import Registry
    from ganbench.suite.suite import Suite
    from ganbench.suite.tables import DatasetTable


OF_SAMPLES = ("architectures", "inputs", "datasets", DATA, NUMERICS)
"""The kinds of sources on which the samples of a stored generator, and their reference, depend."""


LONGEST_HEADER = 2**24
"""Bytes of the header of a generator's file, at most: a hundred thousand tensors."""


@dataclass(frozen=True, kw_only=True)
class RebuiltBatch:
    """A batch with its final snapshot; `files` maps each member's key to its generator file, empty where it has none.

    A member is one trial of the batch.
    """

    batch: Batch
    training: Training
    snapshot: Snapshot
    files: Mapping[str, bytes]


def restore_members(detail: dict[str, Any]) -> tuple[Trial, ...]:
    """Return all trials of the batch that a recorded trial was trained in.

    `detail` is `Store.detail` of the trial. Raises GanbenchError for a trial that did not complete training: its record
    has no batch composition.
    """
    labels = {name: detail[name] for name in ("dataset", "architecture", "method")}
    trial = restore_trial(detail["content"], labels)
    if isinstance(trial, ImportedTrial):
        raise GanbenchError(f"trial {detail['key'][:12]}: {explain_absence(detail)}, and ganbench cannot train it.")
    if "members" not in detail["composition"]:
        reason = find_reason(detail["error"])
        raise GanbenchError(
            f"trial {detail['key'][:12]} did not complete its training ({detail['status']}: {reason}). "
            f"`ganbench run SUITE --retry {detail['status']}` trains it again."
        )
    composition = detail["composition"]
    return restore_company(trial, composition["members"], composition.get("varied", {}))


def choose_device(detail: dict[str, Any]) -> str:
    """Return the device on which to rebuild a recorded trial.

    "auto", which is CUDA where there is a GPU, if the trial was trained on CUDA; else "cpu".
    """
    return "auto" if detail["composition"].get("device") == "cuda" else "cpu"


def read_generator(store: Store, key: str, step: int | None = None) -> tuple[bytes, str]:
    """Return the generator file of a trial, or empty bytes and the reason why there is none that can be used.

    It is the final generator, or that of an earlier snapshot.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        content = store.generator(key) if step is None else store.snapshot(key, step)
    except GanbenchError:
        return b"", "its generator is missing, or is not the file that was stored"
    try:
        if int.from_bytes(content[:8], "little") > LONGEST_HEADER:
            raise ValueError("its header is too long")
        load(content)
    except (SafetensorError, ValueError, TypeError, KeyError, RuntimeError) as error:
        return b"", f"its generator is no safetensors file as ganbench writes it ({shorten(str(error))[1:-1]})"
    return content, ""


def find_table(store: Store, label: str) -> tuple[Suite | None, DatasetTable | None]:
    """Return the suite of the newest run, and its table of a dataset; None for what a results folder does not have."""
    from ganbench import suite

    runs = store.history()
    newest = suite.restore(runs[-1].suite) if runs else None
    return newest, next((table for table in newest.dataset if table.title == label), None) if newest else None


def is_rounded(file: bytes) -> bool:
    """Return whether a generator was stored as float16, and so is not quite the one that was trained."""
    import torch
    from safetensors.torch import load

    return any(tensor.dtype == torch.float16 for tensor in load(file).values())


def rebuild_batch(store: Store, key: str, plugins: Registry, samples: int, step: int | None = None) -> RebuiltBatch:
    """Rebuild the batch that a trial was trained in, to draw `samples` samples of each member.

    They are those of the final generators, or those of the snapshot of an earlier generator `step`.

    Raises GanbenchError where the trial has no generator, or where code or data behind its samples have changed.
    """
    from ganbench.engine import device as devices
    from ganbench.engine.data_digest import digest_data
    from ganbench.engine.restore import restore_snapshot
    from ganbench.engine.train import prepare

    detail = store.detail(key)
    members = restore_members(detail)
    read = {member.key: read_generator(store, member.key, step) for member in members}
    files = {member: content for member, (content, _) in read.items()}
    if not files[key]:
        absent = "" if detail["network"] else explain_absence(detail)
        raise GanbenchError(find_reason(detail["error"]) or f"{absent or read[key][1]}.")
    suite, _ = find_table(store, detail["dataset"])
    normalisation = suite.measurement.normalisation if suite is not None else "batch"
    measurement = Measurement(metrics=(), samples=samples, normalisation=normalisation)
    batch = Batch(trials=members, mode=detail["composition"]["mode"], measurement=measurement)
    training = prepare(batch, plugins, devices.configure(choose_device(detail)))
    trial, data = members[0], digest_data(training.source)
    sources = list_sources(trial.recipe, trial.architecture, trial.dataset, plugins, data)
    if changes := changes_since(detail, sources, OF_SAMPLES):
        raise GanbenchError(
            f"changed since this trial was trained: {', '.join(changes)}. Its samples would not be those of the model "
            "that was scored. Train it again: `ganbench run SUITE`."
        )
    snapshot = restore_snapshot(training, list(files.values()), step)
    return RebuiltBatch(batch=batch, training=training, snapshot=snapshot, files=files)
