"""The table of truths is whole: every claim is held by tests that exist, or says what is missing."""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TRUTHS: list[dict[str, Any]] = tomllib.loads((ROOT / "docs/truths.toml").read_text())["truth"]
KEYS = {"section", "claim", "source", "tests", "open"}


@cache
def collected(path: str) -> set[str]:
    """The names of the tests that pytest collects from a file, whatever their parameters."""
    file = ROOT / path
    if file.parent != ROOT / "tests" or not file.name.startswith("test_") or not file.is_file():
        return set()
    functions = (node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef))
    return {name for name in functions if name.startswith("test_")}


def test_every_claim_has_its_section_its_source_and_nothing_unknown() -> None:
    assert TRUTHS
    for truth in TRUTHS:
        assert truth.keys() <= KEYS, truth
        for key in ("section", "claim", "source"):
            assert truth.get(key, "").strip(), f"{key} is missing: {truth}"


def test_every_claim_is_held_by_a_test_or_says_what_is_open() -> None:
    bare = [truth["claim"] for truth in TRUTHS if not truth.get("tests") and not truth.get("open")]
    assert not bare


def test_every_test_that_holds_a_claim_exists() -> None:
    named = [name for truth in TRUTHS for name in truth.get("tests", [])]
    assert named
    missing = [name for name in named if name.partition("::")[2] not in collected(name.partition("::")[0])]
    assert not missing


def test_no_claim_stands_twice_and_sections_are_not_scattered() -> None:
    claims = [(truth["section"], truth["claim"]) for truth in TRUTHS]
    assert len(set(claims)) == len(claims)
    runs = [section for section, _ in groupby(truth["section"] for truth in TRUTHS)]
    assert len(set(runs)) == len(runs)
