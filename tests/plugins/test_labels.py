"""Labels: conditional networks, classifiers on the critic, and the labels of what is scored."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
import torch
from ganbench import Ask, GanbenchError, Networks, Space
from ganbench.engine.model import Model
from ganbench.engine.program import Link, Program
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.train import Training
from ganbench.evaluation.evidence import open_evidence
from ganbench.evaluation.reference import Reference
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import cross_entropy, pad, softplus

from ganbench_plugins.architectures import dcgan, mlp, resnet
from ganbench_plugins.datasets import labelled_ring
from ganbench_plugins.inputs import class_labels
from ganbench_plugins.losses import classes_and_fake
from ganbench_plugins.methods import conditional as methods
from ganbench_plugins.methods import sngan
from tests.support.small_games import NS, labelled, make_training, ring
from tests.support.small_games import mlp as plain_mlp

SPACES: dict[str, tuple[Space, tuple[int, ...]]] = {
    "mlp": (mlp.build_mlp(generator_width=8, critic_width=8, latent=3), (2,)),
    "dcgan": (dcgan.build_dcgan(filters=4, latent=5), (1, 8, 8)),
    "resnet": (resnet.build_sngan(generator_channels=4, critic_channels=4, latent=5), (1, 16, 16)),
}


def fix(space: Space) -> Space:
    """Return the space with its only architecture, whatever spec it is given: trainings by hand give none."""
    spec = space.sample(Random(0))
    return Space(sample=space.sample, networks=lambda _, ask: space.networks(spec, ask), size=1)


MLP = fix(SPACES["mlp"][0])


def link(part: Any, weight: float = 1.0, name: str = "labels") -> tuple[Link, ...]:
    return (Link(name, weight, part),)


def build(name: str, conditional: Any, heads: dict[str, int] | None = None) -> Networks:
    space, shape = SPACES[name]
    torch.manual_seed(0)
    asked = space.networks(
        space.sample(Random(0)),
        Ask(shape=shape, classes=3, conditional=conditional, heads=heads or {}),
    )
    assert isinstance(asked, Networks)
    return asked


# networks


@pytest.mark.parametrize("name", SPACES)
def test_the_generator_reads_the_label_and_the_critic_only_where_both_are_asked(name: str) -> None:
    for who, expected in (("", False), ("generator", "generator"), ("both", True)):
        networks = build(name, who)
        assert networks.conditional == expected
        z = torch.randn(6, networks.latent)
        if not who:
            networks.generator(z)
            continue
        first, second = (networks.generator(z, torch.full((6,), label)) for label in (0, 2))
        assert (first != second).any()
        if who == "both":
            assert networks.critic is not None
            scores = [networks.critic(first, torch.full((6,), label)) for label in (0, 2)]
            assert (scores[0] != scores[1]).all()


def test_the_projection_is_the_inner_product_of_the_features_with_the_label_s_embedding() -> None:
    networks = build("mlp", "both")
    critic: Any = networks.critic
    x, labels = torch.randn(5, 2), torch.tensor([0, 1, 2, 1, 0])
    hidden = critic.trunk(x)
    expected = critic.score(hidden).squeeze(1) + (critic.by_class.weight[labels] * hidden).sum(1)
    torch.testing.assert_close(critic(x, labels), expected)


def test_a_labelled_generator_is_the_plain_one_with_one_hot_codes() -> None:
    generator: Any = build("mlp", "generator").generator
    z, labels = torch.randn(4, 3), torch.tensor([2, 0, 1, 1])
    codes = torch.nn.functional.one_hot(labels, 3).float()
    assert torch.equal(generator(z, labels), generator.net(torch.cat([z, codes], 1)))


# training


PROGRAMS = {
    "both conditional": Program(objective=NS, inputs=link(class_labels.build_labels())),
    "generator conditional": Program(objective=NS, inputs=link(class_labels.build_labels("generator"))),
    "acgan": Program(objective=NS, inputs=link(class_labels.build_classifier())),
    "labels for the critic alone": Program(objective=NS, inputs=link(class_labels.build_classifier("real"))),
    "k + 1 classes": Program(objective=classes_and_fake.build(), inputs=link(class_labels.build_classifier("real"))),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_labels_train_to_the_same_numbers_stacked_looped_and_alone(name: str) -> None:
    def train(**settings: Any) -> Tensor:
        training = make_training(PROGRAMS[name], MLP, labelled(), steps=6, **settings)
        *_, last = training.run()
        return training.draw_samples(last, 20)

    stacked, looped, alone = train(mode="stack"), train(mode="loop"), train(seeds=(1,), mode="loop")
    torch.testing.assert_close(stacked, looped, rtol=0, atol=1e-6)
    torch.testing.assert_close(stacked[1], alone[0], rtol=0, atol=1e-6)
    assert (stacked[0] - stacked[1]).abs().max() > 1e-3, "two seeds must give different samples"


def test_acgan_s_losses_are_those_of_a_step_by_hand() -> None:
    training = make_training(PROGRAMS["acgan"], MLP, labelled(), seeds=(0,), mode="loop", steps=1)
    stage = training.begin_stage(0)
    inputs = stage.inputs["critic"].next()
    networks, ensemble = stage.game.ensemble.networks, stage.game.ensemble
    g, d = ({name: p[0] for name, p in ensemble.detached[player].items()} for player in ("generator", "critic"))
    g |= {name: buffer[0] for name, buffer in ensemble.buffers["generator"].items()}
    labels, noise, real = inputs["labels"][0], inputs["latent"]["noise"][0], inputs["real"][0]
    fake = functional_call(networks.generator, g, (noise, labels))
    assert networks.critic is not None
    answers = [functional_call(networks.critic, d, (x,)) for x in (real, fake)]
    expected = softplus(-answers[0]["score"]).mean() + softplus(answers[1]["score"]).mean()
    expected = expected + sum(cross_entropy(answer["classes"], labels) for answer in answers)
    stage.game.step(("critic",), inputs)
    torch.testing.assert_close(stage.game.losses["critic"][0], expected.detach())


@pytest.mark.parametrize(
    ("program", "space", "source", "message"),
    [
        ("both conditional", "ours", labelled, "conditions both networks by labels, and this architecture's networks"),
        ("acgan", "ours", labelled, "conditions the generator by labels"),
        ("acgan", "mlp", ring, "reads labels, and the dataset has none"),
        ("k + 1 classes", "mlp", ring, "reads labels, and the dataset has none"),
    ],
)
def test_labels_without_a_network_or_data_for_them_are_refused(
    program: str, space: str, source: Any, message: str
) -> None:
    built = plain_mlp() if space == "ours" else MLP
    with pytest.raises(GanbenchError, match=message):
        list(make_training(PROGRAMS[program], built, source(), steps=2).run())


def test_the_classifier_s_term_is_the_cross_entropy_of_its_samples() -> None:
    class Seen:
        labels = torch.tensor([0, 2, 1])
        answers_real = {"classes": torch.randn(3, 3)}
        answers_fake = {"classes": torch.randn(3, 3)}

    both, real = class_labels.build_classifier(), class_labels.build_classifier("real")
    on_real, on_fake = (cross_entropy(a["classes"], Seen.labels) for a in (Seen.answers_real, Seen.answers_fake))
    assert both.critic is not None
    assert both.generator is not None
    assert real.critic is not None
    torch.testing.assert_close(both.critic(Seen), on_real + on_fake)
    torch.testing.assert_close(both.generator(Seen), on_fake)
    torch.testing.assert_close(real.critic(Seen), on_real)
    assert real.generator is None
    assert real.conditional == ""


def test_k_plus_1_classes_are_the_classifier_and_the_gan_together() -> None:
    """The cross-entropy of [l, 0] at the label is that among K plus sp(-log Z); at the fake class it is sp(log Z)."""
    real, fake, labels = torch.randn(7, 3), torch.randn(7, 3), torch.randint(3, (7,))
    objective = classes_and_fake.build()
    critic = objective.critic(objective.read(real, real), objective.read(fake, fake))
    whole = cross_entropy(pad(real, (0, 1)), labels) + cross_entropy(pad(fake, (0, 1)), torch.full((7,), 3))
    torch.testing.assert_close(critic + cross_entropy(real, labels), whole)


def test_recipes_have_their_papers_settings() -> None:
    acgan, projection = methods.acgan(), sngan.projection()
    assert [use.name for use in acgan.inputs] == ["auxiliary-classifier"]
    assert [use.name for use in projection.inputs] == ["class-labels"]
    assert projection.critic_steps == 5
    assert acgan.optimizer is not None
    assert dict(acgan.optimizer.options) == {"lr": 2e-4, "beta1": 0.5, "beta2": 0.999}


# evidence and metrics


def train_table(mode: str = "stack") -> tuple[Training, Snapshot]:
    """Return a short training of a generator that takes labels, on the labelled ring."""
    source = labelled_ring.build(modes=3, size=60)
    training = make_training(
        Program(objective=NS, inputs=link(class_labels.build_labels())), MLP, source, mode=mode, steps=3
    )
    *_, last = training.run()
    return training, last


@pytest.mark.parametrize("mode", ["stack", "loop"])
def test_evidence_has_the_label_of_each_sample(mode: str) -> None:
    training, last = train_table(mode)
    samples = training.draw_samples(last, 37)
    for row in range(3):
        evidence = open_evidence(training, last, row, samples[row], Reference(training.source, 40))
        labels = evidence.labels
        assert labels is not None
        assert labels.shape == (37,)
        assert evidence.codes == {}
        latents = Model(training, last, row)
        again = latents.draw_labels(37)
        assert again is not None
        assert torch.equal(labels, again)
        # a sample changes with its label: the generator gives it back for its own label only
        assert evidence.reference_labels is not None
        assert torch.equal(evidence.reference_labels, torch.arange(40) % 3)


def test_the_labels_of_the_evidence_made_its_samples() -> None:
    """A generator that returns its label's centre: each sample lies at the centre of its label."""

    class Centre(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(()))
            self.register_buffer("centres", torch.arange(3.0).reshape(3, 1).expand(3, 2).clone())
            self.centres: Tensor

        def forward(self, z: Tensor, labels: Tensor) -> Tensor:
            return self.centres[labels] * self.scale + 0 * z[:, :1]

    def networks(spec: Any, ask: Ask) -> Networks:
        plain = MLP.networks(spec, ask)
        assert isinstance(plain, Networks)
        return replace(plain, generator=Centre())

    source = labelled_ring.build(modes=3, size=60)
    program = Program(objective=NS, inputs=link(class_labels.build_labels("generator")))
    training = make_training(program, Space(sample=lambda rng: {}, networks=networks), source, steps=1)
    *_, last = training.run()
    samples = training.draw_samples(last, 29)
    evidence = open_evidence(training, last, 1, samples[1], Reference(source, 40))
    assert evidence.labels is not None
    scale = samples[1][evidence.labels == 2][0, 0] / 2
    torch.testing.assert_close(samples[1][:, 0], evidence.labels * scale)


