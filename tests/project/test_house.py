"""The law of the house: imports look down, the core names no plugin, the core is light without torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.floors import FLOORS

ROOT = Path(__file__).parents[2]
CORE = ROOT / "ganbench"
PLUGINS = ROOT / "plugins" / "ganbench_plugins"

DOOR = "ganbench"
SIBLINGS = {"ganbench_plugins.executors.process"}
"""Modules of our own plugins without a hook, that their neighbours import."""
TORCH_AT_IMPORT = {"engine", "evaluation", "testing"}
TORCH_WHEN_CALLED = {"ganbench.engine.numerics", "ganbench.evaluation.outcomes", "ganbench.evaluation.success"}
TORCH_WHEN_CALLED |= {"ganbench.evaluation.trivial_thresholds"}
"""Modules of packages with torch that reading results needs, and that import none."""
HEAVY = {"torchvision", "torch_fidelity", "sklearn", "ot", "scipy", "pandas", "matplotlib", "pebble"}
LINES_OF_A_FILE, LINES_OF_A_FUNCTION = 320, 60
COINCIDENCES = {("api", "linear"), ("suite", "linear")}  # a schedule's shape is an architecture's name too


class Import(NamedTuple):
    """One imported module: where, what, and whether it is imported together with the importing module."""

    where: str
    module: str
    at_once: bool


def sources(folder: Path) -> list[Path]:
    """Give the Python files below a folder."""
    return sorted(folder.rglob("*.py"))


def tree(path: Path) -> ast.Module:
    """Give a file's syntax tree."""
    return ast.parse(path.read_text(), str(path))


def place(path: Path, node: ast.AST | None = None) -> str:
    """Give a path, and a line, as an editor can open it."""
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def dotted(path: Path) -> str:
    """Give the module's name of a file of the core."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room(module: str) -> str:
    """Give the part of the core that a module stands in: `ganbench.engine.step` in `engine`."""
    return module.split(".")[1] if "." in module else DOOR


def for_types_only(node: ast.AST) -> bool:
    """Say whether this is an `if TYPE_CHECKING:`."""
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(path: Path) -> Iterator[Import]:
    """Yield what a file imports: in functions, and for types alone, too."""
    todo: list[tuple[ast.AST, bool]] = [(tree(path), True)]
    while todo:
        node, at_once = todo.pop()
        if isinstance(node, ast.Import):
            yield from (Import(place(path, node), alias.name, at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{place(path, node)}: imports name the whole way"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                file = ROOT / inner.replace(".", "/")
                known = file.with_suffix(".py").exists() or (file / "__init__.py").exists()
                yield Import(place(path, node), inner if known else str(node.module), at_once)
        inside = at_once and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not for_types_only(node)
        todo += [(child, inside) for child in ast.iter_child_nodes(node)]


def core_imports() -> Iterator[tuple[str, Import]]:
    """Give the core's imports of itself, with the importing module."""
    for path in sources(CORE):
        yield from ((dotted(path), item) for item in imports(path) if item.module.split(".")[0] == DOOR)


def offered_names() -> set[str]:
    """Give the names of all offers of our own plugins."""
    modules = [import_module(entry.value) for entry in distribution("ganbench").entry_points if entry.group == DOOR]
    hooks = [hook for module in modules for name, hook in vars(module).items() if name.startswith("ganbench_")]
    return {offer.name for hook in hooks for offer in hook()}


def literals(path: Path) -> Iterator[ast.Constant]:
    """Give the string literals of a file, but for docstrings and the declared `DEFAULTS`."""
    quiet: set[ast.AST] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Expr) or (path.name == "suite.py" and assigns(node, "DEFAULTS")):
            quiet.update(ast.walk(node))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in quiet:
            yield node


