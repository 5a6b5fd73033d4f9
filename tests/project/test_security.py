"""No module unpickles or executes what it reads; the one exception is named."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = [*sorted((ROOT / "ganbench").rglob("*.py")), *sorted((ROOT / "plugins").rglob("*.py"))]

CALLS = {"eval", "exec", "compile", "__import__", "execfile"}
MODULES_THAT_UNPICKLE = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "jsonpickle",
}
METHODS = {
    "torch.load",
    "torch.jit.load",
    "torch.package.PackageImporter",
    "numpy.load",
    "np.load",
    "pd.read_pickle",
    "pandas.read_pickle",
    "os.system",
    "os.popen",
    "yaml.load",
    "yaml.unsafe_load",
}
EXCEPT = {
    "plugins/ganbench_plugins/executors/local.py": {"pickle"},  # its own batches, between its own processes
    "plugins/ganbench_plugins/executors/process.py": {"pickle"},  # the same, at the other end
    "ganbench/engine/replay.py": {"exec"},  # a program of its own recorded tensor operations; no text of anybody's
    "ganbench/registry/registry.py": {"exec_module"},  # --plugin FILE: plugins are code, and asked for by name
}


def dangers(source: str) -> Iterator[str]:
    """Give what a source imports or calls that could execute data."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (root for each in node.names if (root := each.name.partition(".")[0]) in MODULES_THAT_UNPICKLE)
        elif isinstance(node, ast.ImportFrom):
            root = (node.module or "").partition(".")[0]
            yield from [root] if root in MODULES_THAT_UNPICKLE else []
            yield from (name for each in node.names if (name := f"{node.module}.{each.name}") in METHODS)
        elif isinstance(node, ast.Name) and node.id in CALLS:
            yield node.id
        elif isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            if name in METHODS or (name.startswith("builtins.") and node.attr in CALLS):
                yield name
            elif node.attr in {"exec_module", "read_pickle"}:
                yield node.attr
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            yield "allow_pickle"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_executes_or_unpickles_what_it_reads(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    assert set(dangers(path.read_text())) == EXCEPT.get(name, set())


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "def f():\n    import dill.source",
        "x = eval('1')",
        "import torch\ntorch.load('x')",
        "from torch import load",
        "from numpy import load",
        "f(allow_pickle=True)",
        "import builtins\nbuiltins.exec('x')",
        "run = exec",
    ],
)
def test_the_test_sees_what_it_should_see(source: str) -> None:
    assert list(dangers(source))


def test_a_method_that_is_called_eval_is_none() -> None:
    assert not list(dangers("network.eval()\nre.compile('x')\ntorch.compile(f)\nmodel.load(x)"))
