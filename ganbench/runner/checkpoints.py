"""Checkpoints of long batches: one safetensors file each, whole or not there, of use to the same work alone.

    checkpoints/<the batch's key>.safetensors    tensors by name; in the header, as JSON, numbers and what it is of

Nothing in it is unpickled. A file that is damaged, or of other code, another torch or another device, is ignored.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ganbench.api.trials import Batch, canonical_json
from ganbench.results.files import checkpoint_path, write_file

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
"""Raised when what a checkpoint holds changes."""

EVERY = 30.0
"""At the first snapshot after so many seconds of work a batch is kept: shorter ones never are."""

Kept = tuple[dict[str, "Tensor"], dict[str, Any]]
"""Tensors by name, and plain numbers."""


class Checkpoint:
    """The checkpoint of one batch in a results folder (None: kept nowhere), due every so many seconds of work.

    `company` says what the training's bits hang on beside the batch: device, threads, torch.
    """

    def __init__(self, folder: str | None, batch: Batch, company: Mapping[str, Any], every: float = EVERY) -> None:
        self.path = checkpoint_path(Path(folder), batch.key) if folder is not None else None
        self.every, self.last, self.label = every, perf_counter(), batch.label
        self.work = canonical_json(
            {
                "format": FORMAT,
                "batch": batch.key,
                "code": sorted({trial.code for trial in batch.trials}),
                "measurement": asdict(batch.measurement),
                "company": dict(company),
            }
        )

    def keep(self, gather: Callable[[], Kept]) -> None:
        """Write what `gather` gives if it is due. What cannot be kept or written is logged, and training goes on."""
        if self.path is None or perf_counter() - self.last < self.every:
            return
        from safetensors.torch import save

        try:
            tensors, numbers = gather()
            text = json.dumps(numbers)
            header = {"work": self.work, "numbers": text, "digest": hash_tensors(tensors, text)}
            self.path.parent.mkdir(exist_ok=True)
            write_file(self.path, save(tensors, header))
        except Exception as error:  # an optimizer's odd memory, a full disk: nothing that a trial should die of
            logging.getLogger("ganbench").warning("%s: no checkpoint: %s", self.label, error)
        self.last = perf_counter()

    def read(self) -> Kept | None:
        """Give what was kept of this very work; None, and a line in the log, for anything else."""
        if self.path is None or not self.path.is_file():
            return None
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, "pt") as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            self.ignore(f"damaged ({error})")
            return None
        if header.get("work") != self.work:
            self.ignore("of other code, another torch or another device")
        elif header.get("digest") != hash_tensors(tensors, header.get("numbers", "")):
            self.ignore("damaged (what it holds is not what was written)")
        else:
            return tensors, json.loads(header["numbers"])
        return None

    def ignore(self, why: str) -> None:
        """Say why a checkpoint is not gone on from."""
        logging.getLogger("ganbench").warning("%s: its checkpoint is ignored: %s", self.label, why)


def hash_tensors(tensors: Mapping[str, Tensor], text: str) -> str:
    """Give the SHA-256 over a text and all tensors on the CPU, with their names, types and shapes."""
    import torch

    found = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        found.update(canonical_json([name, str(tensor.dtype), list(tensor.shape)]).encode())
        found.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def select_branch(kept: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Give the tensors whose names begin with `name/`, without it."""
    return {full.removeprefix(f"{name}/"): tensor for full, tensor in kept.items() if full.startswith(f"{name}/")}
