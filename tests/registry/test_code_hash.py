from __future__ import annotations

import hashlib
import os
import sys
import textwrap
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ganbench.registry.code_hash import hash_code
from ganbench.registry.source_text import find_source_file, normalise_source, unwrap_definition

WRITTEN = '''\
# -*- coding: utf-8 -*-
"""What the module is for."""
from torch import (  # a comment
    nn,
    Tensor,
)


@decorated
def penalty(x: Tensor, *, target: float = 1.0) -> Tensor:
    """Return what it returns.

    In detail.
    """
    norm = x.flatten(1) \\
        .norm()

    # why
    if target:
        name = f"ä{x!r:>{target}} {'{'}" f'{norm}' "grün"
        return (norm
            - target) ** 2
    else:
        'a string that serves as a comment'
        f"{effect()}"
        b"bytes"
    text = """two
  lines  # no comment
"""
    return f"""{norm
    }""", -1_0.5e3, x @ 0xFF, lambda: ...
'''

NORMALISED = """\
from torch import ( nn , Tensor , )
@ decorated
def penalty ( x : Tensor , * , target : float = 1.0 ) -> Tensor :
\tnorm = x . flatten ( 1 ) . norm ( )
\tif target :
\t\tname = f"ä{x!r:>{target}} {'{'}" f'{norm}' "grün"
\t\treturn ( norm - target ) ** 2
\telse :
\t\tf"{effect()}"
\t\tb"bytes"
\ttext = \"\"\"two
  lines  # no comment
\"\"\"
\treturn f\"\"\"{norm
    }\"\"\" , - 1_0.5e3 , x @ 0xFF , lambda : ..."""


def test_a_normalised_source_has_the_logical_lines_and_their_depth() -> None:
    assert normalise_source(WRITTEN) == NORMALISED


def test_the_normalised_form_has_one_hash_on_every_python() -> None:
    """The hash of NORMALISED, checked by hand on Python 3.11, 3.12 and 3.13."""
    golden = "e5255906f47b591189c281b697dc3b4c352cf0372d989a329853452a140af862"
    assert hashlib.sha256(normalise_source(WRITTEN).encode()).hexdigest() == golden


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    return g(x, 1)  # why\n",
        "def f(x):\n\n\n    # why\n    return g(x, 1)\n\n",
        'def f(x):\n    """Say what."""\n    return g(x, 1)\n',
        '"""Say what."""\n\ndef f(x):\n    return g(x, 1)\n',
        "def f(x):\n  return g(x,1)\n",
        "def f( x ):\n\treturn g( x , 1 )",
        "def f(x):\r\n    return g(x, 1)\r\n",
        "\ufeffdef f(x):\n    return g(x, 1)\n",
        "def f(\n    x\n):\n    return g(\n        x,\n        1\n    )\n",
        "def f(x):\n    return \\\n        g(x, 1)\n",
    ],
)
def test_comments_docstrings_layout_and_line_breaks_do_not_count(source: str) -> None:
    assert normalise_source(source) == normalise_source("def f(x):\n    return g(x, 1)\n")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("x = 1\n", "x = 2\n"),
        ("x = 'a b'\n", "x = 'a  b'\n"),
        ("x = f'{a}'\n", "x = f'{b}'\n"),
        ("x = f'{a} b'\n", "x = f'{a}  b'\n"),
        ("if a:\n    b\n    c\n", "if a:\n    b\nc\n"),
        ("if a:\n    if b:\n        c\n    else:\n        d\n", "if a:\n    if b:\n        c\nelse:\n    d\n"),
        ("a\nb\n", "a, b\n"),
        ("def f():\n    f'{a}'\n", "def f():\n    pass\n"),
        ("x = 'a'\n", "x = 'a' 'b'\n"),
        ("x = '''\n# a\n'''\n", "x = '''\n'''\n"),
    ],
)
def test_a_change_of_the_program_changes_its_normalised_source(first: str, second: str) -> None:
    assert normalise_source(first) != normalise_source(second)


