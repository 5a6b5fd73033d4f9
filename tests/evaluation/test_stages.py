"""Early stages of a growing network are compared with real samples of their own size."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from ganbench import Extractor, GanbenchError, Metric, Source
from ganbench.api.trials import Part
from ganbench.engine.checkpoint import restore_state, save_state
from ganbench.evaluation.best_snapshot import BestSnapshots
from ganbench.evaluation.reference import Reference
from ganbench.evaluation.stages import StageReference, enlarge_for, open_stage
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from ganbench_plugins.architectures import progressive
from tests.support.small_games import make_training, ns_gan

STEPS, SAMPLES = 10, 12
ENDS = {2: 4, 6: 8, 10: 16}
"""The side of images at the last step of each stage."""


def see(x: Tensor) -> dict[str, Tensor]:
    return {"features": x.float().flatten(1)}


BYTES = torch.randint(256, (20, 1, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
SOURCE = Source(
    shape=(1, 16, 16),
    size=20,
    take=lambda i: BYTES[i],
    reference=lambda n: BYTES[:n],
    range=(-1, 1),
    extractor=Extractor(name="pixels", digest="1", extract=see, chunk=5),
)


def measure_shapes(evidence: Any) -> dict[str, float]:
    assert evidence.samples.shape[1:] == evidence.reference.shape[1:] == evidence.source.shape
    return {"side": evidence.samples.shape[-1], "mean": float(evidence.reference.mean())}


def measure_features(evidence: Any) -> dict[str, float]:
    assert evidence.features.shape[1] == evidence.reference_features.shape[1]
    return {"width": evidence.features.shape[1]}


METRICS = [
    (Part("sides"), Metric(measure=measure_shapes, values={"side": "higher", "mean": "neutral"})),
    (Part("widths"), Metric(measure=measure_features, values={"width": "lower"}, needs="features")),
]


def open_training(source: Source = SOURCE) -> Any:
    space = progressive.build(filters=2, widest=4, latent=6)
    training = make_training(replace(ns_gan(), ema=0.5), space, source, (0, 1), steps=STEPS, dtype=torch.float32)
    training.spec = {"grow": True}
    training.budget = replace(training.budget, snapshots=tuple(ENDS))
    return training


def score_all(training: Any, reference: Reference) -> list[Any]:
    scorer = BestSnapshots(training, SAMPLES, METRICS, reference)
    return [score for snapshot in training.run() for score in scorer.score_snapshot(snapshot)[0]]


def test_each_stage_is_measured_at_its_own_size_and_the_last_one_as_any_network() -> None:
    scores = score_all(open_training(), Reference(SOURCE, SAMPLES))
    assert {score.step: score.value for score in scores if score.name == "side"} == ENDS
    assert {score.value for score in scores if score.name == "width"} == {256}, "enlarged to the dataset's shape"
    for name in ("side", "width", "mean"):
        assert len({score.measurement for score in scores if score.name == name}) == 3, "scores of sizes never mix"
    assert len({score.measurement for score in scores if score.name == "spread"}) == 1, "relative to the data's own"
    full = make_training(ns_gan(), progressive.build(filters=2, widest=4, latent=6), SOURCE, (0, 1), steps=1)
    full.spec = {"grow": False}
    plain = {score.name: score.measurement for score in score_all(full, Reference(SOURCE, SAMPLES))}
    assert {score.name: score.measurement for score in scores if score.step == STEPS} == plain


def test_the_reference_of_a_stage_is_the_real_images_in_means_of_pixels_whatever_the_progress() -> None:
    training, whole = open_training(), Reference(SOURCE, SAMPLES)
    small, middle, large = (ensemble.networks for ensemble in training.ensembles)
    real = whole.samples
    assert open_stage(whole, large) is whole
    stage = open_stage(whole, middle)
    torch.testing.assert_close(stage.samples, avg_pool2d(real, 2))
    torch.testing.assert_close(open_stage(whole, small).samples, avg_pool2d(real, 4))
    assert open_stage(whole, middle) is stage, "it is made once"
    assert open_stage(stage, middle) is stage
    torch.testing.assert_close(stage.features, interpolate(avg_pool2d(real, 2), scale_factor=2).flatten(1))
    assert stage.extractor_identity != whole.extractor_identity


@pytest.mark.parametrize("sees", ["float", "bytes"])
def test_an_extractor_sees_each_pixel_of_an_early_stage_as_a_square(sees: Any) -> None:
    source = replace(SOURCE, extractor=Extractor(name="grey", digest="1", extract=see, sees=sees, channels=3))
    whole = Reference(source, SAMPLES)
    stage = open_stage(whole, open_training().ensembles[0].networks)
    squares = stage.features.view(SAMPLES, 3, 4, 4, 4, 4)
    assert (squares == squares[:, :, :, :1, :, :1]).all()
    assert (squares.std(0) > 0).all()


def test_a_distribution_has_a_measurement_of_its_own_at_each_size_too() -> None:
    """The hash of its samples is not in measurements, because draws differ in the last bit between machines."""
    drawn = replace(SOURCE, take=None, size=0, draw=lambda rng, n: torch.rand(n, 1, 16, 16, generator=rng))
    whole = Reference(drawn, SAMPLES)
    networks = [ensemble.networks for ensemble in open_training(drawn).ensembles]
    assert [open_stage(whole, each).identity for each in networks] == [
        (SAMPLES, "", [1, 4, 4]),
        (SAMPLES, "", [1, 8, 8]),
        (SAMPLES, ""),
    ]


@pytest.mark.parametrize(("shape", "full"), [((4,), (8,)), ((1, 3, 3), (1, 8, 8)), ((4, 4), (1, 8, 8))])
def test_samples_that_cannot_be_enlarged_are_refused(shape: tuple[int, ...], full: tuple[int, ...]) -> None:
    extractor = enlarge_for(Extractor(name="pixels", digest="1", extract=see), shape, full)
    with pytest.raises(GanbenchError, match=r"'pixels' sees samples .* only images whose sides divide"):
        extractor.extract(torch.zeros(2, *shape))


def test_scores_continue_from_a_checkpoint_of_an_early_stage() -> None:
    def open_scorer() -> tuple[Any, BestSnapshots]:
        training = open_training()
        return training, BestSnapshots(training, SAMPLES, METRICS, Reference(SOURCE, SAMPLES))

    whole, scorer = open_scorer()
    for snapshot in whole.run():
        scorer.score_snapshot(snapshot)
    first, interrupted = open_scorer()
    run = first.run()
    interrupted.score_snapshot(next(run))
    interrupted.score_snapshot(next(run))
    second, continued = open_scorer()
    restore_state(second, *save_state(first))
    continued.restore_state(*interrupted.save_state())
    for snapshot in second.run():
        continued.score_snapshot(snapshot)
    assert continued.history == scorer.history
    assert list(continued.fresh_scores()) == list(scorer.fresh_scores())
    assert isinstance(open_stage(continued.reference, second.ensembles[1].networks), StageReference)
