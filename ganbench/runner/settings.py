"""How to run a suite, never what: none of it is in a trial's key."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from pathlib import Path

from ganbench.api.records import UNTRAINED
from ganbench.errors import GanbenchError, unknown
from ganbench.plan import selection
from ganbench.runner.checkpoints import EVERY

MOST_JOBS = 1024


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to run.

    `out` is the results folder itself (default: results/<suite>). `jobs` workers, 0 for this process, None for one
    per core. `timeout` seconds a batch. `retry` names statuses to train again. `keep_stale` leaves records of changed
    code as they are. `fresh` renames a database that cannot be used, and starts another; with `yes` also a sound one.
    `checkpoint` seconds of work of a batch are kept at its next snapshot (inf: never).
    `only` (as in "method=wgan-gp") and `limit` narrow what is trained now, never the plan. Raises GanbenchError for
    what makes no sense.
    """

    out: str | Path | None = None
    device: str = "auto"
    jobs: int | None = None
    timeout: float | None = None
    files: tuple[str, ...] = ()
    offers: tuple[object, ...] = ()
    retry: tuple[str, ...] = ()
    keep_stale: bool = False
    fresh: bool = False
    yes: bool = False
    only: tuple[str, ...] = ()
    limit: int | None = None
    checkpoint: float = EVERY

    def __post_init__(self) -> None:
        """Refuse what no run could keep to."""
        if self.jobs is not None and not 0 <= self.jobs <= MOST_JOBS:
            raise GanbenchError(
                f"--jobs = {self.jobs}: give 0 for this process, up to {MOST_JOBS} workers, or leave it out."
            )
        if self.timeout is not None and not 0 < self.timeout < inf:
            raise GanbenchError(f"--timeout = {self.timeout:g}: give seconds above 0, or leave it out.")
        if not self.checkpoint >= 0:
            raise GanbenchError(f"checkpoint = {self.checkpoint:g}: give seconds, 0 or more.")
        if self.timeout is not None and self.jobs == 0:
            raise GanbenchError(f"--timeout = {self.timeout:g}: this process cannot stop itself. Use --jobs 1 or more.")
        for status in self.retry:
            if status not in UNTRAINED:
                raise unknown("status", status, UNTRAINED, "--retry")
        if self.fresh and self.only:
            raise GanbenchError("--fresh starts everything anew, --only would leave the rest out. Give one of them.")
        selection.check(self.only, self.limit)
