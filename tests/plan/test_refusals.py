"""Settings that mean nothing are refused when a suite is planned, with value, place and way out."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from ganbench import Constraint, GanbenchError, Input, Method, Objective, Offer, Use, hookimpl, registry

from tests.support.tiny_suite import plan_small

GP = "gradient-penalty"
RULE: dict[str, Any] = {"dataset": "ring", "metric": "modes", "thresholds": [1, 7], "primary": 7}
PAIR = [["ns-gan", "wgan-gp"]]


def of(name: str = "wgan-gp", **changes: Any) -> dict[str, Any]:
    """Return the changes of the small suite that make it train one method."""
    return {"methods": [], "success": None, "method": [{"name": "mine", "from": name, **changes}]}


def term(name: str, **keys: Any) -> dict[str, Any]:
    return of(constraints=[{"name": name, **keys}])


def rate(value: Any) -> dict[str, Any]:
    return of(optimizer={"name": "adam", "lr": value})


@pytest.mark.parametrize(
    ("changes", "fragments"),
    [
        (
            term("weight-clipping", weight=0.0, every=7),
            ["'weight-clipping': weight = 0.0", "Leave `weight`"],
        ),
        (term("weight-clipping", every=7), ["constraint 'weight-clipping': every = 7", "Leave `every` out"]),
        (term("spectral-norm", weight=5), ["method[0].constraints[0]: constraint 'spectral-norm': weight = 5.0"]),
        (term("spectral-norm", weight={"linear": [1, 0]}), ["'spectral-norm': weight = {", "acts in full"]),
        (of(inputs=[{"name": "instance-noise", "weight": 2}]), ["input 'instance-noise': weight = 2.0"]),
        (of(inputs=[{"name": "instance-noise", "where": {"a": 1}}]), ["where = {'a': 1}", "for constraints. Leave"]),
        (term(GP, where={"critic_depth": {"a": 1}}), ["constraints[0].where: critic_depth = {'a': 1}", "a number"]),
        (term(GP, where={"critic_depth": float("nan")}), ["where: critic_depth = nan", "critic_depth = 3 }"]),
        (term(GP, weight=float("inf")), ["weight = 'inf': its size exceeds 3.4e+38"]),
        (term(GP, weight=1e39), ["weight = 1e+39: its size exceeds"]),
        (term(GP, target={"linear": [0, -1e39]}), ["target = {", "its size exceeds"]),
        (rate({"linear": [1e-3, -1e-3]}), ["method[0].optimizer: optimizer 'adam': lr = -0.001: give a finite number"]),
        (rate({"cosine": [-1e-3, 1e-3]}), ["lr = -0.001: give a finite number"]),
        (rate({"linear": [1e-3, float("inf")]}), ["a schedule needs finite ends"]),
        ({"question": " \t"}, ["s.toml: question = ' \\t': it is blank", "what the suite asks"]),
        (
            {"success": [RULE | {"compare": [["ns-gan", "wgan-gp"], ["wgan-gp", "ns-gan"]]}]},
            ["success[0].compare[1] = ['wgan-gp', 'ns-gan']: the two are compared twice", "Leave one out"],
        ),
        (
            {"success": [{"dataset": "ring", "condition": "modes > 3 and modes < 2"}]},
            ["success[0] for 'ring', condition: no 'modes' meets both modes > 3 and modes < 2. Change one"],
        ),
        (
            {"success": [{"dataset": "ring", "condition": "modes > 3 and high-quality > 0 and modes <= 3"}]},
            ["no 'modes' meets both modes > 3 and modes <= 3"],
        ),
        ({"success": [RULE | {"condition": "modes <= 7"}]}, ["no 'modes' meets both modes > 7 and modes <= 7"]),
        (
            {"dataset": [{"name": "ring", "metrics": ["modes", "w1", {"name": "modes"}]}]},
            ["s.toml: dataset[0].metrics[2] = {'name': 'modes'}: it appears twice; leave one out."],
        ),
    ],
)
def test_what_means_nothing_is_refused(plugins, changes: dict[str, Any], fragments: list[str]) -> None:
    with pytest.raises(GanbenchError) as error:
        plan_small(plugins, **changes)
    assert all(fragment in str(error.value) for fragment in fragments), str(error.value)


def chain(length: int) -> dict[str, Any]:
    """Return the changes that make a chain of tables, each from the one before."""
    tables = [{"name": f"m{i}", "from": f"m{i - 1}" if i else "wgan-gp"} for i in range(length)]
    return {"methods": [], "success": None, "seeds": 1, "method": tables}


def test_a_chain_of_tables_ends(plugins) -> None:
    assert len(plan_small(plugins, **chain(20)).trials) == 20
    with pytest.raises(GanbenchError, match=r"method\[20\].from = 'm19': it starts from a table .* more than 20"):
        plan_small(plugins, **chain(1000))


@pytest.mark.parametrize(
    "changes",
    [
        term("weight-clipping", weight=1.0, every=1),
        term(GP, weight=0.0, every=7),
        term(GP, where={"critic_depth": 3, "critic_activation": "relu", "critic_normalised": False}),
        rate({"linear": [1e-3, 0]}),
        {"success": [{"dataset": "ring", "condition": "modes >= 3 and modes <= 3 and modes > 2"}]},
        {"success": [RULE | {"condition": "modes < 8"}]},
        {
            "success": [
                RULE | {"compare": [["ns-gan", "wgan-gp"]]},
                RULE | {"at": "best", "compare": [["ns-gan", "wgan-gp"]]},
            ]
        },
    ],
)
def test_what_means_something_is_planned(plugins, changes: dict[str, Any]) -> None:
    assert plan_small(plugins, **changes).trials


class Outsider:
    """A third party's plugin: a wrap that is not a term, an input that is one, and a recipe that weighs both."""

    @hookimpl
    def ganbench_constraints(self):
        yield Offer("wrapped", lambda: Constraint(wrap=lambda critic: critic), "A wrap.")

    @hookimpl
    def ganbench_inputs(self):
        yield Offer("reward", lambda: Input(generator=lambda play: play.scores_fake.mean()), "A term.")

        yield Offer("shaped", lambda shape={}: Input(generator=lambda play: 0), "An option that is no schedule.")

    @hookimpl
    def ganbench_losses(self):
        yield Offer("theirs", lambda: Objective(lambda real, fake: fake.mean(), lambda real, fake: real.mean()), "One.")

    @hookimpl
    def ganbench_methods(self):
        weighed = (Use("reward", weight=0.5, every=4),)
        yield Offer("weighs-a-term", lambda: Method(loss=Use("theirs"), inputs=weighed), "Right.")
        wrong = (Use("wrapped", weight=0.5),)
        yield Offer("weighs-nothing", lambda: Method(loss=Use("theirs"), constraints=wrong), "Wrong.")
        for name, every in {"never": 0, "backwards": -3, "often": "x"}.items():
            never: Any = (Use("reward", every=every),)
            yield Offer(name, partial(Method, loss=Use("theirs"), inputs=never), "Wrong.")


def test_the_recipe_of_a_third_party_is_held_to_the_same_rule() -> None:
    outsider = registry.load(plugins=[Outsider()])
    assert plan_small(outsider, methods=["weighs-a-term"], success=None).trials
    with pytest.raises(GanbenchError, match=r"methods\[0\]: constraint 'wrapped': weight = 0.5: it adds no term"):
        plan_small(outsider, methods=["weighs-nothing"], success=None)


@pytest.mark.parametrize(("name", "every"), [("never", "0"), ("backwards", "-3"), ("often", "'x'")])
def test_the_period_of_a_third_partys_recipe_is_a_number_of_updates(name: str, every: str) -> None:
    with pytest.raises(GanbenchError, match=rf"methods\[0\]: input 'reward': every = {every}: give an integer of 1 or"):
        plan_small(registry.load(plugins=[Outsider()]), methods=[name], success=None)


def test_a_table_that_is_no_schedule_is_left_alone() -> None:
    outsider = registry.load(plugins=[Outsider()])
    assert plan_small(outsider, **of(inputs=[{"name": "shaped", "shape": {"linear": 3}}])).trials
