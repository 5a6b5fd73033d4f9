from __future__ import annotations

import json
import math
import tomllib
from typing import Any

import pytest
from ganbench import GanbenchError, Method, Use
from ganbench.suite.loading import parse, restore
from ganbench.suite.suite import Suite

TEXT = """\
question = "Does the critic's constraint decide whether a random architecture trains?"
seeds = 2
methods = ["ns-gan", "wgan-gp"]                 # recipes by name
claim = [{ text = "it trains", test = "absent", outcome = "diverged", method = "ns-gan", dataset = "ring" }]
[budget]
generator_steps = 600
batch_size = 64
snapshots = 5

[architectures]
space = "random-mlp"
sample = 48
seed = 2017

[architectures.options]
depths = [2, 4]

[[dataset]]
name = "ring"
modes = 8

[[dataset]]
name = "digits"

[[method]]
name = "wgan-gp-strong"
from = "wgan-gp"
constraints = [
    { name = "gradient-penalty", weight = 100, target = 0.5 },
    "spectral-norm",
]
critic_steps = { steps = [[25, 100], [inf, 5]] }

[[method]]
name = "ns-gan"
inputs = [{ name = "instance-noise", sigma = { linear = [0.1, 0.0], over = 0.5 } }]

[measurement]
metrics = ["fid", { name = "mode-coverage", radius = 3.0 }]

[[success]]
dataset = "digits"
metric = "fid"
thresholds = [90, 60, 40, 25]
primary = 40
compare = [["ns-gan", "wgan-gp-strong"]]

[outcomes]
degraded = 2
periods = 4

[keep]
generators = "snapshots"

[engine]
memory = "2 GiB"
precision = "bf16"
[[figure]]
name = "courses"
values = ["loss.critic"]

[scale.paper]
"""
SMALL: dict[str, Any] = {
    "question": "Does it run?",
    "methods": ["gan"],
    "budget": {"generator_steps": 10},
    "dataset": [{"name": "ring"}],
}


def test_a_suite_has_the_content_of_its_text() -> None:
    suite = parse(TEXT, "suites/ring.toml")
    assert (suite.text, suite.where) == (TEXT, "suites/ring.toml")
    assert suite.method_names == ("ns-gan", "wgan-gp", "wgan-gp-strong")
    assert suite.seed_list == (0, 1)
    assert (suite.budget.unit, suite.budget.amount, suite.budget.batch_size) == ("generator_steps", 600, 64)
    assert (suite.architectures.space, suite.architectures.sample) == ("random-mlp", 48)
    assert suite.architectures.options == {"depths": [2, 4]}
    assert [(table.title, table.options) for table in suite.dataset] == [("ring", {"modes": 8}), ("digits", {})]
    assert suite.measurement.metrics is not None
    assert [metric.use() for metric in suite.measurement.metrics] == [Use("fid"), Use("mode-coverage", radius=3.0)]
    assert (suite.success[0].thresholds, suite.success[0].primary) == ((90, 60, 40, 25), 40)


def test_keys_that_a_suite_leaves_out_have_their_defaults() -> None:
    suite = parse(SMALL)
    assert suite.seed_list == (0,)
    assert (suite.budget.batch_size, suite.budget.snapshots) == (64, 5)
    assert (suite.architectures.space, suite.architectures.sample, suite.architectures.seed) == ("mlp", 1, 0)
    assert (suite.measurement.samples, suite.measurement.metrics, suite.success) == (2000, None, ())


def test_seeds_are_a_number_or_a_list() -> None:
    assert parse(SMALL | {"seeds": 3}).seed_list == (0, 1, 2)
    assert parse(SMALL | {"seeds": [7, 3]}).seed_list == (7, 3)


def test_a_single_threshold_is_primary() -> None:
    suite = parse(SMALL | {"success": [{"dataset": "ring", "metric": "modes", "thresholds": [7]}]})
    assert suite.success[0].primary == 7.0


def test_the_smallest_effect_that_matters_is_declared_or_left_open() -> None:
    rule = {"dataset": "ring", "metric": "modes", "thresholds": [7]}
    declared, left_open = (parse(SMALL | {"success": [rule | more]}) for more in ({"smallest_effect": 0.1}, {}))
    assert (declared.success[0].smallest_effect, left_open.success[0].smallest_effect) == (0.1, None)
    assert restore(declared.text) == declared
    assert "smallest_effect" not in left_open.text


