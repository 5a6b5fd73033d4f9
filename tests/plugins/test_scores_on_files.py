"""Our FID, IS, KID, precision and recall equal torch-fidelity's own on the same PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch_fidelity
from ganbench import Extractor, Source
from ganbench.api.trials import Part
from ganbench.evaluation.scoring import ModelEvidence, Reference, score_model
from PIL import Image
from torch import Tensor, nn
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torch_fidelity.metric_kid import kid_features_to_metric

from tests.support.metric_checks import METRICS
from tests.support.small_images import draw_images, to_floats

NEIGHBOURS, SUBSETS = 3, 20


class TinyNet(FeatureExtractorBase):
    """A small convolutional network with fixed weights: bytes [n, 3, h, w] -> 12 features and 5 logits."""

    def __init__(self, name: str, features_list: list[str], **_: Any) -> None:
        super().__init__(name, features_list)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Conv2d(3, 12, 5, stride=3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            self.head = nn.Linear(12, 5)
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        assert x.dtype == torch.uint8
        features = self.layers(x.float() / 16)
        answers = {"features": features, "logits": 4 * (20 * self.head(features)).sin()}
        return tuple(answers[name] for name in self.features_list)

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return "features", "logits"

    @staticmethod
    def can_be_compiled() -> bool:
        return False


torch_fidelity.register_feature_extractor("ganbench-tests-tiny", TinyNet)


def make_extractor() -> Extractor:
    """Return the same network as an extractor of ganbench."""
    net = TinyNet("ganbench-tests-tiny", ["features", "logits"])
    extract = lambda x: dict(zip(("features", "logits"), net(x), strict=True))  # noqa: E731
    return Extractor(name="tiny", digest="tiny", extract=extract, module=net, sees="bytes", channels=3, chunk=7)


def write_images(folder: Path, images: Tensor) -> str:
    """Write images as PNG files, and return their folder."""
    folder.mkdir()
    for i, image in enumerate(images):
        array = image.permute(1, 2, 0).squeeze(2) if len(image) == 1 else image.permute(1, 2, 0)
        Image.fromarray(array.numpy()).save(folder / f"{i:03}.png")
    return str(folder)


def score(fake: Tensor, real: Tensor) -> dict[str, float]:
    """Return our scores of generated images, by the path that training takes."""
    shape = tuple(real.shape[1:])
    take = lambda indices: to_floats(real)[indices]  # noqa: E731
    source = Source(shape=shape, size=len(real), take=take, reference=lambda n: to_floats(real)[:n])
    source = Source(**{**vars(source), "extractor": make_extractor()})
    evidence = ModelEvidence(
        to_floats(fake), Reference(source, len(real)), networks=None, generator_parameters={}, critic_parameters={}
    )
    metrics = [(Part(name), METRICS[name]) for name in ("fid", "inception-score", "kid", "precision-recall")]
    return {score.name: score.value for score in score_model(metrics, evidence, step=1, final=True)}


@pytest.mark.parametrize("channels", [3, 1])
def test_our_scores_are_those_of_torch_fidelity_on_the_same_files(channels: int, tmp_path: Path) -> None:
    fake, real = draw_images(0, 24, channels), draw_images(1, 20, channels)
    ours = score(fake, real)
    folders = write_images(tmp_path / "fake", fake), write_images(tmp_path / "real", real)
    theirs = torch_fidelity.calculate_metrics(
        **dict(zip(("input1", "input2"), folders, strict=True)),
        **dict.fromkeys(("fid", "kid", "isc", "prc", "save_cpu_ram"), True),
        **dict.fromkeys(("cuda", "cache", "verbose"), False),
        **dict.fromkeys((f"feature_layer_{metric}" for metric in ("fid", "kid", "prc")), "features"),
        feature_extractor="ganbench-tests-tiny",
        feature_layer_isc="logits",
        isc_splits=1,
        kid_subsets=SUBSETS,
        kid_subset_size=20,
        prc_neighborhood=NEIGHBOURS,
    )
    assert ours["fid"] > 0.1
    assert ours["fid"] == pytest.approx(theirs["frechet_inception_distance"], rel=1e-6)
    assert ours["is"] > 1.01
    assert ours["is"] == pytest.approx(theirs["inception_score_mean"], rel=1e-6)
    assert 0 < ours["precision"] + ours["recall"] < 2
    assert (ours["precision"], ours["recall"]) == (theirs["precision"], theirs["recall"])
    # its command line computes KID in float32; the same function in float64 is exact
    net = TinyNet("ganbench-tests-tiny", ["features"])
    doubles = [net(images.expand(-1, 3, -1, -1))[0].double() for images in (fake, real)]
    exact = kid_features_to_metric(*doubles, kid_subsets=SUBSETS, kid_subset_size=20, verbose=False)
    assert ours["kid"] == pytest.approx(exact["kernel_inception_distance_mean"], rel=1e-6)
    assert ours["kid"] == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-3)
