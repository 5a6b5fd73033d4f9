"""Training: a seed gives the same result in a batch and alone, and both match a plain PyTorch loop."""

from __future__ import annotations

import pytest
import torch
from ganbench import Constraint, Draw, Dynamics, GanbenchError, Objective, Offer, hookimpl, registry
from ganbench.api.trials import Part, Recipe
from ganbench.engine.program import Link, Program, assemble
from ganbench.engine.scalars import ScheduledScalars

from tests.support.small_games import (
    GP,
    NS,
    Spy,
    W,
    conv,
    images,
    make_training,
    mlp,
    ns_gan,
    plain_loop,
    require_equal_trainings,
    ring,
    train_and_sample,
    wgan_gp,
)

CASES = {
    "wgan-gp, layer norm in the critic": (wgan_gp, lambda: mlp(critic_norm=True), ring, 10.0, 3),
    "ns-gan, batch norm in the generator": (ns_gan, lambda: mlp(generator_norm=True), ring, None, 1),
    "ns-gan, a small conv net": (ns_gan, conv, images, None, 1),
    "wgan-gp, a small conv net": (wgan_gp, conv, images, 10.0, 3),
}


@pytest.mark.parametrize("case", CASES)
def test_stack_mode_loop_mode_and_a_plain_pytorch_loop_give_the_same_result(case):
    program, space, source, gp, critic_steps = CASES[case]
    stacked = train_and_sample(make_training(program(), space(), source(), mode="stack"))
    looped = train_and_sample(make_training(program(), space(), source(), mode="loop"))
    alone = train_and_sample(make_training(program(), space(), source(), seeds=(1,), mode="loop"))
    plain = [plain_loop(space(), source(), seed, gp=gp, critic_steps=critic_steps) for seed in (0, 1, 2)]
    require_equal_trainings(stacked, looped, alone, plain)