def test_a_rule_is_thresholds_or_a_condition_or_both_and_there_may_be_several() -> None:
    thresholds = {"dataset": "ring", "metric": "modes", "thresholds": [7]}
    both = thresholds | {"condition": "high-quality>.8"}
    condition = {"dataset": "ring", "condition": "modes >= 8.0 and w1<1"}
    suite = parse(SMALL | {"success": [thresholds, both, condition]})
    assert [(rule.thresholds, rule.primary) for rule in suite.success] == [((7,), 7), ((7,), 7), ((), None)]
    assert [rule.condition for rule in suite.success] == [None, "high-quality > 0.8", "modes >= 8 and w1 < 1"]
    assert restore(suite.text) == suite
    with pytest.raises(GanbenchError, match=r"success\[1\].dataset = 'ring': it appears twice with the same metric"):
        parse(SMALL | {"success": [condition, condition]})


WGAN_GP = Method(
    loss=Use("wasserstein"),
    constraints=(Use("gradient-penalty", weight=10.0),),
    critic_optimizer=Use("adam", lr=1e-4),
    critic_steps=5,
)


def test_a_method_table_replaces_its_keys_and_inherits_the_rest() -> None:
    table = parse(TEXT).method_table("wgan-gp-strong")
    assert table is not None
    method = table.apply(WGAN_GP)
    assert method.constraints == (Use("gradient-penalty", weight=100.0, target=0.5), Use("spectral-norm"))
    assert method.critic_steps == {"steps": [[25, 100], ["inf", 5]]}
    assert (method.loss, method.critic_optimizer) == (WGAN_GP.loss, WGAN_GP.critic_optimizer)


def test_added_constraints_come_after_the_inherited_ones() -> None:
    term = {"name": "r1", "weight": {"cosine": [1, 0]}, "every": 16, "where": {"depth": 4}, "gamma": 2}
    suite = parse(SMALL | {"method": [{"name": "mine", "from": "wgan-gp", "add_constraints": [term]}]})
    added = Use("r1", weight={"cosine": [1.0, 0.0], "over": 1.0}, every=16, where={"depth": 4}, gamma=2)
    assert suite.method[0].apply(WGAN_GP).constraints == (*WGAN_GP.constraints, added)


def test_an_optimizer_of_both_players_replaces_the_inherited_one_of_one_player() -> None:
    suite = parse(SMALL | {"method": [{"name": "mine", "from": "wgan-gp", "optimizer": "sgd"}]})
    method = suite.method[0].apply(WGAN_GP)
    assert (method.optimizer, method.critic_optimizer, method.generator_optimizer) == (Use("sgd"), None, None)


def test_equality_compares_the_content_and_not_the_text() -> None:
    suite, commented = parse(TEXT, "a.toml"), parse("# a comment\n" + TEXT, "b.toml")
    assert suite == commented == parse(tomllib.loads(TEXT))
    assert suite != parse(TEXT.replace("600", "601"))


def test_the_text_of_a_suite_from_python_parses_to_an_equal_suite() -> None:
    data = tomllib.loads(TEXT)
    for suite in (parse(data), Suite.model_validate(data)):
        assert parse(json.loads(suite.text)) == suite


def test_a_suite_is_immutable() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse(SMALL).seeds = 3


