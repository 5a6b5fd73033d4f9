"""The options of an offer, derived from the signature of its `build`."""

from __future__ import annotations

import collections.abc
import inspect
import json
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import GroupedMetadata
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError, create_model
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.fields import FieldInfo

from ganbench.api.schedules import normalise_scalar, to_number, to_plain
from ganbench.api.training import Scalar
from ganbench.errors import GanbenchError, WrongOption, shorten, suggest
from ganbench.registry.source_text import unwrap_definition

SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
"""The bounds of a range, by the attribute of the annotation that holds one."""
GENERIC = (tuple, list, dict, collections.abc.Sequence, collections.abc.Mapping)
Number = Annotated[float, BeforeValidator(to_number)]


def _normalise_scalar(value: Any) -> Any:
    """Return a scalar as a float, or as the canonical table of a schedule."""
    table = normalise_scalar(value)
    return table if isinstance(table, dict) else to_number(table)


class Options:
    """The options of one `build`: its keyword arguments, with their types and defaults.

    `scalars` are the names of the options that may be schedules. Raise GanbenchError for a signature with parameters
    that a suite cannot name, such as `*args`.
    """

    def __init__(self, build: Callable[..., Any], place: str = "") -> None:
        self.parameters = inspect.signature(build).parameters
        keywords = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        unnamed = [str(parameter) for parameter in self.parameters.values() if parameter.kind not in keywords]
        if unnamed:
            raise GanbenchError(f"{place}: build takes {', '.join(unnamed)}. Give each option a keyword of its own.")
        namespace = {"Scalar": Scalar, **vars(typing), **_find_globals(build)}
        self._annotations = {name: _resolve_annotation(item, namespace) for name, item in self.parameters.items()}
        if ranged := [name for name, item in self._annotations.items() if _is_scalar(item) and [*_list_bounds(item)]]:
            raise GanbenchError(
                f"{place}: option {ranged[0]!r} is a Scalar with a range, which would not hold a schedule. Give it no "
                "range, or make it a float."
            )
        self.scalars = frozenset(name for name, item in self._annotations.items() if _allows_schedule(item))
        self._fields = {f"option_{i}": name for i, name in enumerate(self.parameters)}
        self._types = {name: _validated_type(item) for name, item in self._annotations.items()}
        self._model = _make_model({name: (item, self.parameters[name]) for name, item in self._types.items()})

    def __str__(self) -> str:
        texts = [_describe_option(item, self._annotations[name]) for name, item in self.parameters.items()]
        return ", ".join(texts) or "none"

    def parse(self, options: Mapping[str, Any], place: str = "") -> dict[str, Any]:
        """Return options with the types that `build` declares; a schedule stays a table.

        `place` opens every error message, as in `suites/ring.toml: loss 'wasserstein'`. Raise WrongOption for an
        unknown option, a wrong value or a missing option.
        """
        for name, value in options.items():
            if name not in self.parameters:
                option = f"{shorten(str(name))} (given {shorten(value)})"
                message = f"{place}: no option {option}.{suggest(name, self.parameters)} Options: {self}."
                raise WrongOption(message, str(name))
        pairs = ", ".join(f"{json.dumps(name)}: {_to_json(name, value, place)}" for name, value in options.items())
        try:
            model = self._model.model_validate_json(f"{{{pairs}}}")
        except ValidationError as error:
            first = str(error.errors(include_url=False)[0]["loc"][0])
            raise WrongOption(f"{place}: {_format_errors(error)}. Options: {self}.", first) from None
        return {self._fields[field]: getattr(model, field) for field in self._fields if field in model.model_fields_set}

    def schema(self, name: str) -> dict[str, Any]:
        """Return the JSON Schema of an option, or an empty schema, which allows any value, if its type has none."""
        kind: Any = self._types[name]
        model = create_model("Option", option=(kind, ...))
        try:
            schema = model.model_json_schema()
        except PydanticInvalidForJsonSchema:
            return {}
        if "$defs" in schema:
            return {}
        schema = {key: value for key, value in schema["properties"]["option"].items() if key != "title"}
        if schema.get("type") != "number":
            return schema
        infinities = [text for text in ("inf", "-inf") if _is_valid(model, text)]
        return {"anyOf": [schema, {"enum": infinities}]} if infinities else schema

    def normalise(self, options: Mapping[str, Any], place: str = "") -> dict[str, Any]:
        """Return the options that differ from their defaults, as canonical plain JSON data; raise WrongOption."""
        values = self.parse(options, place)
        return {
            name: to_plain(value)
            for name, value in values.items()
            if not _is_default(value, self.parameters[name].default)
        }


def _to_json(name: str, value: Any, place: str) -> str:
    """Return an option's value as strict JSON; raise WrongOption for a value that JSON lacks, such as NaN or a date."""
    try:
        text = json.dumps(to_plain(value), allow_nan=False, ensure_ascii=False)
        text.encode()  # raises ValueError for lone surrogates, which stand for bytes that are not UTF-8
        return text
    except (TypeError, ValueError, RecursionError):
        forms = "an option is a number (no NaN), a string of Unicode, a boolean, a list or a table"
        raise WrongOption(f"{place}: option {name!r} = {shorten(value)}: {forms}.", name) from None


def _find_globals(build: Any) -> dict[str, Any]:
    """Return the names that the annotations of a function, class or callable may use."""
    build = unwrap_definition(build)
    return vars(sys.modules[build.__module__]) if isinstance(build, type) else getattr(build, "__globals__", {})


