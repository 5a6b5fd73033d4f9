"""Rules for the whole source: imports go down, the core names no plugin, and most of the core needs no torch."""

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

PUBLIC = "ganbench"
SHARED_MODULES = {
    f"ganbench_plugins.{name}"
    for name in (
        *("laws", "law_densities", "law_divergences", "game_field"),
        "executors.pool",
        "executors.process",
        "executors.ray_bridge",
        "executors.ray_node",
        "executors.tasks",
        "architectures.mlp",
        "architectures.convolutions",
        "architectures.parts",
        "architectures.part_names",
        "architectures.reconstructing",
        "losses.energy_based",
        "architectures.conditioning",
        *(f"datasets.{name}" for name in ("image_files", "drawing", "idx", "labelled_images", "mnist_family")),
        *(f"datasets.{name}" for name in ("small_classifier", "digits", "mnist_5k")),
        *(f"datasets.{name}" for name in ("curves", "known_laws", "mixtures")),
    )
}
"""Modules of our own plugins that other plugin modules may import; stacked digits are made of two other sets, and
the known generator holds samples of a toy."""
TORCH_AT_IMPORT = {"engine", "evaluation", "testing"}
TORCH_WHEN_CALLED = {"ganbench.engine.numerics", "ganbench.evaluation.outcomes", "ganbench.evaluation.success"}
TORCH_WHEN_CALLED |= {"ganbench.evaluation.trivial_thresholds"}
"""Modules that reading results needs. They import torch only in functions, although their package imports it."""
HEAVY = {"torchvision", "torch_fidelity", "sklearn", "ot", "scipy", "pandas", "matplotlib"}
LINES_OF_A_FILE, LINES_OF_A_FUNCTION = 320, 60
COINCIDENCES = {("api", "linear"), ("suite", "linear")}  # a shape of schedules, and an architecture
COMMON_WORDS = {"array", "folder"}
"""Names of datasets that are words for other things too: of JSON, of types, of results."""


class Import(NamedTuple):
    """One import: its file and line, the imported module, and whether importing the file imports it at once."""

    where: str
    module: str
    at_once: bool


def list_sources(folder: Path) -> list[Path]:
    """Return the Python files in a folder and its subfolders."""
    return sorted(folder.rglob("*.py"))


def parse_file(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(), str(path))


def format_place(path: Path, node: ast.AST | None = None) -> str:
    """Return a path and a line in the form that editors open."""
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def module_name(path: Path) -> str:
    """Return the module name of a file of the core."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def package_of(module: str) -> str:
    """Return the package of the core that contains a module: `engine` for `ganbench.engine.step`."""
    return module.split(".")[1] if "." in module else PUBLIC


def is_for_types_only(node: ast.AST) -> bool:
    """Return whether a statement is an `if TYPE_CHECKING:`."""
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def list_imports(path: Path) -> Iterator[Import]:
    """Yield the imports of a file, including those in functions and those for types only."""
    todo: list[tuple[ast.AST, bool]] = [(parse_file(path), True)]
    while todo:
        node, at_once = todo.pop()
        if isinstance(node, ast.Import):
            yield from (Import(format_place(path, node), alias.name, at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{format_place(path, node)}: write the absolute name of the module"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                file = ROOT / inner.replace(".", "/")
                is_module = file.with_suffix(".py").exists() or (file / "__init__.py").exists()
                yield Import(format_place(path, node), inner if is_module else str(node.module), at_once)
        inside = (
            at_once and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not is_for_types_only(node)
        )
        todo += [(child, inside) for child in ast.iter_child_nodes(node)]


def list_core_imports() -> Iterator[tuple[str, Import]]:
    """Yield the imports of the core from the core, each with the importing module."""
    for path in list_sources(CORE):
        yield from ((module_name(path), item) for item in list_imports(path) if item.module.split(".")[0] == PUBLIC)


def list_offer_names() -> set[str]:
    """Return the names of all offers of our own plugins."""
    modules = [import_module(entry.value) for entry in distribution("ganbench").entry_points if entry.group == PUBLIC]
    hooks = [hook for module in modules for name, hook in vars(module).items() if name.startswith("ganbench_")]
    return {offer.name for hook in hooks for offer in hook()}


def find_literals(path: Path) -> Iterator[ast.Constant]:
    """Yield the string literals of a file, except docstrings and the declared `DEFAULTS`."""
    exempt: set[ast.AST] = set()
    for node in ast.walk(parse_file(path)):
        if isinstance(node, ast.Expr) or (path.name == "tables.py" and is_assignment_to(node, "DEFAULTS")):
            exempt.update(ast.walk(node))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in exempt:
            yield node


def is_assignment_to(node: ast.AST, name: str) -> bool:
    """Return whether a statement assigns to a name."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def test_every_package_of_the_core_has_a_floor() -> None:
    packages = {package_of(module_name(path)) for path in list_sources(CORE)} - {PUBLIC}
    assert packages == FLOORS.keys(), "tests/support/floors.py needs one line for each package, and no other line"


def test_imports_between_packages_go_down_never_sideways_or_up() -> None:
    offenders = [
        f"{item.where}: {package_of(module)} imports {item.module}"
        for module, item in list_core_imports()
        if package_of(module) not in (PUBLIC, package_of(item.module))
        and FLOORS[package_of(module)] <= FLOORS.get(package_of(item.module), 99)
    ]
    assert not offenders, "\n".join(offenders)


