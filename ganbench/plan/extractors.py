"""The extractors that a plan scores by: each dataset's own, or the one that the suite names for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ganbench.api.data import Source
from ganbench.api.offers import Use
from ganbench.api.trials import Batch
from ganbench.errors import GanbenchError
from ganbench.suite import locations
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry


def choose_sources(
    suite: Suite, batches: Sequence[Batch], registry: Registry, sources: Mapping[str, Source]
) -> dict[str, Source]:
    """Return the datasets by label, each with the extractor that its models are scored by.

    Raise GanbenchError, with the place in the suite, if an extractor cannot be built, as where its weights are missing,
    or if it cannot see the samples.
    """
    chosen = dict(sources)
    for batch in batches:
        label, part = batch.trials[0].labels["dataset"], batch.measurement.extractor
        if part is not None and chosen[label] is sources[label]:
            place = locations.locate_use(suite, "extractors", Use(part.name, options=part.options))
            try:
                chosen[label] = fit_extractor(sources[label], batch, registry)
            except GanbenchError as error:
                raise GanbenchError(f"{place}, for dataset {label!r}: {error}") from error
    return chosen


def fit_extractor(source: Source, batch: Batch, registry: Registry) -> Source:
    """Return a dataset with the extractor of a batch's measurement; raise GanbenchError if it cannot see a sample."""
    import torch

    from ganbench.evaluation.extraction import choose_extractor, prepare_images

    chosen = choose_extractor(source, batch.measurement.extractor, registry)
    assert chosen.extractor is not None
    prepare_images(torch.zeros(1, *source.shape), chosen.extractor, source.range)
    return chosen


def describe_extractors(
    batches: Sequence[Batch], registry: Registry, sources: Mapping[str, Source]
) -> dict[str, dict[str, Any]]:
    """Return `Plan.extractors`, of datasets with the extractors that their models are scored by."""
    described: dict[str, dict[str, Any]] = {}
    for batch in batches:
        label = batch.trials[0].labels["dataset"]
        if label in described or (extractor := sources[label].extractor) is None:
            continue
        metrics = [registry.build("metrics", part.name, part.options) for part in batch.measurement.metrics]
        values = [name for metric in metrics if metric.on_features for name in metric.values]
        if values:
            described[label] = {"name": extractor.name, "digest": extractor.digest, "values": values}
    return described
