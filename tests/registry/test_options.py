from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import pytest
from ganbench import GanbenchError, Scalar
from ganbench.registry.options import Options

if TYPE_CHECKING:
    from decimal import Decimal

Side = Literal["one", "two"]


def build(
    target: Scalar = 1.0,
    sides: Side = "two",
    order: int = 2,
    slope: float = 1,
    normalised: bool = False,
    widths: tuple[int, ...] = (32, 64),
    bound: float | None = None,
    lr: Scalar | None = None,
    levels: Sequence[float] = (0.5,),
    codes: Mapping[str, int] = {},
) -> None:
    """Accept options of every type that suites can write."""


OPTIONS = Options(build, "loss 'x'")


def test_an_option_that_equals_its_default_is_left_out() -> None:
    options = {"target": 1, "sides": "two", "order": 2, "slope": 1.0, "normalised": False, "widths": [32, 64]}
    assert OPTIONS.normalise({**options, "lr": 0.1}) == {"lr": 0.1}


@pytest.mark.parametrize(
    ("options", "plain"),
    [
        ({"target": 2}, {"target": 2.0}),
        ({"slope": 3}, {"slope": 3.0}),
        ({"widths": (8, 8)}, {"widths": [8, 8]}),
        ({"levels": [1, 2]}, {"levels": [1.0, 2.0]}),
        ({"bound": math.inf}, {"bound": "inf"}),
        ({"bound": "-inf"}, {"bound": "-inf"}),
        ({"target": "inf"}, {"target": "inf"}),
        ({"codes": {"digit": 10}}, {"codes": {"digit": 10}}),
        ({"target": {"linear": [1, 0]}}, {"target": {"linear": [1.0, 0.0], "over": 1.0}}),
        ({"lr": {"cosine": [1, 0], "over": 0.5}}, {"lr": {"cosine": [1.0, 0.0], "over": 0.5}}),
    ],
)
def test_options_have_one_canonical_plain_form(options: dict[str, Any], plain: dict[str, Any]) -> None:
    result = OPTIONS.normalise(options)
    assert json.dumps(result, allow_nan=False) == json.dumps(plain)
    assert OPTIONS.normalise(result) == result


def test_build_receives_the_types_that_it_declares() -> None:
    values = OPTIONS.parse({"widths": [8], "bound": "inf", "target": 2, "lr": None})
    assert values == {"widths": (8,), "bound": math.inf, "target": 2.0, "lr": None}
    assert type(values["target"]) is float


def test_only_scalars_may_be_schedules() -> None:
    assert OPTIONS.scalars == {"target", "lr"}
    with pytest.raises(GanbenchError, match=r"option 'slope' = \{'linear'"):
        OPTIONS.parse({"slope": {"linear": [0, 1]}})


@pytest.mark.parametrize(
    ("options", "fragments"),
    [
        ({"tarjet": 1}, ["no option 'tarjet'", "Did you mean 'target'?", "target: Scalar = 1.0", "order: int = 2"]),
        ({"order": "3"}, ["option 'order' = '3'", "integer"]),
        ({"order": True}, ["option 'order' = True", "integer"]),
        ({"order": 2.0}, ["option 'order' = 2.0", "integer"]),
        ({"slope": "3"}, ["option 'slope' = '3'", "'3' is not a number"]),
        ({"slope": True}, ["option 'slope' = True", "True is not a number"]),
        ({"normalised": 1}, ["option 'normalised' = 1", "boolean"]),
        ({"sides": "both"}, ["option 'sides' = 'both'", "'one' or 'two'", "sides: 'one' | 'two' = 'two'"]),
        ({"widths": 32}, ["option 'widths' = 32"]),
        ({"widths": [32, "64"]}, ["option 'widths'", "'64'", "integer"]),
        ({"target": "big"}, ["option 'target' = 'big'", "{linear = [0.1, 0.0]"]),
        ({"target": {"linaer": [0, 1]}}, ["linaer", "{linear = [0.1, 0.0]"]),
        ({"target": math.nan}, ["nan", "no NaN"]),
        ({"bound": object()}, ["object", "a number (no NaN), a string"]),
        ({"order": 0.5, "slope": None}, ["option 'order' = 0.5", "option 'slope' = None"]),
    ],
)
def test_a_wrong_option_is_refused_with_place_value_and_the_right_ones(
    options: dict[str, Any], fragments: list[str]
) -> None:
    place = "suites/ring.toml: constraint 'gradient-penalty'"
    with pytest.raises(GanbenchError) as caught:
        OPTIONS.normalise(options, place)
    assert str(caught.value).startswith(place + ": ")
    assert all(fragment in str(caught.value) for fragment in fragments), str(caught.value)


def test_an_option_without_a_default_must_be_given() -> None:
    def build(path: str) -> None: ...

    assert Options(build).normalise({"path": "x"}) == {"path": "x"}
    with pytest.raises(GanbenchError, match="option 'path' is missing"):
        Options(build).normalise({})


def test_names_that_pydantic_reserves_are_allowed() -> None:
    def build(copy: int = 1, json: int = 2, model_config: int = 3, _hidden: int = 4, schema: str = "") -> None: ...

    options = {"copy": 5, "json": 6, "model_config": 7, "_hidden": 8, "schema": "x"}
    assert Options(build).normalise(options) == options


def test_a_type_that_only_type_checkers_can_resolve_is_not_resolved() -> None:
    def build(exact: Decimal | None = None, target: Scalar = 1.0) -> Decimal: ...  # type: ignore[empty-body]

    options = Options(build)
    assert options.normalise({"exact": "0.1", "target": 3}) == {"exact": "0.1", "target": 3.0}
    assert str(options) == "exact: Decimal | None = None, target: Scalar = 1.0"


def test_an_option_without_a_type_accepts_any_plain_data() -> None:
    options = Options(lambda p=2, q=1.0: None)
    assert options.normalise({"p": [1, "x"], "q": 3}) == {"p": [1, "x"], "q": 3.0}
    assert options.normalise({"p": True}) == {"p": True}


@dataclass
class Built:
    """A class that is a `build`, and whose instances are too."""

    width: int = 3
    target: Scalar = 1.0

    def __call__(self, depth: int = 2) -> None:
        """Accept the options of an instance."""


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (lambda: None, "none"),
        (partial(build, 1.0, widths=(1,)), "sides: 'one' | 'two' = 'two', order: int = 2"),
        (Built, "width: int = 3, target: Scalar = 1.0"),
        (Built(), "depth: int = 2"),
    ],
)
def test_functions_partials_classes_and_callables_can_be_built(thing: Callable[..., Any], text: str) -> None:
    assert str(Options(thing)).startswith(text)


@pytest.mark.parametrize("thing", [lambda *args: None, lambda **kwargs: None, lambda x, /: None])
def test_options_without_a_keyword_of_their_own_are_refused(thing: Callable[..., Any]) -> None:
    with pytest.raises(GanbenchError, match=r"loss 'x': build takes .* keyword of its own"):
        Options(thing, "loss 'x'")
