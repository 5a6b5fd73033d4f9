"""A plugin that was written against an old module is told where its names are today."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from ganbench.errors import GanbenchError
from ganbench.moved import MOVED
from ganbench.registry import load

OLD_EXECUTOR = """
from ganbench import Offer, hookimpl
from ganbench.trials import Finished, Lost, Started
"""


@pytest.mark.parametrize("module", MOVED)
def test_a_module_that_has_moved_says_where_to(module: str) -> None:
    with pytest.raises(ImportError, match=rf"ganbench\.{module} is now ganbench\."):
        find_spec(f"ganbench.{module}")
    for name in re.findall(r"[a-z_]+(?:\.[a-z_]+)*", MOVED[module])[:1]:
        assert find_spec(f"ganbench.{name}") is not None


def test_every_way_to_import_a_moved_module_is_answered() -> None:
    for statement in ("import ganbench.trials", "from ganbench.trials import Batch", "from ganbench import trials"):
        with pytest.raises(ImportError, match=r"ganbench\.trials is now ganbench\.api"):
            exec(statement)


def test_a_module_that_never_was_is_an_ordinary_error() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'ganbench\.trails'"):
        exec("import ganbench.trails")


def test_a_plugin_file_with_an_old_import_is_answered_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "old_executor.py"
    file.write_text(OLD_EXECUTOR)
    with pytest.raises(
        GanbenchError, match=r"old_executor\.py:3: ImportError: ganbench\.trials is now .*from ganbench"
    ):
        load(files=[file])
