"""Baselines are drawn and judged in pieces, on the device of the run, with the scores of all samples at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from ganbench import Offer, Source, hookimpl, registry
from ganbench.api.trials import Measurement, Part
from ganbench.evaluation.baselines import baseline_samplers, make_generator
from ganbench.evaluation.calibration import BaselineScorer, MeasurementProtocol
from ganbench.evaluation.scoring import Reference, score_metric, score_spread

from tests.evaluation.test_pieces import DEVICE, Net, evidence_of, pictures
from tests.support.metric_checks import METRICS


class Pictures:
    """A set of 40 pictures with an extractor that is a module."""

    def __init__(self) -> None:
        self.source, self.net = pictures()

    @hookimpl
    def ganbench_datasets(self) -> Iterator[Offer]:
        yield Offer("pictures", lambda: self.source, "Noise.")


@pytest.mark.parametrize("metric", ["fid", "precision-recall", "mmd"])
def test_the_scores_of_baselines_are_those_of_all_their_samples_at_once(metric: str) -> None:
    offers = Pictures()
    measurement = Measurement(metrics=(Part(metric),), samples=90)
    protocol = MeasurementProtocol(dataset=Part("pictures"), measurement=measurement, key="k")
    scorer = BaselineScorer(protocol, registry.load(plugins=[offers]), device=DEVICE)
    for sampler in scorer.samplers:
        evidence = evidence_of(sampler.sample(90, make_generator(sampler.name)), Reference(offers.source, 90))
        expected = [
            *(score.value for score in score_metric(Part(metric), METRICS[metric], evidence, step=0)),
            score_spread(evidence, step=0).value,
        ]
        assert [row.value for row in scorer.score(sampler)] == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert max([*offers.net.seen, 0]) <= 7


def test_sets_that_rest_as_bytes_have_the_baselines_of_their_numbers() -> None:
    raw = torch.randint(256, (50, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    floats = raw.float().div_(255).mul_(2).add_(-1)

    def source(samples: torch.Tensor) -> Source:
        return Source(shape=(1, 4, 4), size=50, take=lambda i: samples[i], reference=lambda n: samples[:n])

    for one, other in zip(baseline_samplers(source(raw), 2500), baseline_samplers(source(floats), 2500), strict=True):
        first, second = (each.sample(2500, make_generator(each.name)) for each in (one, other))
        assert torch.equal(first, second)
        pieces = [*one.iterate(2500, make_generator(one.name))]
        assert [len(piece) for piece in pieces] == [1000, 1000, 500]
        assert torch.equal(torch.cat(pieces), first)


def test_a_network_that_is_a_module_is_moved_to_the_device() -> None:
    source, net = pictures()
    Reference(replace(source), 20, device=DEVICE).features.sum()
    assert isinstance(net, Net)
    assert net.weights.device.type == DEVICE.type
