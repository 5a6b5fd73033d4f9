"""A package as pip installs it, offline, into a folder of its own; and processes that see this folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
OFFLINE = ("--no-index", "--no-deps", "--no-build-isolation")


def build_wheel(package: Path, into: Path) -> Path:
    """Build the wheel of a package from its own pyproject, without network access, and return its path."""
    command = [*PIP, "wheel", *OFFLINE, "--wheel-dir", str(into), str(package)]
    subprocess.run(command, check=True, timeout=120)
    (wheel,) = into.glob("*.whl")
    return wheel


def install(package: Path, into: Path) -> None:
    """Install a wheel or the source of a package into a folder, without network access."""
    subprocess.run([*PIP, "install", *OFFLINE, "--target", str(into), str(package)], check=True, timeout=120)


def run(*words: str, installed: Path, cwd: Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run a Python module or `-c CODE` in a process that sees the packages of the folder `installed`."""
    path = os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path} | {"PYTEST_ADDOPTS": ""}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout)
