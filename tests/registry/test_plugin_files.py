"""A plugin file brings the local modules that it imports to a machine that lacks them, with the same hash."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from ganbench import GanbenchError
from ganbench.registry.plugin_files import PluginFile, read_plugin_file

PLUGIN = """
from near import penalty
from ganbench import Constraint, Offer, hookimpl

@hookimpl
def ganbench_constraints():
    yield Offer("wander", lambda: Constraint(critic=penalty), "Drift.")
"""
READ = """
import pickle, sys
from pathlib import Path
from ganbench.registry import load
from ganbench.registry.plugin_files import read_plugin_file

file = read_plugin_file(Path("mine.py").resolve())
Path("file.pickle").write_bytes(pickle.dumps(file))
print(load(files=[file]).code("constraints", "wander"))
"""
LOAD = """
import pickle, sys
from dataclasses import replace
from ganbench.registry import load

file = replace(pickle.load(open(sys.argv[1], "rb")), path="/nowhere/mine.py")
print(load(files=[file]).code("constraints", "wander"))
"""


def call(script: str, folder: Path, *words: str) -> str:
    """Run a script in a folder, whose modules it finds; return what it prints."""
    paths = [path for path in sys.path if path]
    environment = {"PYTHONPATH": ":".join([str(folder), *paths]), "HOME": str(folder)}
    command = [sys.executable, "-c", script, *words]
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100)
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_a_machine_without_the_files_loads_the_plugin_with_the_hash_of_the_plan(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here / "kit" / "parts", there):
        folder.mkdir(parents=True)
    (here / "mine.py").write_text(PLUGIN)
    (here / "near.py").write_text(
        "from kit.parts.numbers import W\n\ndef penalty(play):\n    return W * play.scores_real.mean()\n"
    )
    for package in (here / "kit", here / "kit" / "parts"):
        (package / "__init__.py").touch()
    (here / "kit" / "parts" / "numbers.py").write_text("W = 2.0\n")
    planned = call(READ, here)
    file = pickle.loads((here / "file.pickle").read_bytes())
    assert [place for place, _ in file.modules] == [
        "kit/__init__.py",
        "kit/parts/__init__.py",
        "kit/parts/numbers.py",
        "near.py",
    ]
    assert call(LOAD, there, str(here / "file.pickle")) == planned
    (there / "near.py").write_text("def penalty(play):\n    return 0.0 * play.scores_real.mean()\n")
    assert call(LOAD, there, str(here / "file.pickle")) != planned, "what a machine has itself is what it trains with"


def test_a_file_that_is_not_python_is_read_and_its_import_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def (:\n")
    assert read_plugin_file(tmp_path / "bad.py") == PluginFile(str(tmp_path / "bad.py"), b"def (:\n")
    with pytest.raises(GanbenchError, match="no such plugin file"):
        read_plugin_file(tmp_path / "absent.py")
