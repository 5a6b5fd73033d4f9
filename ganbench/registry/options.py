"""The options of an offer: what a suite may say, made from the signature of its `build`."""

from __future__ import annotations

import collections.abc
import inspect
import json
import sys
import typing
from collections.abc import Callable, Mapping
from types import SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError, create_model
from pydantic.errors import PydanticInvalidForJsonSchema

from ganbench.api.schedules import normalise_scalar, to_number, to_plain
from ganbench.api.training import Scalar
from ganbench.errors import GanbenchError, WrongOption, shorten, suggest
from ganbench.registry.code_hash import unwrap_definition

GENERIC = (tuple, list, dict, collections.abc.Sequence, collections.abc.Mapping)
Number = Annotated[float, BeforeValidator(to_number)]


def _scalar(value: Any) -> Any:
    """Give a float, or a schedule's canonical table."""
    table = normalise_scalar(value)
    return table if isinstance(table, dict) else to_number(table)


class Options:
    """The options of one `build`: its keyword arguments, their types and defaults.

    Raises GanbenchError for a signature that cannot be said in a suite.
    """

    def __init__(self, build: Callable[..., Any], place: str = "") -> None:
        self.parameters = inspect.signature(build).parameters
        strange = [
            str(one)
            for one in self.parameters.values()
            if one.kind not in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
        ]
        if strange:
            raise GanbenchError(f"{place}: build takes {', '.join(strange)}: each option needs a keyword of its own.")
        namespace = {"Scalar": Scalar, **vars(typing), **_globals(build)}
        annotations = {name: _annotation(one, namespace) for name, one in self.parameters.items()}
        self._annotations = annotations
        self.scalars = frozenset(name for name, one in annotations.items() if _says_scalar(one))
        self._fields = {f"option_{i}": name for i, name in enumerate(annotations)}
        self._model = _model({name: (_accepting(one), self.parameters[name]) for name, one in annotations.items()})

    def __str__(self) -> str:
        return ", ".join(_described(one, self._annotations[name]) for name, one in self.parameters.items()) or "none"

    def values(self, given: Mapping[str, Any], place: str = "") -> dict[str, Any]:
        """Give what was given as `build` wants it; a schedule stays a table.

        `place` opens every complaint, as in `suites/ring.toml: loss 'wasserstein'`. Raises GanbenchError.
        """
        for name in given:
            if name not in self.parameters:
                said = f"{shorten(str(name))} (given {shorten(given[name])})"
                message = f"{place}: no option {said}.{suggest(name, self.parameters)} Options: {self}."
                raise WrongOption(message, str(name))
        pairs = ", ".join(f"{json.dumps(name)}: {_json(name, value, place)}" for name, value in given.items())
        try:
            model = self._model.model_validate_json(f"{{{pairs}}}")
        except ValidationError as error:
            first = str(error.errors(include_url=False)[0]["loc"][0])
            raise WrongOption(f"{place}: {_complaint(error)}. Options: {self}.", first) from None
        return {self._fields[field]: getattr(model, field) for field in self._fields if field in model.model_fields_set}

    def schema(self, name: str) -> dict[str, Any]:
        """Give the JSON Schema of an option; an empty one, which anything fits, where its type has none."""
        field = next(field for field, option in self._fields.items() if option == name)
        try:
            kind: Any = self._model.model_fields[field].annotation
            made = create_model("Option", option=(kind, ...)).model_json_schema()
        except PydanticInvalidForJsonSchema:
            return {}
        found: dict[str, Any] = {key: value for key, value in made["properties"]["option"].items() if key != "title"}
        if "$defs" in made:
            return {}
        floats = self._annotations[name] is float
        return {"anyOf": [{"type": "number"}, {"enum": ["inf", "-inf"]}]} if floats else found

    def plain(self, given: Mapping[str, Any], place: str = "") -> dict[str, Any]:
        """Give what differs from the defaults, as canonical plain JSON data. Raises GanbenchError."""
        values = self.values(given, place)
        return {
            name: to_plain(value) for name, value in values.items() if not _same(value, self.parameters[name].default)
        }


