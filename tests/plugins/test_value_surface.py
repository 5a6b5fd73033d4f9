"""The value surface is the critic's score at each place of the lattice."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ganbench
import pytest
import torch
from ganbench import GanbenchError, Profile
from torch import Tensor

from ganbench_plugins.metrics import value_surface
from ganbench_plugins.metrics.value_surface import count_peaks


def measure(critic: Any, shape: tuple[int, ...] = (2,), **options: Any) -> dict[str, Any]:
    metric = value_surface.value_surface(**options)
    return dict(metric.measure(SimpleNamespace(critic=critic, source=SimpleNamespace(shape=shape))))  # type: ignore[arg-type]


def plane(x: Tensor) -> Tensor:
    return 2 * x[:, 0] - 3 * x[:, 1]


def test_each_value_is_the_score_at_its_place_and_the_lattice_has_the_corners() -> None:
    values = measure(plane, lo=-1.0, hi=1.0, points=3)
    surface = values["critic-surface"]
    assert isinstance(surface, Profile)
    assert surface.y is not None
    found = dict(zip(zip(surface.x, surface.y, strict=True), surface.values, strict=True))
    assert found == {(a, b): 2 * a - 3 * b for a in (-1.0, 0.0, 1.0) for b in (-1.0, 0.0, 1.0)}
    assert values["surface-range"] == 10.0


def test_a_radial_critic_has_the_level_sets_of_a_circle() -> None:
    surface = measure(lambda x: x.norm(dim=1))["critic-surface"]
    assert len(surface.values) == 64**2
    for x, y, value in zip(surface.x, surface.y, surface.values, strict=True):
        assert value == pytest.approx(math.hypot(x, y), abs=1e-6)


def test_the_envelope_of_cones_at_eight_points_has_eight_peaks_and_one_cone_has_one() -> None:
    """The best critic of points against the points plus noise is an envelope of cones, one at each of them."""
    angles = torch.arange(8) * math.pi / 4
    centres = 1.4 * torch.stack([angles.cos(), angles.sin()], 1)
    assert measure(lambda x: -torch.cdist(x, centres).amin(1))["surface-peaks"] == 8.0
    assert measure(lambda x: -x.norm(dim=1))["surface-peaks"] == 1.0
    assert measure(plane)["surface-peaks"] == 1.0
    assert measure(lambda x: 0 * x[:, 0])["surface-peaks"] == 0.0
    assert math.isnan(measure(lambda x: x[:, 0] / 0)["surface-peaks"])


def test_a_peak_counts_from_its_share_of_the_range_on() -> None:
    """Heights 10, 9 and 5 over passes at 8 and 0: the second rises by 1, the third by 5; a ridge of equals is one."""
    heights = torch.tensor([[10.0, 8.0, 9.0, 0.0, 5.0, 5.0]])
    assert [count_peaks(heights, share) for share in (0.05, 0.1, 0.4, 0.6)] == [3.0, 2.0, 2.0, 1.0]
    corner = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    assert count_peaks(corner) == 1.0  # neighbours meet at corners, too


def test_other_data_and_other_critics_are_refused() -> None:
    with pytest.raises(GanbenchError, match=r"plane.*\(1, 8, 8\).*'ring'"):
        measure(plane, shape=(1, 8, 8))
    with pytest.raises(GanbenchError, match=r"\[4096, 2\].*without packing"):
        measure(lambda x: x)
    with pytest.raises(GanbenchError, match="lo below hi"):
        value_surface.value_surface(lo=1.0, hi=1.0)


def test_a_run_stores_the_surface_of_a_critic_against_the_data_plus_noise(tmp_path: Path) -> None:
    frames = ganbench.run(
        {
            "question": "What does the critic look like against the data plus noise?",
            "seeds": 1,
            "methods": ["wgan-gp"],
            "budget": {"generator_steps": 10, "batch_size": 32, "snapshots": 1},
            "architectures": {
                "space": "known-generator",
                "options": {"law": "data", "dataset": "ring", "noise": 1.0, "bank": 500, "critic_width": 16},
            },
            "dataset": [{"name": "ring", "metrics": [{"name": "value-surface", "points": 8}]}],
            "measurement": {"samples": 50},
        },
        results=tmp_path,
        jobs=0,
    )
    surface = frames.profiles[frames.profiles["name"] == "critic-surface"]
    assert len(surface) == 64
    assert (
        sorted(surface["x"].unique())
        == sorted(surface["y"].unique())
        == pytest.approx([-2 + 4 * k / 7 for k in range(8)])
    )
    (spread,) = frames.series.loc[frames.series["name"] == "surface-range", "value"]
    assert spread == pytest.approx(surface["value"].max() - surface["value"].min(), rel=1e-6)
