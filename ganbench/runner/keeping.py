"""What a batch keeps of its generators: which ones, how precise, and as files of the run's folder or as bytes."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench.api.trials import Batch
from ganbench.results.files import read_holder
from ganbench.results.incoming import is_incoming, write_incoming

if TYPE_CHECKING:
    from torch import Tensor

    from ganbench.engine.snapshot import Snapshot
    from ganbench.evaluation.best_snapshot import BestSnapshots
    from ganbench.suite.suite import Suite


@dataclass(frozen=True, kw_only=True)
class Keep:
    """What a run keeps of each trial, as its workers are told.

    `generators` and `precision` are those of the suite's table [keep]. `best_by` names, by dataset, the value by which
    a snapshot is the best: that of the first success rule with a metric. `holder` is the process that holds the lock of
    the results folder, and its host: a worker that reads another one there, or none, does not share the folder.
    """

    generators: str = "final"
    precision: str = "float32"
    best_by: Mapping[str, str] = field(default_factory=dict)
    holder: tuple[int, str] | None = None

    @property
    def facts(self) -> dict[str, str]:
        """What a record says of it: what is not the default."""
        changed = {"generators": self.generators, "precision": self.precision}
        return {name: value for name, value in changed.items() if value != getattr(Keep(), name)}

    @property
    def is_elsewhere(self) -> bool:
        """Whether this process is on another machine than the one that holds the lock."""
        return self.holder is not None and self.holder[1] != socket.gethostname()

    def shares(self, folder: Path) -> bool:
        """Return whether this process sees the results folder of the run; so it is where no holder is known."""
        return self.holder is None or read_holder(folder) == self.holder


def choose_keep(suite: Suite, folder: Path) -> Keep:
    """Return what the workers of a run keep; called by the process that holds the lock of the results folder."""
    from ganbench.statistics.outcome_table import headline_metrics

    table, holder = suite.keep, read_holder(folder)
    return Keep(generators=table.generators, precision=table.precision, best_by=headline_metrics(suite), holder=holder)


def restore_keep(facts: Mapping[str, Any]) -> Keep:
    """Return what was kept of a recorded trial, by the facts of its record."""
    stored = facts.get("keep")
    known = stored if isinstance(stored, Mapping) else {}
    generators, precision = (str(known.get(name, getattr(Keep(), name))) for name in ("generators", "precision"))
    return Keep(generators=generators, precision=precision)


class KeptGenerators:
    """The generators that a batch keeps, by member and generator step: their bytes, or the SHA-256 of their files.

    `folder` is the results folder if this process shares it (`Keep.shares`), else None.
    """

    def __init__(self, keep: Keep, batch: Batch, folder: str | None) -> None:
        self.keep, self.batch = keep, batch
        self.folder = Path(folder) if folder is not None and keep.holder is not None else None
        self.files: list[dict[int, bytes | str]] = [{} for _ in batch.trials]

    def add(self, snapshot: Snapshot, members: Sequence[int]) -> None:
        """Keep the generators of these members at a snapshot."""
        for member in members:
            row = snapshot.members.index(member)
            content = snapshot.generator_file(row, half=self.keep.precision == "float16")
            key = self.batch.trials[member].key
            self.files[member][snapshot.step] = (
                content if self.folder is None else write_incoming(self.folder, key, content)
            )

    def add_earlier(self, snapshot: Snapshot) -> None:
        """Keep the generators of a snapshot that is not the last, if all are kept."""
        if self.keep.generators == "snapshots":
            self.add(snapshot, snapshot.members)

    def add_last(self, last: Snapshot, scorer: BestSnapshots) -> None:
        """Keep the generators of the last snapshot, and those of each member's best one if they are kept."""
        if self.keep.generators == "none":
            return
        if self.keep.generators == "best":
            value = choose_value(scorer, self.keep.best_by.get(self.batch.trials[0].labels.get("dataset", ""), ""))
            for member, best in enumerate(scorer.best_scores):
                for (name, _), score in best.items():
                    if name == value and score.step != last.step:
                        self.add(scorer.snapshots[score.step], [member])
        self.add(last, last.members)

    def describe(self, member: int) -> dict[str, Any]:
        """Return the fields of a member's record that hold its generators, or the names and hashes of their files."""
        files, final = self.files[member], self.batch.trials[member].budget.generator_steps
        content = {step: file for step, file in files.items() if isinstance(file, bytes)}
        return {
            "generator": content.pop(final, b""),
            "snapshots": content,
            "written": {step: file for step, file in files.items() if isinstance(file, str)},
        }

    def save_state(self) -> tuple[dict[str, Tensor], list[dict[str, str]]]:
        """Return the generators so far for a checkpoint: bytes as tensors by name, and hashes by member and step."""
        import torch

        tensors = {
            f"kept/{member}/{step}": torch.frombuffer(bytearray(file), dtype=torch.uint8)
            for member, files in enumerate(self.files)
            for step, file in files.items()
            if isinstance(file, bytes)
        }
        return tensors, [{str(k): file for k, file in files.items() if isinstance(file, str)} for files in self.files]

    def restore_state(self, tensors: Mapping[str, Tensor], hashes: Sequence[Mapping[str, str]]) -> None:
        """Continue with the generators of a checkpoint; raise ValueError if one of their files is not there any more.

        Without keeping all, there were none before the last snapshot.
        """
        if self.keep.generators != "snapshots":
            return
        for name, tensor in tensors.items():
            member, _, step = name.partition("/")
            self.files[int(member)][int(step)] = tensor.numpy().tobytes()
        for trial, files, written in zip(self.batch.trials, self.files, hashes, strict=True):
            for step, digest in written.items():
                if self.folder is None or not is_incoming(self.folder, trial.key, digest):
                    raise ValueError(f"the generator that was kept at step {step} is not there any more")
                files[int(step)] = digest


def choose_value(scorer: BestSnapshots, preferred: str) -> str:
    """Return the value by which a snapshot is the best: the preferred one, else the first that has a better direction.

    A metric that is measured at the end only chooses nothing.
    """
    named = [
        name
        for _, metric in scorer.metrics
        if not metric.final
        for name, direction in metric.values.items()
        if direction != "neutral"
    ]
    return preferred if preferred in named else next(iter(named), "")
