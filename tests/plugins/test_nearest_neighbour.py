"""The leave-one-out accuracy of the nearest neighbour: 1 for disjoint sets, 1/2 for equal laws, by scikit-learn too."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from ganbench_plugins.metrics import nearest_neighbour
from tests.support.metric_checks import METRICS, measure, normal


def score(samples: Tensor, reference: Tensor, **options: int) -> dict[str, float]:
    return measure(nearest_neighbour.one_nearest_neighbour(**options), samples=samples, reference=reference)


def test_disjoint_supports_have_accuracy_1() -> None:
    """Two parallel lines, 1 apart."""
    fake, real = (
        torch.stack((torch.full((300,), theta), normal(seed, 300)), 1) for seed, theta in ((0, 1.0), (1, 0.0))
    )
    assert score(fake, real) == {"nn-accuracy": 1.0, "nn-real": 1.0, "nn-fake": 1.0}


def test_equal_laws_have_accuracy_one_half() -> None:
    n, values = 1000, score(normal(0, 1000, 2), normal(1, 1000, 2))
    assert values["nn-accuracy"] == pytest.approx((n - 1) / (2 * n - 1), abs=4 * math.sqrt(1 / 4 / n))


def test_copies_have_accuracy_0_and_one_point_is_told_apart() -> None:
    real = normal(0, 50, 3)
    assert score(real, real)["nn-accuracy"] == 0.0
    assert score(torch.full((50, 3), 9.0).double(), real) == {"nn-accuracy": 1.0, "nn-real": 1.0, "nn-fake": 1.0}


def test_atoms_count_by_their_share_of_the_nearest() -> None:
    """Of 10 equal rows on each side, 9 of 19 neighbours are of the row's own side."""
    same = torch.zeros(10, 2)
    assert score(same, same) == pytest.approx(dict.fromkeys(METRICS["one-nearest-neighbour"].values, 9 / 19), abs=1e-12)


@pytest.mark.parametrize("block", [7, 1000])
def test_it_agrees_with_scikit_learn(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_neighbour, "BLOCK", block)
    fake, real = normal(0, 60, 3) + 0.5, normal(1, 60, 3)
    everyone, is_fake = torch.cat([fake, real]), torch.arange(120) < 60
    nearest = NearestNeighbors(n_neighbors=1).fit(everyone.numpy()).kneighbors(return_distance=False)
    own = is_fake[torch.from_numpy(nearest[:, 0])] == is_fake
    values = score(fake, real)
    assert values["nn-fake"] == pytest.approx(float(own[:60].double().mean()), abs=1e-12)
    assert values["nn-real"] == pytest.approx(float(own[60:].double().mean()), abs=1e-12)


def test_equal_numbers_are_compared_and_at_least_two() -> None:
    fake, real = normal(0, 90, 2), normal(1, 40, 2)
    assert score(fake, real) == score(fake[:40], real)
    assert score(fake, real, count=10) == score(fake[:10], real[:10])
    assert all(math.isnan(value) for value in score(fake[:1], real).values())
