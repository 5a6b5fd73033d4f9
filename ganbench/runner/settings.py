"""The settings of a run: how to run a suite, never what it asks. No setting is part of a trial's key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from ganbench.api.records import UNTRAINED
from ganbench.errors import GanbenchError, unknown_name
from ganbench.plan import selection, shards
from ganbench.runner.checkpoints import CHECKPOINT_SECONDS
from ganbench.suite.tables import DEFAULTS

MOST_JOBS = 1024
"""The largest number of workers."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a run. Raises GanbenchError for a value that makes no sense.

    `results` is the results folder (default: results/<suite>). `device` is "auto", "cpu", "cuda", "cuda:1", or
    several GPUs as "cuda:0,1". `executor` names what runs the batches (default: that of the user's configuration file,
    else workers on this machine), and `executor_options` are its options. `jobs` is the number of workers: 0 trains in
    this process, None leaves it to the executor: one per core, or on GPUs two for each. `timeout` is the longest time
    of a batch, in seconds, and the longest time without progress of third parties' plugins before training.
    `files` are plugin files, `offers` are plugins defined in Python. `retry` names statuses to train again.
    `keep_stale` keeps records whose code has changed. `fresh` renames a database that cannot be used and starts a new
    one; with `yes` it also renames a sound one. `checkpoint` is the shortest time between two checkpoints
    of a batch, in seconds of work (0: one at every generator step; inf: never). `shard` (such as "3/10": the third of
    ten), `only` (such as "method=wgan-gp") and `limit` (a number of trials) restrict what is trained now, never the
    plan. `watchers` name the watchers that follow the run, such as "tensorboard"; "NAME.KEY=VALUE" gives one an option.
    `profile` times the parts of training.
    """

    results: str | Path | None = None
    device: str = "auto"
    executor: str = ""
    executor_options: Mapping[str, Any] = field(default_factory=dict)
    jobs: int | None = None
    timeout: float | None = None
    files: tuple[str, ...] = ()
    offers: tuple[object, ...] = ()
    retry: tuple[str, ...] = ()
    keep_stale: bool = False
    fresh: bool = False
    yes: bool = False
    shard: str = ""
    only: tuple[str, ...] = ()
    limit: int | None = None
    checkpoint: float = CHECKPOINT_SECONDS
    watchers: tuple[str, ...] = ()
    profile: bool = False

    def __post_init__(self) -> None:
        """Raise GanbenchError for a value that makes no sense."""
        if self.jobs is not None and not 0 <= self.jobs <= MOST_JOBS:
            raise GanbenchError(
                f"--jobs = {self.jobs}: give 0 to train in this process, up to {MOST_JOBS} workers, or leave it out."
            )
        if self.timeout is not None and not 0 < self.timeout < inf:
            raise GanbenchError(f"--timeout = {self.timeout:g}: give seconds above 0, or leave it out.")
        if not self.checkpoint >= 0:
            raise GanbenchError(f"--checkpoint = {self.checkpoint:g}: give seconds, 0 or more.")
        if self.jobs == 0 and self.executor not in ("", DEFAULTS["executor here"]):
            raise GanbenchError(
                f"--jobs = 0 trains in this process, and --executor is {self.executor!r}. Leave one of them out."
            )
        if self.timeout is not None and self.in_process:
            raise GanbenchError(
                f"--timeout = {self.timeout:g}: a time limit needs workers, and this process trains. Use --jobs 1 or "
                "more."
            )
        if self.in_process and self.jobs:
            raise GanbenchError(
                f"--jobs = {self.jobs}: executor {self.executor!r} has no workers. Leave one of them out."
            )
        if self.jobs is not None and "jobs" in self.executor_options:
            raise GanbenchError(f"--jobs = {self.jobs}: the executor's option 'jobs' is given too. Leave one out.")
        if self.timeout is not None and "timeout" in self.executor_options:
            raise GanbenchError("--timeout: the executor's option 'timeout' is given too. Leave one out.")
        for status in self.retry:
            if status not in UNTRAINED:
                raise unknown_name("status", status, UNTRAINED, "--retry")
        if self.fresh and self.only:
            raise GanbenchError("--fresh trains everything again and --only trains a part. Give one of them.")
        shards.read_shard(self.shard)
        selection.check(self.only, self.limit)

    @property
    def in_process(self) -> bool:
        """Whether batches train in this process."""
        return self.jobs == 0 or self.executor == DEFAULTS["executor here"]
