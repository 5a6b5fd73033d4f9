"""The modules behind a plugin: those that a user may edit, wherever they lie, and what of them is in memory."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
from ganbench.registry import load
from ganbench.registry.code_hash import hash_code
from ganbench.registry.local_modules import find_module_file, is_local
from ganbench.registry.plugin_files import PluginFile

PLUGIN = """
from ganbench import Constraint, Offer, hookimpl
{imports}

@hookimpl
def ganbench_constraints():
    yield Offer("drift", lambda: Constraint(critic=lambda play: WEIGHT * play.scores_real.mean()), "Drift.")
"""


def code(file: Path | PluginFile) -> str:
    return load(files=[file], installed=False).code("constraints", "drift")


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path of Python whose modules are imported by nobody yet."""
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("helper_")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    "imports",
    [
        "from helper_numbers import WEIGHT",
        "import helper_numbers\nWEIGHT = helper_numbers.WEIGHT",
        "from helper_chain import WEIGHT",
        "from helper_package.inner import WEIGHT",
        "def late():\n    import helper_numbers\nWEIGHT = 1.0",
    ],
)
def test_a_module_beside_a_plugin_file_counts(imports: str, beside: Path) -> None:
    (beside / "helper_numbers.py").write_text("WEIGHT = 1.0\n")
    (beside / "helper_chain.py").write_text("from helper_numbers import WEIGHT\n")
    (beside / "helper_package").mkdir()
    (beside / "helper_package" / "__init__.py").write_text("")
    (beside / "helper_package" / "inner.py").write_text("from helper_numbers import WEIGHT\n")
    plugin = beside / "plugin.py"
    plugin.write_text(PLUGIN.format(imports=imports))
    before = code(plugin)
    (beside / "helper_numbers.py").write_text("WEIGHT = 1.0  # one\n")
    assert code(plugin) == before
    (beside / "helper_numbers.py").write_text("WEIGHT = 1000.0\n")
    assert code(plugin) != before


def test_installed_packages_and_python_are_not_local(beside: Path) -> None:
    for name in ("json", "numpy", "scipy.stats", "torch"):
        file = find_module_file(name)
        assert file is not None
        assert not is_local(file)
    (beside / "helper_numbers.py").write_text("")
    file = find_module_file("helper_numbers")
    assert file is not None
    assert is_local(file)
    assert find_module_file("sys") is None
    assert find_module_file("no_such_module_anywhere") is None
    assert find_module_file("numpy.no_such_module") is None


def test_libraries_that_are_borrowed_from_another_environment_are_not_local(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path file, a system's Python or a link to a cache; else a plugin's hash would be that of all of SciPy."""
    folder = tmp_path / "other" / "lib" / "site-packages"
    folder.mkdir(parents=True)
    (tmp_path / "cache.py").write_text("NUMBER = 1\n")
    (folder / "borrowed_library.py").symlink_to(tmp_path / "cache.py")
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    plugin = tmp_path / "plugin.py"
    plugin.write_text(PLUGIN.format(imports="from borrowed_library import NUMBER as WEIGHT"))
    before = code(plugin)
    (tmp_path / "cache.py").write_text("NUMBER = 2\n")
    assert code(plugin) == before
    del sys.modules["borrowed_library"]


def write_module(folder: Path, name: str, text: str) -> ModuleType:
    """Write a module and import it."""
    (folder / f"{name}.py").write_text(text)
    importlib.invalidate_caches()
    return importlib.import_module(name)


@pytest.mark.parametrize(
    "edited",
    [
        "WEIGHT = 2.0\ndef penalty(x):\n    return WEIGHT * x\n",
        "WEIGHT = 1.0\ndef penalty(x):\n    return WEIGHT * x ** 2\n",
        "WEIGHT = 1.0\ndef other(x):\n    return WEIGHT * x\n",
    ],
)
def test_a_process_that_holds_the_old_code_has_neither_the_old_hash_nor_that_of_a_new_process(
    edited: str, beside: Path
) -> None:
    """A notebook that imported a module before it was edited trains with the old code."""
    module = write_module(beside, "helper_loss", "WEIGHT = 1.0\ndef penalty(x):\n    return WEIGHT * x\n")
    penalty = module.penalty
    before = hash_code([penalty])
    (beside / "helper_loss.py").write_text(edited)
    stale = hash_code([penalty])
    assert stale == hash_code([penalty])
    del sys.modules["helper_loss"]
    fresh = write_module(beside, "helper_loss", edited)
    now = hash_code([getattr(fresh, "penalty", None) or fresh.other])
    assert len({before, stale, now}) == 3


def test_comments_and_docstrings_in_memory_do_not_count(beside: Path) -> None:
    text = '''
import functools

LIMIT = 3
COUNT = 0
COUNT += 1

def decorate(f):
    @functools.wraps(f)
    def inner(x):
        """Return it."""
        return f(x)
    return inner

class Penalty:
    """What it is."""

    @property
    def weight(self):
        """Return the weight."""
        return 1.0

    @staticmethod
    def twice(x):
        return 2 * x

@decorate
def penalty(x):
    """Return the penalty."""
    return Penalty.twice(x)
'''
    module = write_module(beside, "helper_loss", text)
    before = hash_code([module.penalty])
    (beside / "helper_loss.py").write_text(text.replace("Return", "Compute") + "\n# the end\n")
    assert hash_code([module.penalty]) == before


def test_a_plugin_file_is_imported_from_the_text_that_was_read(tmp_path: Path) -> None:
    """A worker gets this text; a file of the same size and second of change would be taken from Python's cache."""
    file = tmp_path / "plugin.py"
    file.write_text(PLUGIN.format(imports="WEIGHT = 1.0"))
    time = file.stat().st_mtime_ns
    registry = load(files=[file], installed=False)
    (first,) = registry.files
    file.write_text(PLUGIN.format(imports="WEIGHT = 2.0"))
    os.utime(file, ns=(time, time))
    changed = code(file)
    assert code(first) == registry.code("constraints", "drift") != changed
    file.unlink()
    assert code(first) == registry.code("constraints", "drift")