def test_imports_between_modules_make_no_circle_even_for_types() -> None:
    graph: dict[str, set[str]] = {}
    for module, item in list_core_imports():
        if module != PUBLIC:
            graph.setdefault(module, set()).add(item.module)
    TopologicalSorter(graph).prepare()


def test_only_the_runner_and_the_cli_import_the_contracts() -> None:
    offenders = [
        item.where
        for module, item in list_core_imports()
        if package_of(item.module) == "testing" and package_of(module) not in ("cli", "runner", "testing")
    ]
    assert not offenders, offenders


def test_the_core_names_no_plugin_module() -> None:
    offenders = [format_place(path) for path in list_sources(CORE) if "ganbench_plugins" in path.read_text()]
    assert not offenders, offenders


def test_the_core_names_no_offer_except_its_declared_defaults() -> None:
    names = list_offer_names() - COMMON_WORDS
    assert names
    offenders = [
        f"{format_place(path, node)}: {node.value!r}"
        for path in list_sources(CORE)
        if package_of(module_name(path)) != "testing"
        for node in find_literals(path)
        if node.value in names and (package_of(module_name(path)), node.value) not in COINCIDENCES
    ]
    assert not offenders, "\n".join(offenders)


def test_a_plugin_imports_only_the_public_package_and_libraries() -> None:
    offenders = [
        f"{item.where}: {item.module}"
        for path in list_sources(PLUGINS)
        for item in list_imports(path)
        if item.module.startswith(("ganbench.", "ganbench_plugins")) and item.module not in SHARED_MODULES
    ]
    assert not offenders, "\n".join(offenders)


def test_a_plugin_imports_heavy_libraries_only_in_functions() -> None:
    offenders = [
        f"{item.where}: {item.module}"
        for path in list_sources(PLUGINS)
        for item in list_imports(path)
        if item.at_once and item.module.split(".")[0] in HEAVY
    ]
    assert not offenders, "\n".join(offenders)


def test_every_plugin_file_is_an_entry_point_named_by_its_path_and_has_one_hook() -> None:
    declared = {entry.name: entry.value for entry in distribution("ganbench").entry_points if entry.group == PUBLIC}
    files = {}
    for path in list_sources(PLUGINS):
        hooks = [node for node in parse_file(path).body if isinstance(node, ast.FunctionDef) and node.decorator_list]
        if hooked := [hook for hook in hooks if "hookimpl" in map(ast.unparse, hook.decorator_list)]:
            assert len(hooked) == 1, f"{format_place(path, hooked[-1])}: a second hook"
            name = ".".join(path.relative_to(PLUGINS).with_suffix("").parts)
            files[name] = f"ganbench_plugins.{name}"
    assert declared == files


def test_only_packages_with_tensors_import_torch_at_once() -> None:
    offenders = [
        item.where
        for path in list_sources(CORE)
        if package_of(module_name(path)) not in TORCH_AT_IMPORT or module_name(path) in TORCH_WHEN_CALLED
        for item in list_imports(path)
        if item.at_once and item.module.split(".")[0] == "torch"
    ]
    assert not offenders, offenders


@pytest.mark.parametrize(
    "module",
    ["", ".api.trials", ".results.store", ".statistics.sensitivity", ".report.tables", ".report.figures", ".cli"],
)
def test_modules_without_tensors_import_no_torch(module: str) -> None:
    code = f"import sys, {PUBLIC}{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_only_the_engine_knows_the_seed_axis() -> None:
    offenders = [
        format_place(path, node)
        for path in [*list_sources(CORE), *list_sources(PLUGINS)]
        if "ganbench/engine" not in path.as_posix() and "ganbench/testing" not in path.as_posix()
        for node in ast.walk(parse_file(path))
        if (isinstance(node, ast.Name) and node.id == "vmap")
        or (isinstance(node, ast.Attribute) and node.attr == "vmap")
    ]
    assert not offenders, offenders


def test_only_the_cli_prints() -> None:
    offenders = [
        format_place(path, node)
        for path in [*list_sources(CORE), *list_sources(PLUGINS)]
        if path.parent != CORE / "cli"
        for node in ast.walk(parse_file(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not offenders, offenders


def test_files_and_functions_are_short() -> None:
    offenders = []
    for path in [file for folder in (CORE, PLUGINS, ROOT / "docs", ROOT / "tests") for file in list_sources(folder)]:
        if (lines := len(path.read_text().splitlines())) > LINES_OF_A_FILE:
            offenders.append(f"{format_place(path)}: {lines} lines")
        for node in ast.walk(parse_file(path)):
            if (
                isinstance(node, ast.FunctionDef)
                and (length := node.end_lineno - node.lineno + 1) > LINES_OF_A_FUNCTION
            ):
                offenders.append(f"{format_place(path, node)}: {node.name} has {length} lines")
    assert not offenders, "\n".join(offenders)


def test_module_names_say_what_is_inside() -> None:
    vague = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
    offenders = [format_place(path) for path in [*list_sources(CORE), *list_sources(PLUGINS)] if path.stem in vague]
    assert not offenders, offenders
