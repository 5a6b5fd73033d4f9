"""Success rules against the scores of the data itself and of untrained baselines: before training, and for a plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING

from ganbench.api.records import Calibration
from ganbench.api.trials import Batch
from ganbench.errors import GanbenchError
from ganbench.runner.isolation import list_scoring_offers
from ganbench.suite import conditions
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.evaluation.calibration import MeasurementProtocol
    from ganbench.registry.registry import Registry

SECONDS = 2.0
"""The longest that a plan scores the baselines of one dataset."""
SMALL = 64
"""The most numbers in a sample of a dataset whose baselines a plan scores."""


def preview_rules(
    suite: Suite, batches: Sequence[Batch], plugins: Registry, stored: Callable[[str], list[Calibration]]
) -> Iterator[str]:
    """Raise GanbenchError for the first success rule that a run would refuse; yield a sentence on those that it may.

    `stored` returns the scores of a protocol's baselines that a results folder has. Where it has none, they are scored
    here if that takes a moment: our own metrics, on the samples of our own small data.
    """
    from ganbench.evaluation.calibration import collect_protocols

    ruled = {rule.dataset for rule in suite.success}
    protocols = {label: each for label, each in collect_protocols(batches, plugins).items() if label in ruled}
    rows = {label: stored(each.key) or score_quickly(each, plugins) for label, each in protocols.items()}
    refuse_unanswerable_rules(suite, rows)
    refuse_trivial_rules(suite, rows)
    if unknown := [repr(label) for label, scores in rows.items() if not scores]:
        yield f"the success rules for {', '.join(unknown)} are checked against untrained baselines by `ganbench run`."


def score_quickly(protocol: MeasurementProtocol, plugins: Registry) -> list[Calibration]:
    """Return the scores of a protocol's baselines, [] if offers of others are in use or if it takes too long.

    Named extractors are large networks: they always take too long.
    """
    from ganbench.evaluation.calibration import BaselineScorer, single_thread

    if protocol.measurement.extractor is not None:
        return []
    if any(offered.is_foreign for offered in list_scoring_offers(protocol.dataset, protocol.measurement, plugins)):
        return []
    source = plugins.build("datasets", protocol.dataset.name, protocol.dataset.options)
    if math.prod(source.shape) > SMALL:
        return []
    rows: list[Calibration] = []
    with single_thread():
        scorer, began = BaselineScorer(protocol, plugins, source), monotonic()
        for sampler in scorer.samplers:
            if monotonic() - began > SECONDS:
                return []
            rows += scorer.score(sampler)
    return rows


def refuse_unanswerable_rules(suite: Suite, rows: Mapping[str, Sequence[Calibration]]) -> None:
    """Raise GanbenchError for the first success rule on a value that the data itself does not have.

    `rows` maps a dataset's label to the scores of its baselines.
    """
    from ganbench.evaluation.calibration import describe_undefined, find_undefined

    for rule in suite.success:
        undefined = find_undefined(rows.get(rule.dataset, ()))
        names = [rule.metric, *(conditions.parse(rule.condition).names if rule.condition else ())]
        for row in (undefined[name] for name in names if name in undefined):
            raise GanbenchError(
                f"{suite.where}: [[success]] for {rule.dataset!r}: {describe_undefined(row)}, so no model can be said "
                "to succeed by it. Request more samples, use another value, or remove the rule."
            )


def refuse_trivial_rules(suite: Suite, rows: Mapping[str, Sequence[Calibration]]) -> None:
    """Raise GanbenchError for the first success rule that an untrained baseline passes, unless the rule allows it.

    `rows` maps a dataset's label to the scores of its baselines.
    """
    from ganbench.evaluation.trivial_thresholds import explain_refusal, find_passing

    for rule in suite.success:
        passing = [] if rule.allow_trivial else find_passing(rule, rows.get(rule.dataset, ()))
        if passing:
            raise GanbenchError(f"{suite.where}: [[success]] for {rule.dataset!r}: {explain_refusal(rule, passing)}")
