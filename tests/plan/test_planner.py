"""The plan: the trials of a suite in batches, and which of them are still to be trained."""

from __future__ import annotations

import random

import pytest
from ganbench import GanbenchError, Space, plan, registry
from ganbench.api.trials import canonical_json
from ganbench.suite.loading import parse

from tests.support.tiny_suite import plan_small
from tests.support.tiny_suite import suite as small


@pytest.mark.parametrize(
    ("seeds", "groups", "expected"),
    [
        (1, 1, 1),
        (5, 1, 5),
        (15, 1, 15),
        (16, 1, 8),
        (20, 1, 10),
        (16, 2, 8),
        (16, 8, 16),
        (64, 2, 16),
        (40, 8, 20),
        (64, 9, 32),
    ],
)
def test_a_small_plan_is_cut_so_that_no_core_is_idle(seeds: int, groups: int, expected: int) -> None:
    assert plan.members_per_batch(seeds, groups) == expected


def test_every_cell_of_the_grid_is_a_trial_and_seeds_are_batched(plugins):
    grid = plan_small(plugins, architectures={"space": "random-mlp", "sample": 4, "seed": 7})
    assert len(grid.trials) == 4 * 2 * 3
    assert len({trial.key for trial in grid.trials}) == len(grid.trials)
    assert [len(batch.trials) for batch in grid.batches] == [3] * 8
    assert {batch.mode for batch in grid.batches} == {"stack"}
    assert {batch.mode for batch in plan_small(plugins, seeds=1).batches} == {"loop"}
    one_method = plan_small(plugins, seeds=20, methods=["ns-gan"], success=None)
    assert [len(batch.trials) for batch in one_method.batches] == [10, 10]


def test_architectures_are_drawn_without_replacement_and_a_larger_sample_extends_a_smaller_one(plugins):
    space = registry.load().build("architectures", "random-mlp", {})
    large, small_sample = plan.sample(space, 500, 2017, ""), plan.sample(space, 48, 2017, "")
    assert len({canonical_json(spec) for spec in large}) == 500
    assert large[:48] == small_sample
    assert plan.sample(space, 48, 2018, "") != small_sample


def test_the_error_for_too_few_architectures_has_their_number():
    space = Space(sample=lambda rng: {"width": rng.choice([1, 2])}, networks=lambda spec, ask: None)
    assert len(plan.sample(space, 2, 0, "")) == 2
    with pytest.raises(GanbenchError, match=r"s.toml: sample = 3 is more than this space has. Write sample = 2"):
        plan.sample(space, 3, 0, "s.toml")


def test_a_key_depends_on_what_is_trained_and_on_nothing_else(plugins):
    base = plan_small(plugins).trials[0]
    same = plan_small(
        plugins,
        question="Another?",
        method=[{"name": "renamed", "from": "ns-gan"}],
        methods=["renamed"],
        success=None,
        architectures={"space": "mlp", "options": {"generator_width": 8, "critic_width": 8, "critic_depth": 3}},
        measurement={"samples": 51},
    ).trials[0]
    assert same.key == base.key, "labels, measurements and options equal to the default are no part of a key"
    plans = [
        plan_small(plugins, seeds=[5]),
        plan_small(plugins, budget={"generator_steps": 5, "batch_size": 16, "snapshots": 2}),
        plan_small(plugins, budget={"generator_steps": 4, "batch_size": 17, "snapshots": 2}),
        plan_small(plugins, budget={"generator_steps": 4, "batch_size": 16, "snapshots": 1}),
        plan_small(plugins, dataset=[{"name": "ring", "std": 0.03}]),
        plan_small(plugins, architectures={"space": "mlp", "options": {"generator_width": 9, "critic_width": 8}}),
        plan_small(plugins, method=[{"name": "ns-gan", "ema": 0.9}]),
        plan_small(plugins, method=[{"name": "ns-gan", "optimizer": {"name": "adam", "lr": 3e-4}}]),
    ]
    keys = [changed.trials[0].key for changed in plans]
    assert len({base.key, *keys}) == 1 + len(keys)


