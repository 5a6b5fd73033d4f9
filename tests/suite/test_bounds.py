"""A suite that is too large or too deep is refused at once, from a file, from Python and from a results folder."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from ganbench import GanbenchError
from ganbench.plan import network_size
from ganbench.plan.costs import MOST_PERIODS
from ganbench.plan.refusals import MOST_LINKS
from ganbench.suite import bounds
from ganbench.suite.loading import load, parse, restore
from ganbench.suite.suite import MOST_TRIALS

from tests.support.bad_suites import TEXT
from tests.support.tiny_suite import suite as small

SECONDS = 5.0
"""Quadratic work on a megabyte takes minutes; one second is enough here, and the machine may be busy."""


def refuse(suite: Any, *fragments: str, read: Any = parse) -> None:
    """Assert that reading a suite ends soon, and with an error that has these fragments."""
    start = time.monotonic()
    with pytest.raises(GanbenchError) as error:
        read(suite)
    assert time.monotonic() - start < SECONDS
    assert all(fragment in str(error.value) for fragment in fragments), str(error.value)[:1000]
    assert len(str(error.value)) < 5000


def chain(keys: int) -> str:
    return ".".join(["a"] * keys) + " = 1"


@pytest.mark.parametrize(
    ("old", "new", "fragments"),
    [
        ("generator_width = 8", chain(20_000), ["suite:15: 'a.a.a.", "nested too deeply: at most 10 tables"]),
        ("generator_width = 8", chain(11), ["suite:15: 'a.a.a.a.a.a.a.a.a.a.a': nested too deeply"]),
        ("generator_width = 8", "x = " + "[" * 900 + "]" * 900, ["not TOML: nested too deeply: at most 10"]),
        ("generator_width = 8", "x = " + "[" * 9 + "]" * 9, ["suite:15: architectures.options.x[0]", "Nest fewer"]),
        ("seeds = 2", f"{'k' * 40_000} = 2", ["suite:2: 'kkk", "a key has at most 200 characters. Write a shorter"]),
        ("seeds = 2", f'"{"k" * 201}" = 2', ["a key has at most 200 characters"]),
        ("seeds = 2", f"seeds = {[*range(30_000)]}", ["suite:2: seeds: it has 30,000 items", "at most 10,000"]),
        ("seeds = 2", "\n".join(f"k{i} = 1" for i in range(5000)), ["suite: it has 5,008 keys, but a table"]),
        (
            'methods = ["ns-gan", "wgan-gp", "mine"]',
            f"methods = {[f'm{i}' for i in range(50_000)]}",
            ["suite:3: methods: it has 50,000 items, but this list has at most 1,000. Write fewer."],
        ),
        ("[1, 4, 7]", str([*range(20_000)]), ["suite:34: success[0].thresholds: it has 20,000 items"]),
        (
            '[["ns-gan", "wgan-gp"]]',
            str([["ns-gan", "wgan-gp"]] * 3000),
            ["suite:36: success[0].compare: it has 3"],
        ),
        (
            'metric = "modes"\nthresholds = [1, 4, 7]\nprimary = 4',
            f'condition = "{" and ".join(["modes > 1"] * 20_000)}"',
            ["suite:33: success[0].condition: it has 279,995 characters", "at most 10,000"],
        ),
        (
            "critic_steps = 2",
            f"critic_steps = {{ steps = {[[i, 1] for i in range(1, 20_000)]} }}",
            ["suite:29: method[0].critic_steps.steps: it has 19,999 items"],
        ),
        ("seeds = 2", "#" * 1_000_000, ["suite: more than 1,000,000 bytes", "Split the suite"]),
    ],
)
def test_what_is_too_large_or_too_deep_is_refused_at_once(old: str, new: str, fragments: list[str]) -> None:
    assert old in TEXT
    refuse(TEXT.replace(old, new, 1), *fragments)


@pytest.mark.parametrize(
    "text",
    [
        '"' * 999_000,
        '"\n' * 490_000,
        "a" * 999_000,
        "a .b " * 190_000,
        ("a" + " " * 999) * 900,
        'x = "' + "\\\\" * 490_000,
        "[[a]]\n" * 160_000,
        "\n".join(f"[a.a.a.a.a.a.a.a.a.b{i}]" for i in range(39_000)),
        "x = [" + "[]," * 320_000 + "]",
    ],
    ids=lambda text: text[:12],
)
def test_no_text_of_a_megabyte_takes_long(text: str) -> None:
    refuse(text)


def test_a_dotted_key_is_not_looked_for_in_strings_and_comments() -> None:
    name = ".".join("abcdefghijklm")
    question = TEXT.replace("Does it run?", name).replace("seeds = 2", f"seeds = 2  # {name}", 1)
    assert parse(question).question == name
    assert parse(question.replace(f'"{name}"', f'"""\n{name}"""')).question == name
    assert parse(question.replace(f'"{name}"', f"'''{name}'''")).question == name
    assert parse(question.replace(f'"{name}"', f"'{name}'")).question == name


def test_a_file_is_read_no_further_than_the_bound(tmp_path: Path) -> None:
    (tmp_path / "large.toml").write_bytes("é".encode() * 1_000_000)
    refuse(tmp_path / "large.toml", "large.toml: more than 1,000,000 bytes", read=load)


def nest(depth: int) -> Any:
    return [nest(depth - 1)] if depth else 1


def make_cycle() -> dict[str, Any]:
    suite = small()
    suite["architectures"]["options"]["own"] = suite
    return suite


def make_bomb() -> dict[str, Any]:
    """Return a suite of ten values that stand for 10^21: each level has a thousand times the next."""
    value: Any = 1
    for _ in range(7):
        value = [value] * 1000
    return small(architectures={"options": {"x": value}})


@pytest.mark.parametrize(
    ("suite", "fragments"),
    [
        (make_cycle(), ["suite: architectures.options.own", "nested too deeply"]),
        (make_bomb(), ["suite: more than 1,000,000 bytes or 100,000 values"]),
        (small(architectures={"options": {"x": nest(9)}}), ["architectures.options.x[0]", "nested too deeply"]),
        (small() | {1: 2}, ["suite: a key is 1, but keys are strings"]),
        (small(architectures={"options": {None: 2}}), ["suite: architectures.options: a key is None, but keys"]),
        (small(architectures={"options": {"x": [0] * 1001}}), ["options.x: it has 1,001 items"]),
        (small(methods=[f"m{i}" for i in range(1001)]), ["methods: it has 1,001 items"]),
        (small(question="q" * 10_001), ["question: it has 10,001 characters"]),
        (small(architectures={"options": {"x": object()}}), ["suite: it has a value that cannot be stored"]),
        (small(architectures={"options": {"x": 10**5000}}), ["suite: it has a value that cannot be stored"]),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value[0],
)
def test_a_table_in_python_has_the_same_bounds(suite: dict[str, Any], fragments: list[str]) -> None:
    refuse(suite, *fragments)


def test_a_stored_suite_has_the_same_bounds() -> None:
    refuse(TEXT + "#" * 1_000_000, "the stored suite: more than 1,000,000 bytes", read=restore)
    refuse("{" + " " * 1_000_000 + "}", "the stored suite: more than 1,000,000 bytes", read=restore)
    refuse('{"x": ' + "[" * 400_000, "the stored suite: not JSON", read=restore)
    refuse(json.dumps(small(methods=["m"] * 1001)), "the stored suite: methods: it has 1,001 items", read=restore)
    refuse(TEXT.replace("generator_width = 8", chain(20_000)), "the stored suite:15: 'a.a.a", read=restore)


def test_what_is_just_within_the_bounds_is_read() -> None:
    options = {"x": nest(7), "k" * 200: [0] * 1000}
    large = parse(small(seeds=[*range(10_000)], architectures={"options": options}, question="q" * 10_000))
    assert restore(large.text) == large


def test_a_message_lists_ten_mistakes_and_counts_the_others() -> None:
    keys = "\n".join(f"k{i} = 1" for i in range(900))
    with pytest.raises(GanbenchError) as error:
        parse(TEXT.replace("seeds = 2", keys, 1), "s.toml")
    lines = str(error.value).splitlines()
    assert len(lines) == 11
    assert lines[9].startswith("s.toml:11: k9 = 1: no such key.")
    assert lines[10] == "s.toml: and 890 more mistakes."


def test_a_thousand_unknown_names_take_no_longer_than_the_ten_that_are_listed() -> None:
    methods = [f"m{i}" for i in range(1000)]
    rule = {"dataset": "ring", "condition": "modes > 1", "compare": [[f"x{i}", f"y{i}"] for i in range(1000)]}
    refuse(small(methods=methods, success=[rule]), "no method of this suite called 'x0'", "and 1,990 more mistakes.")


def test_the_documentation_has_every_bound() -> None:
    text = (Path(__file__).parents[2] / "docs/reference/suites.md").read_text()
    table = {bound for line in text.splitlines() for bound in re.findall(r"^\|.*\| ([\d,]+)(?: bytes)? \|$", line)}
    own = [bounds.MOST_BYTES, bounds.MOST_VALUES, bounds.MOST_DEPTH, bounds.MOST_ITEMS, bounds.MOST_SEEDS]
    own += [bounds.LONGEST_KEY, bounds.LONGEST_TEXT, MOST_TRIALS, MOST_LINKS, MOST_PERIODS]
    own += [network_size.MOST_WEIGHTS, network_size.MOST_TENSORS, network_size.MOST_UNITS, 100]
    assert table == {f"{bound:,}" for bound in own}
