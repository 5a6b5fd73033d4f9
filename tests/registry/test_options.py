from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Interval, Le
from ganbench import GanbenchError, Scalar
from ganbench.registry.options import Options
from pydantic import Field

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
        ({"bound": "\udcff"}, ["udcff", "Unicode"]),
        ({"bound": object()}, ["object", "a number (no NaN), a string of Unicode"]),
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


def build_ranged(
    splits: Annotated[int, Ge(1)] = 10,
    width: Annotated[float, Gt(0)] | Literal["median"] = "median",
    share: Annotated[float, Interval(ge=0, le=1)] = 0.5,
    steps: Annotated[int, Field(ge=1, lt=100)] = 5,
    slope: Annotated[float, Gt(0)] = 1.0,
    levels: tuple[Annotated[float, Le(1)], ...] = (0.5,),
    pair: Annotated[tuple[float, ...], Field(max_length=2)] = (1.0,),
) -> None:
    """Accept options with ranges."""


RANGED = Options(build_ranged, "metric 'x'")


@pytest.mark.parametrize(
    ("options", "fragments"),
    [
        ({"splits": 0}, ["option 'splits' = 0", "greater than or equal to 1", "splits: int >= 1 = 10"]),
        ({"splits": True}, ["option 'splits' = True", "integer"]),
        ({"splits": 1.5}, ["option 'splits' = 1.5", "integer"]),
        ({"width": 0}, ["greater than 0 or it should be 'median'", "width: float > 0 | 'median' = 'median'"]),
        ({"width": "wide"}, ["option 'width' = 'wide'", "'wide' is not a number", "'median'"]),
        ({"share": 1.1}, ["less than or equal to 1", "share: float >= 0 and <= 1 = 0.5"]),
        ({"share": "inf"}, ["option 'share' = inf", "less than or equal to 1"]),
        ({"steps": 100}, ["less than 100", "steps: int >= 1 and < 100 = 5"]),
        ({"slope": "-inf"}, ["option 'slope' = -inf", "greater than 0"]),
        ({"levels": [0.5, 2]}, ["option 'levels'", "less than or equal to 1", "levels: tuple[float <= 1, ...]"]),
    ],
)
def test_a_value_outside_its_annotated_range_is_refused_with_the_range(
    options: dict[str, Any], fragments: list[str]
) -> None:
    with pytest.raises(GanbenchError) as refused:
        RANGED.normalise(options, "metric 'x'")
    assert all(fragment in str(refused.value) for fragment in fragments), str(refused.value)


def test_a_value_inside_its_annotated_range_has_the_types_of_its_option() -> None:
    options = {"splits": 1, "width": 2, "share": 0, "steps": 99, "slope": "inf", "levels": [1, "-inf"]} | {
        "pair": ["inf"]
    }
    values = RANGED.parse(options)
    assert values == {**options, "slope": math.inf, "levels": (1.0, -math.inf), "pair": (math.inf,)}
    assert type(values["width"]) is type(values["share"]) is float
    assert RANGED.normalise({"splits": 10, "width": "median"}) == {}


def test_the_json_schema_of_an_option_has_its_range() -> None:
    assert RANGED.schema("splits") == {"type": "integer", "minimum": 1}
    assert RANGED.schema("steps") == {"type": "integer", "minimum": 1, "exclusiveMaximum": 100}
    assert RANGED.schema("share") == {"type": "number", "minimum": 0, "maximum": 1}
    assert RANGED.schema("slope") == {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"enum": ["inf"]}]}
    assert OPTIONS.schema("slope") == {"anyOf": [{"type": "number"}, {"enum": ["inf", "-inf"]}]}
    assert {"type": "number", "exclusiveMinimum": 0} in RANGED.schema("width")["anyOf"]


def test_a_scalar_with_a_range_is_refused_for_its_schedule_would_have_none() -> None:
    def build(weight: Annotated[Scalar, Ge(0)] = 1.0) -> None: ...

    with pytest.raises(GanbenchError, match="option 'weight' is a Scalar with a range"):
        Options(build, "loss 'x'")