def test_methods_start_from_recipes_and_from_each_other(plugins):
    grid = plan_small(
        plugins,
        methods=["wgan-gp"],
        method=[
            {"name": "strong", "from": "wgan-gp", "constraints": [{"name": "gradient-penalty", "weight": 100.0}]},
            {"name": "stronger", "from": "strong", "critic_steps": 2, "add_constraints": [{"name": "r1", "every": 4}]},
            {"name": "own", "loss": "hinge"},
            {"name": "lsgan", "critic_steps": 7},
            {"name": "of lsgan", "from": "lsgan"},
        ],
        success=None,
    )
    recipes = {trial.labels["method"]: trial.recipe for trial in grid.trials}
    assert recipes["wgan-gp"].constraints[0].weight == 10.0
    assert recipes["strong"].constraints[0].weight == 100.0
    assert [part.name for part in recipes["stronger"].constraints] == ["gradient-penalty", "r1"]
    assert recipes["stronger"].constraints[1].every == 4
    assert (recipes["strong"].critic_steps, recipes["stronger"].critic_steps) == (5, 2)
    assert recipes["own"].loss.name == "hinge"
    assert recipes["of lsgan"].critic_steps == 7, "the suite's own table takes precedence over the recipe of that name"
    assert recipes["own"].critic_optimizer.name == "adam"


def test_a_constraint_may_apply_to_some_architectures_only(plugins):
    decay = {"name": "weight-decay", "weight": 1e-3, "where": {"critic_normalised": True}}
    method = [{"name": "ns-gan", "add_constraints": [decay]}]
    space = {"space": "random-mlp", "sample": 20, "seed": 1}
    grid = plan_small(plugins, methods=["ns-gan"], method=method, architectures=space, success=None)
    for trial in grid.trials:
        assert bool(trial.recipe.constraints) == trial.spec["critic_normalised"]
    decay["where"] = {"critic_normalized": True}
    with pytest.raises(
        GanbenchError, match=r"no architecture property 'critic_normalized'.*Did you mean 'critic_normalised'"
    ):
        plan_small(plugins, methods=["ns-gan"], method=method, architectures=space, success=None)


@pytest.mark.parametrize(
    ("budget", "steps"),
    [
        ({"generator_steps": 600}, {"ns-gan": 600, "wgan-gp": 600}),
        ({"updates": 3600}, {"ns-gan": 1800, "wgan-gp": 600}),
        ({"updates": 3605}, {"ns-gan": 1802, "wgan-gp": 600}),
        ({"samples": 64_000}, {"ns-gan": 1000, "wgan-gp": 200}),
    ],
)
def test_a_budget_in_any_unit_becomes_generator_steps(plugins, budget, steps):
    grid = plan_small(plugins, budget={**budget, "batch_size": 64})
    assert {t.labels["method"]: t.budget.generator_steps for t in grid.trials} == steps
    assert all(t.budget.snapshots[-1] == t.budget.generator_steps for t in grid.trials)
    assert all(len(t.budget.snapshots) == 5 for t in grid.trials)


def test_a_budget_below_one_step_is_an_error(plugins):
    with pytest.raises(GanbenchError, match="updates = 3 is less than one generator step"):
        plan_small(plugins, budget={"updates": 3})


def test_stored_trials_are_left_out_and_the_rest_of_a_batch_trains_as_a_batch_of_its_own(plugins):
    grid = plan_small(plugins, seeds=5)
    known = {t.key: (t.code, "completed") for t in grid.trials}
    assert plan.find_missing(grid, known).batches == ()
    partly_known = {t.key: (t.code, "completed") for t in grid.trials if t.seed < 4}
    todo = plan.find_missing(grid, partly_known)
    assert [[t.seed for t in batch.trials] for batch in todo.batches] == [[4], [4]]
    assert {batch.mode for batch in todo.batches} == {"loop"}
    assert plan.find_missing(grid, {}).batches == grid.batches


