"""A plateau scales each member's updates by the course of its own signal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from ganbench import GanbenchError, Objective, plan, registry, suite
from ganbench.api.schedules import ScheduleError, normalise_plateau
from ganbench.engine.checkpoint import restore_state, save_state
from ganbench.engine.plateau import Plateau, initial_state
from ganbench.engine.program import Program
from ganbench.engine.train import Training
from torch.nn.functional import softplus

from ganbench_plugins.losses import boundary_equilibrium
from ganbench_plugins.methods import began
from tests.support.answering_networks import make_space
from tests.support.small_games import make_training, mlp, ns_gan, ring

STEPS = 12


def counting() -> Objective:
    """Return a loss whose state `measure` rises by one in each critic step, so it never has a new minimum."""

    def critic(real: Any, fake: Any, state: Any) -> Any:
        return softplus(-real).mean() + softplus(fake).mean(), {"measure": state["measure"] + 1}

    def generator(real: Any, fake: Any, state: Any) -> Any:
        return softplus(-fake).mean(), state

    return Objective(critic, generator, init=lambda: {"measure": torch.zeros(())})


def train(settings: dict[str, Any] | None, optimizer: Any = None, steps: int = STEPS) -> Training:
    plateau = None if settings is None else normalise_plateau(settings)
    training = make_training(replace(Program(objective=counting()), plateau=plateau), mlp(), ring(), steps=steps)
    if optimizer is not None:
        training.optimizers = {"generator": optimizer, "critic": optimizer}
    for _ in training.run():
        pass
    return training


def test_the_factor_is_halved_after_each_patience_without_a_minimum_and_not_below_the_least() -> None:
    """The first value is a minimum; steps 2 to 4 are not, so the factor halves after step 4, 7, 10."""
    training = train({"patience": 3, "least": 0.2})
    factors = {step: signals["plateau.factor"].tolist() for step, signals in training.trace}
    expected = {1: 1.0, 3: 1.0, 4: 0.5, 6: 0.5, 7: 0.25, 9: 0.25, 10: 0.2, 12: 0.2}
    assert {step: factors[step] for step in expected} == {step: [x] * 3 for step, x in expected.items()}


def test_until_the_first_plateau_training_has_the_same_bits() -> None:
    scaled, plain = train({"patience": 100}), train(None)
    assert scaled.stage is not None
    assert plain.stage is not None
    for player, weights in plain.stage.game.ensemble.detached.items():
        for name, tensor in weights.items():
            assert torch.equal(scaled.stage.game.ensemble.detached[player][name], tensor)


@pytest.mark.parametrize(
    "factory",
    [
        lambda lr: lambda p: torch.optim.Adam(p, lr, betas=(0.5, 0.9), weight_decay=0.01),
        lambda lr: lambda p: torch.optim.AdamW(p, lr, weight_decay=0.1),
        lambda lr: lambda p: torch.optim.RMSprop(p, lr),
        lambda lr: lambda p: torch.optim.SGD(p, lr, momentum=0.5),
    ],
)
def test_scaled_updates_are_those_of_a_smaller_learning_rate(factory: Any) -> None:
    """A factor of 1/4 from the first step on, which the state begins with, is a learning rate of 1/4."""

    def run(lr: float, factor: float) -> Training:
        program = replace(Program(objective=counting()), plateau=normalise_plateau({"patience": 100}))
        training = make_training(program, mlp(), ring(), steps=STEPS)
        training.optimizers = dict.fromkeys(("generator", "critic"), factory(lr))
        stage = training.begin_stage(0)
        stage.game.state["plateau"]["factor"].fill_(factor)
        for t in range(STEPS):
            training.train_step(t, stage.game, stage.inputs)
        return training

    scaled, smaller = run(0.01, 0.25), run(0.0025, 1.0)
    assert scaled.stage is not None
    assert smaller.stage is not None
    for player, weights in smaller.stage.game.ensemble.detached.items():
        for name, tensor in weights.items():
            assert torch.allclose(scaled.stage.game.ensemble.detached[player][name], tensor, rtol=1e-10, atol=1e-14)


def test_each_member_has_a_plateau_of_its_own_and_a_nan_is_no_minimum() -> None:
    states = {
        "plateau": initial_state(3, torch.device("cpu"), torch.float64),
        "objective": {"measure": torch.zeros(3, dtype=torch.float64)},
    }
    ensemble = make_training(ns_gan(), mlp(), ring()).ensembles[0]
    plateau = Plateau(normalise_plateau({"patience": 2, "factor": 0.1}), states, ensemble)
    for falling, still, broken in ((5.0, 5.0, torch.nan), (4.0, 5.0, torch.nan), (3.0, 5.0, torch.nan)):
        states["objective"]["measure"].copy_(torch.tensor([falling, still, broken]))
        plateau.follow()
    assert states["plateau"]["factor"].tolist() == pytest.approx([1.0, 0.1, 0.1])


def test_a_smoothed_signal_is_its_moving_average() -> None:
    states = {
        "plateau": initial_state(1, torch.device("cpu"), torch.float64),
        "objective": {"measure": torch.zeros(1, dtype=torch.float64)},
    }
    ensemble = make_training(ns_gan(), mlp(), ring()).ensembles[0]
    plateau = Plateau(normalise_plateau({"smoothing": 0.75}), states, ensemble)
    for value in (8.0, 4.0, 0.0):
        states["objective"]["measure"].fill_(value)
        plateau.follow()
    assert states["plateau"]["smooth"].item() == 0.75 * (0.75 * 8 + 0.25 * 4)


def test_an_unknown_signal_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(GanbenchError, match=r"signal 'objective.k' in its state. There is objective.measure"):
        train({"signal": "objective.k"})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"factr": 0.5}, "unknown 'factr'. Its settings are signal, factor"),
        ({"factor": 0.0}, r"factor = 0 must be in \(0, 1\)"),
        ({"factor": 1.0}, r"factor = 1 must be in \(0, 1\)"),
        ({"least": 1.0}, r"least = 1 must be in \[0, 1\)"),
        ({"patience": 0}, "patience = 0 is not a number of generator steps"),
        ({"signal": "measure"}, "signal = 'measure' is not a signal"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        normalise_plateau(settings)


VALUES = (5.0, 4.0, 4.5, 4.0, 4.2, 3.9, 4.0, 4.1, 4.0, 3.95, 4.0, 3.0, 3.1, 3.2, 3.3, 3.4, 3.5, 3.6, 3.7, 3.8)


@pytest.mark.parametrize(("patience", "factor", "least"), [(1, 0.5, 0.0), (2, 0.1, 0.0), (3, 0.5, 0.3), (5, 0.9, 0.0)])
def test_the_factor_of_one_member_is_that_of_torchs_reduce_lr_on_plateau(patience, factor, least) -> None:
    """Torch reduces when more than its patience of bad steps have passed: one less than our number of steps."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=factor, patience=patience - 1, threshold=0.0, min_lr=least
    )
    states = {
        "plateau": initial_state(1, torch.device("cpu"), torch.float64),
        "objective": {"measure": torch.zeros(1, dtype=torch.float64)},
    }
    ensemble = make_training(ns_gan(), mlp(), ring()).ensembles[0]
    settings = normalise_plateau({"patience": patience, "factor": factor, "least": least})
    plateau = Plateau(settings, states, ensemble)
    for value in VALUES:
        states["objective"]["measure"].fill_(value)
        plateau.follow()
        scheduler.step(value)
        assert states["plateau"]["factor"].item() == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
    assert states["plateau"]["factor"].item() < 1


