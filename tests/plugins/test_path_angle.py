"""The cosine of the game's field with the line from the first weights to the trained ones has its closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ganbench
import pytest
import torch
from ganbench import GanbenchError, registry
from ganbench.api.data import Source
from ganbench.engine.ensemble import PLAYERS
from ganbench.engine.train import prepare
from ganbench.evaluation.evidence import ModelEvidence, open_evidence
from ganbench.evaluation.reference import Reference
from torch import Tensor

from ganbench_plugins.metrics.path_angle import walk
from tests.support.tiny_suite import plan_small

PLUGINS = registry.load()
TURN = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
PLACES = [k / 20 for k in range(26)]


def field(matrix: Tensor, centre: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda point: matrix @ (point - centre)


def test_attraction_alone_changes_from_1_to_minus_1_at_the_centre() -> None:
    start, end = torch.tensor([1.0, 2.0]), torch.tensor([-1.0, 0.5])
    cosines, norms = walk([field(-3 * torch.eye(2), end)], start, end, PLACES)
    assert cosines[:20] == pytest.approx([1.0] * 20)
    assert math.isnan(cosines[20])
    assert cosines[21:] == pytest.approx([-1.0] * 5)
    assert norms == pytest.approx([3 * 2.5 * abs(1 - place) for place in PLACES], abs=1e-6)


def test_rotation_alone_is_at_right_angles_to_the_line_to_its_centre() -> None:
    start, end = torch.tensor([1.0, 2.0]), torch.tensor([-1.0, 0.5])
    cosines, _ = walk([field(TURN, end)], start, end, PLACES)
    assert cosines[:20] + cosines[21:] == pytest.approx([0.0] * 25, abs=1e-6)


def test_rotation_round_a_near_centre_is_a_bump_without_a_change_of_sign() -> None:
    """At distance b of the centre from the line, and s along it: v = (b, -s) up to a factor, cosine b / |(b, s)|."""
    start, end, b = torch.tensor([-1.0, 0.0]), torch.tensor([0.0, 0.0]), 0.1
    cosines, _ = walk([field(TURN, torch.tensor([0.0, -b]))], start, end, PLACES)
    assert cosines == pytest.approx([b / math.hypot(b, 1 - place) for place in PLACES], rel=1e-5)


def test_fields_of_several_batches_are_averaged_before_the_cosine() -> None:
    start, end = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.0])
    shifted = [field(-torch.eye(2), end + torch.tensor([0.0, side])) for side in (2.0, -2.0)]
    assert walk(shifted, start, end, [0.5])[0] == pytest.approx([1.0])


def test_weights_that_did_not_move_have_no_angle() -> None:
    point = torch.ones(2)
    assert all(map(math.isnan, walk([field(TURN, 0 * point)], point, point, PLACES)[0]))


def train(method: dict[str, Any], steps: int, theta: float, psi: float) -> ModelEvidence:
    """Train the Dirac-GAN by plain gradient descent of 0.1, and return its evidence."""
    (batch,) = plan_small(
        PLUGINS,
        methods=[],
        method=[{"name": "mine", "dynamics": "simultaneous", "optimizer": {"name": "sgd", "lr": 0.1}, **method}],
        architectures={"space": "linear", "options": {"theta": theta, "psi": psi}},
        dataset=[{"name": "dirac"}],
        measurement={"samples": 2},
        budget={"generator_steps": steps, "batch_size": 4, "snapshots": 1},
        success=None,
        seeds=1,
    ).batches
    training = prepare(batch, PLUGINS, torch.device("cpu"))
    (snapshot,) = training.run()
    source: Source = training.source
    return open_evidence(training, snapshot, 0, training.draw_samples(snapshot, 2)[0], Reference(source, 2))


def measure(evidence: ModelEvidence, **options: Any) -> dict[str, Any]:
    metric = PLUGINS.build("metrics", "path-angle", options)
    evidence.focus(metric)
    return dict(metric.measure(evidence))


def test_the_first_weights_are_those_of_the_seed_after_training() -> None:
    (batch,) = plan_small(PLUGINS, methods=["ns-gan"], seeds=2, success=None).batches
    training = prepare(batch, PLUGINS, torch.device("cpu"))
    first = {
        player: {name: p.clone() for name, p in parameters.items()}
        for player, parameters in training.ensembles[0].detached.items()
    }
    *_, snapshot = training.run()
    for row in range(2):
        evidence = open_evidence(training, snapshot, row, torch.zeros(2, 2), Reference(training.source, 2))
        for player in PLAYERS:
            again = evidence.first_parameters(player)
            assert again.keys() == first[player].keys()
            assert all(torch.equal(again[name], stacked[row]) for name, stacked in first[player].items())
            now = getattr(evidence, f"{player}_parameters")
            assert not all(torch.equal(again[name], now[name]) for name in again)


def test_the_wgan_without_a_constraint_turns_all_the_way() -> None:
    """L = psi theta, so v = (psi, -theta) at every place of the line, and the cosine keeps its sign."""
    evidence = train({"from": "wgan", "constraints": []}, 7, 1.5, -0.5)
    found = measure(evidence)
    theta, psi = (float(p) for player in PLAYERS for p in getattr(evidence, f"{player}_parameters").values())
    first = complex(1.5, -0.5)
    line = complex(theta, psi) - first
    angle, norm = found["path-angle"], found["path-norm"]
    for place, cosine, length in zip(angle.x, angle.values, norm.values, strict=True):
        point = first + place * line
        v = complex(point.imag, -point.real)
        assert length == pytest.approx(abs(v), rel=1e-5)
        assert cosine == pytest.approx((v * line.conjugate()).real / (abs(v) * abs(line)), rel=1e-5)
    assert angle.x == pytest.approx(PLACES)
    assert min(angle.values) > 0
    before, after = angle.values[15:20], angle.values[21:]
    assert found["path-attraction"] == pytest.approx((sum(before) - sum(after)) / 10)


def test_with_r1_the_gan_is_attracted() -> None:
    """Near the equilibrium v = J w, J = ((0, 1/2), (-1/2, -1)), w from (.15, -.05) to 0: the cosine is sqrt(1/5), then
    its negative.
    """
    evidence = train({"from": "gan", "constraints": [{"name": "r1", "weight": 1.0}]}, 400, 0.15, -0.05)
    found = measure(evidence)
    cosines = found["path-angle"].values
    assert cosines[:20] == pytest.approx([math.sqrt(0.2)] * 20, rel=2e-2)
    assert cosines[21:] == pytest.approx([-math.sqrt(0.2)] * 5, rel=2e-2)
    assert found["path-attraction"] == pytest.approx(math.sqrt(0.2), rel=2e-2)


def test_each_seed_and_snapshot_of_a_run_has_its_value(tmp_path: Path) -> None:
    frames = ganbench.run(
        {
            "question": "Are the players attracted?",
            "seeds": 2,
            "methods": ["ns-gan"],
            "budget": {"generator_steps": 4, "batch_size": 8, "snapshots": 2},
            "architectures": {"space": "mlp", "options": {"generator_width": 4, "critic_width": 4}},
            "dataset": [{"name": "ring", "metrics": ["path-angle"]}],
            "measurement": {"samples": 20},
        },
        results=tmp_path,
        jobs=0,
    )
    assert frames.trials["error"].tolist() == ["", ""]
    values = frames.series.loc[frames.series["name"] == "path-attraction", "value"]
    assert len(values) == 4
    assert values.between(-1, 1).all()
    assert values.nunique() == 4


def test_networks_that_grow_have_no_first_weights() -> None:
    (batch,) = plan_small(
        PLUGINS,
        methods=["progan"],
        architectures={"space": "progressive"},
        dataset=[{"name": "digits"}],
        success=None,
        seeds=1,
    ).batches
    training = prepare(batch, PLUGINS, torch.device("cpu"))
    snapshot = training.take_snapshot(1, training.begin_stage(0).game)
    samples = torch.zeros(2, *training.source.shape)
    with pytest.raises(GanbenchError, match="grow"):
        open_evidence(training, snapshot, 0, samples, Reference(training.source, 2)).first_parameters("critic")
