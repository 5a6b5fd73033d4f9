"""Networks that grow are those of the paper, and a stage begins exactly where the one before ended."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest
import torch
from ganbench import Ask, GanbenchError, Networks
from ganbench.engine.checkpoint import restore_state, save_state
from ganbench.engine.cost import count_member_bytes, count_update_flops
from ganbench.engine.program import Link
from ganbench.engine.train import Training
from torch import Tensor
from torch.nn.functional import interpolate

from ganbench_plugins.architectures import progressive
from ganbench_plugins.architectures.parts import EqualConv2d, MinibatchStd, PixelNorm
from tests.support.image_networks import count_weights, list_modules, normal
from tests.support.small_games import GP, Spy, images, make_training, ns_gan

STEPS, STAGES = 10, (range(2), range(2, 6), range(6, 10))
"""Generator steps of a run, and of its stages of 4, 8 and 16 pixels, whose shares are 1, 2 and 2."""

TINY: dict[str, Any] = {"filters": 2, "widest": 4, "latent": 6}


def build(side: int = 16, ask: Ask | None = None, grow: bool = True, **options: Any) -> tuple[Networks, ...]:
    torch.manual_seed(0)
    space = progressive.build(**{**TINY, **options})
    built = space.networks({"grow": grow}, ask or Ask(shape=(3, side, side)))
    return built if isinstance(built, tuple) else (built,)


def open_training(mode: Any = "stack", options: dict[str, Any] | None = None, **settings: Any) -> Training:
    program = replace(ns_gan(), **settings)
    training = make_training(program, progressive.build(**TINY, **(options or {})), images(16), mode=mode, steps=STEPS)
    training.spec = {"grow": True}
    return training


def set_progress(networks: Networks, progress: float) -> None:
    for net in (networks.generator, networks.critic):
        assert net is not None
        for buffer in net.buffers():
            buffer.fill_(progress)


def enlarge(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2)


def inherit(small: Networks, large: Networks) -> None:
    for before, after in ((small.generator, large.generator), (small.critic, large.critic)):
        assert before is not None
        assert after is not None
        after.load_state_dict({**after.state_dict(), **dict(before.named_parameters())})


@pytest.mark.parametrize("side", [8, 16, 32, 64])
@torch.no_grad()
def test_at_alpha_0_every_stage_is_the_stage_before_it_enlarged_exactly(side: int) -> None:
    """The generator's images, the critic's scores of enlarged images, and real images: equal bits, at every stage."""
    stages = build(side)
    for stage, (small, large) in enumerate(pairwise(stages), start=1):
        inherit(small, large)
        set_progress(small, 1.0)
        set_progress(large, 0.0)
        z = normal(4, 6)
        images = small.generator(z)
        assert images.shape[-1] == 4 * 2 ** (stage - 1)
        assert torch.equal(large.generator(z), enlarge(images))
        assert small.critic is not None
        assert large.critic is not None
        assert torch.equal(large.critic(enlarge(images)), small.critic(images))
        assert small.prepare is not None
        assert large.prepare is not None
        x = normal(4, 3, side, side)
        assert torch.equal(large.prepare(x, torch.zeros(())), enlarge(small.prepare(x, torch.ones(()))))


@torch.no_grad()
def test_new_layers_fade_in_linearly_in_the_first_half_of_a_stage() -> None:
    *_, last = build()
    z, x = normal(4, 6), normal(4, 3, 16, 16)

    def answer(progress: float) -> tuple[Tensor, Tensor]:
        set_progress(last, progress)
        assert last.prepare is not None
        return last.generator(z), last.prepare(x, torch.tensor(progress))

    for start, quarter, half, end in zip(*map(answer, (0.0, 0.125, 0.5, 1.0)), strict=True):
        torch.testing.assert_close(quarter, 0.75 * start + 0.25 * end)
        assert torch.equal(half, end)
        assert not torch.equal(start, end)
    assert torch.equal(answer(1.0)[1], x)
    means = x.view(4, 3, 8, 2, 8, 2).mean((3, 5))
    torch.testing.assert_close(answer(0.0)[1], enlarge(means))


def test_the_full_networks_for_1024_pixels_have_the_weights_of_table_2(monkeypatch: pytest.MonkeyPatch) -> None:
    """Table 2: 23.1 million parameters in either network; those of colours at smaller sides are not in it."""
    monkeypatch.setattr(progressive, "read_side", lambda name, shape: shape[-1])
    with torch.device("meta"):
        space = progressive.build(filters=16, widest=512, latent=512)
        built = space.networks({"grow": False}, Ask(shape=(3, 1024, 1024)))
    assert isinstance(built, Networks)
    assert [round(count_weights(net) / 1e6, 1) for net in (built.generator, built.critic)] == [23.1, 23.1]


def test_every_convolution_of_the_generator_but_the_last_has_pixel_norm() -> None:
    (full,) = build(grow=False)
    convolutions, norms = (list_modules(full.generator, kind) for kind in (EqualConv2d, PixelNorm))
    assert len(convolutions) == 6
    assert len(norms) == 1 + 1 + 5, "the latents, the projection, and all convolutions but that to colours"
    assert full.prepare is None
    assert not list(full.generator.buffers())


def test_full_size_has_the_layers_of_the_last_stage_at_its_end() -> None:
    *_, grown = build()
    (full,) = build(grow=False)
    for name in ("generator", "critic"):
        net, other = getattr(full, name), getattr(grown, name)
        net.load_state_dict({k: v for k, v in other.state_dict().items() if k in net.state_dict()})
    set_progress(grown, 1.0)
    z, x = normal(4, 6), normal(4, 3, 16, 16)
    assert torch.equal(grown.generator(z), full.generator(z))
    assert grown.critic is not None
    assert full.critic is not None
    assert torch.equal(grown.critic(x), full.critic(x))


def test_what_a_method_requests_is_there_in_every_stage() -> None:
    ask = Ask(shape=(2, 16, 16), latent=3, heads={"code": 5}, pack=2, head="features")
    for stage in build(ask=ask, minibatch_std=False):
        images = stage.generator(normal(4, 9))
        assert stage.critic is not None
        answers = stage.critic(torch.cat([images, images], 1))
        assert {name: tuple(answer.shape) for name, answer in answers.items()} == {
            "score": (4,),
            "code": (4, 5),
            "features": (4, 4),
        }
        assert stage.rowwise
        assert not list_modules(stage.critic, MinibatchStd)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fade": 1.0}, r"fade = 1 is a part of a stage: give a number from 0 \(at once\) to below 1"),
        ({"shares": ()}, r"shares = \[\]: give one positive number or more"),
        ({"shares": (1.0, 0.0)}, r"shares = \[1.0, 0.0\]: give one positive number or more"),
        ({"grow": ()}, r"grow = \[\]: give true, false, or both, each once"),
        ({"filters": 0}, "filters = 0: give an integer of 1 or more"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(GanbenchError, match=message):
        progressive.build(**options)


def test_the_space_has_both_where_both_are_asked_for() -> None:
    space = progressive.build(grow=(True, False))
    assert space.size == 2
    assert {space.sample(Random(seed))["grow"] for seed in range(9)} == {True, False}
    assert progressive.build().sample(Random(0)) == {"grow": True}


def test_a_fade_of_0_shows_new_layers_at_once() -> None:
    *_, last = build(fade=0.0)
    set_progress(last, 0.0)
    assert last.prepare is not None
    x = normal(2, 3, 16, 16)
    assert torch.equal(last.prepare(x, torch.zeros(())), x)


# in training


def test_in_training_a_stage_begins_as_the_one_before_enlarged_with_new_optimizers() -> None:
    training, steps = open_training(), [0]

    def check(number: int) -> Any:
        before = training.stage
        assert before is not None
        old = before.game.ensemble.detached["generator"]
        old = {name: p.clone() for name, p in old.items()}
        assert all(optimizer.state for optimizer in before.game.optimizers.values())
        stage = begin_stage(number)
        for name, p in old.items():
            assert torch.equal(stage.game.ensemble.detached["generator"][name], p)
        assert not any(optimizer.state for optimizer in stage.game.optimizers.values())
        assert stage.game.updates["generator"] == stage.steps.start
        steps.append(stage.steps.start)
        return stage

    begin_stage = training.begin_stage
    first = begin_stage(0)
    training.stage = first
    training.begin_stage = check  # type: ignore[method-assign]
    list(training.run())
    assert steps == [stage.start for stage in STAGES]


def test_real_images_of_each_stage_have_its_size_and_fade_by_its_progress() -> None:
    spy, space = Spy(), progressive.build(**TINY)

    def networks(spec: Any, ask: Any) -> Any:
        def with_spy(stage: Networks) -> Networks:
            def prepare(x: Tensor, progress: Tensor) -> Tensor:
                assert stage.prepare is not None
                prepared = stage.prepare(x, progress)
                spy.note((prepared.shape[-1], float(progress)))
                return prepared

            return replace(stage, prepare=prepare)

        stages = space.networks(spec, ask)
        assert isinstance(stages, tuple)
        return tuple(map(with_spy, stages))

    training = make_training(ns_gan(), replace(space, networks=networks), images(16), (0,), mode="loop", steps=STEPS)
    training.spec = {"grow": True}
    list(training.run())
    calls = spy.notes()
    # one call to find the shape of a sample, then one in each of the critic's steps
    assert [progress for side, progress in calls if side == 4] == [0, 0, 0.5]
    for side in (8, 16):
        assert [progress for at, progress in calls if at == side] == [0, 0, 0.25, 0.5, 0.75]


def test_the_average_goes_on_through_the_stages() -> None:
    """The authors average one network of all sizes: what a stage has learned is not averaged anew in the next."""
    training = open_training(ema=0.75)
    average: dict[str, Tensor] = {}
    for number, steps in enumerate(STAGES):
        stage = training.begin_stage(number)
        weights = stage.game.ensemble.detached["generator"]
        average = {name: average.get(name, p).clone() for name, p in weights.items()}
        for t in steps:
            training.set_progress(t / STEPS, (t - steps.start) / len(steps), stage.game.ensemble)
            training.train_step(t, stage.game, stage.inputs)
            average = {name: 0.75 * value + 0.25 * weights[name] for name, value in average.items()}
    assert training.averages.generator is not None
    for name, value in training.averages.generator.items():
        torch.testing.assert_close(value, average[name], rtol=0, atol=1e-12)


@pytest.mark.parametrize("at", [1, 2, 4, 8])
def test_a_run_continues_from_a_checkpoint_of_any_stage(at: int) -> None:
    whole = list(open_training(ema=0.5).run())[-1]
    first, states = open_training(ema=0.5), []

    def save(step: int, steps: int) -> None:
        if step == at:
            tensors, numbers = save_state(first)  # which are those of the training, and change with it
            states.append(({name: tensor.clone() for name, tensor in tensors.items()}, deepcopy(numbers)))

    list(first.run(save))
    second = open_training(ema=0.5)
    restore_state(second, *states[0])
    last = list(second.run())[-1]
    assert whole.average is not None
    assert last.average is not None
    for name, p in whole.generators.items():
        assert torch.equal(last.generators[name], p)
        assert torch.equal(last.average[name], whole.average[name])


def test_stack_and_loop_train_to_the_same_weights_under_a_gradient_penalty() -> None:
    links = (Link("gp", 10.0, GP),)
    stacked, looped = (list(open_training(mode, constraints=links).run())[-1] for mode in ("stack", "loop"))
    for name, p in stacked.generators.items():
        torch.testing.assert_close(p, looped.generators[name], rtol=0, atol=1e-7)
    assert (stacked.ensemble.detached["critic"]["score.weight"].diff(dim=0) != 0).any()


def test_layers_that_a_stage_no_longer_uses_keep_their_weights() -> None:
    training = open_training()
    training.budget = replace(training.budget, snapshots=(6, 10))
    middle, last = training.run()
    assert torch.equal(last.generators["images.4.weight"], middle.generators["images.4.weight"])
    assert not torch.equal(last.generators["images.8.weight"], middle.generators["images.8.weight"])


def test_growing_costs_less_arithmetic_than_full_size_and_memory_for_its_largest_stage() -> None:
    """The mean over the stages by their shares: a stage of half the side costs about a quarter."""
    growing, full = open_training(), open_training()
    full.spec = {"grow": False}
    counts = [count_update_flops(training) for training in (growing, full)]
    for player in ("critic", "generator"):
        assert 0.4 * counts[1][player] < counts[0][player] < 0.7 * counts[1][player]
    stages = []
    for number in range(3):
        alone = open_training()
        alone.ensembles = [alone.ensembles[number]]
        stages.append(count_member_bytes(alone))
    assert count_member_bytes(growing) == max(stages) == stages[-1] > 2 * stages[0]
    assert count_member_bytes(growing) >= count_member_bytes(full)


def test_the_recipe_has_the_settings_of_the_paper() -> None:
    from ganbench_plugins.methods.progan import ganbench_methods

    (offer,) = ganbench_methods()
    method = offer.build()
    assert method.loss.name == "wasserstein"
    assert [(use.name, use.weight) for use in method.constraints] == [("gradient-penalty", 10.0), ("drift", 1e-3)]
    assert (method.critic_steps, method.ema) == (1, 0.999)
    assert dict(method.optimizer.options) == {"lr": 1e-3, "beta1": 0.0, "beta2": 0.99, "eps": 1e-8}
