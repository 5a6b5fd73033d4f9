"""The options that `ganbench check --option` gives to the offers under test, for those that have no default."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ganbench.errors import GanbenchError, unknown_name
from ganbench.registry.registry import Offered, Registry

GivenOptions = Mapping[tuple[str, str], Mapping[str, Any]]
"""The given options of an offer, by its kind and name."""

NONE_GIVEN: GivenOptions = MappingProxyType({})


def give_options(registry: Registry, offers: Sequence[Offered], texts: Sequence[str]) -> GivenOptions:
    """Return the options that texts `NAME.key=value` and `key=value` give to these offers, as plain data.

    Without a name, a text is for all of the offers that have the option. Raise GanbenchError for a text that is for
    none of them, and for a value that an offer does not allow.
    """
    given: dict[tuple[str, str], dict[str, Any]] = {}
    for text in texts:
        for offered, key, value in assign(text, offers):
            given.setdefault((offered.kind, offered.offer.name), {})[key] = value
    for (kind, name), options in given.items():
        if not find_missing(registry.get(kind, name), options):
            given[kind, name] = registry.options(kind, name, options, where="--option")
    return given


def assign(text: str, offers: Sequence[Offered]) -> list[tuple[Offered, str, Any]]:
    """Return each of the offers that a text gives an option to, with the option's name and value."""
    left, equals, value = text.partition("=")
    name, _, key = left.strip().rpartition(".")
    place = f"--option {text}"
    if not equals or not key:
        raise GanbenchError(f"{place}: write key=value, or NAME.key=value for the offer of one name.")
    named = [offered for offered in offers if name in ("", offered.offer.name)]
    if not named:
        raise unknown_name("offer", name, {offered.offer.name for offered in offers}, place)
    takers = [offered for offered in named if key in list_options(offered)]
    if not takers:
        raise unknown_name("option", key, {option for offered in named for option in list_options(offered)}, place)
    return [(offered, key, parse_value(value)) for offered in takers]


def parse_value(text: str) -> Any:
    """Return a value in TOML as a suite would have it; any other text is a string."""
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    plain = isinstance(table["value"], str | int | float | list | dict)
    return table["value"] if plain and len(table) == 1 else text


def list_options(offered: Offered) -> list[str]:
    """Return the names of an offer's options; none if its signature cannot be read: its first rule reports why."""
    try:
        return list(offered.options.parameters)
    except GanbenchError:
        return []


def find_missing(offered: Offered, options: Mapping[str, Any]) -> list[str]:
    """Return the options of an offer that have no default and are not among these."""
    return [
        name
        for name in list_options(offered)
        if offered.options.parameters[name].default is offered.options.parameters[name].empty and name not in options
    ]
