"""The conditions of success rules, such as "modes >= 8 and high-quality > .8": parsing, evaluating and writing them."""

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
BLANKS = re.compile(r"\s*")
GRAMMAR = (("name", "a metric value's name"), ("sign", "one of >, >=, <, <="), ("number", "a number"))
EXAMPLE = 'write it as in "modes >= 8 and high-quality > 0.8"'
JOINT = "and"


class ConditionError(GanbenchError, ValueError):
    """A text that is not a condition; a ValueError, because pydantic collects those."""


@dataclass(frozen=True)
class Comparison:
    """A comparison of a metric's value with a number."""

    name: str
    sign: str
    bound: float

    def __call__(self, value: Any) -> Any:
        """Return whether the comparison is true of a value, or of each value of an array; it is false for NaN."""
        return SIGNS[self.sign](value, self.bound)

    def __str__(self) -> str:
        """Return the comparison as a suite writes it; a whole number has no decimal point."""
        bound = self.bound
        return f"{self.name} {self.sign} {int(bound) if bound.is_integer() and abs(bound) < 1e15 else repr(bound)}"


@dataclass(frozen=True)
class Condition:
    """One or more comparisons; the condition is true if all of them are."""

    comparisons: tuple[Comparison, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the values that it compares, each once, in order."""
        return tuple(dict.fromkeys(each.name for each in self.comparisons))

    def holds(self, values: Mapping[str, Any]) -> Any:
        """Return whether every comparison is true of these values: floats, or arrays of equal length.

        A comparison is false if its value is missing or NaN.
        """
        return reduce(and_, (each(values[each.name]) if each.name in values else False for each in self.comparisons))

    def __str__(self) -> str:
        """Return the condition as text that `parse` turns into an equal condition."""
        return f" {JOINT} ".join(map(str, self.comparisons))


def parse(text: str) -> Condition:
    """Return the condition that a text states: NAME SIGN NUMBER, or several of these joined by `and`.

    A name has letters, digits, `_`, `-` and `.`; a sign is >, >=, < or <=; a number is finite. Raise ConditionError
    with the text, the position (the first character is 1) and what is expected there.
    """
    comparisons: list[Comparison] = []
    position = 0
    while True:
        tokens: dict[str, str] = {}
        for kind, expected in GRAMMAR:
            tokens[kind], position = read_token(text, position, kind, expected)
        comparisons.append(Comparison(tokens["name"], tokens["sign"], float(tokens["number"])))
        if skip_blanks(text, position) == len(text):
            return Condition(tuple(comparisons))
        _, position = read_token(text, position, "name", f"{JOINT!r} or the end", word=JOINT)


def skip_blanks(text: str, position: int) -> int:
    """Return the position of the first character from `position` on that is not a blank; the length if all are."""
    blanks = BLANKS.match(text, position)
    assert blanks is not None
    return blanks.end()


def read_token(text: str, position: int, kind: str, expected: str, word: str = "") -> tuple[str, int]:
    """Return the next token and the position after it; raise ConditionError unless it is of this kind (or this word).

    `expected` describes the token in the error message.
    """
    position = skip_blanks(text, position)
    token = TOKEN.match(text, position)
    place = f"{text[:80]!a}: at character {position + 1}"
    if token is None or token.lastgroup != kind or (token[0] != word if word else token[0] == JOINT):
        rest = text[position : position + 1000].split()
        actual = ascii(rest[0][:40]) if rest else "the end"
        raise ConditionError(f"{place}: expected {expected}, found {actual}; {EXAMPLE}")
    if kind == "number" and not isfinite(float(token[0])):
        raise ConditionError(f"{place}: {token[0][:40]!r} is too large; {EXAMPLE}")
    return token[0], token.end()