def test_one_step_in_float32_is_the_same_in_stack_and_loop_mode():
    results = {
        mode: train_and_sample(make_training(wgan_gp(), mlp(), ring(), mode=mode, steps=1, dtype=torch.float32))
        for mode in ("stack", "loop")
    }
    torch.testing.assert_close(results["stack"][0], results["loop"][0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("program", [wgan_gp, ns_gan])
def test_a_member_that_becomes_nan_changes_no_bit_of_the_other_members(program):
    def train(set_nan: bool):
        run = make_training(program(), mlp(critic_norm=True), ring(), steps=20, dtype=torch.float32)
        open_game = run.open_game

        def open_with_nan(ensemble, previous):
            if set_nan:
                next(iter(ensemble.detached["critic"].values()))[1].fill_(torch.nan)
            return open_game(ensemble, previous)

        run.open_game = open_with_nan
        *_, last = run.run()
        return last

    with_nan, without = train(True), train(False)
    assert with_nan.diverged_at == [-1, 1, -1]
    assert without.diverged_at == [-1, -1, -1]
    for name, value in without.generators.items():
        assert torch.equal(value[0], with_nan.generators[name][0])
        assert torch.equal(value[2], with_nan.generators[name][2])
        assert not with_nan.generators[name][1].isfinite().any()


def test_diverged_at_is_the_number_of_the_first_update_whose_loss_was_not_finite():
    objective = Objective(lambda r, f: W.critic(r, f), lambda r, f: W.generator(r, f))

    def explode(play):
        return torch.where(play.progress > 0.5, torch.inf, 0.0) * play.scores_real.square().mean()

    program = Program(objective=objective, constraints=(Link("late", 1.0, Constraint(critic=explode)),))
    *_, last = make_training(program, mlp(), ring(), steps=10).run()
    # progress is t/10 and exceeds one half at t=6: after six iterations of two updates, in the next critic update
    assert last.diverged_at == [13, 13, 13]


def test_noise_data_and_initialisation_depend_neither_on_the_batch_composition_nor_on_the_method():
    def start_of(program, seeds, mode):
        run = make_training(program, mlp(), ring(), seeds=seeds, mode=mode, steps=1)
        start = {}
        train_step = run.train_step

        def spy(t, game, inputs):
            weights = {n: p.clone() for n, p in game.ensemble.detached["generator"].items()}
            draws = [{p: inputs[p].next() for p in inputs} for _ in range(70)]
            start.update(weights=weights, draws=draws)
            train_step(t, game, inputs)

        run.train_step = spy
        list(run.run())
        return start

    stacked, alone = start_of(wgan_gp(), (0, 1, 2), "stack"), start_of(ns_gan(), (1,), "loop")
    for name, value in alone["weights"].items():
        assert torch.equal(value[0], stacked["weights"][name][1])
    for step_alone, step_stacked in zip(alone["draws"], stacked["draws"], strict=True):
        assert torch.equal(step_alone["critic"]["real"][0], step_stacked["critic"]["real"][1])
        for player in ("critic", "generator"):
            assert torch.equal(step_alone[player]["latent"]["noise"][0], step_stacked[player]["latent"]["noise"][1])
    latest, first = stacked["draws"][-1]["critic"]["real"], stacked["draws"][0]["critic"]["real"]
    assert not torch.equal(latest[0], first[0]), "a new block must have new numbers"
    assert not torch.equal(first[0], first[1]), "two seeds must see different data"


@pytest.mark.parametrize("mode", ["stack", "loop"])
def test_a_penalty_of_weight_zero_gives_the_bits_of_the_method_without_it(mode):
    def train(constraints):
        program = Program(objective=NS, constraints=constraints)
        return train_and_sample(make_training(program, mlp(), ring(), mode=mode, dtype=torch.float32))

    zero_weight, without, weight_one = train((Link("gp", 0.0, GP),)), train(()), train((Link("gp", 1.0, GP),))
    assert torch.equal(zero_weight[0], without[0])
    assert torch.equal(zero_weight[1], without[1])
    assert not torch.equal(weight_one[0], without[0])


def test_clipping_holds_after_the_step():
    def clip(parameters, progress):
        return {name: value.clamp(-0.01, 0.01) for name, value in parameters.items()}

    program = Program(objective=W, constraints=(Link("clip", 1.0, Constraint(project=clip)),))
    *_, last = make_training(program, mlp(), ring(), steps=3).run()
    assert max(float(p.abs().max()) for p in last.ensemble.detached["critic"].values()) <= 0.01


def test_a_lazy_term_is_due_at_every_kth_update_of_its_player_and_scaled_by_k():
    spy = Spy()

    def term(play):
        spy.note(1)
        return 0 * play.scores_real.sum()

    program = Program(
        objective=NS, constraints=(Link("lazy", 1.0, Constraint(critic=term, every=4)),), critic_steps=lambda t: 2
    )
    list(make_training(program, mlp(), ring(), seeds=(0,), mode="loop", steps=8).run())
    assert len(spy.notes()) == 4  # of sixteen critic updates

    def scores_with(every):
        mean_score = Constraint(critic=lambda play: play.scores_real.mean(), every=every)
        program = Program(objective=NS, constraints=(Link("mean score", 1.0, mean_score),))
        run = make_training(program, mlp(), ring(), seeds=(0,), steps=1, optimizer=lambda p: torch.optim.SGD(p, lr=1.0))
        return train_and_sample(run)[1]

    without = train_and_sample(
        make_training(ns_gan(), mlp(), ring(), seeds=(0,), steps=1, optimizer=lambda p: torch.optim.SGD(p, lr=1.0))
    )[1]
    assert (scores_with(4) - without).norm() > 2 * (scores_with(1) - without).norm()


def test_a_scheduled_weight_follows_the_progress_of_the_run():
    scalars = ScheduledScalars(torch.device("cpu"), torch.float64)
    weight = scalars({"linear": [1.0, 0.0], "over": 0.5})
    spy = Spy()
    term = Constraint(critic=lambda play: spy.note(float(weight)) or 0 * play.scores_real.sum())
    run = make_training(
        Program(objective=NS, constraints=(Link("spy", weight, term),)), mlp(), ring(), seeds=(0,), mode="loop", steps=8
    )
    run.scalars = scalars
    list(run.run())
    assert spy.notes() == pytest.approx([1, 0.75, 0.5, 0.25, 0, 0, 0, 0])


def test_a_loss_receives_the_state_that_it_returned_and_its_scalars_are_signals():
    def critic(real, fake, state):
        return NS.critic(real, fake), {"k": state["k"] + 1, "ema": state["ema"]}

    objective = Objective(
        critic,
        lambda real, fake, state: (NS.generator(real, fake), state),
        init=lambda: {"k": torch.zeros(()), "ema": torch.zeros(3)},
    )
    *_, last = make_training(Program(objective=objective), mlp(), ring(), steps=5).run()
    steps, values = last.signals["objective.k"]
    assert steps == [1, 2, 3, 4, 5]
    assert values.tolist() == [[1, 2, 3, 4, 5]] * 3
    assert "objective.ema" not in last.signals
    assert last.signals["loss.critic"][1].shape == (3, 5)


def test_a_plugin_that_draws_from_the_global_generator_is_refused_in_both_modes():
    global_draw = Constraint(critic=lambda play: play.scores_real.mean() * torch.rand(()))
    program = Program(objective=NS, constraints=(Link("global draw", 1.0, global_draw),))
    with pytest.raises(RuntimeError, match="random"):
        list(make_training(program, mlp(), ring(), mode="stack", steps=2).run())
    with pytest.raises(GanbenchError, match="global generator of torch"):
        list(make_training(program, mlp(), ring(), mode="loop", steps=2).run())


@pytest.mark.parametrize(
    ("loss", "constraint", "steps", "message"),
    [
        (NS, Constraint(), 1, "'c' is requested but does nothing"),
        (Objective(W.critic, W.generator, head=None), GP, 0, "'c' is requested but never called"),
        (Objective(W.critic, W.generator, head=None), None, 1, "loss 'l' has no critic: write critic_steps = 0"),
    ],
)
def test_a_requested_plugin_that_would_never_be_called_is_refused(loss, constraint, steps, message):
    class Plugins:
        @hookimpl
        def ganbench_losses(self):
            yield Offer("l", lambda: loss, "A loss.")

        @hookimpl
        def ganbench_constraints(self):
            yield Offer("c", lambda: constraint, "A constraint.")

        @hookimpl
        def ganbench_dynamics(self):
            yield Offer("plain", lambda: Dynamics(), "Plain.")

    sgd = Part("sgd")
    recipe = Recipe(
        loss=Part("l"),
        constraints=(Part("c", weight=1.0),) if constraint else (),
        dynamics=Part("plain"),
        critic_optimizer=sgd,
        generator_optimizer=sgd,
        critic_steps=steps,
    )
    plugins = registry.load(plugins=[Plugins()], installed=False)
    with pytest.raises(GanbenchError, match=message):
        assemble(recipe, plugins, ScheduledScalars(torch.device("cpu"), torch.float32))


def test_views_of_real_and_generated_samples_receive_independent_noise():
    from ganbench import Input

    noise = Input(view=lambda x, draws, progress: x + draws["n"], draws={"n": Draw("normal", "data")})
    samples = {}

    def spy(play):
        samples.update(
            real=play.real, fake=play.fake, raw_fake=play.generator(play.latent), raw_real=play.step_inputs["real"]
        )
        return 0 * play.scores_real.sum()

    program = Program(
        objective=NS,
        inputs=(Link("noise", 1.0, noise),),
        constraints=(Link("spy", 1.0, Constraint(critic=spy)),),
    )
    list(make_training(program, mlp(), ring(), seeds=(0,), mode="loop", steps=1).run())
    noise_on_real = samples["real"] - samples["raw_real"]
    noise_on_fake = samples["fake"] - samples["raw_fake"]
    assert 0.5 < float(noise_on_real.std()) < 1.5
    assert not torch.allclose(noise_on_real, noise_on_fake)


def test_packing_shows_the_critic_several_samples_as_one():
    from ganbench import Input

    samples = {}

    def spy(play):
        samples.update(packed=play.real, raw=play.step_inputs["real"])
        return 0 * play.scores_real.sum()

    program = Program(
        objective=NS, inputs=(Link("pack", 1.0, Input(pack=2)),), constraints=(Link("s", 1.0, Constraint(critic=spy)),)
    )
    list(make_training(program, mlp(), ring(), seeds=(0,), mode="loop", steps=1).run())
    assert samples["packed"].shape == (8, 4)
    assert torch.equal(samples["packed"].reshape(16, 2), samples["raw"])


def test_samples_are_the_same_at_every_call_and_their_number_is_free():
    run = make_training(ns_gan(), mlp(generator_norm=True), ring(), steps=2, dtype=torch.float32)
    *_, last = run.run()
    assert run.draw_samples(last, 50).shape == (3, 50, 2)
    assert torch.equal(run.draw_samples(last, 50), run.draw_samples(last, 50))
