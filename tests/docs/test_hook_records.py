"""The reference of the records of hooks has every record of the public API, and a meaning for every field."""

from __future__ import annotations

import dataclasses
import inspect
import re

import ganbench
import pytest

from tests.support.documents import ROOT

PAGE = ROOT / "docs/reference/hook_records.md"
RECORDS = {
    name: record
    for name, record in ((name, getattr(ganbench, name)) for name in ganbench.__all__)
    if inspect.isclass(record)
    and record.__module__.startswith("ganbench.api")
    and (dataclasses.is_dataclass(record) or getattr(record, "_is_protocol", False))
}


def read_rows(name: str) -> dict[str, str]:
    """Return the meaning of each field in the table of a record; the rows of methods have their arguments."""
    text = PAGE.read_text().partition(f"\n### {name}\n")[2].partition("\n### ")[0]
    rows = [re.split(r"(?<!\\\\) \| ", line.strip("| ")) for line in text.splitlines() if line.startswith("| `")]
    return {re.findall(r"\w+", row[0])[0]: row[-1] for row in rows}


@pytest.mark.parametrize("name", RECORDS)
def test_every_field_of_a_record_has_a_meaning(name: str) -> None:
    record = RECORDS[name]
    fields = [each.name for each in dataclasses.fields(record)] if dataclasses.is_dataclass(record) else []
    members = [key for key, value in vars(record).items() if isinstance(value, property) or inspect.isfunction(value)]
    if not fields:
        fields = [*inspect.get_annotations(record), *(key for key in members if not key.startswith("_"))]
    rows = read_rows(name)
    assert fields
    assert list(rows) == fields
    assert all(len(meaning.split()) >= 3 for meaning in rows.values()), rows
