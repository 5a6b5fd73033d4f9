"""The losses of a trained model on a batch of its own: closed forms on the Dirac-GAN, and nothing changes."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from ganbench import GanbenchError, registry
from ganbench.engine.model import Model
from ganbench.engine.probe import open_step
from ganbench.engine.train import Training, prepare
from torch.func import grad

from tests.support.tiny_suite import plan_small

PLUGINS = registry.load()
DIRAC: dict[str, Any] = {
    "architectures": {"space": "linear", "options": {"theta": 1.5, "psi": -0.5}},
    "dataset": [{"name": "dirac"}],
    "measurement": {"samples": 2},
}
G, D = {"theta": torch.tensor([1.5])}, {"psi": torch.tensor([[-0.5]])}


def open_model(method: dict[str, Any], **changes: Any) -> tuple[Training, Model]:
    """Return the model of one seed at the first snapshot of its training."""
    table = {"methods": [], "method": [{"name": "mine", **method}], "success": None, "seeds": 1, **changes}
    (batch,) = plan_small(PLUGINS, **table).batches
    training = prepare(batch, PLUGINS, torch.device("cpu"))
    snapshot = next(training.run())
    return training, Model(training, snapshot, 0)


def softplus(t: float) -> float:
    return math.log1p(math.exp(t))


def test_losses_and_objectives_have_their_closed_forms_at_any_parameters() -> None:
    """Theta = 1.5, psi = -.5: r = 0, f = -.75; minimax with R1 of weight .3: sp(0) + sp(f) + .15 psi^2."""
    _, model = open_model({"from": "gan", "constraints": [{"name": "r1", "weight": 0.3}]}, **DIRAC)
    step = open_step(model)
    objective = softplus(0) + softplus(-0.75)
    assert float(step.objective("critic", G, D)) == pytest.approx(objective, rel=1e-6)
    assert float(step.critic(G, D)) == pytest.approx(objective + 0.15 * 0.25, rel=1e-6)
    assert float(step.generator(G, D)) == pytest.approx(-softplus(-0.75), rel=1e-6)
    assert float(step.play(G, D).scores_fake[0]) == pytest.approx(-0.75)
    slope = grad(step.critic, argnums=1)(G, D)["psi"]
    sigmoid = 1 / (1 + math.exp(0.75))
    assert float(slope) == pytest.approx(1.5 * sigmoid + 0.3 * -0.5, rel=1e-6)


def test_a_lazy_term_counts_with_its_weight_on_average() -> None:
    _, model = open_model({"from": "gan", "constraints": [{"name": "r1", "weight": 0.3, "every": 16}]}, **DIRAC)
    term = open_step(model).critic(G, D) - open_step(model).objective("critic", G, D)
    assert float(term) == pytest.approx(0.15 * 0.25, rel=1e-4)


def test_batches_repeat_differ_by_number_and_can_be_held_out() -> None:
    _, model = open_model({"from": "wgan-gp"})
    g, d = model.generator_parameters, model.critic_parameters
    first, again, second = (float(open_step(model, number).critic(g, d)) for number in (0, 0, 1))
    assert first == again
    assert first != second
    real = torch.full((16, 2), 3.0)
    assert torch.equal(open_step(model, 0, real).play(g, d).real, real)


def test_probing_changes_no_number_of_the_training() -> None:
    """Two trainings with a stateful constraint, of which one is probed at its snapshots, end in the same bits."""
    ends = []
    for probed in (False, True):
        (batch,) = plan_small(PLUGINS, methods=["hinge-sn"], success=None).batches
        training = prepare(batch, PLUGINS, torch.device("cpu"))
        for snapshot in training.run():
            if probed:
                model = Model(training, snapshot, 1)
                for player in ("critic", "generator"):
                    grad(getattr(open_step(model), player))(model.generator_parameters, model.critic_parameters)
        ends.append({name: weights.clone() for name, weights in training.ensembles[0].detached["critic"].items()})
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_a_snapshot_without_its_critic_has_no_losses() -> None:
    training, model = open_model({"from": "wgan-gp"})
    alone = Model(training, model.snapshot.without_critics(), 0)
    with pytest.raises(GanbenchError, match="only generators are stored"):
        open_step(alone)
