"""A method that starts from another changes what its table names, option by option, and inherits the rest."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from ganbench import GanbenchError, Method, Use, registry
from ganbench.plan.planner import Planner
from ganbench.plan.recipes import Recipes
from ganbench.suite import json_schema
from ganbench.suite.loading import parse, restore
from jsonschema import Draft202012Validator

from tests.support.tiny_suite import suite as small

PLUGINS = registry.load()
WGAN_GP: Method = PLUGINS.build("methods", "wgan-gp", {})
TWO_RATES = Method(
    loss=Use("hinge"),
    critic_optimizer=Use("adam", lr=4e-4, beta1=0.0),
    generator_optimizer=Use("adam", lr=1e-4, beta1=0.5),
)


def resolve(text: str, label: str = "mine") -> Method:
    """Return a method of the small suite with these [[method]] tables."""
    tables = tomllib.loads(text)["method"]
    suite = parse(small(methods=None, method=tables, success=None), "s.toml")
    assert restore(suite.text) == suite
    return Recipes(suite, PLUGINS).resolve(label)


def change(base: Method, **keys: Any) -> Method:
    """Return what a table with these keys makes of a recipe."""
    return parse(small(methods=None, method=[{"name": "mine", **keys}], success=None)).method[0].apply(base)


@pytest.mark.parametrize("optimizer", ['{ name = "adam", lr = 1e-3 }', "{ lr = 1e-3 }"])
@pytest.mark.parametrize("start", ['name = "mine"\nfrom = "wgan-gp"', 'name = "wgan-gp"'])
def test_a_changed_learning_rate_keeps_the_betas_of_the_recipe(start: str, optimizer: str) -> None:
    label = "wgan-gp" if "from" not in start else "mine"
    method = resolve(f"[[method]]\n{start}\noptimizer = {optimizer}", label)
    assert method.optimizer == Use("adam", lr=1e-3, beta1=0.0, beta2=0.9)
    assert (method.loss, method.constraints, method.critic_steps) == (WGAN_GP.loss, WGAN_GP.constraints, 5)


def test_an_offer_of_another_name_replaces_the_inherited_one_with_all_its_options() -> None:
    assert change(WGAN_GP, optimizer={"name": "rmsprop", "lr": 1e-3}).optimizer == Use("rmsprop", lr=1e-3)
    assert change(WGAN_GP, loss="hinge").loss == Use("hinge")


def test_loss_and_dynamics_keep_the_options_that_are_left_out() -> None:
    base = Method(loss=Use("least-squares", a=-1.0, b=1.0), dynamics=Use("unrolled", steps=5, lr=0.2))
    method = change(base, loss={"b": 0.5}, dynamics={"name": "unrolled", "steps": 3})
    assert method.loss == Use("least-squares", a=-1.0, b=0.5)
    assert method.dynamics == Use("unrolled", steps=3, lr=0.2)


def test_the_name_alone_keeps_all_options() -> None:
    method = change(WGAN_GP, optimizer="adam", constraints=["gradient-penalty"])
    assert method == WGAN_GP


def test_a_schedule_replaces_a_value_as_a_whole() -> None:
    base = Method(loss=Use("hinge"), optimizer=Use("adam", lr={"linear": [1e-3, 0.0], "over": 0.5}, beta1=0.0))
    method = change(base, optimizer={"lr": {"cosine": [1e-3, 0.0]}})
    assert method.optimizer == Use("adam", lr={"cosine": [1e-3, 0.0]}, beta1=0.0)


def test_a_constraint_keeps_weight_period_place_and_options_or_overrides_them() -> None:
    old = Use("gradient-penalty", weight=10.0, every=4, where={"critic_depth": 3}, target=0.5, sides="one")
    base = Method(loss=Use("wasserstein"), constraints=(old,))
    kept = change(base, constraints=[{"name": "gradient-penalty", "target": 1.0}]).constraints
    assert kept == (Use("gradient-penalty", weight=10.0, every=4, where={"critic_depth": 3}, target=1.0, sides="one"),)
    term = {"name": "gradient-penalty", "weight": 1.0, "every": 1, "where": {}}
    assert change(base, constraints=[term]).constraints == (
        Use("gradient-penalty", weight=1.0, every=1, target=0.5, sides="one"),
    )


def test_the_list_decides_which_terms_there_are_and_in_which_order() -> None:
    base = Method(loss=Use("hinge"), constraints=(Use("r1", weight=3.0), Use("r2", weight=4.0)))
    assert change(base, constraints=["r2", "weight-decay", "r1"]).constraints == (
        Use("r2", weight=4.0),
        Use("weight-decay"),
        Use("r1", weight=3.0),
    )
    assert change(base, constraints=[]).constraints == ()


def test_the_second_term_of_a_name_changes_the_second_inherited_one() -> None:
    noise = (Use("instance-noise", weight=2.0, sigma=0.1), Use("instance-noise", weight=3.0, sigma=0.2))
    base = Method(loss=Use("hinge"), inputs=noise)
    terms = [{"name": "instance-noise", "sigma": sigma} for sigma in (0.3, 0.4, 0.5)]
    assert change(base, inputs=terms).inputs == (
        Use("instance-noise", weight=2.0, sigma=0.3),
        Use("instance-noise", weight=3.0, sigma=0.4),
        Use("instance-noise", sigma=0.5),
    )


def test_an_added_constraint_inherits_nothing() -> None:
    added = change(WGAN_GP, add_constraints=["gradient-penalty"]).constraints
    assert added == (*WGAN_GP.constraints, Use("gradient-penalty"))


def test_an_optimizer_of_both_players_changes_each_and_keeps_its_other_options() -> None:
    method = change(TWO_RATES, optimizer={"lr": 1e-3})
    assert method.critic_optimizer == Use("adam", lr=1e-3, beta1=0.0)
    assert method.generator_optimizer == Use("adam", lr=1e-3, beta1=0.5)
    assert method.optimizer is None


def test_an_optimizer_of_another_name_replaces_those_of_both_players() -> None:
    method = change(TWO_RATES, optimizer={"name": "sgd", "lr": 1e-3})
    assert (method.optimizer, method.critic_optimizer, method.generator_optimizer) == (Use("sgd", lr=1e-3), None, None)
    mixed = Method(loss=Use("hinge"), optimizer=Use("sgd", lr=0.1), critic_optimizer=Use("adam", beta1=0.0))
    method = change(mixed, optimizer={"name": "adam", "lr": 1e-3})
    assert method.critic_optimizer == Use("adam", lr=1e-3, beta1=0.0)
    assert (method.optimizer, method.generator_optimizer) == (Use("adam", lr=1e-3), None)


def test_the_optimizer_of_a_player_changes_that_of_both() -> None:
    method = change(WGAN_GP, critic_optimizer={"lr": 4e-4})
    assert method.critic_optimizer == Use("adam", lr=4e-4, beta1=0.0, beta2=0.9)
    assert (method.optimizer, method.generator_optimizer) == (WGAN_GP.optimizer, None)
    method = change(WGAN_GP, optimizer={"lr": 1e-3}, generator_optimizer={"name": "adam", "beta1": 0.5})
    assert method.optimizer == Use("adam", lr=1e-3, beta1=0.0, beta2=0.9)
    assert method.generator_optimizer == Use("adam", lr=1e-3, beta1=0.5, beta2=0.9)
    assert change(WGAN_GP, critic_optimizer={"name": "sgd", "lr": 0.1}).critic_optimizer == Use("sgd", lr=0.1)


def test_a_chain_of_tables_adds_change_to_change() -> None:
    method = resolve(
        """
        [[method]]
        name = "fast"
        from = "wgan-gp"
        optimizer = { lr = 1e-3 }
        constraints = [{ name = "gradient-penalty", sides = "one" }]
        [[method]]
        name = "mine"
        from = "fast"
        optimizer = { beta2 = 0.99 }
        constraints = [{ name = "gradient-penalty", weight = 1.0 }]
        """
    )
    assert method.optimizer == Use("adam", lr=1e-3, beta1=0.0, beta2=0.99)
    assert method.constraints == (Use("gradient-penalty", weight=1.0, sides="one"),)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (
            [{"name": "mine", "loss": {"a": 0.5}}],
            "s.toml: method[0].loss = {'a': 0.5}: it has no name, and no loss is inherited whose name it could keep. "
            'Add name = "...".',
        ),
        (
            [{"name": "mine", "from": "wgan-gp", "dynamics": {"steps": 3}}],
            "s.toml: method[0].dynamics = {'steps': 3}: it has no name, and no dynamics is inherited",
        ),
        (
            [{"name": "own", "loss": "hinge"}, {"name": "mine", "from": "own", "critic_optimizer": {"lr": 1e-3}}],
            "s.toml: method[1].critic_optimizer = {'lr': 0.001}: it has no name, and no critic_optimizer is inherited",
        ),
        (
            [
                {"name": "own", "loss": "hinge", "critic_optimizer": "sgd"},
                {"name": "mine", "from": "own", "optimizer": {"lr": 1e-3}},
            ],
            "s.toml: method[1].optimizer = {'lr': 0.001}: it has no name, and no optimizer is inherited",
        ),
    ],
)
def test_a_name_that_is_left_out_where_none_is_inherited_is_an_error(
    tables: list[dict[str, Any]], message: str
) -> None:
    suite = parse(small(methods=None, method=tables, success=None), "s.toml")
    with pytest.raises(GanbenchError) as error:
        Recipes(suite, PLUGINS).resolve("mine")
    assert str(error.value).startswith(message)


CHAIN = """
question = "Does it run?"
methods = ["mine"]
[budget]
generator_steps = 4
[[dataset]]
name = "ring"
[[method]]
name = "fast"
from = "wgan-gp"
constraints = [{ name = "gradient-penalty", tarjet = 1.0 }]
optimizer = { lr = 1e-3 }
[[method]]
name = "mine"
from = "fast"
constraints = [{ name = "gradient-penalty", weight = 1.0 }]
optimizer = { beta1 = 1.5 }
"""


def test_a_wrong_option_is_located_in_the_table_that_sets_it() -> None:
    for text, place in [
        (CHAIN, "s.toml:11: method[0].constraints[0]: constraint 'gradient-penalty': no option 'tarjet'"),
        (CHAIN.replace("tarjet", "target"), "s.toml:17: method[1].optimizer: optimizer 'adam': beta1 = 1.5"),
        (
            CHAIN.replace("tarjet", "target").replace("beta1", "beta"),
            "s.toml:17: method[1].optimizer: optimizer 'adam'",
        ),
    ]:
        planner = Planner(parse(text, "s.toml"), PLUGINS)
        with pytest.raises(GanbenchError) as error:
            next(planner.make_cells(lambda done, total: None))
        assert str(error.value).startswith(place)


def test_the_text_of_a_suite_keeps_what_its_tables_leave_out() -> None:
    suite = parse(tomllib.loads(CHAIN))
    tables = json.loads(suite.text)["method"]
    assert tables == tomllib.loads(CHAIN)["method"]
    assert restore(suite.text) == suite
    weight = CHAIN.replace("tarjet = 1.0", "weight = 1.0")
    assert parse(weight) != parse(CHAIN.replace(", tarjet = 1.0", "")), "weight = 1 is not the inherited weight"


def test_the_schema_allows_a_table_without_a_name_where_one_may_be_inherited() -> None:
    validator = Draft202012Validator(json_schema.make_json_schema(PLUGINS))

    def is_valid(key: str, value: Any) -> bool:
        return validator.is_valid(small(methods=None, method=[{"name": "mine", "from": "wgan-gp", key: value}]))

    assert is_valid("optimizer", {"lr": 1e-3})
    assert is_valid("loss", {"a": 0.5})
    assert not is_valid("optimizer", {})
    assert not is_valid("optimizer", {"rate": 1e-3})
    assert not is_valid("optimizer", {"name": "sgd", "beta1": 0.5})
    assert not is_valid("constraints", [{"weight": 1.0}])
    assert not validator.is_valid(small(dataset=[{"modes": 8}], success=None))


def plan_average(**keys: Any) -> Any:
    """Return the recipe that is planned for a method with these settings of its average."""
    table = [{"name": "base", "from": "ns-gan", "ema": 0.9, "ema_start": 2}, {"name": "mine", "from": "base", **keys}]
    suite = parse(small(methods=None, method=table, success=None))
    planner = Planner(suite, PLUGINS)
    return planner.resolve_recipe("mine", planner.recipes.resolve("mine"), ())


def test_an_average_may_start_late_and_ramp_up() -> None:
    recipe = plan_average(ema_rampup=0.05)
    assert (recipe.ema, recipe.ema_start, recipe.ema_rampup) == (0.9, 2, 0.05)
    assert recipe.plain.keys() >= {"ema_start", "ema_rampup"}
    assert plan_average(ema=0.0, ema_rampup=0.0).plain == plan_average(ema=0.0, ema_start=0).plain
    assert plan_average(ema_start=0).plain.keys().isdisjoint({"ema_start", "ema_rampup"})


@pytest.mark.parametrize("keys", [{"ema_start": 3}, {"ema_rampup": 0.05}, {"ema": 0.0, "ema_start": 3}])
def test_settings_of_an_average_that_is_not_there_are_refused(keys: dict[str, Any]) -> None:
    tables = [{"name": "mine", "from": "ns-gan", **keys}]
    suite = parse(small(methods=None, method=tables, success=None), "s.toml")
    with pytest.raises(GanbenchError, match=r"ema_(start|rampup).*there is no average. Add ema"):
        Recipes(suite, PLUGINS).resolve("mine")


@pytest.mark.parametrize("keys", [{"ema_start": -1}, {"ema_start": 1.5}, {"ema_rampup": -0.1}, {"ema_rampup": "1"}])
def test_senseless_settings_of_an_average_are_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(GanbenchError, match="ema_"):
        parse(small(methods=None, method=[{"name": "mine", "from": "ns-gan", "ema": 0.9, **keys}], success=None))
