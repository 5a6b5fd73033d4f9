"""ganbench: does this loss, this critic constraint, this architecture really help, or was it one lucky run?

This is the public door, free of torch: what a plugin author touches, and `run` and `read` for notebooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganbench.api.data import Extractor, Source
from ganbench.api.hooks import hookimpl
from ganbench.api.metrics import Evidence, Metric
from ganbench.api.models import Ask, Networks, Space, Spec
from ganbench.api.offers import Example, Method, Offer, Report, Table, Use
from ganbench.api.training import (
    Constraint,
    Draw,
    Dynamics,
    Input,
    Losses,
    Objective,
    Parameters,
    Play,
    Scalar,
    State,
    Term,
)
from ganbench.errors import GanbenchError

if TYPE_CHECKING:
    from ganbench.results.store import read
    from ganbench.runner.driver import run

__version__ = "0.1.0"

__all__ = [
    "Ask",
    "Constraint",
    "Draw",
    "Dynamics",
    "Evidence",
    "Example",
    "Extractor",
    "GanbenchError",
    "Input",
    "Losses",
    "Method",
    "Metric",
    "Networks",
    "Objective",
    "Offer",
    "Parameters",
    "Play",
    "Report",
    "Scalar",
    "Source",
    "Space",
    "Spec",
    "State",
    "Table",
    "Term",
    "Use",
    "hookimpl",
    "read",
    "run",
]


def __getattr__(name: str) -> Any:
    """Import `run` and `read` when first asked for: a plugin never pays for pandas or SQLAlchemy."""
    if name == "run":
        from ganbench.runner.driver import run

        return run
    if name == "read":
        from ganbench.results.store import read

        return read
    raise AttributeError(f"module 'ganbench' has no attribute {name!r}")
