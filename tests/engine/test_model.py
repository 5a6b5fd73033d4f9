"""The functions that a metric calls are the networks that were trained: averaged, normalised, each member's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from ganbench import Ask, Constraint, GanbenchError, Input, Networks, Source, Space
from ganbench.engine.model import Model
from ganbench.engine.program import Link, Program
from ganbench.engine.restore import restore_snapshot
from ganbench.engine.scalars import ScheduledScalars
from ganbench.engine.snapshot import Snapshot, pack, unpack
from torch import Tensor, nn

from ganbench_plugins.constraints import gradient_normalisation, spectral_norm
from ganbench_plugins.losses import boundary_equilibrium
from tests.support.answering_networks import (
    make_critic_free_space,
    make_space,
)
from tests.support.small_games import LATENT, NS, conv, images, make_training, mlp, ns_gan, ring

POINTS = torch.linspace(-1.5, 1.5, 24, dtype=torch.float64).reshape(12, 2)
Z = torch.randn(16, LATENT, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def train(program: Program, space: Space | None = None, **options: Any) -> tuple[Any, Snapshot]:
    training = make_training(program, space or mlp(), ring(), **{"steps": 5, **options})
    *_, last = training.run()
    return training, last


def call_by_hand(module: nn.Module, tensors: dict[str, Tensor], x: Tensor) -> Any:
    """Return the answers of a network with these tensors, where they are."""
    return torch.func.functional_call(module, tensors, (x.to(next(iter(tensors.values())).device),))


def constrain(part: Any) -> Program:
    return Program(objective=NS, constraints=(Link("part", 1.0, part),))


def slopes(model: Model, x: Tensor) -> Tensor:
    """Return the norm of the critic's gradient at each point, [n]."""
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model.critic(x).sum(), x)
    return gradient.flatten(1).norm(dim=1)


def test_the_generator_is_the_averaged_one_that_the_scored_samples_come_from() -> None:
    training, last = train(replace(ns_gan(), ema=0.9))
    assert last.average is not None
    for row in range(3):
        model = Model(training, last, row)
        for name, tensor in model.generator_parameters.items():
            assert torch.equal(tensor, last.average[name][row])
            assert not torch.equal(tensor, last.generators[name][row])
    averaged = {name: tensor[2] for name, tensor in last.average.items()}
    by_hand = call_by_hand(last.ensemble.networks.generator, averaged, Z).cpu()
    assert torch.allclose(Model(training, last, 2).generator(Z), by_hand.detach())


class Shifted(nn.Linear):
    """A linear generator whose samples are moved by a random vector, a buffer of each seed's own."""

    def __init__(self) -> None:
        super().__init__(LATENT, 2)
        self.register_buffer("reference", torch.randn(2))
        self.reference: Tensor

    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z) + self.reference


def buffered() -> Space:
    """Return a space whose generator has a buffer."""

    def networks(spec: Any, ask: Ask) -> Networks:
        plain = mlp().networks(spec, ask)
        assert isinstance(plain, Networks)
        return replace(plain, generator=Shifted())

    return Space(sample=lambda rng: {}, networks=networks)


@pytest.mark.parametrize("mode", ["stack", "loop"])
def test_a_member_s_samples_are_made_with_its_own_buffers(mode: Any) -> None:
    training, last = train(ns_gan(), buffered(), mode=mode)
    second = {name: tensor[1] for name, tensor in last.generators.items()}
    second["reference"] = last.ensemble.buffers["generator"]["reference"][1]
    by_hand = call_by_hand(last.ensemble.networks.generator, second, Z)
    assert torch.allclose(Model(training, last, 1).generator(Z), by_hand.cpu())
    second["reference"] = last.ensemble.buffers["generator"]["reference"][0]
    assert not torch.allclose(call_by_hand(last.ensemble.networks.generator, second, Z), by_hand)


def linear_critics() -> Space:
    """Return a space whose critic is w.x + b: spectral normalisation makes its slope exactly 1."""

    def networks(spec: Any, ask: Ask) -> Networks:
        critic = nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))
        return Networks(generator=nn.Linear(LATENT, 2), critic=critic, latent=LATENT, rowwise=True)

    return Space(sample=lambda rng: {}, networks=networks)


def test_the_critic_of_a_spectrally_normalised_method_has_the_slope_of_one_that_training_saw() -> None:
    training, last = train(constrain(spectral_norm.build()), linear_critics())
    for row in range(3):
        model = Model(training, last, row)
        assert torch.allclose(slopes(model, POINTS), torch.ones(12, dtype=torch.float64))
        raw = model.critic_parameters["0.weight"].norm()
        assert abs(float(raw) - 1) > 1e-3, "the optimizer holds other weights than the critic is called with"


