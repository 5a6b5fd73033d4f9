"""Scores with standing statistics are of another measurement, and what cannot have them is refused before training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from ganbench import Offer, Space, hookimpl, plan, registry, suite
from ganbench.api.records import Record
from ganbench.api.trials import Batch
from ganbench.runner.worker import run_batch

from tests.engine.test_standing import Centred
from tests.support import device as test_device
from tests.support import tiny_suite as small
from tests.support.small_games import mlp


class Spaces:
    """Perceptrons with batch normalisation, and some that subtract the mean of the batch by themselves."""

    @hookimpl
    def ganbench_architectures(self) -> Iterator[Offer]:
        def centred() -> Space:
            plain = mlp()

            def networks(spec: Any, ask: Any) -> Any:
                built = plain.networks(spec, ask)
                built.generator.insert(1, Centred())
                return built

            return Space(sample=lambda rng: {}, networks=networks)

        yield Offer("normed", lambda: mlp(generator_norm=True), "With batch normalisation.")
        yield Offer("centred", centred, "With its own.")


@pytest.fixture(scope="module")
def plugins() -> registry.Registry:
    return registry.load(plugins=[Spaces()])


def run(plugins: registry.Registry, space: str, normalisation: Any) -> tuple[Batch, list[Record]]:
    table = small.suite(methods=["ns-gan"], architectures={"space": space}, success=None, seeds=2)
    (batch,) = plan.make(suite.parse(table), plugins).batches
    batch = replace(batch, measurement=replace(batch.measurement, normalisation=normalisation))
    return batch, run_batch(batch, lambda step, steps: None, device=test_device.DEVICE, plugins=plugins)


def test_standing_scores_are_other_scores_of_another_measurement(plugins: registry.Registry) -> None:
    (_, by_batch), (_, again), (_, standing) = (run(plugins, "normed", how) for how in ("batch", "batch", "standing"))
    for one, same, other in zip(by_batch, again, standing, strict=True):
        assert [record.status for record in (one, same, other)] == ["completed"] * 3
        assert str(one.scores) == str(same.scores)  # as text, because NaN is not equal to NaN
        pairs = [*zip(one.scores, other.scores, strict=True)]
        assert all(a.measurement != b.measurement for a, b in pairs)
        assert any(a.value != b.value for a, b in pairs if a.name != "spread")


def test_a_generator_that_compares_samples_by_itself_is_refused_before_training(plugins: registry.Registry) -> None:
    _, records = run(plugins, "centred", "standing")
    for record in records:
        assert (record.status, record.scores) == ("failed", ())
        assert record.error.startswith('normalisation = "standing": a sample depends on its neighbours')
    assert {record.status for record in run(plugins, "centred", "batch")[1]} == {"completed"}
