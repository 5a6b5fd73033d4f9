"""The version of the engine's numbers, readable without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

ENGINE_NUMERICS = 1
"""Raised by hand when training's numbers change: part of every record's code hash, so old records become stale."""
