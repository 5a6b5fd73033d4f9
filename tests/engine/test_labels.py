"""Conditional networks: the labels of real samples condition both players, row by row."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from ganbench import Ask, Constraint, GanbenchError, Input, Networks, Source, Space
from ganbench.engine import restore_snapshot
from ganbench.engine.program import Link, Program
from ganbench.engine.train import RECORD_FROM

from tests.support.small_games import (
    CENTRES,
    GP,
    NS,
    conditional,
    labelled,
    make_training,
    mlp,
    ns_gan,
    plain_loop,
    require_equal_trainings,
    ring,
    train_and_sample,
    wgan_gp,
)


@pytest.mark.parametrize("rowwise", [True, False])
@pytest.mark.parametrize(("program", "gp", "critic_steps"), [(wgan_gp, 10.0, 3), (ns_gan, None, 1)])
def test_conditional_networks_train_to_the_same_result_stacked_looped_and_in_a_plain_loop(
    rowwise, program, gp, critic_steps
):
    def train(**settings):
        return train_and_sample(make_training(program(), conditional(rowwise), labelled(), **settings))

    stacked, looped, alone = train(mode="stack"), train(mode="loop"), train(seeds=(1,), mode="loop")
    plain = [plain_loop(conditional(rowwise), labelled(), seed, gp=gp, critic_steps=critic_steps) for seed in (0, 1, 2)]
    require_equal_trainings(stacked, looped, alone, plain)


def test_the_labels_of_a_joint_pass_are_those_of_each_half():
    """A rowwise critic scores real and fake in one call; the answers must be those of two calls."""

    def separate(play):
        gaps = (play.scores_real - play.critic(play.real), play.scores_fake - play.critic(play.fake))
        assert max(float(gap.detach().abs().max()) for gap in gaps) < 1e-12
        assert torch.equal(play.generator(play.latent), play.fake)
        return 0 * play.scores_real.sum()

    program = Program(objective=NS, constraints=(Link("spy", 1.0, Constraint(critic=separate)),))
    list(make_training(program, conditional(), labelled(), seeds=(0,), mode="loop", steps=2).run())


class Table(torch.nn.Module):
    """The generator whose samples are their labels, plus a little of the latent."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.full((1,), 1e-3))

    def forward(self, z, labels):
        return labels.unsqueeze(1) + self.scale * z


def label_samples() -> Space:
    def networks(spec, ask: Ask) -> Networks:
        critic = conditional().networks(spec, ask).critic
        return Networks(generator=Table(), critic=critic, latent=2, conditional=True, rowwise=True)

    return Space(sample=lambda rng: {}, networks=networks)


@pytest.mark.parametrize("mode", ["stack", "loop"])
def test_evaluation_labels_have_the_frequencies_of_the_data_and_a_stream_of_their_own(mode):
    run = make_training(ns_gan(), label_samples(), labelled(), mode=mode, steps=2)
    run.budget = replace(run.budget, snapshots=(1, 2))
    first, last = run.run()
    count = 4000
    early, late, fresh = (
        run.draw_samples(snapshot, count, stream).round()
        for snapshot, stream in ((first, "evaluation"), (last, "evaluation"), (last, "fresh"))
    )
    assert torch.equal(early, late), "every snapshot is scored on the same labels"
    assert not torch.equal(late, fresh), "another stream has labels of its own"
    assert not torch.equal(late[0], late[1]), "two seeds have different labels"
    for samples in (late, fresh):
        shares = torch.stack([(samples[..., 0] == label).double().mean(1) for label in range(3)], 1)
        deviation = (torch.tensor([0.6, 0.3, 0.1]).double() * torch.tensor([0.4, 0.7, 0.9]) / count).sqrt()
        assert ((shares - torch.tensor([0.6, 0.3, 0.1])).abs() < 4.5 * deviation).all(), shares


def test_the_samples_of_a_trained_generator_are_those_of_their_label():
    """The mean of each label's samples is nearer to the centre of its class than to any other."""
    run = make_training(
        wgan_gp(1.0), conditional(), labelled(), seeds=(0,), steps=150, optimizer=lambda p: torch.optim.Adam(p, 1e-2)
    )
    samples, _ = train_and_sample(run, 60)
    means = torch.stack([samples[0, label::3].mean(0) for label in range(3)])
    assert torch.cdist(means, CENTRES.to(means)).argmin(1).tolist() == [0, 1, 2], means


def test_a_stored_conditional_generator_gives_the_samples_that_were_scored():
    run = make_training(ns_gan(), conditional(), labelled(), steps=3)
    *_, last = run.run()
    restored = restore_snapshot(run, [last.generator_file(i) for i in range(3)])
    assert torch.equal(run.draw_samples(restored, 40), run.draw_samples(last, 40))


def test_a_recorded_step_of_conditional_networks_gives_the_bits_of_the_called_one():
    def train(recordable):
        run = make_training(ns_gan(), conditional(), labelled(), steps=RECORD_FROM, dtype=torch.float32)
        run.recordable = recordable
        *_, last = run.run()
        return last, run.stage.game.gradient_functions

    recorded, functions = train(True)
    called, _ = train(False)
    assert [function.recorded for function in functions.values()] == [True, True]
    for name, weights in called.generators.items():
        assert torch.equal(weights, recorded.generators[name])


def half_labelled() -> Source:
    return replace(labelled(), labels=None)


def out_of_range() -> Source:
    return replace(labelled(), classes=2)


@pytest.mark.parametrize(
    ("source", "program", "message"),
    [
        (ring, ns_gan(), r"dataset has no labels \(classes = 0, `labels` is not set\). Choose a dataset"),
        (half_labelled, ns_gan(), r"dataset has no labels \(classes = 3, `labels` is not set\)"),
        (out_of_range, ns_gan(), r"from 0 to 2 for 20 samples of 2 classes"),
        (
            labelled,
            Program(objective=NS, inputs=(Link("pack", 1.0, Input(pack=2)),)),
            r"packing \(pack = 2\) and labels cannot be combined",
        ),
    ],
)
def test_a_conditional_architecture_without_fitting_labels_is_refused_before_training(source, program, message):
    steps = []
    with pytest.raises(GanbenchError, match=message):
        list(make_training(program, conditional(), source()).run(lambda step, total: steps.append(step)))
    assert not steps


def test_labelled_data_is_free_for_unconditional_networks():
    assert len(list(make_training(ns_gan(), mlp(), labelled(), steps=1).run())) == 1


def test_a_term_that_scores_part_of_a_batch_of_conditional_networks_is_told_why_it_cannot():
    part = Constraint(critic=lambda play: play.critic(play.real[:3]).mean())
    program = Program(objective=NS, constraints=(Link("part", 1.0, part), Link("gp", 1.0, GP)))
    with pytest.raises(GanbenchError, match=r"called with 3 samples, and the batch has 16 labels"):
        list(make_training(program, conditional(), labelled(), steps=1).run())
