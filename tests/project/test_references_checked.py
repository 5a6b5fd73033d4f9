"""The table of checked references is whole: every claim is held by tests that exist, or says what is missing."""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
REFERENCES: list[dict[str, Any]] = tomllib.loads((ROOT / "docs/references_checked.toml").read_text())["reference"]
KEYS = {"section", "claim", "source", "tests", "open"}


@cache
def collected(path: str) -> set[str]:
    """The names of the tests that pytest collects from a file, whatever their parameters."""
    file = ROOT / path
    if not file.is_relative_to(ROOT / "tests") or not file.name.startswith("test_") or not file.is_file():
        return set()
    functions = (node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef))
    return {name for name in functions if name.startswith("test_")}


def test_every_claim_has_its_section_its_source_and_nothing_unknown() -> None:
    assert REFERENCES
    for reference in REFERENCES:
        assert reference.keys() <= KEYS, reference
        for key in ("section", "claim", "source"):
            assert reference.get(key, "").strip(), f"{key} is missing: {reference}"


def test_every_claim_is_held_by_a_test_or_says_what_is_open() -> None:
    bare = [reference["claim"] for reference in REFERENCES if not reference.get("tests") and not reference.get("open")]
    assert not bare


def test_every_test_that_holds_a_claim_exists() -> None:
    named = [name for reference in REFERENCES for name in reference.get("tests", [])]
    assert named
    missing = [name for name in named if name.partition("::")[2] not in collected(name.partition("::")[0])]
    assert not missing


def test_no_claim_stands_twice_and_sections_are_not_scattered() -> None:
    claims = [(reference["section"], reference["claim"]) for reference in REFERENCES]
    assert len(set(claims)) == len(claims)
    runs = [section for section, _ in groupby(reference["section"] for reference in REFERENCES)]
    assert len(set(runs)) == len(runs)
