"""The value surface is the critic's score at each place of the lattice."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ganbench
import pytest
from ganbench import GanbenchError, Profile
from torch import Tensor

from ganbench_plugins.metrics import value_surface


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
