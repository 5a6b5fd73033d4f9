"""Where the engine's tests train: set by `pytest --device`."""

from __future__ import annotations

DEVICE = "cpu"
