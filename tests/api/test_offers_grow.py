"""The promise of docs/reference/hooks.md to plugin authors: records grow without breaking plugins that build them."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import ganbench
import pytest
from ganbench.api import hooks

RECORDS = {
    name: record
    for name, record in ((name, getattr(ganbench, name)) for name in ganbench.__all__)
    if dataclasses.is_dataclass(record) and isinstance(record, type)
}
POSITIONAL = {
    "Draw": ["law", "shape"],
    "Example": ["given", "expect", "source", "options"],
    "Finished": ["batch", "records"],
    "Lost": ["batch", "status", "error"],
    "Objective": ["critic", "generator"],
    "Offer": ["name", "build", "summary"],
    "Progress": ["batch", "step", "steps"],
    "Profile": ["values"],
    "Work": ["function"],
    "Score": ["step", "name", "value", "direction", "measurement", "samples"],
    "Started": ["batch"],
    "Use": ["name"],
}
"""The fields that may be given by position. All other fields, and all new ones, are keyword-only."""


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_frozen_and_keyword_only_after_its_first_fields(name: str) -> None:
    record = RECORDS[name]
    assert record.__dataclass_params__.frozen
    parameters = inspect.signature(record).parameters.values()
    positional = [field.name for field in parameters if field.kind is field.POSITIONAL_OR_KEYWORD]
    assert positional == POSITIONAL.get(name, [])


def test_the_promise_to_authors_comes_before_the_hooks() -> None:
    page = (Path(ganbench.__file__).parents[1] / "docs/reference/hooks.md").read_text()
    promise, pages = page.partition("<!-- generated: hook-pages -->")[::2]
    assert "## The promise to authors" in promise
    for phrase in ("only grow", "keyword", "`since`", "minor release", "frozen"):
        assert phrase in promise, phrase
    for name, fields in POSITIONAL.items():
        assert f"`{name}({', '.join(fields)})`" in promise
    assert all(f"## {name}\n" in pages for name in vars(hooks) if name.startswith("ganbench_"))
