"""Members with different numbers train as one program, and each ends where it ends alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from ganbench import Constraint, GanbenchError, Objective, Offer, Scalar, hookimpl, registry
from ganbench.api.shared_program import shared_program
from ganbench.engine import replay, train
from ganbench.engine.checkpoint import restore_state, save_state
from ganbench.engine.cost import count_update_flops
from ganbench.engine.jacobian import build_first_step
from ganbench.engine.model import Model
from ganbench.engine.plugin_state import PluginWatch
from ganbench.engine.probe import open_step
from ganbench.engine.scalars import MemberScalar, ScheduledScalars, bound
from torch.nn.functional import softplus

from tests.support.member_games import (
    PLUGINS,
    make_batch,
    prepare_batch,
    require_members_as_alone,
    run_to_end,
    train_alone,
)

LR = "critic_optimizer.options.lr"
FALLING: dict[str, Any] = {"linear": [1.0, 0.0], "over": 0.5}
FAST = {"name": "adam", "lr": 1e-2}
"""The learning rate at which 50 steps change a member visibly."""

CASES: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "penalty weight": (
        {"from": "wgan-gp", "critic_steps": 2},
        [{}, {"constraints.0.weight": 0.5}, {"constraints.0.weight": 100.0}],
    ),
    "penalty target": (
        {"from": "wgan-gp", "critic_steps": 2},
        [{}, {"constraints.0.options.target": 0.0}, {"constraints.0.options.target": 3.0}],
    ),
    "clip bound": (
        {"from": "wgan", "critic_steps": 2},
        [{}, {"constraints.0.options.bound": 0.1}, {"constraints.0.options.bound": 0.3}],
    ),
    "instance noise": (
        {"from": "ns-gan", "inputs": [{"name": "instance-noise"}]},
        [{}, {"inputs.0.options.sigma": 0.0}, {"inputs.0.options.sigma": 1.0}],
    ),
    "targets of lsgan": (
        {"from": "lsgan"},
        [{}, {"loss.options.a": -1.0, "loss.options.c": 0.0}, {"loss.options.b": 0.9}],
    ),
    "smoothed labels": (
        {"from": "ns-gan"},
        [{}, {"loss.options.real_label": 0.9}, {"loss.options.fake_label": 0.1}],
    ),
    "moving averages": (
        {"from": "ns-gan", "constraints": [{"name": "lecam", "weight": 0.3}]},
        [{}, {"constraints.0.options.decay": 0.5}, {"constraints.0.options.decay": FALLING}],
    ),
    "consensus": (
        {"from": "gan", "dynamics": "consensus"},
        [{}, {"dynamics.options.gamma": 1.0}, {"dynamics.options.gamma": 0.0}],
    ),
    "extragradient": (
        {"from": "gan", "dynamics": "extragradient"},
        [{}, {"dynamics.options.lr": 0.1}, {"dynamics.options.lr": 0.3}],
    ),
    "unrolled": (
        {"from": "gan", "dynamics": {"name": "unrolled", "steps": 2}},
        [{}, {"dynamics.options.lr": 0.1}, {"dynamics.options.beta1": 0.0}],
    ),
    "schedules": (
        {"from": "ns-gan", "constraints": [{"name": "r1"}]},
        [{}, {"constraints.0.weight": FALLING}, {"constraints.0.weight": {"cosine": [0.0, 9.0], "over": 1.0}}],
    ),
    "a mix": (
        {
            "from": "ns-gan",
            "constraints": [{"name": "r1"}, {"name": "lecam", "weight": 0.1}],
            "inputs": [{"name": "instance-noise"}],
        },
        [
            {},
            {"constraints.0.weight": FALLING, "inputs.0.options.sigma": 0.3, LR: 1e-3},
            {"loss.options.real_label": 0.8, LR: FALLING, "critic_optimizer.options.beta1": 0.0},
            {"constraints.1.weight": 0.0, "constraints.1.options.decay": 0.9, LR: 1e-3},
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_member_trains_as_alone_in_a_stack_in_a_loop_and_recorded(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, members = CASES[case]
    batch = make_batch({"optimizer": FAST, **method}, members)
    alone = [train_alone(batch, trial) for trial in batch.trials]
    first, *others = ([*each.stage.game.ensemble.detached["generator"].values()][0] for each in alone)  # noqa: RUF015
    assert all((each - first).abs().max() > 1e-3 for each in others), "the numbers must change the training"
    for mode in ("stack", "loop"):
        require_members_as_alone(run_to_end(prepare_batch(replace(batch, mode=mode))), alone)
    monkeypatch.setattr(train, "RECORD_FROM", 4)
    monkeypatch.setattr(replay, "COMPARED_EVERY", 8)
    for mode in ("stack", "loop") if case in ("penalty weight", "a mix") else ("stack",):
        recorded = run_to_end(prepare_batch(replace(batch, mode=mode), recordable=True))
        assert recorded.stage is not None
        functions = recorded.stage.game.gradient_functions.values()
        assert functions
        assert all(function.recorded for function in functions)  # type: ignore[attr-defined]
        require_members_as_alone(recorded, alone)


def test_began_has_its_ratio_and_the_rate_of_k_for_each_member() -> None:
    """The state k of each member moves by its own rate towards its own ratio."""
    members = [{}, {"loss.options.gamma": 0.9}, {"loss.options.lambda_k": 0.1}, {"loss.options.lambda_k": FALLING}]
    batch = make_batch({"from": "began", "optimizer": FAST}, members)
    alone = [train_alone(batch, trial) for trial in batch.trials]
    ks = [each.stage.game.state["objective"]["k"].item() for each in alone if each.stage is not None]
    assert len(set(ks)) == 4
    for mode in ("stack", "loop"):
        require_members_as_alone(run_to_end(prepare_batch(replace(batch, mode=mode))), alone)


def test_a_number_that_all_members_have_is_the_number_itself() -> None:
    """Nothing of an ordinary batch changes: floats stay floats, and its steps read no stacked numbers."""
    equal = make_batch({"from": "wgan-gp"}, [{}, {}, {}])
    training = prepare_batch(equal)
    assert training.programs is None
    assert not training.scalars.handles
    assert training.program.constraints[0].weight == 10.0
    assert training.begin_stage(0).game.persistent[4] == ()
    shared = make_batch({"from": "wgan-gp"}, [{"constraints.0.weight": FALLING}] * 2 + [{"constraints.0.weight": 1.0}])
    scalars = prepare_batch(shared).scalars
    assert [len(scalars.handles), len(scalars.shared), len(scalars.schedules)] == [1, 0, 2]
    both = [{"constraints.0.weight": FALLING, LR: rate} for rate in (1e-4, 1e-3)]
    scalars = prepare_batch(make_batch({"from": "wgan-gp"}, both)).scalars
    assert [len(scalars.handles), len(scalars.shared)] == [0, 1]


@pytest.mark.parametrize("mode", ["stack", "loop"])
def test_a_checkpoint_in_the_middle_continues_to_the_same_bits(mode: Any) -> None:
    method, members = CASES["a mix"]
    batch = make_batch({"optimizer": FAST, **method}, members, mode, steps=20)
    whole, first, second = run_to_end(prepare_batch(batch)), prepare_batch(batch), prepare_batch(batch)
    stage = first.begin_stage(0)
    for t in range(7):
        first.set_progress(t / 20, t / 20, stage.game.ensemble)
        first.train_step(t, stage.game, stage.inputs)
        stage.done = t + 1
    restore_state(second, *save_state(first))
    run_to_end(second)
    assert whole.stage is not None
    assert second.stage is not None
    for player, weights in whole.stage.game.ensemble.detached.items():
        for name, p in weights.items():
            assert torch.equal(p, second.stage.game.ensemble.detached[player][name]), (player, name)


def test_what_runs_outside_of_steps_reads_the_numbers_of_its_member() -> None:
    """Probes, models and the map of a first step are those of the member alone; so is the count of operations."""
    method = {"from": "wgan-gp", "critic_steps": 1, "optimizer": FAST}
    weight, target = "constraints.0.weight", "constraints.0.options.target"
    batch = make_batch(method, [{}, {weight: 1.0, target: 0.0}, {weight: FALLING}], steps=6)
    together = prepare_batch(batch)
    *_, snapshot = together.run()
    points = torch.linspace(-1, 1, 8, dtype=torch.float64).reshape(4, 2)
    for i, trial in enumerate(batch.trials):
        single = replace(batch, trials=(trial,), mode="loop")
        alone = prepare_batch(single)
        *_, last = alone.run()
        model, expected = Model(together, snapshot, i), Model(alone, last, 0)
        torch.testing.assert_close(model.critic(points), expected.critic(points), rtol=0, atol=1e-9)
        ours, theirs = open_step(model), open_step(expected)
        for player in ("critic", "generator"):
            losses = [
                getattr(step, player)(m.generator_parameters, m.critic_parameters)
                for step, m in ((ours, model), (theirs, expected))
            ]
            torch.testing.assert_close(*losses, rtol=0, atol=1e-9)
        penalties = [step.losses.program.constraints[0].weight for step in (ours, theirs)]
        assert float(penalties[0]) == float(penalties[1])
        g, d = (
            {n: p[i] for n, p in prepare_batch(batch).ensembles[0].detached[player].items()}
            for player in ("generator", "critic")
        )
        ends = [build_first_step(prepare_batch(b), 0.1, row)(g, d) for b, row in ((batch, i), (single, 0))]
        for ours_, theirs_ in zip(ends[0], ends[1], strict=True):
            for name, p in ours_.items():
                torch.testing.assert_close(p, theirs_[name], rtol=0, atol=1e-9)
    assert count_update_flops(prepare_batch(batch)) == count_update_flops(prepare_batch(single))


def test_a_batch_of_different_programs_is_refused() -> None:
    one, other = (make_batch({"from": "wgan-gp", **more}, [{}]) for more in ({}, {"critic_steps": 2}))
    batch = replace(one, trials=(one.trials[0], replace(other.trials[0], seed=1)))
    with pytest.raises(GanbenchError, match=r"cannot train in one batch: recipe\.critic_steps is 5 and 2"):
        prepare_batch(batch)


def test_an_infinite_number_of_one_member_leaves_the_others_alone() -> None:
    batch = make_batch({"from": "wgan-gp", "critic_steps": 1}, [{}, {"constraints.0.weight": "inf"}], steps=5)
    together, alone = run_to_end(prepare_batch(batch)), train_alone(batch, batch.trials[0])
    assert together.stage is not None
    assert together.stage.game.diverged_at.tolist()[0] == -1
    assert together.stage.game.diverged_at.tolist()[1] == 1
    require_members_as_alone(together, [alone])


# handles


def make_handle(*values: float) -> MemberScalar:
    handle = ScheduledScalars(torch.device("cpu"), torch.float64).spread(values)
    assert isinstance(handle, MemberScalar)
    return handle


def test_a_handle_has_no_number_while_a_plugin_is_built_and_the_message_says_what_to_do() -> None:
    handle = make_handle(1.0, 2.0)
    for use in (lambda: handle * 2, lambda: 1 - handle, lambda: float(handle), lambda: torch.stack([handle])):
        with pytest.raises(GanbenchError, match=r"different numbers there \(1, 2\).*functions that are called at each"):
            use()
    with bound([handle], [torch.tensor(3.0)]):
        assert float(1 - handle) == -2.0
        assert torch.stack([handle, handle]).tolist() == [3.0, 3.0]
    with pytest.raises(GanbenchError, match="while it is built"):
        handle.exp()


def test_a_handle_looks_like_a_tensor_and_may_be_compared_where_all_members_agree() -> None:
    handle = make_handle(1.0, 2.0)
    assert isinstance(handle, torch.Tensor)
    assert repr(handle) == "MemberScalar([1.0, 2.0])"
    assert (handle.shape, handle.dtype, handle.dim()) == (torch.Size([]), torch.float64, 0)
    assert bool(handle > 0)
    assert not handle <= 0
    assert 0 <= handle <= 2
    with pytest.raises(GanbenchError, match="while it is built"):
        bool(handle > 1)
    part = Constraint(critic=lambda play: handle * play.scores_real.mean())
    watch = PluginWatch({"it": part})
    assert watch.look_at(part).values == watch.look_at(part).values


def test_numbers_of_members_follow_their_schedules_with_the_progress() -> None:
    scalars = ScheduledScalars(torch.device("cpu"), torch.float64)
    handle = scalars.spread([{"linear": [4.0, 0.0]}, 3.0, "inf"])
    assert isinstance(handle, MemberScalar)
    assert handle.stacked.tolist() == [4.0, 3.0, torch.inf]
    scalars.set_progress(0.25)
    assert handle.stacked.tolist() == [3.0, 3.0, torch.inf]


class Stateful:
    """A loss whose first state is its option, and which returns the option itself as the next one."""

    @hookimpl
    def ganbench_losses(self):
        def build(level: Scalar = 1.0) -> Objective:
            def start() -> dict[str, torch.Tensor]:
                return {"level": torch.as_tensor(level, dtype=torch.float64) * torch.ones((), dtype=torch.float64)}

            def critic(real, fake, state):
                kept = level if isinstance(level, torch.Tensor) else torch.as_tensor(level, dtype=real.dtype)
                return softplus(-real).mean() + level * softplus(fake).mean(), {"level": kept}

            return Objective(critic, lambda real, fake, state: (-fake.mean(), state), init=start)

        yield Offer("levelled", build, "A loss with a level.")


def test_a_first_state_may_depend_on_the_numbers_of_its_member_and_a_number_may_be_a_state() -> None:
    plugins = registry.load(plugins=[Stateful])
    batch = make_batch({"from": "ns-gan"}, [{}, {}], steps=2)
    part = replace(batch.trials[0].recipe.loss, name="levelled", options={})
    trials = [
        replace(trial, recipe=replace(trial.recipe, loss=replace(part, options=options)))
        for trial, options in zip(batch.trials, ({}, {"level": 2.5}), strict=True)
    ]
    assert shared_program(trials[0], plugins.scalar_defaults) == shared_program(trials[1], plugins.scalar_defaults)
    training = train.prepare(replace(batch, trials=tuple(trials)), plugins, torch.device("cpu"), torch.float64)
    assert training.begin_stage(0).game.state["objective"]["level"].tolist() == [1.0, 2.5]
    run_to_end(training)
    assert training.stage is not None
    assert training.stage.game.state["objective"]["level"].tolist() == [1.0, 2.5]
    assert PLUGINS.scalar_defaults("losses", "least-squares") == {"a": 0.0, "b": 1.0, "c": 1.0}


class Halved:
    """A constraint that computes with its option while it is built."""

    @hookimpl
    def ganbench_constraints(self):
        def build(scale: Scalar = 0.1) -> Constraint:
            half = scale / 2
            return Constraint(critic=lambda play: half * play.scores_real.square().mean())

        yield Offer("halved", build, "A term.")


def test_a_plugin_that_computes_while_it_is_built_is_named() -> None:
    plugins = registry.load(plugins=[Halved])
    batch = make_batch({"from": "ns-gan", "constraints": [{"name": "r1"}]}, [{}, {}], steps=2)
    part = replace(batch.trials[0].recipe.constraints[0], name="halved")
    trials = [
        replace(trial, recipe=replace(trial.recipe, constraints=(replace(part, options=options),)))
        for trial, options in zip(batch.trials, ({}, {"scale": 0.3}), strict=True)
    ]
    with pytest.raises(GanbenchError, match=r"constraint 'halved': it computes with .* different numbers there"):
        train.prepare(replace(batch, trials=tuple(trials)), plugins, torch.device("cpu"))