def _resolve_annotation(parameter: inspect.Parameter, namespace: dict[str, Any]) -> Any:
    """Return the type of an option, or Any if it has none or one that only type checkers can resolve."""
    if parameter.annotation is parameter.empty:
        return float if isinstance(parameter.default, float) else Any
    if not isinstance(parameter.annotation, str):
        return parameter.annotation
    holder = SimpleNamespace(__annotations__={"option": parameter.annotation})
    try:
        return typing.get_type_hints(holder, namespace, include_extras=True)["option"]
    except (NameError, AttributeError, TypeError, SyntaxError):
        return Any


def _is_valid(model: type[BaseModel], option: Any) -> bool:
    """Return whether a model of one option accepts this value."""
    try:
        model.model_validate({"option": option})
    except ValidationError:
        return False
    return True


def _is_scalar(annotation: Any) -> bool:
    return get_origin(annotation) is Annotated and "scalar" in annotation.__metadata__


def _allows_schedule(annotation: Any) -> bool:
    """Return whether an option may be a schedule: its type is Scalar, or a union with Scalar."""
    if get_origin(annotation) in (Union, UnionType):
        return any(map(_is_scalar, get_args(annotation)))
    return _is_scalar(annotation)


def _validated_type(annotation: Any) -> Any:
    """Return the type that pydantic validates with: a float may be "inf", and a scalar may be a schedule.

    The range of an annotated type stays.
    """
    if annotation is float:
        return Number
    if _is_scalar(annotation):
        return Annotated[Any, PlainValidator(_normalise_scalar)]
    if get_origin(annotation) is Annotated:
        base, *bounds = get_args(annotation)
        kind = _validated_type(base)
        inner, *validators = get_args(kind) if get_origin(kind) is Annotated else (kind,)
        return Annotated[(inner, *bounds, *validators)]  # in this order the JSON Schema has the bounds
    origin, inner = get_origin(annotation), tuple(map(_validated_type, get_args(annotation)))
    if origin in (Union, UnionType):
        return Union[inner]  # noqa: UP007 (the members are known only at run time)
    return origin[inner] if origin in GENERIC else annotation


def _make_model(options: Mapping[str, tuple[Any, inspect.Parameter]]) -> type[BaseModel]:
    """Return a pydantic model of options. Their names are aliases, because pydantic reserves names such as `copy`."""
    fields: dict[str, Any] = {}
    for i, (name, (annotation, parameter)) in enumerate(options.items()):
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[f"option_{i}"] = (annotation, Field(default, alias=name))
    config = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True)
    return create_model("Options", __config__=config, **fields)


def _describe_option(parameter: inspect.Parameter, annotation: Any) -> str:
    """Return an option as text for readers: name, type and default."""
    kind = (
        parameter.annotation
        if annotation is Any and isinstance(parameter.annotation, str)
        else _format_type(annotation)
    )
    text = parameter.name if parameter.annotation is parameter.empty else f"{parameter.name}: {kind}"
    return text if parameter.default is parameter.empty else f"{text} = {parameter.default!r}"


def _list_bounds(annotation: Any) -> Iterator[str]:
    """Yield the bounds of a number as text, such as "> 0" and "<= 1" of `Annotated[float, Gt(0), Le(1)]`."""
    items: Iterable[Any] = getattr(annotation, "__metadata__", ())
    for item in items:
        inner = item.metadata if isinstance(item, FieldInfo) else item if isinstance(item, GroupedMetadata) else [item]
        for bound in inner:
            yield from (f"{sign} {getattr(bound, name):g}" for name, sign in SIGNS.items() if hasattr(bound, name))


def _format_type(annotation: Any) -> str:
    """Return a type as text for readers: choices as their values, ranges as bounds, without module names."""
    if _is_scalar(annotation):
        return "Scalar"
    if get_origin(annotation) is Annotated:
        bounds = " and ".join(_list_bounds(annotation))
        return f"{_format_type(get_args(annotation)[0])} {bounds}".rstrip()
    if get_origin(annotation) is Literal:
        return " | ".join(map(repr, get_args(annotation)))
    if get_origin(annotation) in (Union, UnionType):
        return " | ".join(map(_format_type, get_args(annotation)))
    if get_origin(annotation) in GENERIC:
        inner = ", ".join("..." if item is Ellipsis else _format_type(item) for item in get_args(annotation))
        return f"{get_origin(annotation).__name__}[{inner}]"
    return "None" if annotation is type(None) else inspect.formatannotation(annotation)


def _format_errors(error: ValidationError) -> str:
    """Return pydantic's errors as one sentence per option, with its value and the reasons."""
    sentences: dict[str, str] = {}
    reasons: dict[str, list[str]] = {}
    for item in error.errors(include_url=False):
        name = str(item["loc"][0])
        if item["type"] == "missing":
            sentences[name] = f"option {name!r} is missing"
            continue
        reason = str(item.get("ctx", {}).get("error", "")) or item["msg"].replace("Input should", "it should")
        sentences.setdefault(name, f"option {name!r} = {shorten(item['input'])}: ")
        if reason not in reasons.setdefault(name, []):
            reasons[name].append(reason)
    return "; ".join(sentence + " or ".join(reasons.get(name, [])) for name, sentence in sentences.items())


def _is_default(value: Any, default: Any) -> bool:
    """Return whether a value equals the default; a list equals a tuple, but True does not equal 1."""
    return isinstance(value, bool) == isinstance(default, bool) and to_plain(value) == to_plain(default)
