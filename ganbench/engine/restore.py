"""A trained batch brought back from what the store keeps of it: to look at what was judged, not to train on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from safetensors.torch import load
from torch import Tensor

from ganbench.engine.ensemble import Stacked, build_stages
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.train import Training
from ganbench.errors import GanbenchError


def restore_snapshot(training: Training, files: Sequence[bytes]) -> Snapshot:
    """Give a batch's final snapshot from its members' generators, as `Snapshot.generator_file` wrote them.

    `training.samples` then gives what was judged, bit for bit on the same kind of device. A member whose file is empty
    takes another's place: it keeps the others in the company that they were judged in. Raises GanbenchError for files
    that do not fit the architecture as it is built today.
    """
    ask = training.program.ask(training.source, training.critic_norm)
    last = build_stages(training.space, training.spec, ask, training.members, training.device, training.dtype)[-1]
    stored = [load(file) if file else None for file in files]
    some = next((one for one in stored if one is not None), None)
    if some is None:
        raise GanbenchError("no member of this batch left a generator.")
    held = [some if one is None else one for one in stored]
    own = stack_matching(held, "generator", last.detached["generator"])
    last.buffers["generator"] = stack_matching(held, "buffer", last.buffers["generator"])
    averaged = any(name.startswith("average.") for name in some)
    return Snapshot(
        step=training.budget.generator_steps,
        final=True,
        members=tuple(range(len(files))),
        ensemble=last,
        generators=own,
        average=stack_matching(held, "average", own) if averaged else None,
        diverged_at=[-1] * len(files),
        signals={},
        updates={},
    )


def stack_matching(held: Sequence[dict[str, Tensor]], of: str, like: Stacked) -> Stacked:
    """Stack what files hold under a prefix, in the shapes and types of `like`; GanbenchError where they differ."""
    found: Stacked = {}
    for name, tensor in like.items():
        parts = [one.get(f"{of}.{name}") for one in held]
        shapes = [None if part is None else part.shape for part in parts]
        if any(shape != tensor.shape[1:] for shape in shapes):
            raise GanbenchError(
                f"the stored {of} {name!r} does not fit the network that this architecture builds today: "
                "its code has changed since. Train the trial again."
            )
        found[name] = torch.stack([part for part in parts if part is not None]).to(tensor.device, tensor.dtype)
    return found