def test_changed_code_makes_a_record_stale_and_statuses_in_retry_are_trained_again(plugins):
    grid = plan_small(plugins)
    first = grid.trials[0]
    known = {t.key: (t.code, "completed") for t in grid.trials} | {first.key: ("other", "completed")}
    todo = plan.find_missing(grid, known)
    assert todo.stale == {first.key}
    assert [[t.key for t in batch.trials] for batch in todo.batches] == [[first.key]]
    known[first.key] = (first.code, "failed")
    assert plan.find_missing(grid, known).batches == ()
    assert [t.key for batch in plan.find_missing(grid, known, ("failed",)).batches for t in batch.trials] == [first.key]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ["wgan-pg"], "success": None}, "no method 'wgan-pg'. Did you mean 'wgan-gp'"),
        ({"dataset": [{"name": "rign"}], "success": None}, "no dataset 'rign'. Did you mean 'ring'"),
        ({"architectures": {"space": "mpl"}}, "no architecture 'mpl'. Did you mean 'mlp'"),
        ({"method": [{"name": "x", "from": "ns-gna"}]}, "no method 'ns-gna'. Did you mean 'ns-gan'"),
        ({"method": [{"name": "x", "loss": "hige"}]}, "no loss 'hige'. Did you mean 'hinge'"),
        ({"method": [{"name": "x", "from": "wgan-gp", "add_constraints": [{"name": "r3"}]}]}, "no constraint 'r3'"),
        (
            {"method": [{"name": "x", "from": "wgan-gp", "constraints": [{"name": "gradient-penalty", "tarjet": 2}]}]},
            "no option 'tarjet' (given 2). Did you mean 'target'",
        ),
        ({"measurement": {"metrics": ["fdi"]}}, "no metric 'fdi'"),
        (
            {"success": [{"dataset": "ring", "metric": "fid", "thresholds": [1], "primary": 1}]},
            "no metric value 'fid'. Known: high-quality, modes, reverse-kl",
        ),
        (
            {"success": [{"dataset": "ring", "metric": "modes", "thresholds": [7, 4], "primary": 4}]},
            "must rise in difficulty; for 'modes' higher is better, so write [4.0, 7.0]",
        ),
        (
            {"success": [{"dataset": "ring", "metric": "modes", "thresholds": [7], "sustained": 3}]},
            "sustained = 3, but the suite evaluates each trial at 2 snapshots. Use at most 2, or raise snapshots",
        ),
        (
            {
                "dataset": [{"name": "ring", "metrics": ["modes", "precision-recall"]}],
                "success": [{"dataset": "ring", "metric": "recall", "thresholds": [0.1], "sustained": 2}],
            },
            "sustained = 2, but 'recall' is measured at the end only. Use a value that is measured at every snapshot",
        ),
    ],
)
def test_a_wrong_name_is_an_error_with_its_place_and_the_way_out(plugins, changes, message):
    with pytest.raises(GanbenchError) as error:
        plan_small(plugins, **changes)
    assert message in str(error.value)
    assert "s.toml" in str(error.value)


def test_a_plan_has_the_warnings_of_papers(plugins):
    penalty = {"name": "gradient-penalty", "weight": 10.0}
    loose = {"name": "loose", "loss": "wasserstein"}
    clipped = {"name": "clipped", "from": "wgan", "optimizer": {"name": "adam", "beta1": 0.5}}
    mixed = {"name": "mixed", "loss": "wasserstein", "constraints": [penalty], "critic_norm": "batch"}
    space = {"space": "mlp", "options": {"critic_normalised": True}}
    cautions = plan_small(
        plugins, methods=None, method=[loose, clipped, mixed], architectures=space, success=None
    ).cautions
    assert {tuple(methods) for methods in cautions.values()} == {("loose",), ("clipped",), ("mixed",)}
    warnings = "\n".join(cautions)
    for fragment in ("without a constraint", "with momentum ('adam')", "batch norm in the critic"):
        assert fragment in warnings
    long = {"generator_steps": 600}
    methods = ["ns-gan", "wgan", "wgan-gp"]
    assert not plan_small(plugins, methods=methods, budget=long, architectures=space, success=None).cautions


def test_sampling_uses_only_its_own_random_generator(plugins):
    space = plugins.build("architectures", "random-mlp", {})
    random.seed(1)
    first = plan.sample(space, 5, 3, "")
    random.seed(2)
    assert plan.sample(space, 5, 3, "") == first