def import_package(folder: Path, name: str, files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Write a package, and import its module `main` anew."""
    for file, text in files.items():
        (folder / name / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / name / file).write_text(text)
    for module in [imported for imported in sys.modules if imported.partition(".")[0] == name]:
        del sys.modules[module]
    monkeypatch.syspath_prepend(str(folder))
    return import_module(f"{name}.main")


FILES = {
    "__init__.py": "",
    "main.py": "from .near import one\n\ndef build():\n    from acme.deep import far\n    return far, one\n",
    "near.py": "from . import nearer\none = 1\n",
    "nearer.py": "two = 2\n",
    "deep/__init__.py": "",
    "deep/far.py": "from ..deep import farther\nfar = 3\n",
    "deep/farther.py": "four = 4\n",
    "unrelated.py": "five = 5\n",
}


def rewrite(path: Path, text: str) -> None:
    """Write a new text into a file, with a later mtime than before."""
    later = path.stat().st_mtime_ns + 1_000_000_000
    path.write_text(text)
    os.utime(path, ns=(later, later))


@pytest.mark.parametrize(
    "file", ["main.py", "near.py", "nearer.py", "deep/__init__.py", "deep/far.py", "deep/farther.py"]
)
def test_a_change_in_any_imported_module_counts(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = import_package(tmp_path, "acme", FILES, monkeypatch).build
    before = hash_code([build])
    rewrite(tmp_path / "acme" / file, (tmp_path / "acme" / file).read_text() + "\n# a comment\n")
    assert hash_code([build]) == before
    rewrite(tmp_path / "acme" / file, (tmp_path / "acme" / file).read_text() + "\nchanged = True\n")
    assert hash_code([build]) != before


def test_a_module_that_is_not_imported_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = import_package(tmp_path, "acme", FILES, monkeypatch).build
    before = hash_code([build])
    rewrite(tmp_path / "acme" / "unrelated.py", "five = 6\n")
    assert hash_code([build]) == before


def test_the_path_of_a_package_does_not_count(tmp_path: Path) -> None:
    hashes = set()
    for place in ("here", "there"):
        with pytest.MonkeyPatch.context() as monkeypatch:
            hashes.add(hash_code([import_package(tmp_path / place, "acme", FILES, monkeypatch).build]))
    assert len(hashes) == 1


def run_cell(text: str) -> dict[str, Any]:
    """Run code that has no file, like the cell of a notebook; return its names."""
    cell: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(textwrap.dedent(text), "<cell>", "exec"), cell)
    return cell


def test_a_function_of_a_notebook_counts_with_everything_that_it_refers_to() -> None:
    cell = """
        WEIGHT = {weight}
        def square(x):
            return x ** {power}
        def critic(real, fake):
            return [WEIGHT * square(x) for x in real]
        def build():
            return critic
        def another():
            return {other}
    """
    hashes = [
        hash_code([run_cell(cell.format(weight=weight, power=power, other=other))["build"]])
        for weight, power, other in [(1, 2, 0), (1, 2, 9), (3, 2, 0), (1, 3, 0)]
    ]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_the_closure_of_a_function_of_a_notebook_counts() -> None:
    cell = """
        def make(power):
            def build():
                return power
            return build
        one, two = make(1), make(2)
    """
    names = run_cell(cell)
    assert hash_code([names["one"]]) != hash_code([names["two"]])


def test_the_definition_behind_partials_is_found() -> None:
    assert unwrap_definition(partial(partial(find_source_file, 1), 2)) is find_source_file
    assert find_source_file(partial(hash_code, [])) == Path(hash_code.__code__.co_filename)
    assert find_source_file(len) is None


def test_the_code_of_ganbench_itself_is_not_hashed() -> None:
    """ENGINE_NUMERICS represents it."""
    assert hash_code([hash_code]) == hash_code([])
