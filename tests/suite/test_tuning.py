"""What methods vary, and the table [tuning]: grids, laws, their draws, labels, and mistakes in them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from ganbench import GanbenchError
from ganbench.suite.configurations import write_label
from ganbench.suite.loading import parse
from ganbench.suite.suite import Suite
from ganbench.suite.tuning import Law, draw_share
from scipy import stats

LR, WEIGHT = "optimizer.lr", "constraints.gradient-penalty.weight"
WIDE: dict[str, Any] = {"log-uniform": [1e-5, 1e-2]}


def make(varied: dict[str, dict[str, Any]], **tuning: Any) -> Suite:
    """Return a suite of methods that vary these options, with these keys of [tuning]."""
    return parse(
        {
            "question": "Which?",
            "seeds": 2,
            "method": [{"name": name, "vary": options} for name, options in varied.items()],
            "budget": {"generator_steps": 10},
            "dataset": [{"name": "ring"}],
            "success": [{"dataset": "ring", "metric": "modes", "thresholds": [5]}],
            **({"tuning": tuning} if tuning else {}),
        },
        "s.toml",
    )


def list_settings(suite: Suite, method: str = "wgan-gp") -> list[dict[str, Any]]:
    return [dict(suite.configurations[label].settings) for label in suite.configurations_of(method)]


def test_lists_form_a_grid_whose_last_option_varies_fastest() -> None:
    suite = make({"wgan-gp": {LR: [1e-4, 1e-3], WEIGHT: [1, 10]}})
    assert list_settings(suite) == [{LR: lr, WEIGHT: weight} for lr in (1e-4, 1e-3) for weight in (1, 10)]
    assert suite.method_names == (
        "wgan-gp lr=0.0001 weight=1",
        "wgan-gp lr=0.0001 weight=10",
        "wgan-gp lr=0.001 weight=1",
        "wgan-gp lr=0.001 weight=10",
    )
    assert {suite.declared_name(label) for label in suite.method_names} == {"wgan-gp"}


def test_more_draws_begin_with_the_same_ones() -> None:
    varied = {"wgan-gp": {LR: WIDE, WEIGHT: WIDE, "critic_steps": {"integers": [1, 5]}}}
    few, many = (list_settings(make(varied, configurations=n)) for n in (16, 32))
    assert many[:16] == few
    assert len({tuple(each.items()) for each in many}) == 32
    assert list_settings(make(varied, configurations=16, seed=1)) != few


def test_methods_share_the_draws_of_options_of_one_name() -> None:
    suite = make({"wgan-gp": {LR: WIDE, WEIGHT: WIDE}, "ns-gan": {LR: WIDE}}, configurations=8)
    both = zip(list_settings(suite), list_settings(suite, "ns-gan"), strict=True)
    assert all(one[LR] == other[LR] for one, other in both)
    assert all(each[LR] != each[WEIGHT] for each in list_settings(suite))


def test_with_lists_and_laws_every_cell_of_the_grid_gets_as_many_draws() -> None:
    suite = make({"wgan-gp": {"critic_steps": [1, 5], LR: WIDE}}, configurations=6)
    settings = list_settings(suite)
    assert [each["critic_steps"] for each in settings] == [1, 5, 1, 5, 1, 5]
    assert len({each[LR] for each in settings}) == 6
    assert list(settings[0]) == ["critic_steps", LR]


def test_draws_follow_their_laws() -> None:
    shares = np.array([draw_share(3, LR, i) for i in range(2000)])
    assert stats.kstest(shares, "uniform").pvalue > 0.01
    other = np.array([draw_share(3, WEIGHT, i) for i in range(2000)])
    assert abs(np.corrcoef(shares, other)[0, 1]) < 0.06
    logs = np.log10([Law("log-uniform", (1e-5, 1e-1)).quantile(share) for share in shares])
    assert stats.kstest(logs, stats.uniform(-5, 4).cdf).pvalue > 0.01
    assert np.bincount([Law("integers", (1, 4)).quantile(share) for share in shares])[1:].min() > 400
    assert {Law("choice", ("a", "b", "c")).quantile(share) for share in shares} == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("law", "share", "value"),
    [
        (Law("uniform", (-1, 3)), 0.25, 0.0),
        (Law("uniform", (0, 1)), 1 / 3, 0.3333),
        (Law("log-uniform", (0.01, 100)), 0.5, 1.0),
        (Law("log-uniform", (1e-5, 1e-2)), 0.0, 1e-5),
        (Law("integers", (1, 5)), 0.0, 1),
        (Law("integers", (1, 5)), math.nextafter(1, 0), 5),
        (Law("choice", ("x", "y")), 0.5, "y"),
    ],
)
def test_the_quantile_of_a_law(law: Law, share: float, value: Any) -> None:
    assert law.quantile(share) == value
    assert type(law.quantile(share)) is type(value)


def test_settings_that_were_drawn_are_not_drawn_again() -> None:
    suite = make({"wgan-gp": {"critic_steps": {"integers": [1, 3]}, "order": ["critic-first"]}}, configurations=3)
    assert sorted(each["critic_steps"] for each in list_settings(suite)) == [1, 2, 3]


@pytest.mark.parametrize(
    ("settings", "label"),
    [
        ({LR: 1e-3, WEIGHT: 10}, "m lr=0.001 weight=10"),
        ({LR: 1e-3, "critic_optimizer.lr": 2e-3}, "m optimizer.lr=0.001 critic_optimizer.lr=0.002"),
        ({"optimizer": "sgd", "critic_steps": 5}, "m optimizer=sgd critic_steps=5"),
        ({LR: 1e-5, WEIGHT: 0.1234567}, "m lr=1e-05 weight=0.1234567"),
        ({"optimizer": "x" * 100}, "m configuration 8"),
    ],
)
def test_a_label_has_the_last_word_of_an_option_unless_two_share_it(settings: dict[str, Any], label: str) -> None:
    assert write_label("m", settings, 7) == label


def test_with_tuning_the_tables_compare_the_declared_methods() -> None:
    suite = make({"wgan-gp": {LR: WIDE}, "ns-gan": {LR: WIDE}}, configurations=3, report_seeds=2)
    assert suite.tunes
    assert suite.method_names == ("wgan-gp", "ns-gan")
    assert len(suite.configurations) == 6
    assert suite.report_seed_list == (2, 3)
    assert make({"ns-gan": {LR: WIDE}}, configurations=3, report_seeds=[7, 9]).report_seed_list == (7, 9)
    assert not make({"ns-gan": {LR: WIDE}}, configurations=3).tunes


WRONG: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({LR: []}, {}, r"method\[0\]\.vary\.optimizer\.lr = \[\]: the list is empty"),
    ({LR: [1, 2, 1]}, {}, r"1 appears twice"),
    ({LR: 0.1}, {}, r"optimizer\.lr = 0\.1: it should be a list of values"),
    ({LR: {"normal": [0, 1]}}, {}, r"Laws: uniform, log-uniform, integers, choice"),
    ({LR: {"uniform": [1, 0]}}, {"configurations": 2}, r"uniform should have two numbers, the smaller one first"),
    ({LR: {"log-uniform": [0, 1]}}, {"configurations": 2}, r"the logarithm of 0 is not finite"),
    ({LR: {"integers": [1, 2.5]}}, {"configurations": 2}, r"integers should have two integers"),
    ({LR: {"choice": []}}, {"configurations": 2}, r"choice should be a list of values"),
    ({}, {}, r"vary = \{\}: it should be a table of options"),
    ({LR: WIDE}, {}, r"a law without a number of draws\. Add \[tuning\] with configurations"),
    ({LR: [1, 2]}, {"configurations": 3}, r"a grid of 2, and \[tuning\] has configurations = 3"),
    ({"critic_steps": {"integers": [1, 3]}}, {"configurations": 4}, r"there are only 3 different ones"),
    ({LR: WIDE}, {"configurations": 2000}, r"less than or equal to 1000"),
    ({LR: WIDE}, {"configurations": 2, "report_seeds": [1, 5]}, r"the configurations are tuned on \[1\] too"),
    ({LR: WIDE}, {"configurations": 2, "report_seeds": 0}, r"a number of seeds from 1"),
    ({LR: WIDE}, {"configurations": 2, "report": "all"}, r"report = 'all': it needs report_seeds"),
]


@pytest.mark.parametrize(("options", "tuning", "message"), WRONG)
def test_mistakes_are_named_with_place_and_way_out(
    options: dict[str, Any], tuning: dict[str, Any], message: str
) -> None:
    with pytest.raises(GanbenchError, match=message):
        make({"wgan-gp": options}, **tuning)


def test_methods_with_different_numbers_of_configurations_need_a_reason() -> None:
    varied = {"wgan-gp": {LR: [1, 2]}, "ns-gan": {LR: [1, 2, 3]}}
    with pytest.raises(GanbenchError, match=r"wgan-gp 2, ns-gan 3.*more tries make a better best"):
        make(varied)
    assert make(varied, unequal="ns-gan was published with a list of three").tuning is not None


def test_a_configuration_with_the_name_of_a_method_is_refused() -> None:
    with pytest.raises(GanbenchError, match=r"'gan lr=1': it appears twice"):
        make({"gan": {LR: [1, 2]}, "gan lr=1": {LR: [3, 4]}})


def test_tuning_without_anything_varied_and_without_a_rule_is_refused() -> None:
    plain = {"question": "Q?", "methods": ["gan"], "budget": {"generator_steps": 1}, "dataset": [{"name": "ring"}]}
    with pytest.raises(GanbenchError, match="no method varies anything"):
        parse({**plain, "tuning": {"report_seeds": 3}})
    varied = {**plain, "methods": [], "method": [{"name": "gan", "vary": {LR: [1e-3, 1e-4]}}]}
    with pytest.raises(GanbenchError, match="'ring' has no rule with a metric"):
        parse({**varied, "tuning": {"report_seeds": 3}})
    with pytest.raises(GanbenchError, match=r"tuned_on = 'x': nothing is chosen in this suite"):
        parse({**varied, "dataset": [{"name": "ring", "tuned_on": "x"}]})


def test_a_dataset_is_tuned_on_one_that_is_tuned() -> None:
    suite = make({"gan": {LR: [1e-3, 1e-4]}}, report_seeds=2)
    data = suite.model_dump(mode="json", by_alias=True, exclude_unset=True)
    more = {**data, "dataset": [*data["dataset"], {"name": "grid", "tuned_on": "ring"}]}
    assert parse(more).tuned_datasets == ("ring",)
    wrong = {**data, "dataset": [*data["dataset"], {"name": "grid", "tuned_on": "grid"}]}
    with pytest.raises(GanbenchError, match=r"no \[\[dataset\]\] without tuned_on called 'grid'"):
        parse(wrong)
