"""What of a plan is still to be trained, and which part of that in this run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ganbench.api.trials import Batch
from ganbench.plan import selection
from ganbench.plan.shards import read_shard
from ganbench.runner.settings import Settings

if TYPE_CHECKING:
    from ganbench.plan.plan import Plan, Todo


def find_remaining(suite_plan: Plan, stored: Mapping[str, tuple[str, str]], settings: Settings) -> Todo:
    """Return what of a plan is still to be trained.

    `stored` maps the key of every stored trial to its code and status. With `keep_stale`, a record of changed code
    counts as stored.
    """
    from ganbench import plan

    if settings.keep_stale:
        codes = {trial.key: trial.code for trial in suite_plan.trials}
        stored = {key: (codes.get(key, code), status) for key, (code, status) in stored.items()}
    return plan.find_missing(suite_plan, stored, settings.retry)


def select_for_run(remaining: Todo, plan: Plan, settings: Settings) -> tuple[Todo, int]:
    """Return the part of the remaining work that is trained now, and how many trials are left out.

    `shard` chooses first, from the whole plan; then `only` and `limit`.
    """
    shard = read_shard(settings.shard)
    own = shard.select(remaining.batches, plan) if shard else remaining.batches
    batches = selection.select(own, plan, settings.only, settings.limit)
    return replace(remaining, batches=batches), count_trials(remaining.batches) - count_trials(batches)


def count_trials(batches: Sequence[Batch]) -> int:
    """Return the number of trials in all of the batches."""
    return sum(len(batch.trials) for batch in batches)
