"""Metrics that cannot score the models of a dataset are refused when a suite is planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ganbench.api.data import Source
from ganbench.api.metrics import Metric
from ganbench.api.trials import Batch, Part
from ganbench.errors import GanbenchError
from ganbench.plan.budget import UNKNOWN
from ganbench.registry.exits import explaining_exits
from ganbench.suite import locations
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry

SAMPLES = 2
"""Samples of an untrained model that a metric on networks is tried on."""


def refuse_unmeasurable(
    suite: Suite,
    batches: Sequence[Batch],
    registry: Registry,
    sources: Mapping[str, Source],
    tell: Callable[[str], None],
) -> None:
    """Raise GanbenchError for the first metric that cannot score the models of its dataset.

    `sources` has each dataset by its label in tables. Only the metrics that one of our own datasets names itself are
    not tried, unless they need networks; then the first model is built. `tell` is called before each is tried.
    """
    from ganbench.evaluation.lacks import find_lack

    first = {batch.trials[0].labels["dataset"]: batch for batch in reversed(batches)}
    for number, table in enumerate(suite.dataset):
        batch, source = first[table.title], sources[table.title]
        place = locations.locate(suite, "dataset", number)
        for part, metric in list_tried(batch, registry):
            tell(f"{place}: trying metric {part.name!r}")
            with explaining_exits(f"{place}: metric {part.name!r}"):
                lack = find_lack(metric, source, batch.measurement.samples)
                if metric.needs == "networks":
                    lack = find_refusal(metric, batch, source, registry)
            if lack:
                raise GanbenchError(
                    f"{place}: metric {part.name!r} cannot score dataset {table.name!r}: {lack.rstrip('.')}. "
                    "Leave it out for this dataset: metrics = [...] in its [[dataset]]."
                )


def list_tried(batch: Batch, registry: Registry) -> list[tuple[Part, Metric]]:
    """Return the metrics of a batch that its dataset may not have what they need for."""
    offered = registry.get("datasets", batch.trials[0].dataset.name)
    parts = batch.measurement.metrics
    metrics = [(part, registry.build("metrics", part.name, part.options)) for part in parts]
    named = () if offered.is_foreign else offered.offer.metrics
    return [(part, metric) for part, metric in metrics if metric.needs == "networks" or part.name not in named]


def find_refusal(metric: Metric, batch: Batch, source: Source, registry: Registry) -> str:
    """Return why a metric on networks refuses the untrained model of a batch, "" if it does not.

    Any other exception is left to the trials, and so are networks that grow.
    """
    import torch

    from ganbench.engine.train import prepare
    from ganbench.evaluation.calibration import single_thread
    from ganbench.evaluation.evidence import open_evidence
    from ganbench.evaluation.reference import Reference

    trial = replace(batch.trials[0], budget=replace(UNKNOWN, batch_size=batch.trials[0].budget.batch_size))
    alone = replace(batch, trials=(trial,), mode="loop")
    try:
        with single_thread():
            training = prepare(alone, registry, torch.device("cpu"), source=source)
            if len(training.ensembles) > 1:
                return ""
            snapshot = training.take_snapshot(0, training.begin_stage(0).game)
            samples = training.draw_samples(snapshot, SAMPLES)[0]
            evidence = open_evidence(training, snapshot, 0, samples, Reference(source, SAMPLES))
    except Exception:
        return ""
    try:
        evidence.focus(metric)
        metric.measure(evidence)
    except GanbenchError as error:
        return str(error)
    except Exception:
        return ""
    return ""
