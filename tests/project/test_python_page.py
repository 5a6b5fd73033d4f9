"""The code of docs/how_to/python.md and of the notebook runs, on results that are trained here."""

from __future__ import annotations

from pathlib import Path

import ganbench
import nbformat
import pytest

from tests.support.tiny_suite import suite as tiny_suite

DOCS = Path(__file__).parents[2] / "docs"
NOTEBOOK = DOCS / "tutorials" / "reading_results.ipynb"
PAGE = DOCS / "how_to" / "python.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with results/random_arch in it: two methods on three random architectures."""
    place = tmp_path_factory.mktemp("python")
    options = {"widths": [8], "depths": [2, 3]}
    asked = tiny_suite(architectures={"space": "random-mlp", "sample": 3, "options": options}, seeds=1)
    ganbench.run(asked, results=place / "results" / "random_arch", jobs=0)
    return place


def test_the_page_names_every_frame() -> None:
    import pandas as pd
    from ganbench.results.export import list_frames
    from ganbench.results.frames import Frames

    empty = pd.DataFrame()
    for name in list_frames(Frames(trials=empty, scores=empty, signals=empty)):
        assert f"`frames.{name}`" in PAGE.read_text(), name


def test_the_notebook_is_stored_without_outputs() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None


@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs_from_its_first_cell_to_its_last(folder: Path) -> None:
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells[1].source = notebook.cells[1].source.replace("../../results/random_arch", "results/random_arch")
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("text/html" in output.get("data", {}) for output in outputs) >= 5
    assert any("image/png" in output.get("data", {}) for output in outputs)
