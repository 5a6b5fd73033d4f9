"""Checkpoints of long batches: one safetensors file for each, written whole or not at all.

    checkpoints/<the batch's key>.safetensors    tensors by name; the header holds JSON: plain numbers and the work

The work says what the checkpoint belongs to: the batch, its code, its measurement and its environment. Only the same
work resumes from it. A file that is damaged, or of other code, another torch or another device, is ignored. Nothing in
the file is unpickled.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ganbench.api.trials import Batch, canonical_json
from ganbench.engine.tensor_hash import hash_tensors
from ganbench.errors import GanbenchError
from ganbench.plan.plan import iterate_portions
from ganbench.results.files import check_regular, checkpoint_path, forget_checkpoint, list_checkpoints, write_file
from ganbench.results.incoming import remove_leftovers

if TYPE_CHECKING:
    from torch import Tensor

    from ganbench.plan.plan import Plan, Todo

FORMAT = 3
"""Version of the checkpoint's content; raise it when the content changes."""

CHECKPOINT_SECONDS = 30.0
"""Seconds of work after which a batch writes a checkpoint, at least. Shorter batches never write one."""

MOST_SHARE = 0.02
"""The share of a batch's time that its checkpoints may take, from the second one on; what one costs is measured."""

CheckpointState = tuple[dict[str, "Tensor"], dict[str, Any]]
"""The content of a checkpoint: tensors by name, and numbers that JSON can hold."""


class Checkpoint:
    """The checkpoint of one batch in a results folder (None: no checkpoint is written), due `every` seconds of work.

    Where writing is slow, the time between two of them is longer: all of them take at most MOST_SHARE of the time. With
    `every=0` one is due at every step, whatever it costs.
    `environment` holds what the exact numbers of the training depend on besides the batch: device, threads, torch.
    `clock()` returns seconds.
    """

    def __init__(
        self,
        folder: str | None,
        batch: Batch,
        environment: Mapping[str, Any],
        every: float = CHECKPOINT_SECONDS,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.folder = Path(folder) if folder is not None else None
        self.path = checkpoint_path(self.folder, batch.key) if self.folder is not None else None
        self.every, self.label, self.clock = every, batch.label, clock
        self.began = self.last = clock()
        self.cost = self.spent = 0.0  # seconds of the last checkpoint, and of all
        self.work = canonical_json(
            {
                "format": FORMAT,
                "batch": batch.key,
                "code": sorted({trial.code for trial in batch.trials}),
                "measurement": batch.measurement.plain,
                "company": dict(environment),  # the stored name of the environment
            }
        )

    def is_due(self) -> bool:
        """Return whether a checkpoint is due: the last one is long enough ago, and there is time for one more."""
        now = self.clock()
        affordable = self.spent + self.cost <= MOST_SHARE * (now - self.began)
        return self.path is not None and now - self.last >= self.every and (affordable or not self.every)

    def write_if_due(self, gather: Callable[[], CheckpointState]) -> None:
        """Write the state that `gather` returns if a checkpoint is due; an error is logged and training goes on."""
        if self.path is None or not self.is_due():
            return
        from safetensors.torch import save

        started = self.clock()
        try:
            tensors, numbers = gather()
            text = json.dumps(numbers)
            header = {"work": self.work, "numbers": text, "digest": hash_tensors(tensors, text)}
            self.path.parent.mkdir(exist_ok=True)
            write_file(self.path, save(tensors, header))
        except Exception as error:  # an optimizer's state that cannot be saved, a full disk: no reason to fail a trial
            logging.getLogger("ganbench").warning("%s: the checkpoint could not be written: %s", self.label, error)
        self.last = self.clock()
        self.cost = self.last - started
        self.spent += self.cost

    def read(self) -> CheckpointState | None:
        """Return the stored state of exactly this work, None where there is no file; log why a file is ignored."""
        if self.path is None or self.folder is None:
            return None
        from safetensors import SafetensorError, safe_open

        try:
            check_regular(self.path, self.folder)
            with safe_open(self.path, "pt") as file:
                header = file.metadata() or {}
                ours = header.get("work") == self.work
                tensors = {name: file.get_tensor(name) for name in file.keys()} if ours else {}  # noqa: SIM118
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError, GanbenchError) as error:
            self.warn_ignored(f"damaged ({error})")
            return None
        if not ours:
            self.warn_ignored("of other code, another torch or another device")
        elif header.get("digest") != hash_tensors(tensors, header.get("numbers", "")):
            self.warn_ignored("damaged (its content is not what was written)")
        else:
            try:
                return tensors, dict(json.loads(header["numbers"]))
            except (LookupError, ValueError, TypeError, RecursionError) as error:
                self.warn_ignored(f"damaged ({error})")
        return None

    def warn_ignored(self, reason: str) -> None:
        """Log why training does not resume from the checkpoint."""
        logging.getLogger("ganbench").warning("%s: its checkpoint is ignored: %s", self.label, reason)


def select_branch(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with `name/`, named without this prefix."""
    return {full.removeprefix(f"{name}/"): tensor for full, tensor in tensors.items() if full.startswith(f"{name}/")}


def forget_checkpoints(folder: Path, plan: Plan, remaining: Todo) -> None:
    """Remove checkpoints of this plan's batches that are already stored: an earlier run was killed before it did.

    So are those of their halves, if they ran out of memory. Checkpoints of batches that are not in this plan stay,
    since an edited suite may be changed back.
    """
    if checkpoints := list_checkpoints(folder):
        planned, left = (
            {portion.key for batch in batches for portion in iterate_portions(batch)}
            for batches in (plan.batches, remaining.batches)
        )
        for key in checkpoints & (planned - left):
            forget_checkpoint(folder, key)


def forget_leftovers(folder: Path, plan: Plan) -> None:
    """Remove generators that killed workers left, except those of batches that may resume from a checkpoint."""
    checkpoints = list_checkpoints(folder)
    portions = [portion for batch in plan.batches for portion in iterate_portions(batch)] if checkpoints else []
    remove_leftovers(folder, {each.key for part in portions if part.key in checkpoints for each in part.trials})
