"""The references: suites of ganbench whose results are shipped, so that a new method can be compared with known ones.

A reference is a suite `reference_NAME.toml` beside the other suites, with the results of its methods in the folder
`reference_records/NAME` of the package (`make records`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganbench.errors import GanbenchError, unknown_name
from ganbench.suite.loading import FOLDERS, load
from ganbench.suite.suite import Suite

PREFIX = "reference_"
"""How the file names of reference suites begin."""

RECORDS = Path(__file__).parents[1] / "reference_records"
"""The folder of the shipped results: one results folder for each reference."""

REMAKE = "`make records` in a checkout of ganbench makes them again."
"""The way out where the shipped records are not what they should be."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A reference: its `name`, which is also that of its dataset in tables, its suite, and its results folder."""

    name: str
    suite: Suite
    records: Path

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods of which the records are shipped; the first is the default to compare with."""
        return self.suite.declared_methods


def list_references() -> list[Reference]:
    """Return the references, in the order of their names; raise GanbenchError where there is none."""
    files: dict[str, Path] = {}
    for folder in FOLDERS:
        for path in sorted(folder.glob(f"{PREFIX}*.toml")):
            files.setdefault(path.stem.removeprefix(PREFIX), path)
    if not files:
        raise GanbenchError("this installation of ganbench has no reference suites. Install it again.")
    found = [(stem.replace("_", "-"), load(files[stem])) for stem in sorted(files)]
    return [Reference(name=name, suite=suite, records=RECORDS / name) for name, suite in found]


def choose_references(names: str, against: str, references: Sequence[Reference]) -> list[Reference]:
    """Return the references of these names, separated by commas; all where none is named.

    Raise GanbenchError for an unknown name, and for a method `against` which one of them has no records.
    """
    known = {reference.name: reference for reference in references}
    wanted = [name.strip() for name in names.split(",") if name.strip()] or list(known)
    for name in wanted:
        if name not in known:
            raise unknown_name("reference", name, known, "--on")
    chosen = [known[name] for name in dict.fromkeys(wanted)]
    for reference in chosen:
        if against not in reference.methods:
            raise unknown_name("method with shipped records", against, reference.methods, "--against")
    return chosen
