"""The tables of docs/reference/hook_records.md: the fields of each record that plugins build or receive."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

import ganbench
from markdown_tables import code, prose, table

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Offers": ("Offer", "Example", "Use", "Method"),
    "Training": ("Objective", "Term", "Constraint", "Input", "Draw", "Dynamics", "Losses", "Play"),
    "Networks and data": ("Space", "Ask", "Networks", "Source", "Extractor"),
    "Metrics": ("Metric", "Evidence", "ProbeStep", "Profile"),
    "Runs": ("Work", "Batch", "Trial", "Started", "Progress", "Finished", "Lost"),
    "Results": ("Record", "Score"),
    "Watchers and reports": ("Watcher", "Watched", "Report", "Table"),
}
"""The public records by what they are for."""


def record_tables() -> str:
    """Return a section for each record: what it is, and its fields."""
    parts = []
    for group, names in GROUPS.items():
        parts.append(f"## {group}\n")
        parts += [section(name) for name in names]
    return "\n".join(parts)


def section(name: str) -> str:
    """Return the section of one record."""
    record = getattr(ganbench, name)
    head = ("field", "type", "default", "meaning")
    lines = [
        (code(field), code(kind) if kind else "", code(default) if default else "", prose(meaning))
        for field, kind, default, meaning in list_fields(record)
    ]
    about = (inspect.getdoc(record) or "").partition("\n\n")[0]
    return f"### {name}\n\n{about}\n\n{table(head, lines)}"


def list_fields(record: type) -> Iterator[tuple[str, str, str, str]]:
    """Yield each field of a record, or what a protocol has: its name, its type, its default and its meaning."""
    if not dataclasses.is_dataclass(record):
        yield from list_members(record)
        return
    names = [each.name for each in dataclasses.fields(record)]
    meanings = read_meanings(record, names)
    for each in dataclasses.fields(record):
        since = f" Since {each.metadata['since']}." if "since" in each.metadata else ""
        yield each.name, str(each.type), write_default(record, each), meanings[each.name] + since


def list_members(protocol: type) -> Iterator[tuple[str, str, str, str]]:
    """Yield what a protocol has: its attributes, which its own documentation describes, its properties and methods."""
    attributes = inspect.get_annotations(protocol)
    meanings = read_meanings(protocol, list(attributes))
    for name, kind in attributes.items():
        yield name, str(kind), "", meanings[name]
    for name, member in vars(protocol).items():
        if isinstance(member, property):
            returns = inspect.get_annotations(member.fget).get("return", "")  # type: ignore[arg-type]
            yield name, str(returns), "", flatten(inspect.getdoc(member))
        elif inspect.isfunction(member) and not name.startswith("_") and member.__doc__:
            yield spell_call(name, member), str(inspect.get_annotations(member)["return"]), "", flatten(member.__doc__)


def spell_call(name: str, function: Any) -> str:
    """Return how a method is called: its arguments with their defaults, without their types."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return f"{name}({', '.join(str(each.replace(annotation=each.empty)) for each in parameters)})"


def write_default(record: type, field: dataclasses.Field[Any]) -> str:
    """Return the default of a field as Python; nothing for a field without one."""
    if field.default_factory is not dataclasses.MISSING:
        return "{}" if field.default_factory is dict else f"{field.default_factory.__name__}()"
    if field.default is not dataclasses.MISSING:
        function = callable(field.default) and field.default.__name__
        return {"<lambda>": "a function that does nothing"}.get(function, function) if function else repr(field.default)
    parameter = inspect.signature(record).parameters.get(field.name)  # of a record with an __init__ of its own
    return "" if parameter is None or parameter.default is parameter.empty else str(parameter.default)


def read_meanings(record: type, names: list[str]) -> dict[str, str]:
    """Return what each field means: the sentences of the classes' documentation that begin with its name in backticks.

    A sentence belongs to the first field that it names, and one that names none to the field of the sentence before. A
    field with no sentence of its own gets those that name it. Raise LookupError for a field that nothing names.
    """
    own: dict[str, list[str]] = {name: [] for name in names}
    named: dict[str, list[str]] = {name: [] for name in names}
    for each in reversed(record.__mro__[:-1]):
        current = ""
        for sentence in split_sentences(inspect.cleandoc(each.__doc__ or "")):
            found = [name for name in re.findall(r"`(\w+)[^`]*`", sentence) if name in own]
            opening = re.match(r"`(\w+)", sentence)  # the name of an argument, if it is no field
            current = found[0] if found and not (opening and opening[1] not in own and current) else current
            if current:
                own[current].append(sentence)
            for name in found:
                named[name].append(sentence)
    meanings = {name: " ".join(own[name] or named[name]) for name in names}
    if missing := [name for name, meaning in meanings.items() if not meaning]:
        raise LookupError(f"{record.__name__}: no sentence of its docstring has {', '.join(missing)} in backticks.")
    return meanings


def split_sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a docstring, each on one line; semicolons and code do not end one."""
    yield from re.split(r"(?<=[^ .][.:]) (?=[A-Z`])(?=(?:[^`]*`[^`]*`)*[^`]*$)", flatten(text))


def flatten(text: str | None) -> str:
    """Return a text on one line."""
    return " ".join((text or "").split())
