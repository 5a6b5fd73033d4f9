"""No module unpickles or executes what it reads; the few exceptions are listed in `EXCEPTIONS`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ganbench.report.shown import MOST_MEASUREMENTS, MOST_VALUES
from ganbench.results import files, guard, series
from ganbench.results.integrity import MOST
from ganbench.runner import rebuild

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
    "multiprocessing",
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
EXCEPTIONS = {
    # its own batches, between its own processes
    "plugins/ganbench_plugins/executors/pool.py": {"pickle", "multiprocessing"},
    # the same, at the other end of the pipe
    "plugins/ganbench_plugins/executors/process.py": {"pickle", "multiprocessing"},
    # the same batches and their records, between its own processes on the nodes of a cluster of the user
    "plugins/ganbench_plugins/executors/ray_bridge.py": {"multiprocessing"},
    "plugins/ganbench_plugins/executors/ray_cluster.py": {"pickle", "multiprocessing"},
    "plugins/ganbench_plugins/executors/ray_node.py": {"pickle"},
    # an unpickler that makes arrays and plain values only, of files that the user names
    "plugins/ganbench_plugins/datasets/imagenet32.py": {"pickle"},
    "ganbench/runner/apart.py": {"multiprocessing"},  # reports of its own process, over a pipe of the two
    # the command of multiprocessing's own fork server, made in this process, which no data is part of
    "ganbench/runner/template.py": {"multiprocessing", "exec"},
    "ganbench/engine/replay.py": {"exec"},  # a program generated from its own recorded tensor operations
    "ganbench/registry/plugin_files.py": {"exec_module"},  # --plugin FILE: plugins are code, which the user names
    "ganbench/registry/code_hash.py": {"compile"},  # compared with the code in memory, and never run
}


def find_dangers(source: str) -> Iterator[str]:
    """Yield the names that a source imports or calls and that could execute data."""
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    harmless = {call.func for call in calls if any(map(is_false, call.keywords))}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots = [alias.name.partition(".")[0] for alias in node.names]
            yield from (root for root in roots if root in MODULES_THAT_UNPICKLE)
        elif isinstance(node, ast.ImportFrom):
            root = (node.module or "").partition(".")[0]
            yield from [root] if root in MODULES_THAT_UNPICKLE else []
            yield from (name for alias in node.names if (name := f"{node.module}.{alias.name}") in METHODS)
        elif isinstance(node, ast.Name) and node.id in CALLS:
            yield node.id
        elif isinstance(node, ast.Attribute) and node not in harmless:
            name = ast.unparse(node)
            if name in METHODS or (name.startswith("builtins.") and node.attr in CALLS):
                yield name
            elif node.attr in {"exec_module", "read_pickle"}:
                yield node.attr
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle" and not is_false(node):
            yield "allow_pickle"


def is_false(keyword: ast.keyword) -> bool:
    """Return whether a keyword is allow_pickle=False, which numpy's `load` refuses objects with."""
    return keyword.arg == "allow_pickle" and isinstance(keyword.value, ast.Constant) and keyword.value.value is False


def test_no_module_executes_or_unpickles_what_it_reads() -> None:
    dangers = {path.relative_to(ROOT).as_posix(): set(find_dangers(path.read_text())) for path in MODULES}
    assert dangers.keys() >= EXCEPTIONS.keys()
    offenders = [
        f"{name}: has {sorted(names)}, allowed are {sorted(EXCEPTIONS.get(name, ()))}"
        for name, names in dangers.items()
        if names != EXCEPTIONS.get(name, set())
    ]
    assert not offenders, "\n".join(offenders)


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
        "np.load(file, allow_pickle=allowed)",
        "np.load(file)",
        "import builtins\nbuiltins.exec('x')",
        "run = exec",
    ],
)
def test_a_dangerous_import_or_call_is_found(source: str) -> None:
    assert list(find_dangers(source))


def test_a_harmless_method_named_like_a_dangerous_function_is_not_found() -> None:
    assert not list(find_dangers("network.eval()\nre.compile('x')\ntorch.compile(f)\nmodel.load(x)"))
    assert not list(find_dangers("np.load(file, allow_pickle=False)"))


def test_every_promise_of_security_names_a_test_that_exists() -> None:
    rows = [line for line in (ROOT / "SECURITY.md").read_text().splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 10
    for row in rows:
        tests = re.findall(r"`(tests/[a-z_/]+\.py)`", row.rsplit("|", 2)[1])
        assert tests, row
        assert all("def test_" in (ROOT / test).read_text() for test in tests), row


def test_the_bounds_that_security_names_are_those_of_the_code() -> None:
    text = " ".join((ROOT / "SECURITY.md").read_text().split())
    for part in (
        f"cells of more than {guard.LONGEST_CELL >> 20} MiB",
        f"takes more than {guard.SECONDS:g} seconds",
        f"at most {files.LARGEST_NETWORK >> 30} GiB, with a header of at most {rebuild.LONGEST_HEADER >> 20} MiB",
        f"at most {MOST['trial']:,} trials, {MOST['method']:,} methods and {MOST['dataset']:,} datasets",
        f"{series.MOST_STEPS:,} steps in a signal and points in a profile",
        f"at most {MOST_VALUES} values of metrics and {MOST_MEASUREMENTS} measurements",
    ):
        assert part in text, part
