"""Rebuild the final snapshot of a trained batch from its stored generators, to draw its samples but not to train on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from safetensors.torch import load

from ganbench.engine.ensemble import Stacked, build_stages
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.train import Training
from ganbench.errors import GanbenchError


def restore_snapshot(training: Training, files: Sequence[bytes], step: int | None = None) -> Snapshot:
    """Return a batch's snapshot, rebuilt from its members' generators as `Snapshot.generator_file` wrote them.

    It is the final snapshot, or that of a generator step: GanbenchError where the networks grow while they train.

    `training.draw_samples` then returns the samples that were scored, bit for bit on the same kind of device; not so of
    generators that were stored as float16, which become float32 again but stay rounded. A member
    whose file is empty gets a copy of another member's generator, so that the batch composition is the one in which the
    others were scored. Raise GanbenchError if all files are empty, or if a file does not fit the architecture as it is
    built today.
    """
    ask = training.program.build_ask(training.source, training.critic_norm)
    *earlier, last = build_stages(training.space, training.spec, ask, training.members, training.device, training.dtype)
    if step is not None and earlier:
        raise GanbenchError("its networks grow while they train, so only its final samples can be drawn.")
    loaded = [load(file) if file else None for file in files]
    substitute = next((tensors for tensors in loaded if tensors is not None), None)
    if substitute is None:
        raise GanbenchError("no member of this batch has a stored generator. Train its trials again.")
    members = [substitute if tensors is None else tensors for tensors in loaded]
    generators = stack_matching(members, "generator", last.detached["generator"])
    last.buffers["generator"] = stack_matching(members, "buffer", last.buffers["generator"])
    averaged = any(name.startswith("average.") for name in substitute)
    return Snapshot(
        step=training.budget.generator_steps if step is None else step,
        final=step is None,
        members=tuple(range(len(files))),
        ensemble=last,
        generators=generators,
        average=stack_matching(members, "average", generators) if averaged else None,
        diverged_at=[-1] * len(files),
        signals={},
        updates={},
        critic_trained=False,
    )


def stack_matching(members: Sequence[Stacked], prefix: str, like: Stacked) -> Stacked:
    """Stack the members' tensors `<prefix>.<name>` for every name in `like`, on the devices and in the types of `like`.

    Raise GanbenchError if a tensor is missing or its shape differs.
    """
    stacked: Stacked = {}
    for name, tensor in like.items():
        parts = [tensors.get(f"{prefix}.{name}") for tensors in members]
        shapes = [None if part is None else part.shape for part in parts]
        if any(shape != tensor.shape[1:] for shape in shapes):
            raise GanbenchError(
                f"the stored {prefix} {name!r} does not fit the network that this architecture builds today: "
                "its code has changed since. Train the trial again."
            )
        stacked[name] = torch.stack([part.to(tensor.device, tensor.dtype) for part in parts if part is not None])
    return stacked
