"""Reading and planning any suite succeeds or raises a GanbenchError; no other error occurs."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ganbench import plan, registry
from ganbench.errors import GanbenchError
from ganbench.registry.registry import Registry
from ganbench.suite.loading import load, parse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.bad_suites import TEXT

SUITES = sorted((Path(__file__).parents[2] / "suites").glob("*.toml"))
SEEDS = [TEXT, *(path.read_text() for path in SUITES)]
CI = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))

INSTALLED = registry.load()
NUMBERS = [
    0,
    -1,
    1,
    2**31,
    2**63,
    2**64,
    -(2**63),
    10**400,
    0.0,
    -0.0,
    1e-320,
    1e308,
    float("nan"),
    float("inf"),
    -float("inf"),
]
WORDS = [
    "",
    " ",
    "\x00",
    "\x1b[31m",
    "\u202e",
    "../../x",
    "con",
    "[bold]",
    "name",
    "ns-gan",
    "ring",
    "mlp",
    "n" * 300,
    "\ud7ff\U0001f600",
]
VALUES = st.one_of(
    st.sampled_from([*NUMBERS, *WORDS, True, False, [], {}, [[]], [{}], {"name": "adam"}, {"linear": [1, 0]}]),
    st.recursive(
        st.integers() | st.floats() | st.text(max_size=8) | st.booleans(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
        max_leaves=6,
    ),
)
Spot = tuple[Any, Any]


def list_spots(part: Any) -> Iterator[Spot]:
    """Yield every (container, key or index) of a suite."""
    for key in list(part) if isinstance(part, dict) else range(len(part)):
        yield part, key
        if isinstance(part[key], dict | list):
            yield from list_spots(part[key])


def shrink(suite: dict[str, Any]) -> dict[str, Any]:
    """Return one of our suites, small enough to be planned often."""
    suite["architectures"]["sample"] = 1
    suite["seeds"] = 1
    suite["method"] = suite.get("method", [])[:3]
    return {key: value for key, value in suite.items() if value != []}


@st.composite
def mutated_suites(draw: st.DrawFn) -> dict[str, Any]:
    """Draw one of our suites with up to four changes."""
    suite = shrink(copy.deepcopy(tomllib.loads(draw(st.sampled_from(SEEDS)))))
    for _ in range(draw(st.integers(1, 4))):
        places = list(list_spots(suite))
        if not places:
            break
        part, key = draw(st.sampled_from(places))
        change(draw, suite, part, key)
    return suite


def change(draw: st.DrawFn, suite: dict[str, Any], part: Any, key: Any) -> None:
    """Drop, rename, retype, nest, duplicate or replace the value at a spot."""
    kind = draw(st.sampled_from(["drop", "rename", "value", "nest", "list", "twice", "text", "elsewhere"]))
    if kind == "drop":
        del part[key]
    elif kind == "rename" and isinstance(part, dict):
        part[draw(st.sampled_from(WORDS) | st.text(max_size=6))] = part.pop(key)
    elif kind == "nest":
        part[key] = {draw(st.sampled_from(["name", "options", "x"])): part[key]}
    elif kind == "list":
        part[key] = [part[key]]
    elif kind == "twice" and isinstance(part[key], list):
        part[key] = part[key] * 2
    elif kind == "text":
        part[key] = str(part[key])[:200]
    elif kind == "elsewhere":
        source, place = draw(st.sampled_from(list(list_spots(suite))))
        part[key] = copy.deepcopy(source[place])
    else:
        part[key] = copy.deepcopy(draw(VALUES))  # a copy, because later changes would alter the shared value


@st.composite
def mangled_texts(draw: st.DrawFn) -> bytes:
    """Draw the bytes of one of our suites with some cut out, doubled or replaced."""
    content = bytearray(draw(st.sampled_from(SEEDS)).encode())
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 12)))
        new = draw(
            st.sampled_from(
                [b"", b"\n", b'"', b"[", b"]]", b"= ", b"{", b"\xff", b"\x00", b"#", b"9" * 5000, b"nan", b"inf"]
            )
        )
        content[start:end] = draw(st.sampled_from([new, bytes(content[start:end]) * 2, draw(st.binary(max_size=4))]))
    return bytes(content)


def read_and_plan(read: Any, plugins: Registry) -> None:
    """Read a suite and plan it, unless it is large; accept a GanbenchError."""
    try:
        suite = read()
        if suite.architectures.sample * len(suite.method_names) * len(suite.seed_list) * len(suite.dataset) <= 300:
            plan.make(suite, plugins)
    except GanbenchError:
        return


@given(mutated_suites())
@CI
def test_a_mutated_suite_gives_a_plan_or_an_error_message(suite: dict[str, Any]) -> None:
    read_and_plan(lambda: parse(suite, "fuzzed"), INSTALLED)


@given(mangled_texts())
@CI
def test_a_mangled_file_gives_a_plan_or_an_error_message(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzzed.toml"
    file.write_bytes(content)
    read_and_plan(lambda: load(file), INSTALLED)


@pytest.mark.fuzz
@given(mutated_suites())
@LONG
def test_many_mutated_suites_give_a_plan_or_an_error_message(suite: dict[str, Any]) -> None:
    read_and_plan(lambda: parse(suite, "fuzzed"), INSTALLED)


@pytest.mark.fuzz
@given(mangled_texts())
@LONG
def test_many_mangled_files_give_a_plan_or_an_error_message(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzzed-long.toml"
    file.write_bytes(content)
    read_and_plan(lambda: load(file), INSTALLED)
