"""The engine: seeds in company are seeds alone, and both are what a plain PyTorch loop gives."""

from __future__ import annotations

import pytest
import torch
from ganbench import Constraint, Draw, Dynamics, GanbenchError, Objective, Offer, hookimpl, registry
from ganbench.api.trials import Part, Recipe
from ganbench.engine.program import Link, Program, ScheduledScalars, assemble

from tests.support.small_games import GP, NS, W, conv, images, mlp, ns_gan, outputs, plain_loop, ring, training, wgan_gp

CASES = {
    "wgan-gp, layer norm in the critic": (wgan_gp, lambda: mlp(critic_norm=True), ring, 10.0, 3),
    "ns-gan, batch norm in the generator": (ns_gan, lambda: mlp(generator_norm=True), ring, None, 1),
    "ns-gan, a small conv net": (ns_gan, conv, images, None, 1),
    "wgan-gp, a small conv net": (wgan_gp, conv, images, 10.0, 3),
}


@pytest.mark.parametrize("case", CASES)
def test_stacked_is_looped_is_a_plain_loop_by_hand(case):
    program, space, source, gp, critic_steps = CASES[case]
    stacked = outputs(training(program(), space(), source(), mode="stack"))
    looped = outputs(training(program(), space(), source(), mode="loop"))
    alone = outputs(training(program(), space(), source(), seeds=(1,), mode="loop"))
    hand = [plain_loop(space(), source(), seed, gp=gp, critic_steps=critic_steps) for seed in (0, 1, 2)]
    for k in (0, 1):
        by_hand = torch.stack([pair[k] for pair in hand])
        torch.testing.assert_close(stacked[k], looped[k], rtol=0, atol=1e-9)
        torch.testing.assert_close(stacked[k], by_hand, rtol=0, atol=1e-9)
        torch.testing.assert_close(alone[k][0], by_hand[1], rtol=0, atol=1e-9)
    assert (stacked[0][0] - stacked[0][1]).abs().max() > 1e-2, "two seeds must not be one"


