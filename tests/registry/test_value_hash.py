"""Plugins given as Python objects: every value that they hold or name counts, and nothing else does."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ganbench import Constraint, GanbenchError, Offer, hookimpl
from ganbench.registry import load
from ganbench.registry.code_hash import hash_code

SETTINGS: dict[str, Any] = {"weight": 1.0}
NUMBER = 1.0
MODULE = SimpleNamespace(weight=1.0)


class Penalty:
    """A plugin object that holds one value."""

    def __init__(self, value: Any) -> None:
        self.value = value

    @hookimpl
    def ganbench_constraints(self) -> Iterator[Offer]:
        yield Offer("drift", lambda: Constraint(critic=lambda play: self.value * play.scores_real.mean()), "Drift.")


def code(plugin: object) -> str:
    return load(plugins=[plugin], installed=False).code("constraints", "drift")


@dataclass
class Options:
    weight: float = 1.0


class Slotted:
    __slots__ = ("weight",)

    def __init__(self, weight: Any) -> None:
        self.weight = weight


def times(weight: float, x: float) -> float:
    return weight * x


def closing_over(weight: float) -> Callable[[float], float]:
    return lambda x: weight * x


def layer(weight: float) -> torch.nn.Module:
    module = torch.nn.Linear(2, 1)
    torch.nn.init.constant_(module.weight, weight)
    torch.nn.init.zeros_(module.bias)
    return module


def cycle(weight: float) -> list[Any]:
    items: list[Any] = [weight]
    items.append(items)
    return items


@pytest.mark.parametrize(
    "make",
    [
        float,
        str,
        lambda w: [1, (2, {"w": w})],
        lambda w: OrderedDict(w=w),
        lambda w: MappingProxyType({"w": w}),
        lambda w: frozenset({"a", w}),
        lambda w: np.array([w]),
        lambda w: torch.tensor([w]),
        lambda w: torch.Generator().manual_seed(int(w)),
        Options,
        Slotted,
        lambda w: SimpleNamespace(w=w),
        lambda w: partial(times, w),
        closing_over,
        lambda w: cache(closing_over(w)),
        layer,
        cycle,
        lambda w: Slotted(Penalty(w)),
    ],
)
def test_a_value_that_a_plugin_object_holds_counts(make: Callable[[float], Any]) -> None:
    """Equal values have equal hashes, also in new objects; another number has another hash."""
    assert code(Penalty(make(1.0))) == code(Penalty(make(1.0)))
    assert code(Penalty(make(1.0))) != code(Penalty(make(2.0)))


@pytest.mark.parametrize("reads", ["dictionary", "number", "attribute", "class"])
def test_a_global_that_the_code_names_counts(reads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class OfClass:
        weight = 1.0

    functions: dict[str, Callable[[Any], Any]] = {
        "dictionary": lambda play: SETTINGS["weight"] * play,
        "number": lambda play: NUMBER * play,
        "attribute": lambda play: MODULE.weight * play,
        "class": lambda play: OfClass.weight * play,
    }
    before = code(Penalty(functions[reads]))
    assert code(Penalty(functions[reads])) == before
    monkeypatch.setitem(SETTINGS, "weight", 2.0)
    monkeypatch.setitem(globals(), "NUMBER", 2.0)
    monkeypatch.setattr(MODULE, "weight", 2.0)
    OfClass.weight = 2.0
    assert code(Penalty(functions[reads])) != before


def test_a_value_that_nothing_names_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    before = code(Penalty(1.0))
    monkeypatch.setitem(SETTINGS, "weight", 2.0)
    assert code(Penalty(1.0)) == before


def test_a_notebook_plugin_counts_with_its_instance_and_its_dictionary() -> None:
    """As in a notebook, where a class has no file: the cell runs again with another number."""
    cell = """
from ganbench import Constraint, Offer, hookimpl
CONFIG = {{"weight": {config}}}
class Mine:
    def __init__(self, weight): self.weight = weight
    @hookimpl
    def ganbench_constraints(self):
        yield Offer("drift", lambda: Constraint(critic=lambda p: CONFIG["weight"] * self.weight * p.fake.mean()), "D.")
mine = Mine({weight})
"""
    codes = []
    for config, weight in [(0.0, 0.0), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]:
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(cell.format(config=config, weight=weight), "<cell>", "exec"), names)
        codes.append(code(names["mine"]))
    assert codes[0] == codes[1]
    assert len(set(codes)) == 3


@pytest.mark.parametrize("value", [threading.Lock(), (i for i in range(3)), {"log": [threading.Lock()]}])
def test_what_cannot_be_told_apart_is_refused_by_name(value: Any) -> None:
    with pytest.raises(GanbenchError, match=r"constraint 'drift' of Penalty: .*(lock|generator).*cannot be known"):
        code(Penalty(value))


def test_an_object_of_an_installed_package_counts_by_its_state_and_not_by_its_code() -> None:
    assert hash_code([partial(times, torch.device("cpu"))], in_memory=True) != hash_code(
        [partial(times, torch.device("meta"))], in_memory=True
    )
