"""Reading and planning any suite succeeds or raises a GanbenchError; no other error occurs."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
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
LONG = settings(max_examples=5000, deadline=timedelta(seconds=20), suppress_health_check=list(HealthCheck))
"""The deadline is for work that grows faster than the suite; an example takes some 50 ms, also on a busy machine."""

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
    "n" * 20_000,
    "\ud7ff\U0001f600",
    "n\u0455-gan",
    "ns\u2011gan",
    "NS-GAN",
    "modes > 3 and modes < 2",
    " and ".join(["modes > 1"] * 700),
]


def nest(value: Any, depth: int, kind: str) -> Any:
    """Return a value inside of so many lists or tables."""
    for _ in range(depth):
        value = [value] if kind == "list" else {"a": value}
    return value


SCHEDULES: list[Any] = [
    {shape: ends, **over}
    for shape in ("linear", "cosine", "steps")
    for ends in ([1, 0], [1e-3, -1e-3], [1, float("inf")], [1e39, 0], [[25, 100], [float("inf"), 5]], [[1, 0]] * 1500)
    for over in ({}, {"over": 0.5}, {"over": 1e-9}, {"over": float("nan")}, {"every": [500, 0]})
]
STRANGE: list[Any] = [
    {"critic_depth": {"a": 1}},
    {"critic_depth": 7},
    {"critic_normalised": [True]},
    date(1979, 5, 27),
    time(7, 32),
    datetime(1979, 5, 27, 7, 32),
    {"critic_depth": time(7, 32)},
    [0] * 2000,
    [*range(1000)],
    [["ns-gan", "wgan-gp"], ["wgan-gp", "ns-gan"]],
    {f"k{i}": i for i in range(1500)},
    {"k" * 300: 1},
    *(nest(1, depth, kind) for depth in (7, 12, 200) for kind in ("list", "table")),
]
VALUES = st.one_of(
    st.sampled_from([*NUMBERS, *WORDS, True, False, [], {}, [[]], [{}], {"name": "adam"}]),
    st.sampled_from([*SCHEDULES, *STRANGE]),
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
    suite.setdefault("architectures", {})["sample"] = 1
    suite["seeds"] = 1
    if "configurations" in suite.get("tuning", {}):
        suite["tuning"]["configurations"] = 2
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
    kind = draw(st.sampled_from(["drop", "rename", "value", "nest", "list", "twice", "text", "elsewhere", "where"]))
    if kind == "drop":
        del part[key]
    elif kind == "rename" and isinstance(part, dict):
        part[draw(st.sampled_from(WORDS) | st.text(max_size=6))] = part.pop(key)
    elif kind == "nest":
        part[key] = {draw(st.sampled_from(["name", "options", "x"])): part[key]}
    elif kind == "list":
        part[key] = [part[key]]
    elif kind == "where" and isinstance(part[key], dict):
        part[key][draw(st.sampled_from(["where", "weight", "every", "over"]))] = copy.deepcopy(draw(VALUES))
    elif kind == "twice" and isinstance(part[key], list):
        part[key] = part[key] * 2
    elif kind == "text":
        part[key] = str(part[key])[:200]
    elif kind == "elsewhere":
        source, place = draw(st.sampled_from(list(list_spots(suite))))
        part[key] = copy.deepcopy(source[place])
    else:
        part[key] = copy.deepcopy(draw(VALUES))  # a copy, because later changes would alter the shared value


LARGE = [
    b"a." * 20_000,
    b"a" * 40_000 + b"=1\n",
    b"[" * 400,
    b"{a=" * 200,
    b"[[dataset]]\n" * 2000,
    b"0," * 5000,
    b'"' * 3000,
    b"#" * 1_000_000,
    b"07:32:00",
    b"1979-05-27",
    "n\u0455-gan".encode(),
]
"""Pieces of a text that are long, deep, times, dates or look-alikes."""


@st.composite
def mangled_texts(draw: st.DrawFn) -> bytes:
    """Draw the bytes of one of our suites with some cut out, doubled or replaced."""
    content = bytearray(draw(st.sampled_from(SEEDS)).encode())
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 12)))
        new = draw(
            st.sampled_from(
                [
                    b"",
                    b"\n",
                    b'"',
                    b"[",
                    b"]]",
                    b"= ",
                    b"{",
                    b"\xff",
                    b"\x00",
                    b"#",
                    b"9" * 5000,
                    b"nan",
                    b"inf",
                    *LARGE,
                ]
            )
        )
        content[start:end] = draw(st.sampled_from([new, bytes(content[start:end]) * 2, draw(st.binary(max_size=4))]))
    return bytes(content)


def read_and_plan(read: Any, plugins: Registry) -> None:
    """Read a suite and plan it, unless it is large; accept a GanbenchError."""
    try:
        suite = read()
        labels = max(len(suite.method_names), len(suite.configurations))
        trials = suite.architectures.sample * labels * len(suite.seed_list) * len(suite.dataset)
        sizes = (value for table in suite.dataset for value in table.options.values() if isinstance(value, int))
        if trials <= 300 and max(sizes, default=0) <= 10**5:  # a dataset makes as many modes as it is asked for
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