def _json(name: str, value: Any, place: str) -> str:
    """Give an option's value as strict JSON. Raises GanbenchError for what has none: NaN, a date."""
    try:
        return json.dumps(to_plain(value), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        forms = "an option is a number (no NaN), a string, a boolean, a list or a table"
        raise WrongOption(f"{place}: option {name!r} = {shorten(value)}: {forms}.", name) from None


def _globals(build: Any) -> dict[str, Any]:
    """Give the names that a function's, class's or callable's annotations may use."""
    build = unwrap_definition(build)
    return vars(sys.modules[build.__module__]) if isinstance(build, type) else getattr(build, "__globals__", {})


def _annotation(parameter: inspect.Parameter, namespace: dict[str, Any]) -> Any:
    """Give the type of an option; Any where it has none or one that only type checkers can see."""
    if parameter.annotation is parameter.empty:
        return float if isinstance(parameter.default, float) else Any
    if not isinstance(parameter.annotation, str):
        return parameter.annotation
    holder = SimpleNamespace(__annotations__={"option": parameter.annotation})
    try:
        return typing.get_type_hints(holder, namespace, include_extras=True)["option"]
    except (NameError, AttributeError, TypeError, SyntaxError):
        return Any


def _is_scalar(annotation: Any) -> bool:
    return get_origin(annotation) is Annotated and "scalar" in annotation.__metadata__


def _says_scalar(annotation: Any) -> bool:
    """Say whether an option may be a schedule: Scalar, or a union with it."""
    if get_origin(annotation) in (Union, UnionType):
        return any(map(_is_scalar, get_args(annotation)))
    return _is_scalar(annotation)


def _accepting(annotation: Any) -> Any:
    """Give the annotation that pydantic holds values against: floats may be "inf", scalars may be schedules."""
    if annotation is float:
        return Number
    if _is_scalar(annotation):
        return Annotated[Any, PlainValidator(_scalar)]
    origin, inner = get_origin(annotation), tuple(map(_accepting, get_args(annotation)))
    if origin in (Union, UnionType):
        return Union[inner]  # noqa: UP007 (built at run time)
    return origin[inner] if origin in GENERIC else annotation


def _model(options: Mapping[str, tuple[Any, inspect.Parameter]]) -> type[BaseModel]:
    """Make the pydantic model of some options; they are aliases, so that no name is taken (copy, json, model_x)."""
    fields: dict[str, Any] = {}
    for i, (name, (annotation, parameter)) in enumerate(options.items()):
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[f"option_{i}"] = (annotation, Field(default, alias=name))
    config = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True)
    return create_model("Options", __config__=config, **fields)


def _described(parameter: inspect.Parameter, annotation: Any) -> str:
    """Give an option as a reader wants it: name, type and default."""
    kind = parameter.annotation if annotation is Any and isinstance(parameter.annotation, str) else _spelt(annotation)
    text = parameter.name if parameter.annotation is parameter.empty else f"{parameter.name}: {kind}"
    return text if parameter.default is parameter.empty else f"{text} = {parameter.default!r}"


def _spelt(annotation: Any) -> str:
    """Give a type as a reader wants it: choices by their values, no module names."""
    if _is_scalar(annotation):
        return "Scalar"
    if get_origin(annotation) is Literal:
        return " | ".join(map(repr, get_args(annotation)))
    if get_origin(annotation) in (Union, UnionType):
        return " | ".join(map(_spelt, get_args(annotation)))
    if get_origin(annotation) in GENERIC:
        inner = ", ".join("..." if one is Ellipsis else _spelt(one) for one in get_args(annotation))
        return f"{get_origin(annotation).__name__}[{inner}]"
    return "None" if annotation is type(None) else inspect.formatannotation(annotation)


def _complaint(error: ValidationError) -> str:
    """Give pydantic's complaints, one for each option, with the value that was given."""
    told: dict[str, list[str]] = {}
    for one in error.errors(include_url=False):
        name = str(one["loc"][0])
        if one["type"] == "missing":
            told[name] = [f"option {name!r} is missing"]
            continue
        reason = str(one.get("ctx", {}).get("error", "")) or one["msg"].replace("Input should", "it should")
        told.setdefault(name, [f"option {name!r} = {shorten(one['input'])}"])
        if reason not in told[name]:
            told[name].append(reason)
    return "; ".join(f"{words[0]}{': ' if words[1:] else ''}{' or '.join(words[1:])}" for words in told.values())


def _same(value: Any, default: Any) -> bool:
    """Say whether a value is the default, whatever the sequence's type; True is not 1."""
    return isinstance(value, bool) == isinstance(default, bool) and to_plain(value) == to_plain(default)
