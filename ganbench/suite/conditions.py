"""Conditions that join in a success rule, as in "modes >= 8 and high-quality > .8": read, evaluated, written back."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from math import isfinite
from operator import and_
from types import MappingProxyType
from typing import Any

from ganbench.errors import GanbenchError

SIGNS: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
)

TOKEN = re.compile(
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?(?![\w.]))|(?P<sign>[<>]=?(?!=))|(?P<name>[^\W\d](?:[\w.-]*\w)?)",
    re.ASCII | re.IGNORECASE,
)
GRAMMAR = (("name", "a metric value's name"), ("sign", "one of >, >=, <, <="), ("number", "a number"))
EXAMPLE = 'write it as in "modes >= 8 and high-quality > 0.8"'
JOINT = "and"


class ConditionError(GanbenchError, ValueError):
    """A text that is no condition; a ValueError, so that pydantic passes it on."""


@dataclass(frozen=True)
class Comparison:
    """One comparison of a metric's value with a number."""

    name: str
    sign: str
    bound: float

    def __call__(self, value: Any) -> Any:
        """Say whether a value, or each of an array, lies beyond the bound; NaN never does."""
        return SIGNS[self.sign](value, self.bound)

    def __str__(self) -> str:
        """Write it as it was read; an integer without its point."""
        bound = self.bound
        return f"{self.name} {self.sign} {int(bound) if bound.is_integer() and abs(bound) < 1e15 else repr(bound)}"


@dataclass(frozen=True)
class Condition:
    """Comparisons all of which must hold."""

    comparisons: tuple[Comparison, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The values that it names, each once, in its order."""
        return tuple(dict.fromkeys(each.name for each in self.comparisons))

    def holds(self, values: Mapping[str, Any]) -> Any:
        """Return whether every comparison holds of these values: floats, or arrays of one length.

        A value that is missing or NaN meets no comparison.
        """
        return reduce(and_, (each(values[each.name]) if each.name in values else False for each in self.comparisons))

    def __str__(self) -> str:
        """Write it so that `parse` reads the same."""
        return f" {JOINT} ".join(map(str, self.comparisons))


def parse(text: str) -> Condition:
    """Read a condition: NAME SIGN NUMBER, joined by `and`.

    Names are letters, digits, `_`, `-` and `.`; signs > >= < <=; numbers finite. Raises ConditionError with the text,
    the place (characters from 1) and what should stand there.
    """
    comparisons: list[Comparison] = []
    place = 0
    while True:
        found: dict[str, str] = {}
        for kind, wanted in GRAMMAR:
            found[kind], place = take(text, place, kind, wanted)
        comparisons.append(Comparison(found["name"], found["sign"], float(found["number"])))
        if not text[place:].strip():
            return Condition(tuple(comparisons))
        _, place = take(text, place, "name", f"{JOINT!r} or the end", word=JOINT)


def take(text: str, place: int, kind: str, wanted: str, word: str = "") -> tuple[str, int]:
    """Read the next token of this kind (or just this word); give it with the place after it."""
    place += len(text[place:]) - len(text[place:].lstrip())
    token = TOKEN.match(text, place)
    if token is None or token.lastgroup != kind or (token[0] != word if word else token[0] == JOINT):
        rest = text[place:].split()
        seen = ascii(rest[0][:40]) if rest else "the end"
        raise ConditionError(f"{text[:80]!a}: at character {place + 1} stands {seen}, not {wanted}; {EXAMPLE}")
    if kind == "number" and not isfinite(float(token[0])):
        raise ConditionError(f"{text[:80]!a}: at character {place + 1} stands {token[0][:40]!r}, too large; {EXAMPLE}")
    return token[0], token.end()
