"""What docs/how_to/import_runs.md says of its table is true; that its blocks run is tested in tests/docs."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from ganbench.api.records import Status
from ganbench.imports.rows import COLUMNS, OPTIONAL

from tests.support.documents import ROOT, find_file
from tests.support.terminal import ganbench

PAGE = ROOT / "docs" / "how_to" / "import_runs.md"


def test_the_verdict_on_the_table_is_the_one_that_the_page_states(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text(find_file(PAGE, "runs.csv"))
    words = ["--success", "fid=30,25", "--primary", "30", "--compare", "dcgan", "wgan-gp"]
    assert ganbench("import", "runs.csv", "--out", "r", *words, cwd=tmp_path).returncode == 0
    assert "6 of 6 architectures and dcgan on none of 6, p = 0.031" in PAGE.read_text()
    shown = ganbench("table", "r", cwd=tmp_path).stdout
    assert "| 30 | yes | 0 | 6 | 0 | 0 | 6 |" in shown
    assert "| 0.03125 |" in shown
    assert "| cifar10 | dcgan | 6 | 5 | 1 |" in shown, "an empty value at the end is a divergence"


def test_the_page_names_every_column_and_status() -> None:
    assert all(f"`{name}`" in PAGE.read_text() for name in (*COLUMNS, *OPTIONAL, *get_args(Status)))
