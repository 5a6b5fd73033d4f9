"""What a suite would train, without the files of its datasets: enough to count what it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ganbench.api.data import Source
from ganbench.api.trials import Batch
from ganbench.plan.batches import Composer
from ganbench.plan.fallbacks import choose_datasets
from ganbench.plan.planner import Planner
from ganbench.plan.refusals import check_suite
from ganbench.plan.stages import choose_first
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry


def outline(
    suite: Suite, registry: Registry, tell: Callable[[int, int], None] = lambda done, total: None
) -> tuple[tuple[Batch, ...], Mapping[str, Source]]:
    """Return the batches of a suite, and its datasets by their labels.

    A dataset without its files has zeros in their place, if its shape is known; so the keys of its trials mean nothing.
    Nothing is scored, and no extractor is built. `tell` is called as by `plan.make`; raise as that function.
    """
    check_suite(suite)
    used, _ = choose_datasets(suite, registry)
    planner = Planner(used, registry, outline=True, choices=choose_first(used) if used.tunes else {})
    composer = Composer(registry, planner.counter, used.engine.memory_bytes)
    return tuple(composer.compose(list(planner.make_cells(tell)))), planner.sources
