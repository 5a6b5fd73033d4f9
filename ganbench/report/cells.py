"""Values of a table as text for a reader, before it is escaped for any target."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

FLAGS = (bool, np.bool_)


def shown(value: Any) -> str:
    """Write a value for a reader: text as it is, four digits of a number, nothing for NaN."""
    if isinstance(value, str):
        return value
    if missing(value):
        return ""
    if isinstance(value, FLAGS):
        return "yes" if value else ""
    return str(int(value)) if math.isfinite(value) and value == int(value) else f"{value:.4g}"


def missing(value: Any) -> bool:
    """Say whether a value is NaN or None."""
    return value is None or bool(value != value)