def open_training(mode: Any) -> Training:
    program = Program(objective=boundary_equilibrium.build())
    program = replace(program, plateau=normalise_plateau({"patience": 1, "smoothing": 0.5}))
    return make_training(program, make_space(), ring(), steps=STEPS, mode=mode)


def test_members_stall_at_steps_of_their_own_and_alike_in_a_stack_and_in_a_loop() -> None:
    (stack,), (loop,) = (list(open_training(mode).run()) for mode in ("stack", "loop"))
    factors = stack.signals["plateau.factor"][1]
    assert torch.equal(factors, loop.signals["plateau.factor"][1])
    assert len({tuple(row) for row in factors.tolist()}) > 1, "each seed must have a plateau of its own"
    for name, weights in stack.generators.items():
        torch.testing.assert_close(weights, loop.generators[name], rtol=0, atol=1e-9)


@pytest.mark.parametrize("mode", ["stack", "loop"])
def test_a_plateau_continues_from_a_checkpoint_to_the_same_bits(mode: Any) -> None:
    (whole,) = open_training(mode).run()
    first = open_training(mode)
    stage = first.begin_stage(0)
    for t in range(STEPS // 2):
        first.set_progress(t / STEPS, t / STEPS, stage.game.ensemble)
        first.train_step(t, stage.game, stage.inputs)
        stage.done = t + 1
    assert (stage.game.state["plateau"]["factor"] < 1).any()
    second = open_training(mode)
    restore_state(second, *save_state(first))
    (continued,) = second.run()
    for name, state in whole.state["plateau"].items():
        assert torch.equal(continued.state["plateau"][name], state), name
    for name, weights in whole.generators.items():
        assert torch.equal(continued.generators[name], weights), name


def plan_with(plateau: Any) -> Any:
    table = {
        "question": "Does the plateau count?",
        "methods": ["m"],
        "method": [{"name": "m", "from": "began", **({} if plateau is None else {"plateau": plateau})}],
        "budget": {"generator_steps": 4, "batch_size": 8},
        "dataset": [{"name": "ring"}],
    }
    return plan.make(suite.parse(table), registry.load(plugins=[boundary_equilibrium, began])).batches[0].trials[0]


def test_a_plateau_is_part_of_a_trials_key_with_all_its_settings() -> None:
    """Defaults that are written out are the same trial; every other setting, and none at all, is another."""
    inherited, same = plan_with(None), plan_with({"least": 0.05, "patience": 500})
    changed, none = plan_with({"patience": 499}), plan_with(False)
    assert inherited.key == same.key
    assert len({inherited.key, changed.key, none.key}) == 3
    assert none.recipe.plateau is None


@pytest.mark.parametrize(
    ("plateau", "message"),
    [({"patience": 0}, "patience = 0 is not a number of generator steps"), ({"factr": 1}, "unknown 'factr'")],
)
def test_a_suite_with_a_wrong_plateau_is_refused_in_words(plateau: Any, message: str) -> None:
    with pytest.raises(GanbenchError, match=message):
        plan_with(plateau)