def assigns(node: ast.AST, name: str) -> bool:
    """Say whether a statement gives a value to this name."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def test_every_package_of_the_core_has_a_floor() -> None:
    rooms = {room(dotted(path)) for path in sources(CORE)} - {DOOR}
    assert rooms == FLOORS.keys(), "tests/support/floors.py has a line for each package, and for nothing else"


def test_imports_between_packages_go_down_never_sideways_or_up() -> None:
    wrong = [
        f"{item.where}: {room(module)} imports {item.module}"
        for module, item in core_imports()
        if room(module) not in (DOOR, room(item.module)) and FLOORS[room(module)] <= FLOORS.get(room(item.module), 99)
    ]
    assert not wrong, "\n".join(wrong)


def test_imports_of_modules_make_no_circle_types_included() -> None:
    graph: dict[str, set[str]] = {}
    for module, item in core_imports():
        if module != DOOR:
            graph.setdefault(module, set()).add(item.module)
    TopologicalSorter(graph).prepare()


def test_nobody_but_the_cli_imports_the_contract_tests() -> None:
    wrong = [
        item.where
        for module, item in core_imports()
        if room(item.module) == "testing" and room(module) not in ("cli", "testing")
    ]
    assert not wrong, wrong


def test_the_core_names_no_plugin_module() -> None:
    wrong = [place(path) for path in sources(CORE) if "ganbench_plugins" in path.read_text()]
    assert not wrong, wrong


def test_the_core_names_no_offer_but_its_declared_defaults() -> None:
    names = offered_names()
    assert names
    wrong = [
        f"{place(path, node)}: {node.value!r}"
        for path in sources(CORE)
        if room(dotted(path)) != "testing"
        for node in literals(path)
        if node.value in names and (room(dotted(path)), node.value) not in COINCIDENCES
    ]
    assert not wrong, "\n".join(wrong)


def test_a_plugin_imports_the_door_and_libraries_only() -> None:
    wrong = [
        f"{item.where}: {item.module}"
        for path in sources(PLUGINS)
        for item in imports(path)
        if item.module.startswith(("ganbench.", "ganbench_plugins"))
        and item.module not in SIBLINGS
    ]
    assert not wrong, "\n".join(wrong)


def test_a_plugin_imports_heavy_libraries_only_when_it_builds() -> None:
    wrong = [
        f"{item.where}: {item.module}"
        for path in sources(PLUGINS)
        for item in imports(path)
        if item.at_once and item.module.split(".")[0] in HEAVY
    ]
    assert not wrong, "\n".join(wrong)


def test_every_plugin_file_is_an_entry_point_named_by_its_path_and_has_one_hook() -> None:
    declared = {entry.name: entry.value for entry in distribution("ganbench").entry_points if entry.group == DOOR}
    files = {}
    for path in sources(PLUGINS):
        hooks = [node for node in tree(path).body if isinstance(node, ast.FunctionDef) and node.decorator_list]
        if hooked := [hook for hook in hooks if "hookimpl" in map(ast.unparse, hook.decorator_list)]:
            assert len(hooked) == 1, f"{place(path, hooked[-1])}: a second hook"
            name = ".".join(path.relative_to(PLUGINS).with_suffix("").parts)
            files[name] = f"ganbench_plugins.{name}"
    assert declared == files


def test_torch_is_imported_at_once_only_where_tensors_are() -> None:
    wrong = [
        item.where
        for path in sources(CORE)
        if room(dotted(path)) not in TORCH_AT_IMPORT or dotted(path) in TORCH_WHEN_CALLED
        for item in imports(path)
        if item.at_once and item.module.split(".")[0] == "torch"
    ]
    assert not wrong, wrong


@pytest.mark.parametrize("module", ["", ".api.trials", ".results.store", ".statistics.sensitivity", ".report.tables", ".report.figures", ".cli"])
def test_what_needs_no_tensor_imports_no_torch(module: str) -> None:
    code = f"import sys, {DOOR}{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_only_the_engine_knows_the_seed_axis() -> None:
    wrong = [
        place(path, node)
        for path in [*sources(CORE), *sources(PLUGINS)]
        if "ganbench/engine" not in path.as_posix() and "ganbench/testing" not in path.as_posix()
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Name) and node.id == "vmap")
        or (isinstance(node, ast.Attribute) and node.attr == "vmap")
    ]
    assert not wrong, wrong


def test_only_the_cli_prints() -> None:
    wrong = [
        place(path, node)
        for path in [*sources(CORE), *sources(PLUGINS)]
        if path.parent != CORE / "cli"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not wrong, wrong


def test_files_and_functions_fit_in_the_eye() -> None:
    wrong = []
    for path in [file for folder in (CORE, PLUGINS, ROOT / "docs", ROOT / "tests") for file in sources(folder)]:
        if (lines := len(path.read_text().splitlines())) > LINES_OF_A_FILE:
            wrong.append(f"{place(path)}: {lines} lines")
        for node in ast.walk(tree(path)):
            if (
                isinstance(node, ast.FunctionDef)
                and (length := node.end_lineno - node.lineno + 1) > LINES_OF_A_FUNCTION
            ):
                wrong.append(f"{place(path, node)}: {node.name} has {length} lines")
    assert not wrong, "\n".join(wrong)


def test_no_module_is_a_junk_room() -> None:
    junk = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
    wrong = [place(path) for path in [*sources(CORE), *sources(PLUGINS)] if path.stem in junk]
    assert not wrong, wrong
