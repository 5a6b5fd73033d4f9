"""The error for an unknown key or name suggests the right one, and names the tables that have the key."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from ganbench import GanbenchError, plan, registry
from ganbench.suite.loading import parse
from ganbench.suite.suite import TABLES

from tests.support.tiny_suite import suite as small

PLUGINS = registry.load()


def list_keys(table: str) -> list[str]:
    return [field.alias or name for name, field in TABLES[table].model_fields.items()]


def misspell(key: str) -> set[str]:
    """Return a key in other spellings: capitals, hyphens, plural, singular, a letter too few, two letters swapped."""
    swapped = key[:1] + key[2:3] + key[1:2] + key[3:]
    return {key.upper(), key.replace("_", "-"), key + "s", key.removesuffix("s"), key[:-1], key[1:], swapped}


def list_misspelt_keys() -> Iterator[tuple[str, str, str]]:
    for table in sorted(TABLES.keys() - {"dataset"}):  # other keys of a [[dataset]] are options
        for key in list_keys(table):
            if len(key) > 3:
                wrong = misspell(key) - {*list_keys(table)}
                wrong -= {"seeds"} if table == "tuning" else set()  # nearer to report_seeds
                yield from ((table, key, each) for each in sorted(wrong))


def add_key(table: str, key: str) -> dict[str, Any]:
    """Return the small suite with one more key in a table."""
    claim = {"text": "so", "test": "always", "outcome": "collapsed", "method": "mine"}
    tables = {"method": [{"name": "mine", "from": "ns-gan"}], "outcomes": {}, "keep": {}, "engine": {}, "tuning": {}}
    figure = {"name": "modes", "values": ["modes"]}
    imported = {"imported": [{}]} if table == "imported" else {}
    suite = copy.deepcopy(small(**tables, claim=[claim], figure=[figure], **imported))
    target = suite[table] if table else suite
    (target[0] if isinstance(target, list) else target)[key] = 1
    return suite


@pytest.mark.parametrize(("table", "key", "wrong"), [*list_misspelt_keys()])
def test_the_right_key_is_suggested(table: str, key: str, wrong: str) -> None:
    with pytest.raises(GanbenchError, match=rf"{wrong} = 1: no such key\. Did you mean {key!r}\? Known: "):
        parse(add_key(table, wrong))


@pytest.mark.parametrize(
    ("table", "key", "homes"),
    [
        ("", "batch_size", "budget"),
        ("", "loss", "method"),
        ("", "thresholds", "success"),
        ("", "sample", "architectures"),
        ("", "metrics", "dataset and measurement"),
        ("method", "seeds", "the suite itself"),
        ("measurement", "batch_size", "budget"),
        ("success", "metrics", "dataset and measurement"),
    ],
)
def test_the_tables_that_have_the_key_are_named(table: str, key: str, homes: str) -> None:
    with pytest.raises(GanbenchError, match=rf"no such key\..* {key!r} is a key of {homes}\."):
        parse(add_key(table, key))


@pytest.mark.parametrize("kind", ["losses", "constraints", "inputs", "dynamics", "optimizers", "metrics", "methods"])
def test_the_right_name_is_suggested(kind: str) -> None:
    for name in PLUGINS.names(kind):
        for wrong in {name.upper(), name.replace("-", "_"), name.replace("-", " ")} - {name}:
            with pytest.raises(GanbenchError, match=rf"no \w+ {wrong!r}\. Did you mean {name!r}\? Known: "):
                plan.make(parse(use(kind, wrong)), PLUGINS)


def use(kind: str, name: str) -> dict[str, Any]:
    """Return the small suite with a use of an offer."""
    if kind == "metrics":
        return small(measurement={"metrics": [name]}, success=None)
    if kind == "methods":
        return small(methods=[name], success=None)
    key = {"losses": "loss", "optimizers": "optimizer"}.get(kind, kind)
    offers = [name] if kind in ("constraints", "inputs") else name
    return small(methods=None, method=[{"name": "mine", "from": "wgan-gp", key: offers}], success=None)
