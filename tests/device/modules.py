"""The test modules that train where `pytest --device` says: on a GPU, only they show what a CPU does not.

python -m tests.device.modules      # their paths, one a line
"""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]

CHOICE = "tests.support.device"
"""The module that holds the chosen device."""

ELSEWHERE = {
    "tests/device/test_repeats.py": "tests/device/run calls what it tests",
    "tests/engine/test_fake_gpu.py": "its GPU is not a real one",
    "tests/engine/test_kernels.py": "our kernels are those of a CPU",
    "tests/plan/test_network_layers.py": "it plans",
    "tests/report/test_sample_codes.py": "it draws pictures",
    "tests/report/test_sample_relations.py": "it draws pictures",
}
"""Modules that read the device, or take parts of small games, and why a GPU shows nothing new of them."""


@cache
def list_imports(path: Path) -> frozenset[str]:
    """Return the modules that a file imports, and all names that may be modules."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def reads_choice(path: Path, seen: frozenset[str] = frozenset()) -> bool:
    """Return whether a file of the tests imports the chosen device, itself or by another module of tests/support."""
    imports = list_imports(path)
    files = {name: ROOT / f"{name.replace('.', '/')}.py" for name in imports if name.startswith("tests.support.")}
    others = {name: file for name, file in files.items() if name not in seen and file.exists()}
    return CHOICE in imports or any(reads_choice(file, seen | {*others}) for file in others.values())


def list_modules() -> list[str]:
    """Return the test modules that train on the chosen device, as paths from the root."""
    return [name for name in list_readers() if name not in ELSEWHERE]


def list_readers() -> list[str]:
    """Return the test modules that read the chosen device, as paths from the root."""
    files = sorted((ROOT / "tests").glob("*/test_*.py"))
    return [str(file.relative_to(ROOT)) for file in files if reads_choice(file)]


if __name__ == "__main__":
    sys.stdout.writelines(f"{module}\n" for module in list_modules() if module not in sys.argv[1:])