@pytest.mark.parametrize(
    ("old", "new", "fragments"),
    [
        ("batch_size =", "batchsize =", ["s.toml:7: budget.batchsize = 64", "Did you mean 'batch_size'?"]),
        ("seeds = 2", "seed = 2", ["s.toml:2: seed = 2", "Did you mean 'seeds'?"]),
        ("seeds = 2", "seeds = 0", ["s.toml:2: seeds = 0", "from 1 to 10000"]),
        ("seeds = 2", "seeds = true", ["s.toml:2: seeds = True", "number of seeds"]),
        ("seeds = 2", "seeds = []", ["s.toml:2: seeds = []", "number of seeds"]),
        ("seeds = 2", "seeds = [1, -1]", ["s.toml:2: seeds = [1, -1]", "integers >= 0"]),
        ("seeds = 2", "seeds = [1, 2, 1]", ["s.toml:2: seeds[2] = 1", "twice", "leave one out"]),
        ("seeds = 2", "seeds = 1000000000000", ["seeds = 1000000000000", "10000"]),
        (
            "question = ",
            "about = ",
            ["s.toml: question: missing", 'question = "Does'],
        ),
        ('["ns-gan", "wgan-gp"] ', '["ns-gan", "ns-gan"] ', ["s.toml:3: methods[1] = 'ns-gan'", "twice"]),
        ('["ns-gan", "wgan-gp"] ', '["ns-gan", ""] ', ["s.toml:3: methods[1] = ''", "1 to 100 printable"]),
        ('["ns-gan", "wgan-gp"] ', '["ns-gan", "a\\u001b[0m"] ', ["s.toml:3: methods[1] = 'a\\x1b[0m'", "printable"]),
        ('["ns-gan", "wgan-gp"] ', f'["{"a" * 101}"] ', ["s.toml:3: methods[0] = 'aaa", "..."]),
        (
            '["ns-gan", "wgan-gp"] ',
            '"ns-gan" ',
            ["s.toml:3: methods = 'ns-gan'", "it should be a list. The names of recipes"],
        ),
        ("generator_steps = 600", "", ["s.toml:5: budget", "exactly one of generator_steps, updates, samples"]),
        ("generator_steps = 600", "generator_steps = 6\nupdates = 1", ["s.toml:5: budget", "generator_steps and upd"]),
        ("generator_steps = 600", "generator_steps = 6e2", ["s.toml:6: budget.generator_steps = 600.0", "integer"]),
        (
            "generator_steps = 600",
            "generator_steps = 0",
            ["s.toml:6: budget.generator_steps = 0", "than or equal to 1"],
        ),
        ("batch_size = 64", "batch_size = '64'", ["s.toml:7: budget.batch_size = '64'", "integer"]),
        ("snapshots = 5", "snapshots = 0", ["s.toml:8: budget.snapshots = 0"]),
        ("sample = 48", "sample = -3", ["s.toml:12: architectures.sample = -3"]),
        ("sample = 48", "depths = [2]", ["s.toml:12: architectures.depths = [2]", "[architectures.options]"]),
        ('name = "digits"', "", ["s.toml:22: dataset[1].name: missing"]),
        ('name = "digits"', 'name = "ring"', ["s.toml:22: dataset[1].label = 'ring'", "twice", "a label of its own"]),
        ("from =", "frmo =", ["s.toml:27: method[0].frmo = 'wgan-gp'", "Did you mean 'from'?"]),
        ('from = "wgan-gp"', 'from = "ns-gan"', ["s.toml:27: method[0].from = 'ns-gan'", "later", "above"]),
        ('from = "wgan-gp"', "loss = { weight = 1 }", ["s.toml:27: method[0].loss", "constraints and inputs only"]),
        ('from = "wgan-gp"', "loss = 3", ["s.toml:27: method[0].loss = 3", "it should be a name, or a table"]),
        ('from = "wgan-gp"', "loss = {}", ["s.toml:27: method[0].loss = {}", "the table is empty. Write a name"]),
        ('name = "gradient-penalty", ', "", ["s.toml:28: method[0].constraints[0].name: missing", "Write name ="]),
        ('from = "wgan-gp"', 'order = "critic"', ["s.toml:27: method[0].order = 'critic'", "'critic-first' or"]),
        ('from = "wgan-gp"', "ema = 1.0", ["s.toml:27: method[0].ema = 1.0", "less than 1"]),
        ('from = "wgan-gp"', 'add_constraints = ["r1"]', ["method[0].add_constraints = ['r1']", "one of the two"]),
        ("weight = 100", "weight = 'x'", ["s.toml:28: method[0].constraints[0].weight = 'x'", "{linear = [0.1, 0.0]"]),
        ("weight = 100", "every = 0", ["s.toml:28: method[0].constraints[0].every = 0"]),
        ("[inf, 5]]", "[30, 5]]", ["s.toml:32: method[0].critic_steps", "from step 30 on", "[inf, n]"]),
        ('name = "wgan-gp-strong"', 'name = "ns-gan"', ["method[1].name = 'ns-gan'", "twice", "a name of its own"]),
        ('["fid", {', '["fid", "fid", {', ["s.toml:39: measurement.metrics[1] = {'name': 'fid'}", "twice"]),
        ('["fid", {', "[3, {", ["s.toml:39: measurement.metrics[0] = 3", "it should be a name, or a table"]),
        ("metrics = [", "samples = 1\nmetrics = [", ["s.toml:39: measurement.samples = 1"]),
        (
            'dataset = "digits"',
            'dataset = "digit"',
            ["s.toml:42: success[0].dataset = 'digit'", "Did you mean 'digits'?"],
        ),
        ("[90, 60, 40, 25]", "[90, 60, 60, 40]", ["s.toml:44: success[0].thresholds", "all rise or all fall"]),
        ("[90, 60, 40, 25]", "[90, 40, 60]", ["s.toml:44: success[0].thresholds", "all rise or all fall"]),
        ("[90, 60, 40, 25]", "[]", ["s.toml:44: success[0].thresholds = []", "the list is empty"]),
        ("[90, 60, 40, 25]", "[90, 40, nan]", ["s.toml:44: success[0].thresholds[2] = nan", "finite"]),
        ("primary = 40", "primary = 45", ["s.toml:45: success[0].primary = 45.0", "Choose one of [90.0, 60.0"]),
        ("primary = 40", "", ["s.toml:41: success[0].primary: missing", "Choose the threshold"]),
        (
            "primary = 40",
            'primary = 40\nat = "best"\nsustained = 2',
            ["s.toml:47: success[0].sustained = 2", 'it needs at = "final"'],
        ),
        ("primary = 40", "primary = 40\nsustained = 0", ["s.toml:46: success[0].sustained = 0"]),
        ("primary = 40", 'primary = 40\nat = "last"', ["s.toml:46: success[0].at = 'last'", "'final' or 'best'"]),
        (
            "primary = 40",
            "primary = 40\nsmallest_effect = 10",
            ["s.toml:46: success[0].smallest_effect", "less than 1"],
        ),
        ("primary = 40", "primary = 40\nsmallest_effect = 0", ["s.toml:46: success[0].smallest_effect", "than 0"]),
        ('"wgan-gp-strong"]]', '"wgan-gp-week"]]', ["s.toml:46: success[0].compare[0]", "Did you mean 'wgan-gp"]),
        (', "wgan-gp-strong"]]', "]]", ["s.toml:46: success[0].compare[0] = ['ns-gan']", "item 2 is missing"]),
        ('"wgan-gp-strong"]]', '"ns-gan"]]', ["s.toml:46: success[0].compare[0]", "compared with itself"]),
        ('"wgan-gp-strong"]]', '"wgan-gp", "x"]]', ["s.toml:46: success[0].compare[0]", "at most 2 items, not 3"]),
        ('metric = "fid"', "", ["s.toml:41: success[0].metric: missing", "a condition in place of metric"]),
        (
            'metric = "fid"',
            'condition = "fid < 3"',
            ["s.toml:44: success[0].thresholds", "it needs a metric. Name one"],
        ),
        ("thresholds = [90, 60, 40, 25]", "", ["s.toml:41: success[0].thresholds: missing", "as in [90, 60, 40]"]),
        ("primary = 40", 'primary = 40\ncondition = "is > "', ["s.toml:46: success[0].condition", "at character 6"]),
        ("primary = 40", "primary = 40\ncondition = 5", ["s.toml:46: success[0].condition = 5", "string"]),
        ("[[success]]", "[success]", ["s.toml:41: success = ", "two brackets"]),
        ("[budget]", "[buget]", ["s.toml: budget: missing", "s.toml:5: buget = ", "Did you mean 'budget'?"]),
        ("seeds = 2", "seeds 2", ["s.toml: not TOML", "line 2, column 7"]),
        ("seeds = 2", f"seeds = {'[' * 5000}", ["s.toml: not TOML", "nested too deeply"]),
        ("seeds = 2", f"seeds = {'9' * 5000}", ["s.toml: not TOML", "thousands of digits"]),
        ("seeds = 2", "seeds = 2\nseeds = 3", ["s.toml: not TOML", "line 3"]),
    ],
)
def test_a_mistake_is_an_error_with_file_line_key_value_and_way_out(old: str, new: str, fragments: list[str]) -> None:
    assert old in TEXT
    with pytest.raises(GanbenchError) as error:
        parse(TEXT.replace(old, new, 1), "s.toml")
    assert all(fragment in str(error.value) for fragment in fragments), str(error.value)


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(GanbenchError) as error:
        parse(TEXT.replace("seeds = 2", "seeds = 0").replace("sample = 48", "sample = 0"), "s.toml")
    assert [line.partition(" =")[0] for line in str(error.value).splitlines()] == [
        "s.toml:2: seeds",
        "s.toml:12: architectures.sample",
    ]


@pytest.mark.parametrize(
    ("change", "fragments"),
    [
        ({"methods": []}, ["notebook: methods: missing", 'methods = ["ns-gan"]']),
        ({"dataset": []}, ["notebook: dataset = []", "the list is empty"]),
        ({"dataset": {"name": "ring"}}, ["notebook: dataset = {'name': 'ring'}", "two brackets"]),
        ({"text": "x"}, ["notebook: text = 'x'", "no such key"]),
        ({"budget": {"generator_steps": math.nan}}, ["notebook: budget.generator_steps = nan"]),
    ],
)
def test_a_table_in_python_is_checked_like_a_file(change: dict[str, Any], fragments: list[str]) -> None:
    with pytest.raises(GanbenchError) as error:
        parse(SMALL | change, "notebook")
    assert all(fragment in str(error.value) for fragment in fragments), str(error.value)
