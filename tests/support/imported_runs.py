"""CSV files of runs that were trained elsewhere, for tests of imports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ganbench.imports import Imported, Reading, import_runs

HEADER = "method,architecture,seed,dataset,metric,step,value"
RULE = Reading(success=["fid=30,25"], primary=[30], compare=[("a", "b")])

FINALS: Mapping[str, Sequence[float | None]] = {
    "a": [28.0, 33.0, 41.0, 35.0, None, 52.0, 31.0, 47.0],
    "b": [21.0, 24.5, 29.0, 36.0, 26.0, 27.0, 22.0, 29.5],
}
"""The final FID of two methods on eight architectures; None for a run whose last value is empty."""


def write_csv(path: Path, rows: Iterable[str], header: str = HEADER) -> Path:
    """Write a CSV file of these rows, and return its path."""
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def list_rows(finals: Mapping[str, Sequence[float | None]] = FINALS, seed: int = 0, early: float = 60.0) -> list[str]:
    """Return two rows of FIDs for each run, at steps 500 and 1000."""
    return [
        f"{method},net-{place},{seed},cifar,fid,{step},{'' if value is None else value}"
        for method, values in finals.items()
        for place, final in enumerate(values)
        for step, value in ((500, early), (1000, final))
    ]


def import_rows(folder: Path, rows: Iterable[str], reading: Reading = RULE, header: str = HEADER) -> Imported:
    """Import these rows, from a file beside the folder."""
    return import_runs(write_csv(folder.parent / f"{folder.name}.csv", rows, header), folder, reading)
