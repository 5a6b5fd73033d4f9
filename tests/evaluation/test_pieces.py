"""Samples are judged in pieces: what is kept is what metrics need, and no number depends on the pieces."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from ganbench import Evidence, Extractor, Metric, Source
from ganbench.api.trials import Part
from ganbench.evaluation import judging
from ganbench.evaluation.baselines import NO_NETWORKS
from ganbench.evaluation.best_snapshot import BestSnapshots
from ganbench.evaluation.pieces import Collector, Parts, Wanted, collect, find_wanted, regroup
from ganbench.evaluation.scoring import ModelEvidence, Reference, score_metric, score_spread
from torch import Tensor

from tests.support import device as test_device
from tests.support.metric_checks import METRICS
from tests.support.small_games import conv, images, make_training, ns_gan

WEIGHTS = torch.randn(16, 5, generator=torch.Generator().manual_seed(1))
DEVICE = torch.device(test_device.DEVICE)
ALL = Wanted(images=100, answers=frozenset({"features", "moments", "logits"}))


class Net(torch.nn.Module):
    """A frozen network, which notes how many samples it saw at once, and on which device."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weights", WEIGHTS.clone())
        self.seen: list[int] = []

    def forward(self, x: Tensor) -> Mapping[str, Tensor]:
        assert x.device == self.weights.device
        self.seen.append(len(x))
        features = x.flatten(1) @ self.weights
        return {"features": features, "logits": features[:, :3].tanh()}


def pictures(chunk: int = 7) -> tuple[Source, Net]:
    net = Net()
    extractor = Extractor(name="net", digest="d", extract=net, module=net, chunk=chunk)
    return replace(images(), extractor=extractor), net


def draw(members: int, count: int) -> Tensor:
    return torch.randn(members, count, 1, 4, 4, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("sizes", [[50], [16, 16, 16, 2], [1] * 50, [7, 43]])
def test_batches_are_regrouped_whole_and_in_order(sizes: list[int]) -> None:
    whole = draw(2, 50)
    pieces = list(regroup(whole.split(sizes, 1), 7))
    assert [piece.shape[1] for piece in pieces] == [7] * 7 + [1]
    assert torch.equal(torch.cat(pieces, 1), whole)


def test_no_number_depends_on_batches_or_on_company() -> None:
    source, net = pictures()
    reference, whole = Reference(source, 20, device=DEVICE), draw(3, 100)
    wholly = collect([whole], 100, ALL, reference)
    by_16 = collect(whole.split(16, 1), 100, ALL, reference)
    alone = collect([whole[1:2]], 100, ALL, reference)
    assert set(net.seen) == {7, 100 % 7}
    for one, other in ((wholly[1], by_16[1]), (wholly[1], alone[0])):
        for name in ("features", "logits", "samples", "spread"):
            assert torch.equal(one[name], other[name])
        assert torch.equal(one["moments"].covariance, other["moments"].covariance)
        assert one["finite"] == other["finite"] == one["finite_features"] == True  # noqa: E712


def test_only_what_metrics_need_is_kept() -> None:
    source, _ = pictures()
    reference, whole = Reference(source, 20), draw(2, 100)
    assert find_wanted([METRICS["fid"]], 100, True) == Wanted(answers=frozenset({"moments"}))
    assert find_wanted([METRICS["fid"], METRICS["inception-score"]], 100, False) == Wanted()
    some = Metric(measure=dict, values={"a": "higher"}, images=30)
    assert find_wanted([some, METRICS["fid"]], 100, False).images == 30
    assert find_wanted([some, METRICS["mmd"]], 100, False).images == 100
    (kept, _) = collect([whole], 100, Wanted(images=30, answers=frozenset({"moments"})), reference)
    assert kept["samples"].shape == (30, 1, 4, 4)
    assert kept.keys() == {"samples", "spread", "finite", "finite_features", "moments"}


def evidence_of(samples: Tensor | Parts, reference: Reference) -> ModelEvidence:
    return ModelEvidence(samples, reference, networks=NO_NETWORKS, generator_parameters={}, critic_parameters={})


def test_what_was_not_kept_is_drawn_and_extracted_again_when_it_is_read() -> None:
    """A metric of a third party may read more than it declares; it sees the same numbers."""
    source, _ = pictures()
    reference, whole = Reference(source, 20), draw(1, 100)
    (kept,) = collect([whole], 100, Wanted(answers=frozenset({"moments"})), reference)
    lean, full = evidence_of(Parts(100, reference, lambda: [whole], kept), reference), evidence_of(whole[0], reference)
    assert torch.equal(lean.samples, full.samples)
    assert torch.equal(lean.samples, whole[0])
    for name in ("features", "logits"):
        assert torch.equal(getattr(lean, name), getattr(full, name))
    assert torch.equal(lean.moments.covariance, full.moments.covariance)
    assert score_spread(lean, step=1) == score_spread(full, step=1)


def test_a_metric_that_reads_what_there_is_not_is_told_its_own_mistake_and_an_extractor_its_own() -> None:
    def extract(x: Tensor) -> Mapping[str, Tensor]:
        raise AttributeError("the extractor's own")

    source = replace(images(), extractor=Extractor(name="net", digest="d", extract=extract))
    evidence = evidence_of(draw(1, 100)[0], Reference(source, 20))
    assert not hasattr(evidence, "fetures")
    with pytest.raises(AttributeError, match="the extractor's own"):
        _ = evidence.features


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.on_features])
def test_our_metrics_declare_what_they_read(name: str) -> None:
    """What is not declared is drawn and extracted a second time, which is as dear as the first."""
    source, _ = pictures()
    reference, whole, metric = Reference(source, 100), draw(1, 100), METRICS[name]
    (kept,) = collect([whole], 100, find_wanted([metric], 100, True), reference)
    evidence = evidence_of(Parts(100, reference, lambda: pytest.fail("drawn again"), kept), reference)
    evidence.focus(metric)
    metric.measure(evidence)