@pytest.mark.parametrize("name", ["mlp", "dcgan"])
def test_a_critic_that_reconstructs_takes_no_labels(name: str) -> None:
    space, shape = SPACES[name]
    ask = Ask(shape=shape, classes=3, conditional="both", head="reconstruction")
    with pytest.raises(GanbenchError, match=r"which takes no labels\. Give 'class-labels' networks = 'generator'"):
        space.networks(space.sample(Random(0)), ask)


@pytest.mark.parametrize("conditional", ["generator", "both"])
@pytest.mark.parametrize("name", SPACES)
def test_virtual_batch_norm_has_labels_for_its_reference_batch(name: str, conditional: Any) -> None:
    part: tuple[Any, ...] = ({"name": "virtual-batch-norm", "rows": 6},)
    space = {
        "mlp": mlp.build_mlp(generator_width=8, generator_normalised=True, latent=5, generator_parts=part),
        "dcgan": dcgan.build_dcgan(filters=4, latent=5, generator_parts=part),
        "resnet": resnet.build_sngan(generator_channels=4, critic_channels=4, latent=5, generator_parts=part),
    }[name]
    shape = SPACES[name][1]
    networks = space.networks(space.sample(Random(0)), Ask(shape=shape, classes=3, conditional=conditional))
    assert isinstance(networks, Networks)
    first, second = (networks.generator(torch.ones(4, 5), torch.full((4,), label)) for label in (0, 2))
    assert first.shape == (4, *shape)
    assert (first != second).any()
