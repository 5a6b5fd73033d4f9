"""What trials of one batch share, what they may differ in, and how a batch is restored from its record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ganbench.api.shared_program import (
    change_numbers,
    collect_varied,
    require_shared_program,
    restore_company,
    shared_program,
)
from ganbench.api.trials import Batch, Budget, Measurement, Part, Recipe, Trial
from ganbench.errors import GanbenchError
from ganbench.results.details import check_batch

DEFAULTS: dict[tuple[str, str], dict[str, Any]] = {
    ("losses", "least-squares"): {"a": 0.0, "b": 1.0},
    ("constraints", "penalty"): {"target": 1.0, "level": None},
    ("inputs", "noise"): {"sigma": 0.1},
    ("dynamics", "consensus"): {"gamma": 0.1},
}


def scalar_defaults(kind: str, name: str) -> dict[str, Any]:
    return DEFAULTS[kind, name]


def make_trial(**changes: Any) -> Trial:
    recipe = Recipe(
        loss=Part("least-squares", options={"form": "plain"}),
        constraints=(Part("penalty", options={"sides": "one"}, weight=10.0),),
        inputs=(Part("noise", weight=1.0),),
        dynamics=Part("consensus"),
        critic_optimizer=Part("adam", options={"lr": 1e-3}),
        generator_optimizer=Part("adam", options={"lr": 1e-3}),
    )
    return Trial(
        dataset=Part("ring"),
        architecture=Part("mlp"),
        spec={"width": 6},
        recipe=change_numbers(recipe, changes.pop("numbers", {})) if "numbers" in changes else recipe,
        seed=changes.pop("seed", 0),
        budget=Budget(generator_steps=10, batch_size=8, snapshots=(10,)),
        **changes,
    )


@pytest.mark.parametrize(
    "numbers",
    [
        {"loss.options.a": -1.0},
        {"loss.options.a": {"linear": [1.0, 0.0], "over": 1.0}},
        {"constraints.0.weight": "inf"},
        {"constraints.0.weight": {"linear": [1.0, 0.0], "over": 1.0}},
        {"constraints.0.options.target": 0.0},
        {"inputs.0.options.sigma": 1.0},
        {"dynamics.options.gamma": 1.0},
        {"critic_optimizer.options.lr": 1e-4, "generator_optimizer.options.beta1": 0.0},
        {"critic_optimizer.options.lr": None},
    ],
)
def test_trials_that_differ_in_seed_and_numbers_share_a_program(numbers: dict[str, Any]) -> None:
    trial, other = make_trial(), make_trial(numbers=numbers, seed=3)
    assert trial.key != other.key
    assert shared_program(trial, scalar_defaults) == shared_program(other, scalar_defaults)
    require_shared_program([trial, other], scalar_defaults)


@pytest.mark.parametrize(
    ("numbers", "difference"),
    [
        ({"loss.options.form": "other"}, r"recipe\.loss\.options\.form is 'plain' and 'other'"),
        ({"constraints.0.options.sides": None}, r"options\.sides is 'one' and None"),
        ({"constraints.0.options.level": 0.5}, r"options\.level is None and 'a number of each member'"),
        ({"constraints.0.options.target": "auto"}, r"options\.target is 'a number of each member' and 'auto'"),
        ({"constraints.0.options.target": True}, r"options\.target is 'a number of each member' and True"),
    ],
)
def test_other_options_are_not_shared(numbers: dict[str, Any], difference: str) -> None:
    with pytest.raises(GanbenchError, match=f"seed 0 and of seed 3 cannot train in one batch: .*{difference}"):
        require_shared_program([make_trial(), make_trial(numbers=numbers, seed=3)], scalar_defaults)


@pytest.mark.parametrize(
    "change",
    [
        {"critic_steps": 2},
        {"critic_optimizer": Part("sgd", options={"lr": 1e-3})},
        {"constraints": ()},
        {"constraints": (Part("penalty", options={"sides": "one"}, weight=10.0, every=4),)},
        {"plateau": {"signal": "objective.k"}},
        {"ema": 0.9},
    ],
)
def test_other_parts_of_the_recipe_are_not_shared(change: dict[str, Any]) -> None:
    trial = make_trial()
    other = replace(trial, recipe=replace(trial.recipe, **change))
    assert shared_program(trial, scalar_defaults) != shared_program(other, scalar_defaults)


def test_world_budget_and_precision_are_shared() -> None:
    trial = make_trial()
    for change in (
        {"dataset": Part("grid")},
        {"spec": {"width": 7}},
        {"budget": replace(trial.budget, batch_size=4)},
        {"precision": "bf16"},
    ):
        other = replace(trial, **change)  # type: ignore[arg-type]
        assert shared_program(trial, scalar_defaults) != shared_program(other, scalar_defaults)


NUMBERS: list[dict[str, Any]] = [
    {},
    {"constraints.0.weight": 1.0, "critic_optimizer.options.lr": 1e-4},
    {"constraints.0.weight": {"linear": [1.0, 0.0], "over": 1.0}, "critic_optimizer.options.lr": None},
    {"loss.options.a": -1.0},
]


def make_members() -> list[Trial]:
    return [make_trial(seed=i % 2, numbers=numbers) for i, numbers in enumerate(NUMBERS)]


def test_what_members_differ_in_is_a_column_of_each_path_and_restores_them_all() -> None:
    members = make_members()
    varied = collect_varied([trial.recipe for trial in members])
    assert varied == {
        "constraints.0.weight": [10.0, 1.0, {"linear": [1.0, 0.0], "over": 1.0}, 10.0],
        "critic_optimizer.options.lr": [1e-3, 1e-4, None, 1e-3],
        "loss.options.a": [None, None, None, -1.0],
    }
    for trial in members:
        company = restore_company(trial, [each.seed for each in members], varied)
        assert [each.key for each in company] == [each.key for each in members]
    assert collect_varied([members[0].recipe] * 3) == {}


def test_a_batch_names_its_methods_and_the_first_trial_of_each_recipe() -> None:
    labels = (
        {"method": "a", "dataset": "d", "architecture": "n"},
        {"method": "b", "dataset": "d", "architecture": "n"},
    )
    first, second = make_trial(labels=labels[0]), make_trial(labels=labels[1], numbers=NUMBERS[1])
    trials = (first, replace(first, seed=1), second, replace(second, seed=1))
    batch = Batch(trials=trials, mode="stack", measurement=Measurement(metrics=()))
    assert batch.firsts == [first, second]
    assert batch.take(trials[:2]).firsts == [first]
    assert batch.label == "a and 1 more on d, n, seeds 0..1"
    assert batch.take(trials[:2]).label == "a on d, n, seeds 0..1"
    assert [half.firsts for half in batch.halves()] == [[first], [second]]


def make_detail(**composition: Any) -> dict[str, Any]:
    members = make_members()
    trained = {
        "members": [each.seed for each in members],
        "mode": "stack",
        "varied": collect_varied([each.recipe for each in members]),
    }
    return {"content": members[1].content, "seed": 1, "facts": {}, "composition": trained | composition}


def test_a_stored_batch_of_different_numbers_is_checked() -> None:
    check_batch(make_detail())


@pytest.mark.parametrize(
    ("composition", "message"),
    [
        ({"varied": {}}, "members are"),
        ({"varied": [1]}, r"varied is \[1\]"),
        ({"varied": {"constraints.0.weight": [1.0]}}, "not one number for each member"),
        ({"varied": {"constraints.9.weight": [1.0, 2.0, 3.0, 4.0]}}, r"constraints\.9"),
        ({"varied": {"constraints.0.weight": [5.0, 6.0, 7.0, 8.0]}}, "the trial is not one of its members"),
        ({"varied": {"constraints.0.weight": [1.0, 1.0, 1.0, 1.0]}}, "the trial is not one of its members"),
    ],
)
def test_a_stored_batch_that_cannot_be_is_refused(composition: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_batch(make_detail(**composition))