def test_a_metric_sees_its_first_images_and_its_score_says_how_many() -> None:
    def measure(evidence: Evidence) -> dict[str, float]:
        return {"a": float(len(evidence.samples))}

    source, _ = pictures()
    evidence = evidence_of(draw(1, 100)[0], Reference(source, 20))
    for images_seen, count in ((None, 100), (30, 30), (500, 100)):
        metric = Metric(measure=measure, values={"a": "higher"}, images=images_seen)
        (score,) = score_metric(Part("a"), metric, evidence, step=0, twice=True)
        assert (score.value, score.samples) == (count, count)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_member_with_samples_that_are_not_finite_is_undefined_and_its_neighbours_are_not(bad: float) -> None:
    source, net = pictures()
    reference, whole = Reference(source, 20), draw(3, 100)
    whole[1, 40, 0, 0, 0] = bad
    kept = collect(whole.split(16, 1), 100, ALL, reference)
    assert [each["finite"] for each in kept] == [each["finite_features"] for each in kept] == [True, False, True]
    assert sum(net.seen) < 3 * 100, "nothing more is extracted of it"
    parts = Parts(100, reference, lambda: [whole[1:2]], kept[1])
    scores = score_metric(Part("fid"), METRICS["fid"], evidence_of(parts, reference), step=0)
    assert [math.isnan(score.value) for score in scores] == [True]


@pytest.mark.parametrize("mode", ["stack", "loop"])
def test_members_that_do_not_fit_together_are_judged_in_groups_with_the_same_scores(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, _ = pictures()
    run = make_training(ns_gan(), conv(), source, mode=mode, steps=2, dtype=torch.float32)
    *_, last = run.run()
    metrics = [(Part(name), METRICS[name]) for name in ("fid", "precision-recall", "kid", "mmd")]
    sizes = []
    collector = Collector.finish
    monkeypatch.setattr(Collector, "finish", lambda self: sizes.append(len(self.members)) or collector(self))

    def score_all() -> list[float]:
        reference = Reference(source, 40, device=run.device)
        scores = BestSnapshots(run, 100, metrics, reference).score_snapshot(last)
        return [score.value for member in scores for score in member]

    together = score_all()
    assert sizes[0] == 3
    sizes.clear()
    monkeypatch.setattr(judging, "EVALUATION_BYTES", 20_000)  # 100 images are 6,400 bytes, features and moments 2,400
    assert score_all() == pytest.approx(together, rel=1e-4, abs=1e-6)
    assert sizes[:2] == [2, 1]


def test_the_reference_may_rest_as_bytes_and_is_scaled_when_it_is_shown() -> None:
    raw = torch.randint(256, (30, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    floats = raw.float() / 255 * 2 - 1
    net = Net()
    extractor = Extractor(name="net", digest="d", extract=net, module=net)

    def of(samples: Tensor) -> Reference:
        source = Source(
            shape=(1, 4, 4),
            size=30,
            take=lambda i: samples[i],
            reference=lambda n: samples[:n],
            extractor=extractor,
            range=(-1.0, 1.0),
        )
        return Reference(source, 30)

    as_bytes, as_floats = of(raw), of(floats)
    assert as_bytes.stored.dtype == torch.uint8
    assert torch.allclose(as_bytes.samples, floats, atol=1e-6)
    assert torch.allclose(as_bytes.features, as_floats.features, atol=1e-5)
    assert as_bytes.distance == pytest.approx(as_floats.distance, rel=1e-6)
    assert as_bytes.identity != of(255 - raw).identity
