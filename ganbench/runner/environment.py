"""The machine and the versions that a record is made on."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass

REPORTED = ("ganbench", "torch", "torch-fidelity", "numpy", "scipy", "pandas", "scikit-learn")
"""Distributions whose versions every run's facts name."""


def collect_facts() -> dict[str, Any]:
    """Give what a run keeps of the machine: nothing that names a person or a path."""
    versions = {}
    for name in REPORTED:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "versions": versions,
    }
