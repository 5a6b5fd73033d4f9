"""The plan of a suite: everything that can be checked before anything trains, then trials and batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ganbench.plan.averages import find_long_averages
from ganbench.plan.batches import Composer
from ganbench.plan.claims import refuse_undecidable, refuse_undrawable
from ganbench.plan.doubts import find_cautions, find_doubts, find_large_members, find_unruled, find_unused_constraints
from ganbench.plan.extractors import choose_sources, describe_extractors
from ganbench.plan.fallbacks import choose_datasets
from ganbench.plan.needs import refuse_unmeasurable
from ganbench.plan.plan import Plan
from ganbench.plan.planner import Planner
from ganbench.plan.refusals import check_suite
from ganbench.plan.stages import Choices, choose_first, is_tuning
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry


def make(
    suite: Suite,
    registry: Registry,
    tell: Callable[[int, int], None] = lambda done, total: None,
    tell_trial: Callable[[str], None] = lambda doing: None,
    choices: Choices | None = None,
) -> Plan:
    """Return the plan of a suite: every dataset x architecture x method x seed, in batches.

    Where configurations are tuned, these are planned; with the `choices` that were made, so is their report. Without
    them the first configuration of each method stands in, so that the report is checked before anything trains.

    `tell` is called with how many of all datasets x architectures x methods are planned: a budget in FLOPs takes time.
    `tell_trial` is called before a metric is tried, with words that say which one.
    Raise GanbenchError, with the place in the suite, for unknown names and for options that an offer does not allow.
    """
    check_suite(suite)
    used, replaced = choose_datasets(suite, registry)
    undecided = used.tunes and not choices
    planner = Planner(used, registry, choices=choose_first(used) if undecided else choices or {})
    directions = planner.check_success()
    cells = list(planner.make_cells(tell))
    composer = Composer(registry, planner.counter, used.engine.memory_bytes, used.engine.together)
    batches = tuple(composer.compose(cells))
    if used.claim or used.figure:
        metrics = {table.title: planner.build_metrics(table) for table in used.dataset}
        compared = [batch for batch in batches if not is_tuning(batch.trials[0])]
        refuse_undecidable(used, metrics, compared)
        refuse_undrawable(used, metrics, compared)
    sources = choose_sources(used, batches, registry, planner.sources)
    refuse_unmeasurable(used, batches, registry, sources, tell_trial)
    trials = tuple(trial for cell in cells for trial in cell.trials)
    return Plan(
        trials=tuple(filter(is_tuning, trials)) if undecided else trials,
        batches=tuple(batch for batch in batches if is_tuning(batch.trials[0])) if undecided else batches,
        directions=directions,
        cautions=find_cautions(batches, registry)
        | find_long_averages(batches)
        | find_doubts(used, batches, registry)
        | find_large_members(composer.large_members, used.engine.memory)
        | find_unused_constraints(planner.fitted_recipes, planner.recipes.find),
        unruled=find_unruled(used),
        methods=planner.recipes.describe_all(),
        choices=choices or {},
        undecided=undecided,
        remarks=replaced,
        suite=used if used is not suite else None,
        extractors=describe_extractors(batches, registry, sources),
    )
