"""The page docs/how_to/import_runs.md does what it says: its table, its commands and its Python, in their order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from ganbench.results.store import read

from tests.support.terminal import ganbench

PAGE = (Path(__file__).parents[2] / "docs" / "how_to" / "import_runs.md").read_text()


def blocks(language: str) -> list[str]:
    """Return the code blocks of the page in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_runs_from_its_table_to_its_last_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (table,), (rules,) = blocks("csv"), blocks("toml")
    (tmp_path / "runs.csv").write_text(table)
    (tmp_path / "rules.toml").write_text(rules)
    shown = []
    for line in "".join(blocks("sh")).splitlines():
        done = ganbench(*shlex.split(line)[1:], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        shown.append(done.stdout)
    assert len(shown) == 5
    assert "| 30 | yes | 0 | 6 | 0 | 0 | 6 |" in shown[1]
    assert "| 0.03125 |" in shown[1]
    assert (tmp_path / "results" / "cifar10" / "report.html").is_file()
    assert (read(tmp_path / "results" / "cifar10").trials["status"] == "diverged").sum() == 1
    ganbench("export", "results/cifar10", "data", cwd=tmp_path)
    monkeypatch.chdir(tmp_path)
    for code in blocks("python"):
        exec(compile(code, "import_runs.md", "exec"), {})
    assert read(tmp_path / "results" / "python").trials["status"].tolist().count("completed") == 11
    assert len(pd.read_csv(tmp_path / "again.csv")) == len(table.splitlines()) - 1


def test_the_page_names_every_column_and_status() -> None:
    from typing import get_args

    from ganbench.api.records import Status
    from ganbench.imports.rows import COLUMNS, OPTIONAL

    assert all(f"`{name}`" in PAGE for name in (*COLUMNS, *OPTIONAL, *get_args(Status)))
