"""Every code block of the documents is executed here, or says which test does it, or why nothing can."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.documents import ROOT, Block, list_pages, read_blocks
from tests.support.reader import Reader, prepare_folder

LANGUAGES = {"sh", "bash", "python", "toml", "text"}
CONFIG = 'executor = "in-process"\n'
"""What the reader's own configuration says, so that a command starts no workers unless it asks for them."""

TERMINAL = {"NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "100"}

PAGES = [page for page in list_pages() if list(read_blocks(page))]
BLOCKS = [block for page in PAGES for block in read_blocks(page)]


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with suites and results."""
    folder = tmp_path_factory.mktemp("reader") / "folder"
    prepare_folder(folder)
    return folder


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_a_reader_can_do_all_that_a_page_says(
    page: Path, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(results, folder)
    (folder / "config.toml").write_text(CONFIG)
    monkeypatch.setenv("GANBENCH_CONFIG", str(folder / "config.toml"))
    for name, value in TERMINAL.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    reader = Reader(folder)
    for block in read_blocks(page):
        if block.marker not in ("tested", "not run"):
            try:
                reader.try_block(block)
            except BaseException as error:
                error.add_note(f"in the block at {block}")
                raise


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_has_a_language_and_a_marker_that_means_something(block: Block) -> None:
    assert block.language in LANGUAGES
    if block.marker == "tested":
        assert str(block.page.relative_to(ROOT)) in (ROOT / block.value).read_text()
    if block.marker == "not run":
        assert len(block.value.split()) >= 3