def plan_with_rule(plugins, snapshots=2, metrics=("modes",), **rule):
    budget = {"generator_steps": 4, "batch_size": 16, "snapshots": snapshots}
    success = [{"dataset": "digits" if "fid" in metrics else "ring", **rule}]
    dataset = [{"name": success[0]["dataset"]}]
    measurement = {"samples": 50, "metrics": list(metrics)}
    return plan_small(plugins, budget=budget, dataset=dataset, success=success, measurement=measurement)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"condition": "high_quality > .8"}, "no metric value 'high_quality'. Did you mean 'high-quality'?"),
        ({"metric": "modes", "thresholds": [7], "condition": "fid < 9"}, "condition: no metric value 'fid'"),
        ({"at": "best", "condition": "spread > 0.5"}, "'spread' has none"),
        ({"metric": "spread", "thresholds": [1]}, "no metric value 'spread'"),
    ],
)
def test_a_condition_needs_the_values_of_the_metrics_of_its_dataset(plugins, rule, message):
    with pytest.raises(GanbenchError) as error:
        plan_with_rule(plugins, **rule)
    assert message in str(error.value)
    assert "s.toml" in str(error.value)


def test_a_condition_may_name_neutral_values(plugins):
    assert plan_with_rule(plugins, condition="spread > 0.5").trials
    assert plan_with_rule(plugins, at="best", condition="spread > 0.5 and modes >= 8").trials


def test_best_is_an_error_if_the_condition_is_measured_at_the_end_only(plugins):
    rule = {"metric": "fid", "thresholds": [40], "condition": "recall > 0.5"}
    metrics = ("fid", "precision-recall")
    with pytest.raises(
        GanbenchError, match=r"'recall' is measured at the end only, but the best 'fid' may come before"
    ):
        plan_with_rule(plugins, metrics=metrics, at="best", **rule)
    assert plan_with_rule(plugins, metrics=metrics, at="final", **rule).trials
    assert plan_with_rule(plugins, snapshots=1, metrics=metrics, at="best", **rule).trials
    assert plan_with_rule(plugins, metrics=metrics, at="best", condition="recall > 0.5 and precision > 0.5").trials


def test_a_plan_warns_of_a_dataset_without_a_success_rule(plugins):
    assert plan_small(plugins).warnings == []
    several = plan_small(plugins, dataset=[{"name": "ring"}, {"name": "grid"}])
    assert several.unruled == ("grid",)
    (warning,) = several.warnings
    assert "dataset 'grid' has no success rule" in warning
    assert 'Add [[success]] with dataset = "grid"' in warning


def test_a_dataset_may_have_metrics_of_its_own(plugins):
    datasets = [{"name": "ring", "metrics": ["w1"]}, {"name": "grid"}]
    batches = plan_small(plugins, dataset=datasets, success=None).batches
    measurements = {batch.trials[0].labels["dataset"]: batch.measurement for batch in batches}
    assert [part.name for part in measurements["ring"].metrics] == ["w1"]
    assert [part.name for part in measurements["grid"].metrics] == ["modes"]


def test_planning_tells_how_many_cells_are_planned(plugins):
    told = []
    architectures = {"space": "random-mlp", "sample": 3, "seed": 7}
    table = small(architectures=architectures, budget={"flops": 1e9, "batch_size": 8, "snapshots": 1}, success=None)
    plan.make(parse(table), plugins, lambda done, total: told.append((done, total)))
    assert told == [(done, 3 * 2) for done in range(1, 7)]


@pytest.mark.parametrize("spec", [None, "text", [1], {"width": object()}, {"width": {1, 2}}])
def test_a_spec_that_is_no_plain_data_is_refused_by_the_name_of_its_space(spec: object) -> None:
    with pytest.raises(GanbenchError, match=r"^here: .*it returns .*: return plain data"):
        plan.sample(Space(sample=lambda rng: spec, networks=lambda spec, ask: None, size=None), 1, 0, "here")  # type: ignore
