"""Shards: every N-th batch of a plan, so that N machines train it without a server; `ganbench merge` joins them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganbench.api.trials import Batch
from ganbench.errors import GanbenchError, shorten

if TYPE_CHECKING:
    from ganbench.plan.plan import Plan

WRITTEN = re.compile(r"(\d{1,9})/(\d{1,9})", re.ASCII)
"""A shard as it is written: its number, and how many there are."""


@dataclass(frozen=True)
class Shard:
    """The shard `number` of `count`; the first is 1."""

    number: int
    count: int

    def __str__(self) -> str:
        """Return the shard as `--shard` takes it."""
        return f"{self.number}/{self.count}"

    def divide(self, plan: Plan) -> list[Batch]:
        """Return this shard's batches of a plan: in the order of their keys, every `count`-th of them.

        The plan alone decides it: neither the order of a suite's methods nor what is stored already makes a difference.
        """
        return sorted(plan.batches, key=lambda batch: batch.key)[self.number - 1 :: self.count]

    def select(self, batches: Sequence[Batch], plan: Plan) -> tuple[Batch, ...]:
        """Return those of the remaining batches of a plan that this shard trains; the rest of a batch stays with it."""
        own = {trial.key for batch in self.divide(plan) for trial in batch.trials}
        return tuple(batch for batch in batches if batch.trials[0].key in own)

    def describe(self, plan: Plan) -> str:
        """Return in words how much of a plan this shard is."""
        count, whole = len(self.divide(plan)), len(plan.batches)
        nothing = "" if count else "; there is nothing to train: there are more shards than batches"
        return f"shard {self}: {count} of the plan's {whole} batches{nothing}"


def read_shard(text: str) -> Shard | None:
    """Return the shard that `--shard` names, as in "3/10"; None for ""; raise GanbenchError for anything else."""
    if not text:
        return None
    found = WRITTEN.fullmatch(str(text))
    if found is None:
        raise GanbenchError(f"--shard {shorten(str(text))}: write which shard, and of how many, as in 3/10.")
    shard = Shard(int(found[1]), int(found[2]))
    if shard.count < 1:
        raise GanbenchError(f"--shard {text}: there must be 1 shard or more. Write it as in 1/10.")
    if not 1 <= shard.number <= shard.count:
        count = shard.count
        raise GanbenchError(f"--shard {text}: of {count} shards, name one of 1/{count} to {count}/{count}.")
    return shard
