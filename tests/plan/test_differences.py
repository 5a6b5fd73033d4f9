"""A plan says of each method how it differs from its recipe."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ganbench import Method, Objective, Offer, Use, hookimpl, plan, registry
from ganbench.suite.loading import parse

from tests.support.tiny_suite import suite as small

PLUGINS = registry.load()


def describe(**keys: Any) -> str:
    """Return the line on a method with these keys, the last of the suite's tables."""
    tables = keys.pop("before", [])
    table = {"name": "mine", **keys}
    suite = parse(small(methods=None, method=[*tables, table], success=None))
    return plan.make(suite, PLUGINS).methods[table["name"]]


@pytest.mark.parametrize(
    ("table", "line"),
    [
        (
            'from = "wgan-gp"\noptimizer = { lr = 1e-3 }\ncritic_steps = 2',
            "mine = wgan-gp with optimizer.lr = 0.001 (recipe: 0.0001), critic_steps = 2 (recipe: 5)",
        ),
        ('name = "wgan-gp"\noptimizer = { lr = 1e-3 }', "wgan-gp with optimizer.lr = 0.001 (recipe: 0.0001)"),
        ('from = "wgan-gp"\noptimizer = { beta2 = 0.9, eps = 1e-8 }\ncritic_steps = 5', "mine = wgan-gp"),
        (
            'from = "wgan-gp"\noptimizer = { eps = 1e-6, beta2 = 0.999 }',
            "mine = wgan-gp with optimizer.beta2 = 0.999 (recipe: 0.9), optimizer.eps = 1e-06 (recipe: 1e-08)",
        ),
        (
            'from = "wgan-gp"\noptimizer = "sgd"\nloss = { name = "least-squares", a = 0.5 }',
            'mine = wgan-gp with loss = { name = "least-squares", a = 0.5 } (recipe: "wasserstein"), '
            'optimizer = "sgd" (recipe: { name = "adam", lr = 0.0001, beta1 = 0.0, beta2 = 0.9 })',
        ),
        (
            'from = "wgan-gp"\ngenerator_optimizer = { lr = 1e-3 }\nema = 0.5',
            "mine = wgan-gp with generator_optimizer.lr = 0.001 (recipe: 0.0001), ema = 0.5 (recipe: 0.0)",
        ),
        (
            'from = "wgan-gp"\n'
            'constraints = [{ name = "gradient-penalty", weight = 1, every = 4, sides = "one" }, "weight-decay"]',
            "mine = wgan-gp with gradient-penalty.weight = 1.0 (recipe: 10.0), "
            'gradient-penalty.every = 4 (recipe: none), gradient-penalty.sides = "one" (recipe: "two"), '
            'add_constraints = ["weight-decay"]',
        ),
        (
            'from = "wgan-gp"\nconstraints = ["spectral-norm"]',
            'mine = wgan-gp with constraints = ["spectral-norm"] '
            '(recipe: [{ name = "gradient-penalty", weight = 10.0 }])',
        ),
        (
            'from = "wgan"\ncritic_steps = 5\norder = "generator-first"\ndynamics = "simultaneous"',
            'mine = wgan with dynamics = "simultaneous" (recipe: "alternating"), critic_steps = 5 '
            "(recipe: { steps = [[25, 100], [inf, 5]], every = [500, 100] }), "
            'order = "generator-first" (recipe: "critic-first")',
        ),
        ('loss = "hinge"\nema = 0.5', 'mine: loss = "hinge", critic_steps = 1, critic_norm = "layer", ema = 0.5'),
    ],
)
def test_a_method_is_described_by_its_difference_to_its_recipe(table: str, line: str) -> None:
    assert describe(**tomllib.loads(table)) == line


def test_a_method_of_a_chain_is_compared_with_the_recipe_at_its_root() -> None:
    first = {"name": "first", "from": "wgan-gp", "critic_steps": 2}
    line = "mine = wgan-gp with optimizer.lr = 0.001 (recipe: 0.0001), critic_steps = 2 (recipe: 5)"
    assert describe(before=[first], **{"from": "first", "optimizer": {"lr": 1e-3}}) == line


def test_a_method_that_starts_from_one_of_the_suites_own_is_compared_with_it() -> None:
    own = {"name": "own", "loss": "hinge"}
    line = "mine = own with critic_steps = 3 (there: 1)"
    assert describe(before=[own], **{"from": "own", "critic_steps": 3}) == line


def test_a_default_of_any_type_and_an_infinite_one_are_shown() -> None:
    class Odd:
        @hookimpl
        def ganbench_losses(self) -> Any:
            yield Offer("odd", lambda place=Path("here"), most=math.inf: Objective(abs, abs), "An odd loss.")

        @hookimpl
        def ganbench_methods(self) -> Any:
            yield Offer("oddly", lambda: Method(loss=Use("odd")), "An odd recipe.")

    table = {"name": "mine", "from": "oddly", "loss": {"place": "there", "most": 1.0}}
    suite = parse(small(methods=None, method=[table], success=None))
    line = 'mine = oddly with loss.place = "there" (recipe: "here"), loss.most = 1.0 (recipe: inf)'
    assert plan.make(suite, registry.load(plugins=[Odd()])).methods["mine"] == line


def test_a_recipe_is_its_name() -> None:
    suite = parse(small())
    assert plan.make(suite, PLUGINS).methods == {"ns-gan": "ns-gan", "wgan-gp": "wgan-gp"}
