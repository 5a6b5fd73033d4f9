"""Scores by class, the labelled ring, and the labels of references."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from ganbench import GanbenchError, Source
from ganbench.evaluation.reference import Reference
from torch import Tensor

from ganbench_plugins.datasets import digits, labelled_ring
from ganbench_plugins.metrics import conditioning


class Scored:
    """Evidence of given labels, logits and features."""

    def __init__(self, labels: Tensor | None, **fields: Any) -> None:
        self.labels = labels
        self.__dict__.update(fields)


def test_the_accuracy_is_the_share_of_samples_in_their_class() -> None:
    logits = torch.tensor([[3.0, 0.0], [0.0, 1.0], [2.0, 1.0], [0.0, 9.0]])
    seen: Any = Scored(torch.tensor([0, 1, 1, 1]), logits=logits)
    assert conditioning.measure_accuracy(seen) == {"conditioning-accuracy": 0.75}
    unlabelled: Any = Scored(None, logits=logits)
    assert math.isnan(conditioning.measure_accuracy(unlabelled)["conditioning-accuracy"])


def test_the_distance_of_two_sets_is_that_of_their_fitted_gaussians() -> None:
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(50, 4, generator=rng), 2 * torch.randn(80, 4, generator=rng) + 1
    s, r = (np.cov(each.numpy().T.astype(float)) for each in (x, y))
    values, vectors = np.linalg.eigh(s)
    root = vectors @ np.diag(np.sqrt(values)) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ r @ root)).sum()
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum().item() + np.trace(s) + np.trace(r) - 2 * cross
    assert conditioning.frechet(x, y) == pytest.approx(expected, rel=1e-5)


def test_intra_fid_is_the_mean_over_the_classes_and_undefined_for_a_small_one() -> None:
    rng = torch.Generator().manual_seed(0)
    real, labels = torch.randn(60, 2, generator=rng), torch.arange(60) % 2
    source = replace(labelled_ring.build(), classes=2)
    moved = real + labels.unsqueeze(1) * torch.tensor([3.0, 4.0])
    seen: Any = Scored(labels, features=moved, reference_features=real, reference_labels=labels, source=source)
    assert conditioning.measure_intra(seen, 20)["intra-fid"] == pytest.approx(12.5, rel=1e-5)  # 0 and 3^2 + 4^2
    assert math.isnan(conditioning.measure_intra(seen, 31)["intra-fid"])
    for without in ({"labels": None}, {"reference_labels": None}):
        less: Any = Scored(**{**vars(seen), **without})
        assert math.isnan(conditioning.measure_intra(less, 20)["intra-fid"])


# data


def test_the_labelled_ring_is_the_ring_with_its_modes() -> None:
    source = labelled_ring.build()
    assert source.take is not None
    assert source.labels is not None
    assert source.extractor is not None
    indices = torch.arange(source.size)
    x, labels = source.take(indices), source.labels(indices)
    centres = source.facts["centres"]
    assert len(torch.unique(labels)) == source.classes == 8
    assert (x - centres[labels]).square().mean().sqrt().item() == pytest.approx(0.02 / 1.414, rel=0.02)
    assert torch.equal(source.extractor.extract(x)["logits"].argmax(1), labels)
    angles = torch.atan2(centres[:, 1], centres[:, 0]) % (2 * math.pi)
    torch.testing.assert_close(angles, 2 * math.pi * torch.arange(8) / 8, atol=1e-5, rtol=0)


@pytest.mark.parametrize("source", [labelled_ring.build(), digits.digits()], ids=["ring", "digits"])
def test_the_reference_s_labels_are_those_of_its_samples(source: Source) -> None:
    assert source.extractor is not None
    assert source.reference_labels is not None
    samples, labels = source.reference(200), source.reference_labels(200)
    module = source.extractor.extract(samples)["logits"].argmax(1)
    assert (module == labels).double().mean() > 0.95


def test_wrong_labels_of_a_reference_are_refused() -> None:
    source = replace(labelled_ring.build(), reference_labels=lambda n: torch.full((n,), 8))
    with pytest.raises(GanbenchError, match=r"return one integer in \[0, classes\) for each sample"):
        _ = Reference(source, 10).labels