def test_the_critic_is_normalised_from_the_state_of_its_snapshot_also_when_training_goes_on() -> None:
    training = make_training(constrain(spectral_norm.build()), mlp(), ring(), steps=6)
    training.budget = replace(training.budget, snapshots=(3, 6))
    steps = training.run()
    first = next(steps)
    weight, u = (t["0.weight"][1].clone() for t in (first.ensemble.detached["critic"], first.state["part"]))
    before = Model(training, first, 1).critic(POINTS)
    selected = first.select([1])
    tensors, numbers = pack(selected, training.ensembles)
    next(steps)
    assert torch.equal(Model(training, selected, 0).critic(POINTS), before)
    restored = unpack(tensors, numbers, training.ensembles)
    assert torch.equal(Model(training, restored, 0).critic(POINTS), before)
    assert not torch.allclose(Model(training, first, 1).critic(POINTS), before), "the training has gone on"
    sigma, _ = spectral_norm.power_iteration(weight, u)
    assert torch.equal(restored.state["part"]["0.weight"][0], u)
    normalised = {"0.weight": weight / sigma}
    hidden = (
        POINTS.to(weight.device) @ normalised["0.weight"].T + restored.ensemble.detached["critic"]["0.bias"][0]
    ).tanh()
    out = restored.ensemble.detached["critic"]["2.weight"][0]
    out_sigma, _ = spectral_norm.power_iteration(out, restored.state["part"]["2.weight"][0])
    by_hand = hidden @ (out / out_sigma).T + restored.ensemble.detached["critic"]["2.bias"][0]
    assert torch.allclose(before, by_hand.squeeze(1).cpu())


def test_a_wrapped_critic_is_called_wrapped() -> None:
    training, last = train(constrain(gradient_normalisation.build()))
    plain = Model(replace(training, program=ns_gan()), last, 0)  # the same weights without the constraint
    f = plain.critic(POINTS)
    score = Model(training, last, 0).critic(POINTS)
    assert torch.allclose(score, f / (slopes(plain, POINTS) + f.abs()))
    assert float(score.abs().max()) < 1
    assert not torch.allclose(score, f)


def test_the_critic_returns_what_the_loss_reads() -> None:
    training, last = train(Program(objective=boundary_equilibrium.build()), make_space())
    critic = {n: p[0] for n, p in last.ensemble.detached["critic"].items()}
    answers = call_by_hand(last.ensemble.networks.critic, critic, POINTS)
    by_hand = (answers["reconstruction"].cpu() - POINTS).abs().mean(1)
    assert torch.allclose(Model(training, last, 0).critic(POINTS)[:, 0], by_hand)


def test_a_packed_critic_sees_m_samples_as_one() -> None:
    training, last = train(Program(objective=NS, inputs=(Link("pack", 1.0, Input(pack=2)),)))
    model = Model(training, last, 0)
    first, *_ = model.critic(POINTS)
    assert model.critic(POINTS).shape == (6,)
    assert torch.allclose(model.critic(POINTS[:2]), first)
    with pytest.raises(GanbenchError, match="sees 2 samples as one, and was given 3: give it a multiple"):
        model.critic(POINTS[:3])


def test_a_scheduled_option_has_its_value_at_the_snapshot() -> None:
    """A wrap multiplies by a schedule that falls from 8 to 0: at step 2 of 4 the last step had progress 1/4."""
    scalars = ScheduledScalars(torch.device("cpu"), torch.float64)
    scale = scalars({"linear": [8.0, 0.0]})
    program = constrain(Constraint(wrap=lambda critic: lambda x: scale * critic(x)))
    training = make_training(program, mlp(), ring(), steps=4)
    training.budget, training.scalars = replace(training.budget, snapshots=(2, 4)), scalars
    first = next(iter(training.run())).select([0])
    while_training = Model(training, first, 0).critic(POINTS)
    scalars.set_progress(1.0)
    assert torch.equal(Model(training, first, 0).critic(POINTS), while_training)
    plain = Model(replace(training, program=ns_gan()), first, 0).critic(POINTS)
    assert torch.allclose(while_training, 6 * plain)


class Conditional(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear, self.outputs = nn.Linear(inputs + 1, outputs), outputs

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        out: Tensor = self.linear(torch.cat([x, labels[:, None].to(x)], 1))
        return out.squeeze(1) if self.outputs == 1 else out


def test_conditional_networks_are_called_with_labels() -> None:
    def networks(spec: Any, ask: Ask) -> Networks:
        return Networks(generator=Conditional(LATENT, 2), critic=Conditional(2, 1), latent=LATENT, conditional=True)

    points = ring().reference(40)
    source = Source(
        shape=(2,), size=40, take=lambda i: points[i], reference=lambda n: points[:n], classes=2, labels=lambda i: i % 2
    )
    training = make_training(ns_gan(), Space(sample=lambda rng: {}, networks=networks), source, steps=2)
    *_, last = training.run()
    model, labels = Model(training, last, 0), torch.arange(12) % 2
    assert model.critic(POINTS, labels).shape == (12,)
    assert not torch.equal(model.generator(Z[:12], labels), model.generator(Z[:12], 1 - labels))
    for function, x in ((model.critic, POINTS), (model.generator, Z)):
        with pytest.raises(GanbenchError, match="conditional: give the labels"):
            function(x)


def test_a_missing_critic_is_refused_with_the_reason() -> None:
    training, last = train(ns_gan(), dtype=torch.float32)
    stored = restore_snapshot(training, [last.generator_file(i) for i in range(3)])
    model = Model(training, stored, 1)
    assert torch.equal(model.generator(Z), Model(training, last, 1).generator(Z))
    assert model.critic_parameters == {}
    with pytest.raises(GanbenchError, match="only generators are stored"):
        model.critic(POINTS)
    free = Program(objective=replace(NS, head=None, read=lambda answer, x: x[:, 0]), critic_steps=lambda step: 0)
    with pytest.raises(GanbenchError, match="this method has no critic"):
        Model(*train(free, make_critic_free_space()), 0).critic(POINTS)


def test_images_keep_their_shape() -> None:
    training = make_training(ns_gan(), conv(), images(), steps=2)
    *_, last = training.run()
    model = Model(training, last, 0)
    assert model.critic(model.generator(Z)).shape == (16,)
