"""Streamed moments are those of all features at once; FID from them is torch-fidelity's, also where it is singular."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from ganbench.evaluation.moments import RunningMoments
from torch import Tensor

from tests.support import device as test_device
from tests.support.metric_checks import METRICS, measure, normal


def stream(features: Tensor, size: int) -> RunningMoments:
    running = RunningMoments()
    for rows in features.to(test_device.DEVICE).split(size):
        running.add(rows)
    return running


@pytest.mark.parametrize("size", [1, 7, 64, 500])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_moments_in_pieces_are_numpys(size: int, offset: float) -> None:
    """With an offset of 1e4 the naive sum of squares would lose eight digits; float32 features are exact here."""
    x = (normal(0, 500, 6) * torch.arange(1, 7)).float() + offset
    moments = stream(x, size).finish()
    assert (moments.count, moments.mean.dtype, moments.covariance.dtype) == (500, torch.double, torch.double)
    np.testing.assert_allclose(moments.mean, x.double().numpy().mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance, np.cov(x.double().numpy(), rowvar=False), rtol=1e-9, atol=1e-9)


def test_a_single_row_has_no_covariance() -> None:
    assert stream(normal(0, 1, 3), 5).finish().covariance.isnan().all()


def torch_fidelity_fid(fake: Tensor, real: Tensor) -> float:
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

    statistics = [fid_features_to_statistics(x.double()) for x in (fake, real)]
    return float(fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID])


@pytest.mark.parametrize("scale", [0.5, 1.0, 30.0])
def test_fid_equals_torch_fidelitys(scale: float) -> None:
    mix = normal(7, 32, 32)
    fake, real = scale * normal(0, 400, 32) @ mix + 0.3, normal(1, 300, 32) @ mix
    ours = measure(METRICS["fid"], features=fake, reference_features=real)["fid"]
    assert ours == pytest.approx(torch_fidelity_fid(fake, real), rel=1e-6)


@pytest.mark.parametrize(("rows", "real_rows"), [(20, 300), (300, 20), (15, 10), (2, 2)])
def test_fid_of_fewer_samples_than_features_is_exact(rows: int, real_rows: int) -> None:
    """Tr (S S_r)^(1/2) is the nuclear norm of the product of the centred features; of 2 rows there is one number."""
    fake, real = normal(0, rows, 48) + 0.3, 2 * normal(1, real_rows, 48)
    one, other = ((x - x.mean(0)) / math.sqrt(len(x) - 1) for x in (fake, real))
    cross = torch.linalg.svdvals(one @ other.T).sum()
    expected = (fake.mean(0) - real.mean(0)).square().sum() + one.square().sum() + other.square().sum() - 2 * cross
    ours = measure(METRICS["fid"], features=fake, reference_features=real)["fid"]
    assert ours == pytest.approx(expected.item(), rel=1e-9)


def test_fid_of_a_single_sample_is_undefined() -> None:
    assert math.isnan(measure(METRICS["fid"], features=normal(0, 1, 4), reference_features=normal(1, 9, 4))["fid"])
    assert math.isnan(measure(METRICS["fid"], features=normal(0, 9, 4), reference_features=normal(1, 1, 4))["fid"])


@pytest.mark.parametrize("block", [3, 50, 1000])
@pytest.mark.parametrize("neighbours", [1, 3])
def test_precision_and_recall_in_blocks_are_torch_fidelitys(
    block: int, neighbours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch_fidelity.metric_prc import prc_features_to_metric

    from ganbench_plugins.metrics import precision_recall

    monkeypatch.setattr(precision_recall, "BLOCK", block)
    for shift in (0.0, 0.7, 3.0):
        fake, real = (normal(0, 230, 5) + shift).float(), normal(1, 170, 5).float()
        theirs = prc_features_to_metric(fake.double(), real.double(), prc_neighborhood=neighbours, verbose=False)
        metric = precision_recall.precision_recall(neighbours)
        ours = measure(metric, features=fake, reference_features=real)
        assert ours == pytest.approx({name: theirs[name] for name in ours}, abs=1e-7)  # theirs is a float32 mean
