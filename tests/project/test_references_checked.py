"""The table of checked references is whole: every claim is held by tests that exist, or says what is missing."""

from __future__ import annotations

import ast
import csv
import tomllib
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from ganbench.suite.loading import load

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs/reference/references_checked.toml"
REFERENCES: list[dict[str, Any]] = tomllib.loads(FILE.read_text())["reference"]
KEYS = {"section", "claim", "source", "tests", "suites", "open"}


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
    held = ("tests", "suites", "open")
    assert not [reference["claim"] for reference in REFERENCES if not any(map(reference.get, held))]


def test_every_suite_that_holds_a_claim_has_claims_and_verdicts() -> None:
    named = {name for reference in REFERENCES for name in reference.get("suites", [])}
    page = (ROOT / "docs/background/literature.md").read_text()
    assert named
    for name in named:
        assert load(ROOT / f"suites/{name}.toml").claim
        assert f"## {name}\n" in page
        assert f"<!-- generated: claims-{name} -->" in page


def test_the_verdicts_of_a_page_are_of_the_claims_of_today() -> None:
    """A claim that was reworded, added or taken out makes its suite's committed verdicts stale."""
    for path in sorted((ROOT / "results").glob("*/claims.csv")):
        with path.open(newline="") as file:
            stored = [row["claim"] for row in csv.DictReader(file)]
        assert stored == [claim.text for claim in load(ROOT / f"suites/{path.parent.name}.toml").claim], path


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