def test_one_step_in_float32_is_the_same_stacked_and_looped():
    one = {
        mode: outputs(training(wgan_gp(), mlp(), ring(), mode=mode, steps=1, dtype=torch.float32))
        for mode in ("stack", "loop")
    }
    torch.testing.assert_close(one["stack"][0], one["loop"][0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("program", [wgan_gp, ns_gan])
def test_a_member_that_turns_nan_leaves_its_neighbours_bitwise_alone(program):
    def final(poison: bool):
        run = training(program(), mlp(critic_norm=True), ring(), steps=20, dtype=torch.float32)
        opened = run.open_game

        def spoilt(ensemble, before):
            if poison:
                next(iter(ensemble.detached["critic"].values()))[1].fill_(torch.nan)
            return opened(ensemble, before)

        run.open_game = spoilt
        *_, last = run.run()
        return last

    sick, well = final(True), final(False)
    assert sick.diverged_at == [-1, 1, -1]
    assert well.diverged_at == [-1, -1, -1]
    for name, value in well.generators.items():
        assert torch.equal(value[0], sick.generators[name][0])
        assert torch.equal(value[2], sick.generators[name][2])
        assert not sick.generators[name][1].isfinite().any()


def test_the_step_of_death_is_the_step_at_which_a_loss_was_first_not_finite():
    blow_up = Objective(lambda r, f: W.critic(r, f), lambda r, f: W.generator(r, f))

    def explode(play):
        return torch.where(play.progress > 0.5, torch.inf, 0.0) * play.scores_real.square().mean()

    program = Program(objective=blow_up, constraints=(Link("late", 1.0, Constraint(critic=explode)),))
    *_, last = training(program, mlp(), ring(), steps=10).run()
    # progress is t/10 and passes one half at t=6: six whole iterations of two steps, then the next critic step
    assert last.diverged_at == [13, 13, 13]


def test_noise_data_and_initialisation_depend_neither_on_the_company_nor_on_the_method():
    def first_step(program, seeds, mode):
        run = training(program, mlp(), ring(), seeds=seeds, mode=mode, steps=1)
        seen = {}
        taken = run.train_step

        def spy(t, game, chances):
            before = {n: p.clone() for n, p in game.ensemble.detached["generator"].items()}
            drawn = [{p: chances[p].next() for p in chances} for _ in range(70)]
            seen.update(weights=before, drawn=drawn)
            taken(t, game, chances)

        run.train_step = spy
        list(run.run())
        return seen

    company, alone = first_step(wgan_gp(), (0, 1, 2), "stack"), first_step(ns_gan(), (1,), "loop")
    for name, value in alone["weights"].items():
        assert torch.equal(value[0], company["weights"][name][1])
    for ours, theirs in zip(alone["drawn"], company["drawn"], strict=True):
        assert torch.equal(ours["critic"]["real"][0], theirs["critic"]["real"][1])
        for player in ("critic", "generator"):
            assert torch.equal(ours[player]["latent"]["noise"][0], theirs[player]["latent"]["noise"][1])
    latest, first = company["drawn"][-1]["critic"]["real"], company["drawn"][0]["critic"]["real"]
    assert not torch.equal(latest[0], first[0]), "a new block must bring new numbers"
    assert not torch.equal(first[0], first[1]), "two seeds must see different data"


@pytest.mark.parametrize("mode", ["stack", "loop"])
def test_a_penalty_of_weight_zero_is_the_plain_method_bit_for_bit(mode):
    def final(constraints):
        program = Program(objective=NS, constraints=constraints)
        return outputs(training(program, mlp(), ring(), mode=mode, dtype=torch.float32))

    off, plain, on = final((Link("gp", 0.0, GP),)), final(()), final((Link("gp", 1.0, GP),))
    assert torch.equal(off[0], plain[0])
    assert torch.equal(off[1], plain[1])
    assert not torch.equal(on[0], plain[0])


def test_clipping_holds_after_the_step():
    def clip(parameters, progress):
        return {name: value.clamp(-0.01, 0.01) for name, value in parameters.items()}

    program = Program(objective=W, constraints=(Link("clip", 1.0, Constraint(project=clip)),))
    *_, last = training(program, mlp(), ring(), steps=3).run()
    assert max(float(p.abs().max()) for p in last.ensemble.detached["critic"].values()) <= 0.01


def test_a_lazy_term_is_due_at_every_kth_step_of_its_player_and_scaled_by_k():
    steps = []

    def term(play):
        steps.append(1)
        return 0 * play.scores_real.sum()

    program = Program(
        objective=NS, constraints=(Link("lazy", 1.0, Constraint(critic=term, every=4)),), critic_steps=lambda t: 2
    )
    list(training(program, mlp(), ring(), seeds=(0,), mode="loop", steps=8).run())
    assert len(steps) == 4  # sixteen critic steps

    def slope(every):
        push = Constraint(critic=lambda play: play.scores_real.mean(), every=every)
        program = Program(objective=NS, constraints=(Link("push", 1.0, push),))
        run = training(program, mlp(), ring(), seeds=(0,), steps=1, optimizer=lambda p: torch.optim.SGD(p, lr=1.0))
        return outputs(run)[1]

    plain = outputs(
        training(ns_gan(), mlp(), ring(), seeds=(0,), steps=1, optimizer=lambda p: torch.optim.SGD(p, lr=1.0))
    )[1]
    assert (slope(4) - plain).norm() > 2 * (slope(1) - plain).norm()


def test_a_scheduled_weight_follows_the_progress_of_the_run():
    dials = ScheduledScalars(torch.device("cpu"), torch.float64)
    weight = dials({"linear": [1.0, 0.0], "over": 0.5})
    seen = []
    spy = Constraint(critic=lambda play: seen.append(float(weight)) or 0 * play.scores_real.sum())
    run = training(
        Program(objective=NS, constraints=(Link("spy", weight, spy),)), mlp(), ring(), seeds=(0,), mode="loop", steps=8
    )
    run.dials = dials
    list(run.run())
    assert seen == pytest.approx([1, 0.75, 0.5, 0.25, 0, 0, 0, 0])


def test_a_state_goes_in_and_comes_out_and_its_numbers_are_signals():
    def critic(real, fake, state):
        return NS.critic(real, fake), {"k": state["k"] + 1, "ema": state["ema"]}

    objective = Objective(
        critic,
        lambda real, fake, state: (NS.generator(real, fake), state),
        init=lambda: {"k": torch.zeros(()), "ema": torch.zeros(3)},
    )
    *_, last = training(Program(objective=objective), mlp(), ring(), steps=5).run()
    steps, values = last.signals["objective.k"]
    assert steps == [1, 2, 3, 4, 5]
    assert values.tolist() == [[1, 2, 3, 4, 5]] * 3
    assert "objective.ema" not in last.signals
    assert last.signals["loss.critic"][1].shape == (3, 5)


def test_global_chance_in_a_plugin_is_refused_in_both_forms():
    dice = Constraint(critic=lambda play: play.scores_real.mean() * torch.rand(()))
    program = Program(objective=NS, constraints=(Link("dice", 1.0, dice),))
    with pytest.raises(RuntimeError, match="random"):
        list(training(program, mlp(), ring(), mode="stack", steps=2).run())
    with pytest.raises(GanbenchError, match="global generator"):
        list(training(program, mlp(), ring(), mode="loop", steps=2).run())


@pytest.mark.parametrize(
    ("loss", "constraint", "steps", "said"),
    [
        (NS, Constraint(), 1, "'c' is requested but does nothing"),
        (Objective(W.critic, W.generator, head=None), GP, 0, "'c' is requested but never called"),
        (Objective(W.critic, W.generator, head=None), None, 1, "loss 'l' has no critic: write critic_steps = 0"),
    ],
)
def test_what_is_requested_but_would_never_be_called_is_refused(loss, constraint, steps, said):
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
    with pytest.raises(GanbenchError, match=said):
        assemble(recipe, plugins, ScheduledScalars(torch.device("cpu"), torch.float32))


def test_views_see_noise_of_their_own_on_each_side():
    from ganbench import Input

    noise = Input(view=lambda x, draws, progress: x + draws["n"], draws={"n": Draw("normal", "data")})
    seen = {}

    def spy(play):
        seen.update(real=play.real, fake=play.fake, raw=play.generator(play.latent), given=play.chance["real"])
        return 0 * play.scores_real.sum()

    program = Program(
        objective=NS,
        inputs=(Link("noise", 1.0, noise),),
        constraints=(Link("spy", 1.0, Constraint(critic=spy)),),
    )
    list(training(program, mlp(), ring(), seeds=(0,), mode="loop", steps=1).run())
    on_real, on_fake = seen["real"] - seen["given"], seen["fake"] - seen["raw"]
    assert 0.5 < float(on_real.std()) < 1.5
    assert not torch.allclose(on_real, on_fake)


def test_packing_shows_the_critic_several_samples_as_one():
    from ganbench import Input

    seen = {}

    def spy(play):
        seen.update(real=play.real, given=play.chance["real"])
        return 0 * play.scores_real.sum()

    program = Program(
        objective=NS, inputs=(Link("pack", 1.0, Input(pack=2)),), constraints=(Link("s", 1.0, Constraint(critic=spy)),)
    )
    list(training(program, mlp(), ring(), seeds=(0,), mode="loop", steps=1).run())
    assert seen["real"].shape == (8, 4)
    assert torch.equal(seen["real"].reshape(16, 2), seen["given"])


def test_samples_are_the_same_at_every_call_and_come_in_any_number():
    run = training(ns_gan(), mlp(generator_norm=True), ring(), steps=2, dtype=torch.float32)
    *_, last = run.run()
    assert run.draw_samples(last, 50).shape == (3, 50, 2)
    assert torch.equal(run.draw_samples(last, 50), run.draw_samples(last, 50))
