"""The machine and the package versions that the records of a run are made with."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from typing import Any

DISTRIBUTIONS = ("ganbench", "torch", "torch-fidelity", "numpy", "scipy", "pandas", "scikit-learn")
"""Distributions whose versions are stored among the facts of every run."""


def collect_facts() -> dict[str, Any]:
    """Return the facts that a run stores about the machine; none of them names a person or a path.

    A distribution that is not installed has the version "absent".
    """
    versions = {}
    for name in DISTRIBUTIONS:
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
