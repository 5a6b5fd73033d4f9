"""A metric that cannot score the models of its dataset is refused when a suite is planned, with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from ganbench import GanbenchError, Metric, Offer, Source, hookimpl, registry

from tests.support.tiny_suite import plan_small

ROWS = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    """Offer metrics that ask for facts in several ways, or raise for another reason."""

    def offer(name: str, measure: Callable[[Any], float]) -> Offer:
        build = lambda: Metric(measure=lambda evidence: {name: measure(evidence)}, values={name: "higher"})  # noqa: E731
        return Offer(name, build, "A metric.")

    yield offer("looks-up", lambda evidence: evidence.source.facts["radius"])
    yield offer("gets", lambda evidence: 2.0 * evidence.source.facts.get("radius"))
    yield offer("does-without", lambda evidence: evidence.source.facts.get("radius", 1.0))
    yield offer("asks-first", lambda evidence: float("radius" in evidence.source.facts))
    yield offer("needs-many", lambda evidence: 1.0 / (len(evidence.samples) >= 40))


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    """Offer rows of our own that name a metric on features, without an extractor."""

    def build() -> Source:
        return Source(shape=(2,), size=30, take=lambda i: ROWS[i], reference=lambda n: ROWS[30:][:n])

    yield Offer("rows", build, "Rows.", metrics=("fid",))


PLUGINS = registry.load(plugins=[ganbench_metrics, ganbench_datasets])


def plan_with(dataset: str, *metrics: str, **changes: Any) -> None:
    table = {"name": dataset, **({"metrics": list(metrics)} if metrics else {})}
    plan_small(PLUGINS, dataset=[table], success=None, **changes)


@pytest.mark.parametrize("metric", ["fid", "kid", "inception-score", "precision-recall"])
def test_a_metric_on_features_is_refused_without_an_extractor(metric: str) -> None:
    words = rf"^s.toml: dataset\[0\]: metric '{metric}' cannot score dataset 'ring': it compares features, and the"
    with pytest.raises(GanbenchError, match=words):
        plan_with("ring", "modes", metric)


def test_so_is_one_that_a_third_partys_dataset_names_itself() -> None:
    with pytest.raises(GanbenchError, match="metric 'fid' cannot score dataset 'rows'"):
        plan_with("rows")


@pytest.mark.parametrize(("dataset", "metric"), [("rows", "modes"), ("ring", "looks-up"), ("ring", "gets")])
def test_a_metric_that_fails_without_a_fact_is_refused_with_the_facts_there_are(dataset: str, metric: str) -> None:
    facts = {"rows": "none", "ring": "'centres', 'std'"}[dataset]
    fact = "centres" if metric == "modes" else "radius"
    with pytest.raises(
        GanbenchError, match=f"needs the fact '{fact}' of the data, and the dataset's facts are {facts}"
    ):
        plan_with(dataset, metric)


@pytest.mark.parametrize("metric", ["does-without", "asks-first", "needs-many", "w1", "modes"])
def test_a_metric_that_does_without_or_fails_for_another_reason_is_planned(metric: str) -> None:
    plan_with("ring", metric)


def test_a_metric_that_refuses_the_networks_is_refused_with_its_words() -> None:
    with pytest.raises(
        GanbenchError, match=r"metric 'dirac' cannot score dataset 'ring': the networks' parameters are"
    ):
        plan_with("ring", "dirac")
    with pytest.raises(GanbenchError, match="metric 'dirac' cannot score dataset 'dirac'"):
        plan_with("dirac", "dirac")
    plan_with("dirac", "dirac", architectures={"space": "linear"})


def test_check_tells_the_author_of_a_dataset_that_names_such_a_metric() -> None:
    from ganbench.testing import datasets
    from ganbench.testing.rule import ContractError, Subject

    case = datasets.Case(Subject(PLUGINS.get("datasets", "rows"), PLUGINS))
    with pytest.raises(ContractError, match="it names the metric 'fid': it compares features, and the dataset has no"):
        datasets.has_what_its_metrics_need(case)
